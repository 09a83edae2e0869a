"""What a file is, by its content; its name only decides between kinds of text. Cheap: nothing is
unpacked.
"""

import re
from typing import Final

from knowledge.errors import KnowledgeError

PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX: Final = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT: Final = "application/vnd.oasis.opendocument.text"
ODP: Final = "application/vnd.oasis.opendocument.presentation"
ODS: Final = "application/vnd.oasis.opendocument.spreadsheet"
EPUB: Final = "application/epub+zip"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
CSV: Final = "text/csv"
JSON: Final = "application/json"
EMAIL: Final = "message/rfc822"
TEXT: Final = "text/plain"
# What a crawler fetched: HTML of which only the main content counts. No upload is of this kind.
WEB_PAGE: Final = "text/html; page"

ENDINGS: Final = {
    "pdf": PDF,
    "docx": DOCX,
    "pptx": PPTX,
    "xlsx": XLSX,
    "odt": ODT,
    "odp": ODP,
    "ods": ODS,
    "epub": EPUB,
    "html": HTML,
    "htm": HTML,
    "xhtml": HTML,
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "csv": CSV,
    "tsv": CSV,
    "json": JSON,
    "jsonl": JSON,
    "ndjson": JSON,
    "eml": EMAIL,
    "txt": TEXT,
    "text": TEXT,
}
_TEXTS: Final = {HTML, MARKDOWN, CSV, JSON, TEXT}
_OFFICE_FOLDERS: Final = {DOCX: b"word/", PPTX: b"ppt/", XLSX: b"xl/"}
# These begin with an entry that says what they are (ODF 1.3 part 2 §3.3, EPUB OCF §4.3).
_SAYING: Final = {ODT, ODP, ODS, EPUB}
_ZIP: Final = b"PK\x03\x04"
_ZIP_HEADER_BYTES: Final = 30
_MIMETYPE: Final = b"mimetype"
_COMPOUND_FILE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_OFFICE: Final = "EncryptedPackage".encode("utf-16-le")
_PDF_HEADER_WITHIN: Final = 1024
_SNIFFED_BYTES: Final = 65_536
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_HTML_START: Final = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_JSON_START: Final = re.compile(rb"[\s\xef\xbb\xbf]*[\[{]\s*[\"\[\]{}\d]")
_MAIL_FIELD: Final = re.compile(rb"^([A-Za-z][A-Za-z0-9-]{1,60}):[ \t\r]?", re.MULTILINE)
_MAIL_FIELDS: Final = {
    b"from", b"to", b"subject", b"date", b"received", b"return-path", b"message-id", b"sender",
    b"delivered-to", b"mime-version", b"content-type", b"dkim-signature", b"reply-to",
}  # fmt: skip
_MAIL_FIELDS_MIN: Final = 2
_BINARY: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_NO_TEXT: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ud800-\udfff\ufffd-\uffff]")
_BINARY_SHARE_MAX: Final = 0.01
_ONE_SIDED: Final = 0.95


def detect(name: str, body: bytes, claimed: str = "") -> str:
    """The media type of `body`. KnowledgeError `empty`, `encrypted`, `type_mismatch` or
    `unsupported_type`.
    """
    if not body.strip(b" \t\r\n\x00"):
        raise KnowledgeError("empty")
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    expected = ENDINGS.get(ending) or _known(claimed)
    found = _by_magic(body, expected)
    if found is None and expected in _TEXTS and _is_text(body):
        return expected
    if found is None and expected is None and not ending and _is_text(body):
        return _kind_of_text(body)
    if found is None and expected == EMAIL and _is_text(body) and _is_mail(body):
        return EMAIL
    if expected is None and found is None:
        raise KnowledgeError("unsupported_type")
    if found is None or expected not in (found, None):
        raise KnowledgeError("type_mismatch")
    return found


def utf16(sample: bytes) -> str | None:
    """`utf-16-le` or `utf-16-be` when `sample` looks like that without its mark: zero bytes, which
    no other text has, and (nearly) all of them in every second place.
    """
    zeros = (sample[0::2].count(0), sample[1::2].count(0))
    if sum(zeros) < 2 or max(zeros) < sum(zeros) * _ONE_SIDED:
        return None
    encoding = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    decoded = sample.decode(encoding, errors="replace")
    strange = len(_NO_TEXT.findall(decoded))
    return encoding if strange <= len(decoded) * _BINARY_SHARE_MAX else None


def _known(claimed: str) -> str | None:
    media_type = claimed.partition(";")[0].strip().lower()
    return media_type if media_type in ENDINGS.values() else None


def _by_magic(body: bytes, expected: str | None) -> str | None:
    if body.startswith(_ZIP):
        return _by_entries(body, expected)
    if b"%PDF-" in body[:_PDF_HEADER_WITHIN]:
        return PDF
    if body.startswith(_COMPOUND_FILE) and _ENCRYPTED_OFFICE in body:
        raise KnowledgeError("encrypted")
    return None


def _by_entries(body: bytes, expected: str | None) -> str | None:
    """What a Zip says of itself in its first entry; otherwise the folders it has."""
    said = _said(body)
    if said is not None:
        return said if said in _SAYING else None
    inside = [kind for kind, folder in _OFFICE_FOLDERS.items() if folder in body]
    if expected in _SAYING:
        # Some programs pack the entry, or put it last.
        return expected if _MIMETYPE in body or not inside else inside[0]
    # One that was cut off may not show what it was; the reader will say that it is damaged.
    cut_off = not inside and expected in _OFFICE_FOLDERS
    return expected if expected in inside or cut_off else next(iter(inside), None)


def _said(body: bytes) -> str | None:
    name_bytes, extra_bytes = (int.from_bytes(body[at : at + 2], "little") for at in (26, 28))
    start = _ZIP_HEADER_BYTES + name_bytes
    packed = int.from_bytes(body[8:10], "little")
    if body[_ZIP_HEADER_BYTES:start] != _MIMETYPE or packed:
        return None
    size = int.from_bytes(body[18:22], "little") or body.find(b"PK", start + extra_bytes) - start
    said = body[start + extra_bytes : start + extra_bytes + min(size, 100)]
    return said.decode("ascii", errors="replace").strip()


def _is_text(body: bytes) -> bool:
    sample = body[:_SNIFFED_BYTES]
    if sample.startswith(_UTF16_MARKS) or utf16(sample):
        return True
    return len(_BINARY.findall(sample)) <= len(sample) * _BINARY_SHARE_MAX


def _kind_of_text(body: bytes) -> str:
    if _HTML_START.match(body):
        return HTML
    if _is_mail(body):
        return EMAIL
    return JSON if _JSON_START.match(body) and body.rstrip()[-1:] in b"]}" else TEXT


def _is_mail(body: bytes) -> bool:
    """Whether it begins with a head of fields, of which two at least are those of a message."""
    sample = body[:_SNIFFED_BYTES].replace(b"\r\n", b"\n")
    if sample.startswith((b"From ", b">From ")):  # the line an mbox puts before each message
        sample = sample.partition(b"\n")[2]
    head = sample.lstrip(b"\n").partition(b"\n\n")[0]
    if not _MAIL_FIELD.match(head):
        return False
    fields = {match[1].lower() for match in _MAIL_FIELD.finditer(head)}
    return len(fields & _MAIL_FIELDS) >= _MAIL_FIELDS_MIN

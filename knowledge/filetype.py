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
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
CSV: Final = "text/csv"
TEXT: Final = "text/plain"

ENDINGS: Final = {
    "pdf": PDF,
    "docx": DOCX,
    "pptx": PPTX,
    "xlsx": XLSX,
    "html": HTML,
    "htm": HTML,
    "xhtml": HTML,
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "csv": CSV,
    "tsv": CSV,
    "txt": TEXT,
    "text": TEXT,
}
_TEXTS: Final = {HTML, MARKDOWN, CSV, TEXT}
_OFFICE_FOLDERS: Final = {DOCX: b"word/", PPTX: b"ppt/", XLSX: b"xl/"}
_COMPOUND_FILE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_OFFICE: Final = "EncryptedPackage".encode("utf-16-le")
_PDF_HEADER_WITHIN: Final = 1024
_SNIFFED_BYTES: Final = 65_536
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_HTML_START: Final = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_BINARY: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BINARY_SHARE_MAX: Final = 0.01


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
    if found is None and not ending and _is_text(body):
        return HTML if _HTML_START.match(body) else TEXT
    if expected is None and found is None:
        raise KnowledgeError("unsupported_type")
    if found is None or expected not in (found, None):
        raise KnowledgeError("type_mismatch")
    return found


def _known(claimed: str) -> str | None:
    media_type = claimed.partition(";")[0].strip().lower()
    return media_type if media_type in ENDINGS.values() else None


def _by_magic(body: bytes, expected: str | None) -> str | None:
    if b"%PDF-" in body[:_PDF_HEADER_WITHIN]:
        return PDF
    if body.startswith(b"PK\x03\x04"):
        inside = [kind for kind, folder in _OFFICE_FOLDERS.items() if folder in body]
        # One that was cut off may not show what it was; the reader will say that it is damaged.
        cut_off = not inside and expected in _OFFICE_FOLDERS
        return expected if expected in inside or cut_off else next(iter(inside), None)
    if body.startswith(_COMPOUND_FILE) and _ENCRYPTED_OFFICE in body:
        raise KnowledgeError("encrypted")
    return None


def _is_text(body: bytes) -> bool:
    sample = body[:_SNIFFED_BYTES]
    if sample.startswith(_UTF16_MARKS):
        return True
    return len(_BINARY.findall(sample)) <= len(sample) * _BINARY_SHARE_MAX

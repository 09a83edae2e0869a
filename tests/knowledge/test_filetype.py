"""What a file is, by its content, and the name of what is wrong with it."""

import pytest

from knowledge.reading import filetype
from tests.knowledge import files
from tests.knowledge.reading import message, read, refusal

LINES = [f"Line {at} says that parcels are sent on working days." for at in range(8)]
PROSE = "This paragraph is long enough to stand alone on its page of the book. " * 9


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (files.odf("text", ""), filetype.ODT),
        (files.odf("presentation", ""), filetype.ODP),
        (files.odf("spreadsheet", ""), filetype.ODS),
        (files.epub({"a": ""}), filetype.EPUB),
        (files.docx(""), filetype.DOCX),
        (files.pdf([["x"]]), filetype.PDF),
        (message(), filetype.EMAIL),
        (b"<!doctype html><p>x", filetype.HTML),
        (b'{"a": [1, 2]}', filetype.JSON),
        (b"From here: we go", filetype.TEXT),
    ],
)
def test_a_file_without_a_name_is_known_by_its_content(body: bytes, found: str):
    assert filetype.detect("", body) == found


def test_each_unreadable_file_is_refused_by_name():
    docx = files.docx(files.paragraph("fine"))

    assert refusal("empty.pdf", b"") == "empty"
    assert refusal("blank.txt", b" \r\n\t") == "empty"
    assert refusal("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))) == "unsupported_type"
    assert refusal("files.zip", files.archive({"a.txt": b"x"})) == "unsupported_type"
    assert refusal("draw.odg", files.odf("drawing", "")) == "unsupported_type"
    assert refusal("report.pdf", b"just words") == "type_mismatch"
    assert refusal("report.docx", files.pdf([LINES])) == "type_mismatch"
    assert refusal("report.pptx", docx) == "type_mismatch"
    assert refusal("report.odt", docx) == "type_mismatch"
    assert refusal("report.odt", files.odf("spreadsheet", "")) == "type_mismatch"
    assert refusal("book.epub", files.odf("text", "")) == "type_mismatch"
    assert refusal("mail.eml", b"just words") == "type_mismatch"
    assert refusal("words.txt", bytes(range(32)) * 9) == "type_mismatch"
    assert refusal("secret.pdf", files.pdf([LINES], encrypted=True)) == "encrypted"
    compound = bytes.fromhex("d0cf11e0a1b11ae1") + "EncryptedPackage".encode("utf-16-le")
    assert refusal("secret.docx", compound) == "encrypted"
    assert refusal("broken.pdf", b"%PDF-1.7 and then nothing") == "malformed"
    assert refusal("broken.docx", docx[: len(docx) // 2]) == "malformed"
    assert refusal("broken.odt", files.odf("text", "<text:p>")) == "malformed"
    assert refusal("scan.pdf", files.pdf([[]])) == "no_text"
    assert refusal("signs.txt", b"---- ****") == "no_text"
    assert refusal("empty.json", b"{}") == "no_text"


def test_locked_books_and_documents_are_refused_and_books_with_scrambled_fonts_are_not():
    def locked(uri: str) -> dict[str, str]:
        cipher = f'<CipherReference URI="{uri}"/>'
        return {"META-INF/encryption.xml": f"<encryption>{cipher}</encryption>"}

    manifest = {"META-INF/manifest.xml": "<m><encryption-data/></m>"}
    odt = files.archive({**files.parts_of(files.odf("text", "<text:p>x</text:p>")), **manifest})

    assert refusal("a.epub", files.epub({"a": PROSE}, extra=locked("OEBPS/a.xhtml"))) == "encrypted"
    assert read("b.epub", files.epub({"a": PROSE}, extra=locked("OEBPS/font.otf"))).pieces
    assert refusal("c.odt", odt) == "encrypted"

"""Small files that become large, deep or endless when somebody reads them carelessly."""

import zlib
from collections.abc import Iterator

from tests.knowledge import files

_ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "'
    + "&a;" * 9_000
    + '"><!ENTITY c "'
    + "&b;" * 9_000
    + '">]>'
)
_EXTERNAL = '<!DOCTYPE x [<!ENTITY c SYSTEM "file:///etc/passwd">]>'
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_CELL = b"<c><v>1</v></c>"


def archives() -> Iterator[tuple[str, bytes]]:
    """Refused as `archive_bomb`, whatever format they say they are."""
    swollen = b"<w:p/>" * (300 * 2**20 // 6)
    yield "swollen.docx", files.archive({"word/document.xml": swollen})
    yield "many.docx", files.archive({f"word/{at}.xml": b"x" for at in range(2_001)})
    inner = files.archive({"a": b"b"})
    for name, body in {
        "nested.docx": files.docx(files.paragraph("x")),
        "nested.odt": files.odf("text", "<text:p>x</text:p>"),
        "nested.epub": files.epub({"a": "<p>x</p>"}),
    }.items():
        yield name, _with(body, "media/inner.zip", inner)


def xml_traps() -> Iterator[tuple[str, bytes]]:
    """Entities and nesting, in the parts of every format that is packed XML."""
    for kind, prolog in (("laughs", _ENTITIES), ("outside", _EXTERNAL)):
        document = f"{prolog}<w:document {_W}><w:body><w:p><w:r><w:t>&c;</w:t></w:r></w:p>"
        part = f"{document}</w:body></w:document>"
        yield f"{kind}.docx", _with(files.docx(""), "word/document.xml", part.encode())
        wide = f"{prolog}<w:x/>".encode("utf-16")
        yield f"{kind}16.docx", _with(files.docx(""), "word/styles.xml", wide)
        rows = f"{prolog}<worksheet {_S}><sheetData><row><c><v>&c;</v></c></row></sheetData>"
        sheet = f"{rows}</worksheet>".encode()
        yield f"{kind}.xlsx", _with(files.xlsx({"S": [["a"]]}), "xl/worksheets/sheet1.xml", sheet)
        shared = f"{prolog}<sst {_S}><si><t>&c;</t></si></sst>".encode()
        yield f"{kind}2.xlsx", _with(files.xlsx({"S": [["a"]]}), "xl/sharedStrings.xml", shared)
        yield f"{kind}.odt", files.odf("text", "<text:p>&c;</text:p>", prolog=prolog)
        package = f"{prolog}<package><metadata><title>&c;</title></metadata></package>".encode()
        yield f"{kind}.epub", _with(files.epub({"a": "x"}), "OEBPS/book.opf", package)
    for depth in (50_000, 200_000):
        yield f"deep{depth}.docx", files.docx("<w:tbl>" * depth + "</w:tbl>" * depth)
        yield f"deep{depth}.odt", files.odf("text", "<text:p>" * depth + "</text:p>" * depth)
        slide = "<p:sld xmlns:p='p'>" + "<p:grpSp>" * depth + "</p:grpSp>" * depth + "</p:sld>"
        yield (
            f"deep{depth}.pptx",
            _with(files.pptx([["a"]]), "ppt/slides/slide1.xml", slide.encode()),
        )


def sheets() -> Iterator[tuple[str, bytes, set[str]]]:
    """With the codes they may end in; "" is a good reading."""

    def sheet(dimension: str, rows: bytes) -> bytes:
        part = b'<worksheet %s><dimension ref="%s"/><sheetData>%s</sheetData></worksheet>'
        return _with(
            files.xlsx({"S": [["a"]]}),
            "xl/worksheets/sheet1.xml",
            part % (_S.encode(), dimension.encode(), rows),
        )

    corners = (
        b'<row r="1"><c r="A1"><v>1</v></c></row>'
        b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    )
    yield "wide.xlsx", sheet("A1:XFD1048576", corners), {"", "too_large", "limit_memory"}
    full = (b"<row>" + _CELL * 20 + b"</row>") * 60_000
    yield "full.xlsx", sheet("A1:T60000", full), {"archive_bomb", "too_large", "limit_memory"}
    yield "cells.csv", b"1,2,3,4,5,6,7,8,9,0\n" * 1_000_000, {"too_large"}
    repeated = (
        '<table:table table:name="S"><table:table-row table:number-rows-repeated="1048576">'
        '<table:table-cell table:number-columns-repeated="16384"><text:p>word</text:p>'
        "</table:table-cell></table:table-row></table:table>"
    )
    yield "repeated.ods", files.odf("spreadsheet", repeated), {""}


def pdfs() -> Iterator[tuple[str, bytes, set[str]]]:
    catalogue = b"<< /Type /Catalog /Pages 2 0 R >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>"
    yield (
        "cyclic.pdf",
        files.assembled(
            [
                catalogue,
                b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 5 >>",
                b"<< /Type /Pages /Kids [2 0 R] /Count 3 /Parent 2 0 R >>",
            ]
        ),
        {"malformed", "no_text"},
    )
    for name, claim, codes in (
        ("billion.pdf", 10**9, {"malformed", "no_text", "too_large"}),
        ("three-thousand.pdf", 3_000, {"too_large"}),
    ):
        kids = b"3 0 R " * min(claim, 3_000)
        tree = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, claim)
        yield name, files.assembled([catalogue, tree, page]), codes
    shown = zlib.compress(b"BT /F1 11 Tf 60 760 Td " + b"(aaaaaaaa) Tj " * 4_000_000 + b"ET", 9)
    twice = zlib.compress(zlib.compress(bytes(400_000_000), 9), 9)
    for name, packed, filters in (
        ("stream.pdf", shown, b"/FlateDecode"),
        ("twice.pdf", twice, b"[/FlateDecode /FlateDecode]"),
    ):
        content = b"<< /Length %d /Filter %s >>\nstream\n%s\nendstream"
        body = [
            catalogue,
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            page[:-2] + b"/Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>",
            content % (len(packed), filters, packed),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
        yield name, files.assembled(body), {"limit_memory", "limit_time", "no_text", "too_large"}


def texts() -> Iterator[tuple[str, bytes, set[str]]]:
    """As large as an upload may be, and made to be slow."""
    size = 20 * 2**20
    for ending in ("txt", "md", "html", "csv"):
        yield f"line.{ending}", b"x" * size, {"too_large", "malformed"}
    slow = {"too_large", "limit_memory", "no_text"}
    for name, unit in {
        "brackets.md": b"[",
        "stars.md": b"*a ",
        "quotes.md": b"> ",
        "comments.html": b"<!--",
        "cdata.html": b"<![CDATA[",
        "open.html": b"<",
        "tags.html": b"<p>a",
        "cells.html": b"<td>",
    }.items():
        yield name, (unit * size)[:size], slow
    yield "attributes.html", b"<a " + (b"x=1 " * size)[:size], slow
    for depth in (50_000, 200_000):
        yield f"deep{depth}.html", b"<div>" * depth + b"the text is found", {""}
        yield (
            f"tables{depth}.html",
            b"<table><tr><td>" * depth + b"the text is found",
            {
                "",
                "too_large",
            },
        )
        yield f"deep{depth}.json", b"[" * depth + b"]" * depth, {"malformed"}
        yield f"keys{depth}.json", b'{"a":' * depth + b"1" + b"}" * depth, {"malformed"}
    yield "flat.json", b"[" + b"1," * (size // 2 - 2) + b"1]", {"too_large"}
    yield "arrays.json", b"[" + b"[]," * (size // 3 - 2) + b"[]]", {"too_large", "limit_memory"}
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    head = b"From: a@example.org\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    yield "parts.eml", head + part * 100_000 + b"--b--\r\n", {"too_large"}
    levels = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at)
        for at in range(300)
    )
    yield "levels.eml", b"From: a@b\r\nSubject: x\r\n" + levels + b"\r\nx", {""}


def books() -> Iterator[tuple[str, bytes, set[str]]]:
    yield "cyclic.epub", files.epub({"a": "<p>one</p>"}, spine=["a"] * 100_000), {""}
    outside = '<item id="x" href="../../etc/passwd" media-type="application/xhtml+xml"/>'
    yield "outside.epub", files.epub({"a": "<p>one</p>"}, spine=["x", "a"], items=outside), {""}


def _with(container: bytes, name: str, content: bytes) -> bytes:
    """The same archive with one part put in or replaced; its first entry stays the first."""
    parts = files.parts_of(container)
    said = parts.pop("mimetype", None)
    parts[name] = content
    return files.saying(said.decode(), parts) if said else files.archive(parts)

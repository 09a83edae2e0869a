"""Files of every kind, made on the spot; smallest things that real readers accept."""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TYPES = "application/vnd.openxmlformats-officedocument"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def pdf(pages: Sequence[Sequence[str]], *, encrypted: bool = False) -> bytes:
    """Pages of lines of ASCII text in Helvetica; `encrypted` asks for a password nobody knows."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for at, lines in enumerate(pages):
        text = " ".join(f"({line}) Tj 0 -16 Td" for line in lines)
        content = zlib.compress(f"BT /F1 11 Tf 60 760 Td {text} ET".encode())
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]"
            b" /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (5 + 2 * at)
        )
        objects.append(
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream"
            % (len(content), content)
        )
    extra = b""
    if encrypted:
        lock = "41" * 32
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O <{lock}> /U <{lock}> /P -44 >>".encode())
        extra = b"/Encrypt %d 0 R /ID [<00> <00>]" % len(objects)
    return assembled(objects, extra)


def pdf_of(content: str) -> bytes:
    """One page of a content stream; its fonts are F1, Helvetica, and F2, bold."""
    packed = zlib.compress(content.encode("latin-1"))
    return assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]"
            b" /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> /Contents 6 0 R >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
        ]
    )


def text_at(left: int, bottom: int, text: str, *, size: int = 10, bold: bool = False) -> str:
    """A piece of a content stream."""
    return f"BT /F{2 if bold else 1} {size} Tf {left} {bottom} Td ({text}) Tj ET\n"


def assembled(objects: list[bytes], extra: bytes = b"") -> bytes:
    """A PDF of numbered objects, the first of which is its catalogue."""
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, content in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for offset in offsets:
        out.write(b"%010d 00000 n \n" % offset)
    out.write(b"trailer << /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, extra))
    out.write(b"startxref\n%d\n%%%%EOF" % start)
    return out.getvalue()


def docx(body: str) -> bytes:
    """`body` is what stands inside w:body; see `paragraph`."""
    return archive(
        {
            "[Content_Types].xml": _content_types(
                {"/word/document.xml": f"{_TYPES}.wordprocessingml.document.main+xml"}
            ),
            "_rels/.rels": _rels([("officeDocument", "word/document.xml")]),
            "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>",
        }
    )


def paragraph(text: str, *, style: str = "", marked: bool = False) -> str:
    """A paragraph of a DOCX; `marked` puts Word's page mark before its text."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    mark = "<w:lastRenderedPageBreak/>" if marked else ""
    return f"<w:p>{properties}<w:r>{mark}<w:t>{text}</w:t></w:r></w:p>"


def docx_table(rows: Sequence[Sequence[str]]) -> str:
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"


def pptx(slides: Sequence[Sequence[str]]) -> bytes:
    """Slides of a title and further paragraphs."""
    parts = {
        "[Content_Types].xml": _content_types(
            {"/ppt/presentation.xml": f"{_TYPES}.presentationml.presentation.main+xml"}
            | {
                f"/ppt/slides/slide{n}.xml": f"{_TYPES}.presentationml.slide+xml"
                for n in range(1, len(slides) + 1)
            }
        ),
        "_rels/.rels": _rels([("officeDocument", "ppt/presentation.xml")]),
        "ppt/_rels/presentation.xml.rels": _rels(
            [("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1)]
        ),
        "ppt/presentation.xml": f"<p:presentation {_P} {_R}><p:sldIdLst>"
        + "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in range(1, len(slides) + 1))
        + "</p:sldIdLst></p:presentation>",
    }
    for n, texts in enumerate(slides, start=1):
        shapes = "".join(_shape(text, title=at == 0) for at, text in enumerate(texts))
        parts[f"ppt/slides/slide{n}.xml"] = (
            f"<p:sld {_P} {_A}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
    return archive(parts)


def _shape(text: str, *, title: bool) -> str:
    place = '<p:ph type="title"/>' if title else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="s"/><p:cNvSpPr/><p:nvPr>{place}</p:nvPr></p:nvSpPr>'
        f"<p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def xlsx(sheets: dict[str, Sequence[Sequence[str | float]]]) -> bytes:
    names = list(sheets)
    parts = {
        "[Content_Types].xml": _content_types(
            {"/xl/workbook.xml": f"{_TYPES}.spreadsheetml.sheet.main+xml"}
            | {
                f"/xl/worksheets/sheet{n}.xml": f"{_TYPES}.spreadsheetml.worksheet+xml"
                for n in range(1, len(names) + 1)
            }
        ),
        "_rels/.rels": _rels([("officeDocument", "xl/workbook.xml")]),
        "xl/_rels/workbook.xml.rels": _rels(
            [("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(names) + 1)]
        ),
        "xl/workbook.xml": f"<workbook {_S} {_R}><sheets>"
        + "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>'
            for n, name in enumerate(names, start=1)
        )
        + "</sheets></workbook>",
    }
    for n, name in enumerate(names, start=1):
        rows = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in sheets[name])
        parts[f"xl/worksheets/sheet{n}.xml"] = (
            f"<worksheet {_S}><sheetData>{rows}</sheetData></worksheet>"
        )
    return archive(parts)


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
_ODF = " ".join(
    f'xmlns:{short}="{_OFFICE}:{long}:1.0"'
    for short, long in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
    }.items()
)
_ODF_TYPE = "application/vnd.oasis.opendocument"


def odf(kind: str, body: str, *, prolog: str = "") -> bytes:
    """`kind` is text, presentation or spreadsheet; `body` is what stands inside its element."""
    content = (
        f"{prolog}<office:document-content {_ODF}><office:body><office:{kind}>{body}"
        f"</office:{kind}></office:body></office:document-content>"
    )
    return saying(f"{_ODF_TYPE}.{kind}", {"content.xml": content})


def odf_table(rows: Sequence[Sequence[str]], name: str = "T") -> str:
    cells = (
        "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        for row in rows
    )
    return (
        f'<table:table table:name="{name}">'
        + "".join(f"<table:table-row>{row}</table:table-row>" for row in cells)
        + "</table:table>"
    )


def epub(
    chapters: Mapping[str, str],
    *,
    title: str = "A book",
    spine: Sequence[str] | None = None,
    extra: Mapping[str, str] | None = None,
    items: str = "",
) -> bytes:
    """Chapters are bodies of XHTML by file name, without its ending."""
    manifest = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>'
        for name in chapters
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in (spine or list(chapters)))
    return saying(
        "application/epub+zip",
        {
            "META-INF/container.xml": (
                '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
                '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
            ),
            "OEBPS/book.opf": (
                '<package xmlns="http://www.idpf.org/2007/opf">'
                '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
                f"<dc:title>{title}</dc:title></metadata><manifest>{manifest}{items}</manifest>"
                f"<spine>{order}</spine></package>"
            ),
            **{
                f"OEBPS/{name}.xhtml": (
                    '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
                    f"<body>{body}</body></html>"
                )
                for name, body in chapters.items()
            },
            **(extra or {}),
        },
    )


def saying(media_type: str, parts: Mapping[str, str | bytes]) -> bytes:
    """A Zip whose first entry says, unpacked, what it is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", media_type, zipfile.ZIP_STORED)
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def eml(fields: Mapping[str, str], body: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + body


def parts_of(container: bytes) -> dict[str, bytes]:
    """What an archive holds, to be changed and packed again."""
    with zipfile.ZipFile(io.BytesIO(container)) as file:
        return {name: file.read(name) for name in file.namelist()}


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def _content_types(overrides: dict[str, str]) -> str:
    return (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        + "".join(
            f'<Override PartName="{name}" ContentType="{kind}"/>'
            for name, kind in overrides.items()
        )
        + "</Types>"
    )


def _rels(targets: Sequence[tuple[str, str]]) -> str:
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        + "".join(
            f'<Relationship Id="rId{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
            for n, (kind, target) in enumerate(targets, start=1)
        )
        + "</Relationships>"
    )

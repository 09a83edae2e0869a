"""Readers of PDF, DOCX, PPTX and XLSX: kreuzberg, with PDFium alone as the second reader of PDF.

Kreuzberg's 4.x line ends with 2026; only this module knows it. It is used without its cache, its
OCR and its cleaning of text, which are another matter or ours.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import kreuzberg
import msgspec
import pypdfium2

from knowledge import archive, docxpages, filetype, split
from knowledge.blocks import Block, BlockKind, Parsed
from knowledge.errors import KnowledgeError

PDF_PAGES_MAX: Final = 2_000
_PAGE_MARK: Final = "\ue000page {page_num}\ue001"
_PAGE_MARK_TEXT: Final = re.compile("\ue000page ([0-9]+)\ue001")
_TEXT_NODES: Final = {"paragraph", "code", "quote", "formula", "footnote", "citation", "raw_block"}
_PDFIUM_PASSWORD_ERROR: Final = 4
_HEADING_CHARS_MAX: Final = 120
_HEADING_WORDS_MAX: Final = 12
_NUMBERING_WORDS_MAX: Final = 2  # as in "3. Training", "Chapter 3. Training"

_CONTENTS_LINE: Final = re.compile(r"^.{2,120}?[.…·_ ]{5,}\s*[\divxlc]+$", re.IGNORECASE)
_CONTENTS_ENTRY: Final = re.compile(r"^.{2,120}[^\W\d][).]?\s*\d{1,3}(?:[-–]\d{1,3})?$")
_CONTENTS_ENTRIES_MIN: Final = 4
# PDFium writes U+0002 where a word was divided at the end of a line.
_DIVIDED_WORD: Final = re.compile(r"\x02\s*|(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")


def pdf(body: bytes) -> Parsed:
    """KnowledgeError `encrypted`, `too_large`, `malformed`."""
    pages = _pdf_pages(body)
    if pages is not None and pages > PDF_PAGES_MAX:
        raise KnowledgeError(
            "too_large", f"A PDF has at most {PDF_PAGES_MAX:,} pages. Split the document."
        )
    try:
        result = _extract(body, filetype.PDF)
        blocks = list(_pdf_blocks(_nodes(result)))
    except KnowledgeError as error:
        if error.code != "malformed":
            raise
        blocks = []
    if not blocks and pages:
        blocks = list(_pdfium_blocks(body))
    if not blocks and pages is None:
        raise KnowledgeError("malformed")
    return Parsed(blocks, pages)


def docx(body: bytes) -> Parsed:
    archive.check(body)
    pages = docxpages.pages(body)
    blocks = _without_contents(list(_blocks(_nodes(_extract(body, filetype.DOCX)))))
    placed = [msgspec.structs.replace(block, page=pages.of(_beginning(block))) for block in blocks]
    return Parsed(placed, pages.count)


def pptx(body: bytes) -> Parsed:
    """Pages are slides. Their marks arrive among the text, where kreuzberg's own numbers are
    incomplete.
    """
    archive.check(body)
    blocks: list[Block] = []
    slide = 1
    for block in _blocks(_nodes(_extract(body, filetype.PPTX, page_mark=_PAGE_MARK))):
        if marks := _PAGE_MARK_TEXT.findall(block.text):
            slide = int(marks[-1])
        text = _PAGE_MARK_TEXT.sub("", block.text).strip()
        if text or block.rows:
            blocks.append(msgspec.structs.replace(block, text=text, page=slide))
    return Parsed(blocks, slide)


def xlsx(body: bytes) -> Parsed:
    """Pages are sheets; each has its name as heading."""
    archive.check(body)
    blocks: list[Block] = []
    sheet = 0
    for block in _blocks(_nodes(_extract(body, filetype.XLSX))):
        sheet += block.kind is BlockKind.HEADING
        blocks.append(msgspec.structs.replace(block, page=sheet))
    return Parsed(blocks, sheet)


def _extract(body: bytes, media_type: str, *, page_mark: str | None = None) -> Any:
    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        output_format="markdown",
        include_document_structure=True,
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
        pages=kreuzberg.PageConfig(insert_page_markers=True, marker_format=page_mark)
        if page_mark
        else None,
    )
    try:
        return kreuzberg.extract_bytes_sync(body, media_type, config)
    except kreuzberg.KreuzbergError as error:
        words = str(error).lower()
        if "password" in words or "encrypted" in words:
            raise KnowledgeError("encrypted") from error
        raise KnowledgeError("malformed") from error


def _nodes(result: Any) -> list[dict[str, Any]]:
    return result.document["nodes"] if result.document else []


def _blocks(nodes: list[dict[str, Any]]) -> Iterator[Block]:
    """Nodes of kreuzberg's document structure as ours; running headers and footers are left out."""
    for node in nodes:
        content, page = node["content"], node.get("page")
        if node.get("content_layer") in {"header", "footer"}:
            continue
        match content["node_type"]:
            case "title" | "heading":
                yield Block(
                    BlockKind.HEADING, _clean(content["text"]), content.get("level", 1), page
                )
            case "list_item":
                yield Block(BlockKind.LIST_ITEM, _clean(content["text"]), page=page)
            case "definition_item":
                text = f"{content.get('term', '')}: {content.get('definition', '')}"
                yield Block(BlockKind.PARAGRAPH, _clean(text), page=page)
            case "table":
                yield Block(BlockKind.TABLE, page=page, rows=_rows(content["grid"]))
            case kind if kind in _TEXT_NODES and content.get("text"):
                yield Block(BlockKind.PARAGRAPH, _clean(content["text"]), page=page)
            case _:
                pass


def _without_contents(blocks: list[Block]) -> list[Block]:
    """Blocks without a typed table of contents: several short paragraphs on end that close with a
    page number.
    """
    kept: list[Block] = []
    run: list[Block] = []
    for block in [*blocks, Block(BlockKind.HEADING)]:
        if block.kind is BlockKind.PARAGRAPH and _CONTENTS_ENTRY.match(block.text):
            run.append(block)
            continue
        kept += run if len(run) < _CONTENTS_ENTRIES_MIN else []
        kept.append(block)
        run = []
    return kept[:-1]


def _rows(grid: dict[str, Any]) -> list[list[str]]:
    """A cell that spans several columns or rows is read once, where it begins."""
    rows = [[""] * grid["cols"] for _ in range(grid["rows"])]
    for cell in grid["cells"]:
        if cell["row"] < grid["rows"] and cell["col"] < grid["cols"]:
            rows[cell["row"]][cell["col"]] = _clean(cell["content"])
    return rows


def _pdf_blocks(nodes: list[dict[str, Any]]) -> Iterator[Block]:
    """Of a PDF's headings, which are guessed from type sizes, those that read like one; a line that
    the next block goes on with is the beginning of that.
    """
    blocks = [block for block in _blocks(nodes) if block.rows or block.text]
    begun = ""
    for block, after in pairwise([*blocks, Block(BlockKind.PARAGRAPH)]):
        heading = block.kind is BlockKind.HEADING
        if heading and after.text[:1].islower():
            begun = f"{begun} {block.text}".strip()
        elif heading and not _reads_like_heading(block.text):
            yield Block(BlockKind.PARAGRAPH, f"{begun} {block.text}".strip(), page=block.page)
            begun = ""
        else:
            yield msgspec.structs.replace(block, text=f"{begun} {block.text}".strip())
            begun = ""


def _reads_like_heading(text: str) -> bool:
    letters = sum(character.isalpha() for character in text)
    first = split.sentences(text)[0] if text else ""
    return (
        (first == text or len(first.split()) <= _NUMBERING_WORDS_MAX)
        and letters * 2 > len(text)
        and len(text) <= _HEADING_CHARS_MAX
        and len(text.split()) <= _HEADING_WORDS_MAX
        and not text[0].islower()
        and not text.endswith((",", ";", "-", "–", "("))
        and not (text.endswith(".") and len(text.split()) > 6)
    )


def _clean(text: str) -> str:
    """A paragraph on one line; lines of a table of contents, which answer nothing, are dropped."""
    joined = _DIVIDED_WORD.sub("", text.replace("\r\n", "\n"))
    lines = [line for line in joined.split("\n") if not _CONTENTS_LINE.match(line)]
    return _CONTROLS.sub("", " ".join(" ".join(lines).split()))


def _beginning(block: Block) -> str:
    return block.text or next((cell for row in block.rows for cell in row if cell), "")


def _pdf_pages(body: bytes) -> int | None:
    """How many pages; None when PDFium cannot open the file. KnowledgeError `encrypted`."""
    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        if error.err_code == _PDFIUM_PASSWORD_ERROR:
            raise KnowledgeError("encrypted") from error
        return None
    with document:
        return len(document)


def _pdfium_blocks(body: bytes) -> Iterator[Block]:
    """Plain text page by page, where kreuzberg gave up; a page that cannot be read is passed
    over.
    """
    with pypdfium2.PdfDocument(body) as document:
        for number in range(len(document)):
            try:
                text = document[number].get_textpage().get_text_bounded()
            except pypdfium2.PdfiumError:
                continue
            if cleaned := _clean(text):
                yield Block(BlockKind.PARAGRAPH, cleaned, page=number + 1)

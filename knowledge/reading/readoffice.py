"""DOCX, by kreuzberg.

Its 4.x line ends with 2026; only this module knows it. It is used without its cache, its OCR and
its cleaning of text, which are another matter or ours.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import kreuzberg
import msgspec

from knowledge.errors import KnowledgeError
from knowledge.reading import archive, docxpages, filetype
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.tidy import clean, without_contents

_TEXT_NODES: Final = {"paragraph", "code", "quote", "formula", "footnote", "citation", "raw_block"}
# Cells come as Markdown: of a link the text is said, of an image what it shows.
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\((?:https?:|mailto:|tel:|#)[^()\s]*\)")


def docx(body: bytes) -> Parsed:
    archive.check(body)
    pages = docxpages.pages(body)
    blocks = without_contents(list(_blocks(_nodes(_extract(body, filetype.DOCX)))))
    placed = [msgspec.structs.replace(block, page=pages.of(_beginning(block))) for block in blocks]
    return Parsed(placed, pages.count)


def _extract(body: bytes, media_type: str) -> Any:
    config = kreuzberg.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        output_format="markdown",
        include_document_structure=True,
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
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
                    BlockKind.HEADING, clean(content["text"]), content.get("level", 1), page
                )
            case "list_item":
                yield Block(BlockKind.LIST_ITEM, clean(content["text"]), page=page)
            case "definition_item":
                text = f"{content.get('term', '')}: {content.get('definition', '')}"
                yield Block(BlockKind.PARAGRAPH, clean(text), page=page)
            case "table":
                yield Block(BlockKind.TABLE, page=page, rows=_rows(content["grid"]))
            case kind if kind in _TEXT_NODES and content.get("text"):
                yield Block(BlockKind.PARAGRAPH, clean(content["text"]), page=page)
            case _:
                pass


def _rows(grid: dict[str, Any]) -> list[list[str]]:
    """A cell that spans several columns or rows is read once, where it begins."""
    rows = [[""] * grid["cols"] for _ in range(grid["rows"])]
    for cell in grid["cells"]:
        if cell["row"] < grid["rows"] and cell["col"] < grid["cols"]:
            rows[cell["row"]][cell["col"]] = clean(_LINK.sub(r"\1", cell["content"]))
    return rows


def _beginning(block: Block) -> str:
    return block.text or next((cell for row in block.rows for cell in row if cell), "")

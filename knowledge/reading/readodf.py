"""OpenDocument (ISO/IEC 26300): text, slides and sheets, all three from their content.xml.

Read here and not by kreuzberg, which loses the spaces that this format writes as elements, repeated
cells, and slides altogether.
"""

from functools import cache
from typing import Final

from knowledge.errors import KnowledgeError
from knowledge.reading import archive, cells, xmlparts
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.cells import CELLS_MAX, COLUMNS_MAX

_LEVEL_MAX: Final = 100
_CONTENT: Final = "content.xml"
_MANIFEST: Final = "META-INF/manifest.xml"
# What is not said by the document: deleted text, remarks, contents and indexes, speaker's notes.
_SILENT: Final = {
    "text:tracked-changes", "office:annotation", "text:table-of-content", "text:note-citation",
    "text:alphabetical-index", "text:illustration-index", "text:table-index", "text:ruby-text",
    "presentation:notes", "office:forms", "svg-compatible:title", "svg-compatible:desc",
    "drawing:object",
}  # fmt: skip
_SPACES: Final = {"text:tab": " ", "text:line-break": "\n"}
_TITLES: Final = {"title"}


def text(body: bytes) -> Parsed:
    """Pages stay unknown: where they break is decided by the program that shows them."""
    return Parsed(_read(body).blocks)


def slides(body: bytes) -> Parsed:
    reader = _read(body)
    return Parsed(reader.blocks, reader.page)


def sheets(body: bytes) -> Parsed:
    """Pages are sheets; each has its name as heading."""
    reader = _read(body, named_tables=True)
    return Parsed(reader.blocks, reader.page)


def _read(body: bytes, *, named_tables: bool = False) -> "_Reader":
    archive.check(body)
    with archive.opened(body) as parts:
        names = parts.namelist()
        if _MANIFEST in names and b"encryption-data" in parts.read(_MANIFEST):
            raise KnowledgeError("encrypted")
        content = parts.read(_CONTENT)
    reader = _Reader(named_tables=named_tables)
    xmlparts.read(content, reader)
    return reader


@cache
def _short(name: str) -> str:
    """`urn:oasis:names:tc:opendocument:xmlns:text:1.0 p` as `text:p`."""
    namespace, _, local = name.rpartition(xmlparts.NAMESPACE_END)
    return f"{namespace.split(':')[-2]}:{local}" if namespace.count(":") > 1 else local


class _Row:
    """Cells from left to right; empty ones count only when something stands right of them."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self._empty = 0

    def add(self, text: str, times: int) -> None:
        if not text:
            self._empty += times
            return
        room = COLUMNS_MAX - len(self.cells)
        self.cells += [""] * min(self._empty, room)
        # A text repeated over columns is one that somebody spread; once is enough to find it.
        self.cells += [text][: max(0, room)]
        self._empty = times - 1


class _Reader(xmlparts.Sink):
    def __init__(self, *, named_tables: bool) -> None:
        self.blocks: list[Block] = []
        self.page = 0
        self._named_tables = named_tables
        self._silent = 0
        self._lists = 0
        self._level = 0
        self._title_frames = 0
        self._text: list[str] = []
        self._tables: list[list[_Row]] = []
        self._cells: list[list[str]] = []
        self._repeats: list[int] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = _short(name)
        if self._silent or tag in _SILENT:
            self._silent += 1
            return
        said = {_short(key): value for key, value in attributes.items()} if attributes else {}
        match tag:
            case "text:p" | "text:h":
                self._close_paragraph()
                level = cells.times(said.get("text:outline-level"), _LEVEL_MAX)
                self._level = level if tag == "text:h" else 0
            case "text:list":
                self._lists += 1
            case "text:s":
                self._text.append(" ")
            case "text:tab" | "text:line-break":
                self._text.append(_SPACES[tag])
            case "drawing:page":
                self.page += 1
            case "drawing:frame":
                self._title_frames += said.get("presentation:class") in _TITLES
            case "table:table":
                self._open_table(said.get("table:name", ""))
            case "table:table-row" if self._tables:
                self._tables[-1].append(_Row())
            case "table:table-cell" | "table:covered-table-cell":
                self._cells.append([])
                repeated = said.get("table:number-columns-repeated")
                self._repeats.append(cells.times(repeated, COLUMNS_MAX))
            case _:
                pass

    def end(self, name: str) -> None:
        if self._silent:
            self._silent -= 1
            return
        match _short(name):
            case "text:p" | "text:h":
                self._close_paragraph()
            case "text:list":
                self._lists -= 1
            case "drawing:frame":
                self._title_frames = 0
            case "table:table-cell" | "table:covered-table-cell":
                self._close_cell()
            case "table:table" if self._tables:
                self._close_table()
            case _:
                pass

    def data(self, text: str) -> None:
        if not self._silent:
            self._text.append(text)

    def _close_paragraph(self) -> None:
        text = " ".join("".join(self._text).split())
        self._text = []
        if not text:
            return
        if self._cells:
            self._cells[-1].append(text)
            return
        self.blocks.append(self._block(text))
        self._level = 0

    def _block(self, text: str) -> Block:
        page = self.page or None
        if self._level or self._title_frames:
            return Block(BlockKind.HEADING, text, level=self._level or 1, page=page)
        kind = BlockKind.LIST_ITEM if self._lists else BlockKind.PARAGRAPH
        return Block(kind, text, page=page)

    def _open_table(self, name: str) -> None:
        self._close_paragraph()
        if self._named_tables and not self._tables:
            self.page += 1
            self.blocks.append(Block(BlockKind.HEADING, name, level=1, page=self.page))
        self._tables.append([])

    def _close_cell(self) -> None:
        text, repeats = " ".join(self._cells.pop()), self._repeats.pop()
        self._count += bool(text)
        if self._count > CELLS_MAX:
            raise KnowledgeError("too_large", f"A table has at most {CELLS_MAX:,} cells.")
        if self._tables and self._tables[-1]:
            self._tables[-1][-1].add(text, repeats)

    def _close_table(self) -> None:
        rows = [row.cells for row in self._tables.pop() if row.cells]
        if self._cells:  # a table in a cell: its text belongs to that cell
            self._cells[-1] += [cell for row in rows for cell in row if cell]
        elif rows:
            self.blocks.append(Block(BlockKind.TABLE, page=self.page or None, rows=rows))

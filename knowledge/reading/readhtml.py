"""HTML to blocks in one pass, without a tree: nesting of any depth costs nothing.

What a page repeats around its text (navigation, header, footer, forms, scripts) is left out;
where a page marks its main part, only that part counts. A table that only arranges the page is
read as the text in it.
"""

import re
from html.parser import HTMLParser
from typing import Final

from knowledge.errors import KnowledgeError
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.cells import REPEATED_CHARS_MAX, times
from knowledge.reading.decoding import decode

_SILENT: Final = {"script", "style", "template", "noscript", "svg", "math", "iframe", "object"}
_AROUND: Final = {"nav", "aside", "form", "button", "select", "dialog", "menu"}
_AROUND_PAGE: Final = {"header", "footer"}
_AROUND_ROLES: Final = {"navigation", "banner", "contentinfo", "search", "complementary", "dialog"}
_CAN_BE_HIDDEN: Final = {"div", "span", "section", "ul", "ol", "table", "details"}
_MAIN: Final = {"main", "article"}
# The title of the page stands above all its headings.
_HEADINGS: Final = {"title": 0, "h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_ITEMS: Final = {"li", "dd"}
_BREAKS: Final = {
    "p", "div", "section", "article", "main", "blockquote", "pre", "ul", "ol", "dl", "dt", "figure",
    "figcaption", "details", "summary", "address", "hr", "body", "fieldset", "center", "caption",
    "td", "th", "tr", "table", "header", "footer",
}  # fmt: skip
_MAIN_CHARS_MIN: Final = 200
_CELL_CHARS_MAX: Final = 400
_BLOCKS_MAX: Final = 200_000
TAGS_MAX: Final = 500_000
_SIGNS_BEFORE: Final = {"$", "€", "£", "¥", "CHF", "USD", "EUR", "("}
_SIGNS_AFTER: Final = {")", "%", ")%", "%)"}
_SPAN_MAX: Final = 50
_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_-]{2,40})", re.IGNORECASE
)
_CHARSET_WITHIN: Final = 2_048
_DECLARATION: Final = re.compile(r"<(?:!--|!\[CDATA\[|!|\?|script\b|style\b)", re.IGNORECASE)
_ENDINGS: Final = {"!--": "-->", "![cdata[": "]]>", "script": "</script", "style": "</style"}


def read(body: bytes) -> Parsed:
    """KnowledgeError `too_large`."""
    text = _without_declarations(decode(body, _said(body)))
    reader = _read(text, whole_page=False)
    if _chars(reader.main) >= _MAIN_CHARS_MIN:
        return Parsed(reader.title + reader.main)
    if _chars(reader.blocks) < _MAIN_CHARS_MIN:
        reader = _read(text, whole_page=True)
    return Parsed(reader.blocks)


def whole(text: str) -> list[Block]:
    """All of a piece of HTML that is not a web page, such as a chapter or a letter."""
    return _read(_without_declarations(text), whole_page=True).blocks


def _said(body: bytes) -> str | None:
    said = _CHARSET.search(body[:_CHARSET_WITHIN])
    return said[1].decode("ascii") if said else None


def _without_declarations(text: str) -> str:
    """Without comments, declarations, scripts and styles, so that each is passed over once: the
    standard library's parser looks for the end of one that has none again and again.
    """
    if text.count("<") > TAGS_MAX:
        raise KnowledgeError("too_large", f"A page has at most {TAGS_MAX:,} tags.")
    kept: list[str] = []
    at = 0
    while opening := _DECLARATION.search(text, at):
        kept.append(text[at : opening.start()])
        ending = _ENDINGS.get(opening[0][1:].lower(), ">")
        tag_end = text.find(">", opening.end())
        closed_at_once = tag_end > 0 and text[tag_end - 1] == "/"  # as in XHTML
        if ending.startswith("</") and closed_at_once:
            at = tag_end + 1
            continue
        end = _find(text, ending, opening.end())
        if end < 0:  # as browsers do: the rest belongs to it
            return "".join(kept)
        at = end + len(ending)
    return "".join([*kept, text[at:]])


def _find(text: str, ending: str, at: int) -> int:
    if not ending.startswith("</"):
        return text.find(ending, at)
    found = re.compile(re.escape(ending), re.IGNORECASE).search(text, at)
    return found.start() if found else -1


def _read(text: str, *, whole_page: bool) -> "_Reader":
    reader = _Reader(whole_page=whole_page)
    reader.feed(text)
    reader.close()
    reader.finish()
    return reader


def _chars(blocks: list[Block]) -> int:
    cells = (cell for block in blocks for row in block.rows for cell in row)
    return sum(len(block.text) for block in blocks) + sum(map(len, cells))


class _Table:
    """Rows of cells of blocks, until it is known whether they are data or only arrange the page."""

    def __init__(self) -> None:
        self.rows: list[list[list[Block]]] = []
        self._names: list[int] = []
        self._skip = 0
        # Cells that reach down into the next rows: by column, for how many more.
        self._reaching: dict[int, tuple[int, list[Block]]] = {}

    def open_row(self) -> None:
        self.rows.append([])
        self._names.append(0)
        self._skip = 0

    def open_cell(self, tag: str, attrs: dict[str, str | None]) -> None:
        """Columns stay under their names: a wide cell leaves empty ones behind, one that reaches
        down is said again in every row, so that each can be understood alone.
        """
        if not self.rows:
            self.open_row()
        row = self.rows[-1]
        row += [[] for _ in range(self._skip)]
        while len(row) in self._reaching:
            self._reach_down(row)
        cell: list[Block] = []
        self._skip = times(attrs.get("colspan"), _SPAN_MAX) - 1
        if (rows := times(attrs.get("rowspan"), _SPAN_MAX)) > 1:
            self._reaching[len(row)] = (rows - 1, cell)
        row.append(cell)
        self._names[-1] += tag == "th"

    def _reach_down(self, row: list[list[Block]]) -> None:
        left, cell = self._reaching.pop(len(row))
        if left > 1:
            self._reaching[len(row)] = (left - 1, cell)
        short = sum(len(block.text) for block in cell) <= REPEATED_CHARS_MAX
        row.append(list(cell) if short else [])

    @property
    def _headed(self) -> bool:
        """Whether the first row names the columns, each one of them."""
        width = max(map(len, self.rows), default=0)
        return bool(self.rows) and 1 < width == self._names[0] == sum(map(bool, self.rows[0]))

    def blocks(self) -> list[Block]:
        cells = [cell for row in self.rows for cell in row]
        rows = [
            _with_signs([" ".join(block.text for block in cell) for cell in row])
            for row in self.rows
        ]
        arranges = (
            all(len(row) < 2 for row in rows)
            or any(
                block.kind in {BlockKind.HEADING, BlockKind.TABLE}
                for cell in cells
                for block in cell
            )
            or any(len(text) > _CELL_CHARS_MAX for row in rows for text in row)
        )
        if arranges:
            return [block for cell in cells for block in cell]
        table = Block(BlockKind.TABLE, rows=rows, headed=self._headed)
        return [table] if any(map(any, rows)) else []


def _with_signs(row: list[str]) -> list[str]:
    """Financial tables give the sign before or after an amount a column of its own."""
    for at in range(len(row) - 1):
        if row[at] and (row[at] in _SIGNS_BEFORE or row[at + 1] in _SIGNS_AFTER):
            row[at], row[at + 1] = row[at] + row[at + 1], ""
    for at in range(len(row) - 2):
        if row[at].startswith(tuple(_SIGNS_BEFORE)) and row[at + 2] in _SIGNS_AFTER:
            row[at], row[at + 2] = row[at] + row[at + 2], ""
    return row


class _Reader(HTMLParser):
    def __init__(self, *, whole_page: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[Block] = []
        self.blocks: list[Block] = []
        self.main: list[Block] = []
        self._whole_page = whole_page
        self._text: list[str] = []
        self._kind = BlockKind.PARAGRAPH
        self._level = 0
        self._silenced_by = ""
        self._silenced_depth = 0
        self._main_depth = 0
        self._tables: list[_Table] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silenced_by:
            self._silenced_depth += tag == self._silenced_by
            return
        if self._silences(tag, dict(attrs)):
            self._silenced_by, self._silenced_depth = tag, 1
            return
        if tag == "br":
            self._text.append(" ")
        elif tag in _HEADINGS:
            self._begin(BlockKind.HEADING, _HEADINGS[tag])
        elif tag in _ITEMS:
            self._begin(BlockKind.LIST_ITEM)
        elif tag in _BREAKS and not (tag in {"p", "div"} and self._kind is BlockKind.LIST_ITEM):
            self._begin(BlockKind.PARAGRAPH)
        self._main_depth += tag in _MAIN
        self._open_in_table(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br" or tag in _BREAKS:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._silenced_by:
            self._silenced_depth -= tag == self._silenced_by
            self._silenced_by = self._silenced_by if self._silenced_depth else ""
            return
        if tag in _HEADINGS or tag in _ITEMS or tag in _BREAKS:
            self._begin(BlockKind.PARAGRAPH)
        if tag in _MAIN:
            self._main_depth = max(0, self._main_depth - 1)
        if tag == "table" and self._tables:
            self._close_table()

    def handle_data(self, data: str) -> None:
        if not self._silenced_by:
            self._text.append(data)

    def finish(self) -> None:
        self._begin(BlockKind.PARAGRAPH)
        while self._tables:
            self._close_table()

    def _silences(self, tag: str, attrs: dict[str, str | None]) -> bool:
        if tag in _SILENT:
            return True
        if tag in _CAN_BE_HIDDEN:
            style = (attrs.get("style") or "").replace(" ", "").lower()
            hidden = (
                "hidden" in attrs or attrs.get("aria-hidden") == "true" or "display:none" in style
            )
            if hidden:
                return True
        around = tag in _AROUND or (tag in _AROUND_PAGE and not self._main_depth)
        return not self._whole_page and (around or attrs.get("role") in _AROUND_ROLES)

    def _begin(self, kind: BlockKind, level: int = 0) -> None:
        """End the block at hand and begin another."""
        text = " ".join("".join(self._text).split())
        self._text = []
        if text:
            self._emit(Block(self._kind, text, level=self._level))
        self._kind, self._level = kind, level

    def _emit(self, block: Block) -> None:
        if self._tables and self._tables[-1].rows and self._tables[-1].rows[-1]:
            self._tables[-1].rows[-1][-1].append(block)
        elif len(self.blocks) < _BLOCKS_MAX:
            self.blocks.append(block)
            if block.kind is BlockKind.HEADING and block.level == 0:
                self.title.append(block)
            elif self._main_depth:
                self.main.append(block)

    def _open_in_table(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._tables.append(_Table())
        elif tag == "tr" and self._tables:
            self._tables[-1].open_row()
        elif tag in {"td", "th"} and self._tables:
            self._tables[-1].open_cell(tag, dict(attrs))

    def _close_table(self) -> None:
        for block in self._tables.pop().blocks():
            self._emit(block)

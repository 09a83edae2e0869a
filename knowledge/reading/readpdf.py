"""PDF by PDFium: its lines with their places and sizes become headings, lists, paragraphs, tables.

The order is that of the content, which programs write as one reads; lines that stand at the edge of
page after page are left out. Pages come one by one, so a reader knows how far it is.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pypdfium2

from knowledge.errors import KnowledgeError
from knowledge.reading import pdflines, pdftables
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.pdflines import Line
from knowledge.reading.tidy import clean, reads_like_heading, without_contents

PAGES_MAX: Final = 2_000
_PASSWORD_ERROR: Final = 4
_SAMPLED_PAGES: Final = 40
_EDGE_LINES: Final = 2
_EDGE_TIMES_MIN: Final = 3
_EDGE_SHARE_MIN: Final = 0.12
_LARGER: Final = 1.15
_ALIKE: Final = 1.06
_MUCH_LARGER: Final = 1.4
_LEVELS_MAX: Final = 4
_HEADING_LINES_MAX: Final = 3
# From one line down to the next, in heights of a line.
_NEAR: Final = 1.6
_GAP_IN_HEADING: Final = 2.2
_GAP_OF_PARAGRAPHS: Final = 1.9
_PITCH_MAX: Final = 3.0
_OTHER_SIZE: Final = 0.12
_FULL_LINE: Final = 0.75
_BULLET: Final = re.compile(r"^(?:[•●▪◦‣■□–—*·]\s*|-\s+)(?=\S)")
_NUMBERED: Final = re.compile(r"^(?:\(?\d{1,2}[.)]|\(?[a-z][.)])\s+(?=\S)")
_PAGE_NUMBER: Final = re.compile(
    r"\W*(?:page|seite|p\.)?\W*\d{1,4}(?:\s*(?:/|of|von|de|sur)\s*\d{1,4})?\W*", re.IGNORECASE
)
_NUMBER_AT_END: Final = re.compile(r"^\W*\d{1,4}(?!\d)\W*|\W*(?<!\d)\d{1,4}\W*$")
_SENTENCE_END: Final = (".", "!", "?", ":", "。", "！", "？", "”", '"', ")", "…")


def read(body: bytes) -> Parsed:
    """KnowledgeError `encrypted`, `too_large`, `malformed`."""
    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        code = "encrypted" if error.err_code == _PASSWORD_ERROR else "malformed"
        raise KnowledgeError(code) from error
    pages = len(document)
    if pages > PAGES_MAX:
        raise KnowledgeError(
            "too_large", f"A PDF has at most {PAGES_MAX:,} pages. Split the document."
        )
    return Parsed(_blocks(document), pages)


def _blocks(document: pypdfium2.PdfDocument) -> Iterator[Block]:
    style = _Style(document)
    page = _Page(style)
    for number in range(len(document)):
        for line in style.without_edges(pdflines.lines(document, number)):
            page.take(line)
        yield from without_contents(page.finished())
    yield from page.rest()


class _Style:
    """What is usual in a document, from a sample of its pages."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        step = max(1, len(document) // _SAMPLED_PAGES)
        numbers = list(range(0, len(document), step))[: 2 * _SAMPLED_PAGES]
        if step > 1:  # both sides of a sheet
            numbers = sorted({*numbers, *(at + 1 for at in numbers if at + 1 < len(document))})
        sampled = [pdflines.lines(document, number) for number in numbers]
        sizes: Counter[float] = Counter()
        bold = chars = 0
        for line in (line for lines in sampled for line in lines):
            sizes[line.size] += len(line.text)
            bold += len(line.text) * line.bold
            chars += len(line.text)
        self.size = max(sizes, key=lambda size: sizes[size], default=0.0) or 1.0
        self._title_sizes = self._distinct(
            {
                line.size
                for lines in sampled
                for line in lines
                if line.size >= self.size * _LARGER and reads_like_heading(line.text)
            }
        )
        self.bold_stands_out = bold * 3 < chars
        edges = Counter(key for lines in sampled for key in {_key(one) for one in _edges(lines)})
        least = max(_EDGE_TIMES_MIN, _EDGE_SHARE_MIN * len(sampled))
        self._repeated = {key for key, times in edges.items() if times >= least}

    def without_edges(self, lines: list[Line]) -> list[Line]:
        """Without running headers, footers and page numbers."""
        edges = {
            id(line)
            for line in _edges(lines)
            if (_key(line) in self._repeated and line.size < self.size * _MUCH_LARGER)
            or (len(lines) > 1 and _PAGE_NUMBER.fullmatch(line.text))
        }
        return [line for line in lines if id(line) not in edges]

    def level(self, line: Line) -> int:
        """Of the heading that the line looks like; 0 for one that looks like any other."""
        if line.size >= self.size * _LARGER:
            larger = sum(line.size < size / _ALIKE for size in self._title_sizes)
            return min(larger + 1, _LEVELS_MAX)
        bold = line.bold and self.bold_stands_out and line.size >= self.size / _LARGER
        return min(len(self._title_sizes), _LEVELS_MAX) + 1 if bold else 0

    @staticmethod
    def _distinct(sizes: set[float]) -> list[float]:
        """From the largest down, each clearly smaller than the one before."""
        found: list[float] = []
        for size in sorted(sizes, reverse=True):
            if not found or size * _ALIKE < found[-1]:
                found.append(size)
        return found


def _edges(lines: list[Line]) -> list[Line]:
    ordered = sorted(lines, key=lambda line: line.bottom)
    return [*ordered[:_EDGE_LINES], *ordered[-_EDGE_LINES:]] if len(lines) > 1 else []


def _key(line: Line) -> str:
    """The text without the number of the page, which stands at one of its ends."""
    return _NUMBER_AT_END.sub("#", "".join(line.text.split()).lower())


class _Page:
    """Lines to blocks. A paragraph may run on to the next page; it belongs to the one where it
    began.
    """

    def __init__(self, style: _Style) -> None:
        self._style = style
        self._done: list[Block] = []
        self._open: list[Line] = []
        self._level = 0
        self._kind = BlockKind.PARAGRAPH
        self._rows: list[Line] = []

    def take(self, line: Line) -> None:
        if len(line.cells) > 1:
            self._rows.append(line)
            return
        if self._rows and self._is_more_of_a_cell(line):
            self._rows.append(line)
            return
        self._close_rows()
        self._take_text(line)

    def finished(self) -> list[Block]:
        """The blocks that are complete; what a sentence runs on from stays."""
        self._close_rows()
        if self._level or (self._open and _ends(self._open[-1])):
            self._close()
        done, self._done = self._done, []
        return done

    def rest(self) -> list[Block]:
        self._close_rows()
        self._close()
        return self._done

    def _take_text(self, line: Line) -> None:
        bullet = _BULLET.match(line.text)
        level = 0
        if not bullet and not self._runs_on(line) and reads_like_heading(clean(line.text)):
            level = self._style.level(line)
        if self._level and not level and line.text[:1].islower() and self._follows(line):
            self._level = 0  # no heading, for its sentence goes on
        if not self._goes_on(line, level, begins_item=bool(bullet or _NUMBERED.match(line.text))):
            self._close()
            self._level = level
            self._kind = BlockKind.LIST_ITEM if bullet else BlockKind.PARAGRAPH
        elif level:
            self._level = min(level, self._level)
        self._open.append(line)

    def _runs_on(self, line: Line) -> bool:
        """Whether the line is set like the text before it, close below it."""
        if not self._open or self._level:
            return False
        return _alike(self._open[-1], line) and self._follows(line)

    def _follows(self, line: Line) -> bool:
        before = self._open[-1]
        return before.page == line.page and 0 <= _gap(before, line) < _NEAR

    def _goes_on(self, line: Line, level: int, *, begins_item: bool) -> bool:
        """Whether the line belongs to the block before it."""
        if not self._open or begins_item:
            return False
        before, gap = self._open[-1], _gap(self._open[-1], line)
        if self._level or level:
            near = before.page == line.page and 0 <= gap < _GAP_IN_HEADING
            return (
                bool(level and self._level)
                and near
                and _alike(before, line)
                and len(self._open) < _HEADING_LINES_MAX
            )
        if abs(line.size - before.size) > _OTHER_SIZE * before.size:
            return False
        if before.page != line.page or gap < -1:
            # The next column or page; a sentence that has not ended goes on there.
            return not _ends(before)
        if _ends(before):
            full = before.right - before.left > _FULL_LINE * (line.right - line.left)
            return full and gap < _GAP_OF_PARAGRAPHS
        return gap < (_PITCH_MAX if line.text[:1].islower() else _GAP_OF_PARAGRAPHS)

    def _close(self) -> None:
        text = clean("\n".join(line.text for line in self._open))
        if text:
            page = self._open[0].page
            if self._level and reads_like_heading(text):
                self._done.append(Block(BlockKind.HEADING, text, level=self._level, page=page))
            else:
                text = _BULLET.sub("", text) if self._kind is BlockKind.LIST_ITEM else text
                self._done.append(Block(self._kind, text, page=page))
        self._open, self._level = [], 0

    def _is_more_of_a_cell(self, line: Line) -> bool:
        """A line that stands under a column but the first, close below the row."""
        before = self._rows[-1]
        close = 0 <= _gap(before, line) < _NEAR and line.page == before.page
        widest = max((row.cells for row in self._rows), key=len)
        return close and any(abs(line.left - cell.left) < line.size for cell in widest[1:])

    def _close_rows(self) -> None:
        rows, self._rows = self._rows, []
        full = [row for row in rows if len(row.cells) > 1]
        if len(full) < 2 or not pdftables.aligned(full):
            for row in rows:
                self._take_text(row)
            return
        if pdftables.are_columns_of_prose(full):
            for line in pdftables.column_by_column(rows, full):
                self._take_text(line)
            return
        self._close()
        self._done.append(
            Block(BlockKind.TABLE, page=rows[0].page, rows=pdftables.table(rows, full))
        )


def _alike(one: Line, other: Line) -> bool:
    return abs(one.size - other.size) <= 0.1 * one.size and one.bold == other.bold


def _gap(above: Line, below: Line) -> float:
    return (above.end - below.bottom) / max(above.size, below.size)


def _ends(line: Line) -> bool:
    return line.text.rstrip().endswith(_SENTENCE_END)

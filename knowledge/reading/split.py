"""Blocks to passages of 80 to 150 words, on the bounds of headings, pages, paragraphs and
sentences. Pure.

Short passages are found better than long ones; what stands around one is fetched when answering,
so there is no overlap. A row of a table carries its column names with it, so that it can be
understood alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from knowledge import lexical
from knowledge.reading.blocks import Block, BlockKind

WORDS_MIN: Final = 80
WORDS_MAX: Final = 150
TOKENS_MAX: Final = 512
_SECTION_WORDS_MIN: Final = 40
# On a page or slide of its own, or as an answer under a question, less is enough.
_STANDING_ALONE_MIN: Final = 12
_ROW_LEVEL: Final = 99
_TAIL_WORDS_MAX: Final = 190
_HEADING_CHARS_MAX: Final = 300
_HEADER_ROWS_SEARCHED: Final = 12
# In scripts without spaces two characters make about one word.
_DENSE_CHARS_A_WORD: Final = 2

# After the mark and closing quotes come a space and something that can begin a sentence.
_SENTENCE_END: Final = re.compile(
    r"[.!?…][\"'”’»)\]]*(?=\s+[\"'“‘«(\[]?[^\W_a-zà-ÿа-я])|[。！？][”’」』）]*"
)
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|Art|Fig|vs|e\.g|i\.e|z\.B|bzw|ca|usw|cf|Inc|Ltd|Co)\.)$"
)
_ABBREVIATION_CHARS_MAX: Final = 8
_NUMBER: Final = re.compile(r"[-+(]?[\d.,'\s]+[%)]?")
# Years name columns, unless the first one stands in a row of years.
_NUMBER_BUT_YEAR: Final = re.compile(r"(?!(?:19|20)\d\d$)[-+(]?[\d.,'\s]+[%)]?")


class Piece(msgspec.Struct, frozen=True):
    """A passage to be: its text, the path of headings above it, where it starts, and its size.

    `original` and `disabled` are decisions of a person, which come later (`overrides.py`).
    """

    text: str
    heading: str | None
    page: int | None
    tokens: int
    original: str | None = None
    disabled: bool = False


def split(blocks: Iterable[Block], count_tokens: Callable[[str], int]) -> list[Piece]:
    splitter = _Splitter(count_tokens)
    for block in blocks:
        splitter.take(block)
    splitter.finish()
    return splitter.pieces


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; an abbreviation or an initial does not end one."""
    found: list[str] = []
    start = 0
    for end in [match.end() for match in _SENTENCE_END.finditer(text)] + [len(text)]:
        near = max(start, end - _ABBREVIATION_CHARS_MAX)
        if end < len(text) and _ABBREVIATION.search(text, near, end):
            continue
        sentence = text[start:end].strip()
        if sentence:
            found.append(sentence)
            start = end
    return found


def words(text: str) -> int:
    """Words of `text`, also where the script has no spaces."""
    spaced = len(text.split())
    share = lexical.dense_share(text) if not text.isascii() else 0.0
    return max(spaced, int(len(text) * share / _DENSE_CHARS_A_WORD)) if share > 0 else spaced


class _Splitter:
    def __init__(self, count_tokens: Callable[[str], int]) -> None:
        self.pieces: list[Piece] = []
        self._count_tokens = count_tokens
        self._path: list[tuple[int, str]] = []
        self._lines: list[str] = []
        self._words = 0
        self._heading: str | None = None
        self._page: int | None = None
        self._last_page: int | None = None

    def take(self, block: Block) -> None:
        turned = block.page != self._last_page
        self._last_page = block.page
        if turned and self._words >= WORDS_MIN:
            self.close()
        match block.kind:
            case BlockKind.HEADING:
                self._take_heading(
                    block, least=_STANDING_ALONE_MIN if turned else _SECTION_WORDS_MIN
                )
            case BlockKind.TABLE:
                self._take_table(block)
            case BlockKind.LIST_ITEM | BlockKind.PARAGRAPH if not _says_something(block.text):
                pass
            case BlockKind.LIST_ITEM:
                self._take_line(f"- {block.text}", block.page)
            case BlockKind.PARAGRAPH:
                self._take_line(block.text, block.page)

    def finish(self) -> None:
        """End the last passage; headings with nothing under them are still something to find."""
        self.close()
        if not self.pieces and self._path:
            self._add(self._path[-1][1], self._last_page)
            self.close()

    def close(self) -> None:
        """End the passage at hand; a short rest joins the passage before it if both have one
        heading.
        """
        text = "\n".join(self._lines)
        before = self.pieces[-1] if self.pieces else None
        if not text:
            return
        if self._words < _SECTION_WORDS_MIN and before is not None and self._joins(before, text):
            self.pieces[-1] = self._piece(f"{before.text}\n{text}", before.heading, before.page)
        else:
            for part in self._within_tokens(text):
                self.pieces.append(self._piece(part, self._heading, self._page))
        self._lines, self._words = [], 0

    def _joins(self, before: Piece, text: str) -> bool:
        joined = f"{before.text}\n{text}"
        return (
            before.heading == self._heading
            and before.page == self._page
            and words(joined) <= _TAIL_WORDS_MAX
            and self._count_tokens(joined) <= TOKENS_MAX
        )

    def _take_heading(self, block: Block, least: int) -> None:
        """A section too short to stand alone goes on, with the next heading as a line of it."""
        title = " ".join(block.text.split())[:_HEADING_CHARS_MAX]
        if not title:
            return
        if self._words >= (_STANDING_ALONE_MIN if title.endswith(("?", "？")) else least):
            self.close()
        self._path = [above for above in self._path if above[0] < block.level]
        if not self._path or self._path[-1][1] != title:
            self._path.append((block.level, title))
        if self._lines:
            self._add(title, block.page)

    def _take_table(self, block: Block) -> None:
        """A row too long for one passage becomes a section of its own, under its first cell."""
        for cells in _table_rows(block.rows, headed=block.headed):
            line = "; ".join(cells)
            if words(line) <= WORDS_MAX:
                self._take_line(line, block.page)
                continue
            self.close()
            self._path.append((_ROW_LEVEL, cells[0][:_HEADING_CHARS_MAX]))
            for cell in cells[1:] or cells:
                self._take_line(cell, block.page)
            self.close()
            self._path.pop()

    def _take_line(self, line: str, page: int | None) -> None:
        size = words(line)
        if self._words + size <= WORDS_MAX:
            self._add(line, page)
        elif size <= WORDS_MAX and self._words >= WORDS_MIN:
            self.close()
            self._add(line, page)
        else:
            for sentence in _short_enough(line):
                if self._words >= WORDS_MIN or self._words + words(sentence) > WORDS_MAX:
                    self.close()
                self._add(sentence, page, run_on=True)
        if self._words >= WORDS_MAX:
            self.close()

    def _add(self, line: str, page: int | None, *, run_on: bool = False) -> None:
        if not line.strip():
            return
        if not self._lines:
            self._heading = " › ".join(title for _, title in self._path) or None
            self._page = page
        if run_on and self._lines:
            self._lines[-1] = f"{self._lines[-1]} {line}"
        else:
            self._lines.append(line)
        self._words += words(line)

    def _within_tokens(self, text: str) -> Iterator[str]:
        if self._count_tokens(text) <= TOKENS_MAX or len(text) < 2:
            yield text
            return
        middle = len(text) // 2
        at = max(text.rfind(" ", 0, middle), text.rfind("\n", 0, middle))
        at = at if at > 0 else middle
        yield from self._within_tokens(text[:at].strip())
        yield from self._within_tokens(text[at:].strip())

    def _piece(self, text: str, heading: str | None, page: int | None) -> Piece:
        return Piece(text=text, heading=heading, page=page, tokens=self._count_tokens(text))


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


def _short_enough(line: str) -> Iterator[str]:
    """Sentences of the line; one that is longer than a passage is cut between words."""
    for sentence in sentences(line):
        if words(sentence) <= WORDS_MAX:
            yield sentence
            continue
        spaced = sentence.split()
        if len(spaced) > WORDS_MAX:
            yield from (
                " ".join(spaced[at : at + WORDS_MIN]) for at in range(0, len(spaced), WORDS_MIN)
            )
        else:
            step = WORDS_MIN * _DENSE_CHARS_A_WORD
            yield from (sentence[at : at + step] for at in range(0, len(sentence), step))


def _table_rows(rows: list[list[str]], *, headed: bool) -> Iterator[list[str]]:
    """Cells of each row: what stands above the header as it is, then each as `column: value`."""
    cleaned = [[" ".join(cell.split()) for cell in row] for row in rows]
    cleaned = [row for row in cleaned if any(row)]
    header_at = 0 if headed and len(cleaned) > 1 else _header_at(cleaned)
    if header_at is None:
        yield from ([" | ".join(cell for cell in row if cell)] for row in cleaned)
        return
    yield from ([" | ".join(cell for cell in row if cell)] for row in cleaned[:header_at])
    header, below = cleaned[header_at], cleaned[header_at + 1 :]
    if len(below) > 1 and _goes_on(header, below[0]):
        header, below = _joined(header, below[0]), below[1:]
    named = [cell for cell in header if cell]
    for row in below:
        # A table that was broken over pages has its header again on each.
        if [cell for cell in row if cell] != named:
            yield _labelled(header, row)


def _goes_on(header: list[str], row: list[str]) -> bool:
    """Whether `row` is a second line of the header: it stands under wide names, and names what is
    below them.
    """
    filled = [at for at, cell in enumerate(row) if cell]
    under_wide = any(at >= len(header) or not header[at] for at in filled)
    names = not any(_NUMBER.fullmatch(row[at]) for at in filled)
    return len(filled) > 1 and not row[0] and bool(header[0]) and under_wide and names


def _joined(header: list[str], row: list[str]) -> list[str]:
    """Names of two lines as one, such as `Results, Time`; an upper one reaches to the next."""
    joined: list[str] = []
    wide = ""
    for at in range(max(len(header), len(row))):
        upper = header[at] if at < len(header) else ""
        lower = row[at] if at < len(row) else ""
        wide = upper or wide
        joined.append(", ".join(part for part in (wide if lower else upper, lower) if part))
    return joined


def _header_at(rows: list[list[str]]) -> int | None:
    """The first of the top rows that is nearly as full as the widest row and names things, not
    numbers.
    """
    if len(rows) < 2:
        return None
    widest = max(sum(map(bool, row)) for row in rows)
    for at, row in enumerate(rows[:_HEADER_ROWS_SEARCHED]):
        filled = [cell for cell in row if cell]
        number = _NUMBER_BUT_YEAR if not _NUMBER.fullmatch(row[0] or "x") else _NUMBER
        names = [cell for cell in filled if not number.fullmatch(cell)]
        if len(filled) >= max(2, 0.6 * widest) and len(names) >= 0.8 * len(filled):
            return at if at + 1 < len(rows) else None
    return None


def _labelled(header: list[str], row: list[str]) -> list[str]:
    labels = header + [""] * (len(row) - len(header))
    cells = [(label, cell) for label, cell in zip(labels, row, strict=False) if cell]
    return [f"{label}: {cell}" if label and label != cell else cell for label, cell in cells]

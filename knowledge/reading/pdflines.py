"""The lines of a PDF's page, with place, size, weight, and the cells that wide gaps divide them
into.
"""

import ctypes
from typing import Final

import msgspec
import pypdfium2
from pypdfium2 import raw

LINES_MAX: Final = 5_000
_CHARS_MAX: Final = 200_000
# In heights of the line: what opens a second column, and what then divides others.
_GAP: Final = 1.6
_GAP_IN_ROW: Final = 0.9
_DIVIDED: Final = "\ufffe"
_SAME_LINE: Final = 0.6
_FONT_NAME_BYTES: Final = 80
_BOLD_WEIGHT: Final = 600
_BOLD_NAMES: Final = (b"bold", b"black", b"heavy", b"medi", b"semibd", b"-bd")
_NOT_BOLD: Final = (b"medium",)


class Cell(msgspec.Struct, frozen=True):
    left: float
    right: float
    text: str


class Line(msgspec.Struct, frozen=True):
    """Places in points from the lower left corner. A line whose last word was divided holds the
    next one too, so that it ends lower than it begins.
    """

    text: str
    page: int
    size: float
    bold: bool
    left: float
    right: float
    bottom: float
    end: float
    cells: list[Cell]


def lines(document: pypdfium2.PdfDocument, number: int) -> list[Line]:
    """Those of the page `number` from 0; none for a page that cannot be read."""
    try:
        page = document[number]
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:
        return []
    try:
        chars = min(textpage.count_chars(), _CHARS_MAX)
        text = textpage.get_text_range(0, chars) if chars else ""
        left, bottom, right, top = page.get_bbox()
        return [
            line
            for line in _joined(_lines(textpage.raw, text, number + 1))
            if left <= line.right
            and line.left <= right
            and line.bottom <= top
            and line.bottom + line.size >= bottom
        ]
    finally:
        textpage.close()
        page.close()


def _lines(textpage: object, text: str, page: int) -> list[Line]:
    found: list[Line] = []
    at = 0
    for text_of_line in text.split("\r\n")[:LINES_MAX]:
        inner = text_of_line.strip()
        if inner:
            start = at + len(text_of_line) - len(text_of_line.lstrip())
            found.append(_line(textpage, start, inner, page))
        at += len(text_of_line) + 2
    return found


def _joined(parts: list[Line]) -> list[Line]:
    """Lines that were broken where the size or the column changed are whole again."""
    found: list[Line] = []
    for part in parts:
        before = found[-1] if found else None
        if before is None or not _on_one_line(before, part):
            found.append(part)
            continue
        large = before if before.size >= part.size else part
        cells = list(before.cells)
        if part.left - before.right > _GAP * large.size:
            cells += part.cells
        else:
            last, first = cells[-1], part.cells[0]
            cells[-1] = Cell(last.left, first.right, f"{last.text} {first.text}")
            cells += part.cells[1:]
        found[-1] = msgspec.structs.replace(
            before,
            text=f"{before.text} {part.text}",
            size=large.size,
            bold=before.bold and part.bold,
            right=part.right,
            bottom=large.bottom,
            end=part.end if _DIVIDED in part.text else large.end,
            cells=cells,
        )
    return found


def _on_one_line(before: Line, part: Line) -> bool:
    apart = abs(before.end - part.bottom)
    size = max(before.size, part.size)
    return apart < _SAME_LINE * size and part.left >= before.right - 0.3 * size


def _line(textpage: object, start: int, text: str, page: int) -> Line:
    first = _box(textpage, start)
    last = _box(textpage, start + len(text) - 1)
    letters = [at for at, one in enumerate(text) if one.isalpha()] or [0]
    box = _box(textpage, start + letters[0])
    return Line(
        text=text,
        page=page,
        size=round(max(box.top - box.bottom, 0.1), 1),
        # A line that only begins bold is text whose first words stand out.
        bold=_is_bold(textpage, start + letters[0]) and _is_bold(textpage, start + letters[-1]),
        left=first.left,
        right=last.right,
        bottom=box.bottom,
        end=last.bottom if _DIVIDED in text else box.bottom,
        cells=_cells(textpage, start, text),
    )


def _box(textpage: object, at: int) -> raw.FS_RECTF:
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(textpage, at, box)
    return box


def _is_bold(textpage: object, at: int) -> bool:
    if raw.FPDFText_GetFontWeight(textpage, at) >= _BOLD_WEIGHT:
        return True
    name, flags = ctypes.create_string_buffer(_FONT_NAME_BYTES), ctypes.c_int()
    raw.FPDFText_GetFontInfo(textpage, at, name, _FONT_NAME_BYTES, flags)
    lowered = name.value.lower()
    return any(one in lowered for one in _BOLD_NAMES) and not lowered.endswith(_NOT_BOLD)


def _cells(textpage: object, start: int, text: str) -> list[Cell]:
    """Where a space is wider than letters are high, a column ends."""
    gaps: list[tuple[int, float]] = []
    for at, one in enumerate(text[:-1]):
        if one == " ":
            before, after = _box(textpage, start + at - 1), _box(textpage, start + at + 1)
            width = (after.left - before.right) / max(after.top - after.bottom, 0.1)
            if width > _GAP_IN_ROW:
                gaps.append((at + 1, width))
    if all(width <= _GAP for _, width in gaps):
        gaps = []
    begins = [0, *(at for at, _ in gaps)]
    return [
        Cell(
            _box(textpage, start + begin).left,
            _box(textpage, start + end - 1).right,
            text[begin:end].strip(),
        )
        for begin, end in zip(begins, [*(at - 1 for at in begins[1:]), len(text)], strict=True)
    ]

"""Lines of a PDF that wide gaps divide into cells: a table, or text set in columns."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec

from knowledge.reading.pdflines import Cell, Line
from knowledge.reading.tidy import clean

_PROSE_ROWS_MIN: Final = 6
_PROSE_CELL_CHARS: Final = 20


def are_columns_of_prose(rows: list[Line]) -> bool:
    """Whether what looks like a table is text set in columns, which a program wrote line by line
    across: many rows of long cells, of which many begin in the middle of a sentence.
    """
    cells = [cell.text for row in rows for cell in row.cells]
    begun = sum(text[:1].islower() for text in cells)
    long = sum(map(len, cells)) >= _PROSE_CELL_CHARS * len(cells)
    return len(rows) >= _PROSE_ROWS_MIN and long and begun * 3 >= len(cells)


def column_by_column(rows: list[Line], full: list[Line]) -> Iterator[Line]:
    """The cells as lines of their own, the first column first. `full` are the rows of several."""
    usual = Counter(len(row.cells) for row in full).most_common(1)[0][0]
    columns = next(row.cells for row in full if len(row.cells) == usual)
    for at in range(usual):
        for row in rows:
            for cell in row.cells:
                if _nearest(columns, cell) == at:
                    yield msgspec.structs.replace(
                        row, text=cell.text, left=cell.left, right=cell.right, cells=[cell]
                    )


def aligned(rows: list[Line]) -> bool:
    """Whether most rows share a column with the one before."""
    pairs = [
        any(_apart(cell, other) < below.size for cell in above.cells for other in below.cells[1:])
        for above, below in pairwise(rows)
    ]
    return sum(pairs) * 3 >= len(pairs) * 2


def _apart(cell: Cell, other: Cell) -> float:
    """Columns are aligned to the left, to the right, or by their middles."""
    left, right = cell.left - other.left, cell.right - other.right
    return min(abs(left), abs(right), abs(left + right) / 2)


def _nearest(columns: list[Cell], cell: Cell) -> int:
    return min(range(len(columns)), key=lambda at: _apart(cell, columns[at]))


def table(rows: list[Line], full: list[Line]) -> list[list[str]]:
    """Cells under the columns of a row that has as many as most rows have."""
    usual = Counter(len(row.cells) for row in full).most_common(1)[0][0]
    columns = next(row.cells for row in full if len(row.cells) == usual)
    table: list[list[str]] = []
    for row in rows:
        cells = [""] * usual
        for at, cell in enumerate(row.cells):
            place = at if len(row.cells) == usual else _nearest(columns, cell)
            cells[place] = clean(f"{cells[place]} {cell.text}")
        if len(row.cells) == 1 and table:
            table[-1] = [clean(f"{up} {down}") for up, down in zip(table[-1], cells, strict=True)]
        else:
            table.append(cells)
    return table

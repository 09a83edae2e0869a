"""Readers of plain text, and of CSV and TSV."""

import csv
import io
import re
from typing import Final

from knowledge.errors import KnowledgeError
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.cells import CELLS_MAX
from knowledge.reading.decoding import decode

_SNIFFED_CHARS: Final = 16_384
_DELIMITERS: Final = ",;\t|"
_BLANK_LINES: Final = re.compile(r"\n\s*\n")


def plain(body: bytes) -> Parsed:
    return Parsed(paragraphs(decode(body)))


def paragraphs(text: str) -> list[Block]:
    return [_paragraph(part) for part in _BLANK_LINES.split(text) if part.strip()]


def table(body: bytes) -> Parsed:
    """CSV with any of the usual delimiters; the whole file is one table."""
    content = decode(body)
    reader = csv.reader(io.StringIO(content, newline=""), _dialect(content[:_SNIFFED_CHARS]))
    rows: list[list[str]] = []
    cells = 0
    try:
        for row in reader:
            cells += len(row)
            if cells > CELLS_MAX:
                raise KnowledgeError("too_large", f"A table has at most {CELLS_MAX:,} cells.")
            rows.append(row)
    except csv.Error as error:
        message = (
            f"Line {reader.line_num} is not a row of a table: {error}. Export it as CSV again."
        )
        raise KnowledgeError("malformed", message) from error
    return Parsed([Block(BlockKind.TABLE, rows=rows)])


def _paragraph(text: str) -> Block:
    return Block(BlockKind.PARAGRAPH, " ".join(text.split()))


def _dialect(sample: str) -> type[csv.Dialect]:
    """The delimiter that divides the first lines most evenly; quotes are always double."""
    lines = [line for line in sample.split("\n")[:50] if line.strip()]

    def evenness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        return (counts.count(usual) if usual else 0, usual)

    chosen = max(_DELIMITERS, key=evenness)

    class Dialect(csv.excel):
        delimiter = chosen
        strict = False

    return Dialect

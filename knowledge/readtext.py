"""Readers of text formats: plain text, CSV, Markdown. Decoding comes first, for HTML too."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from charset_normalizer import from_bytes
from markdown_it import MarkdownIt
from markdown_it.token import Token

from knowledge.blocks import Block, BlockKind, Parsed
from knowledge.errors import KnowledgeError

CELLS_MAX: Final = 1_000_000
_SNIFFED_BYTES: Final = 65_536
_SNIFFED_CHARS: Final = 16_384
_DELIMITERS: Final = ",;\t|"
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_CSV_FIELD_CHARS_MAX: Final = 131_072


def decode(body: bytes) -> str:
    """Text in whatever encoding it came: by its mark, as UTF-8, or by a guess from a sample."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _clean(body.decode(encoding, errors="replace"))
    try:
        return _clean(body.decode("utf-8"))
    except UnicodeDecodeError:
        best = from_bytes(body[:_SNIFFED_BYTES]).best()
        # Short texts make bad guesses; of the single-byte encodings this one is by far the
        # commonest.
        guessed = best is not None and len(body) > 200 and not best.encoding.startswith("cp037")
        encoding = best.encoding if best is not None and guessed else "cp1252"
        return _clean(body.decode(encoding, errors="replace"))


def plain(body: bytes) -> Parsed:
    return Parsed([_paragraph(part) for part in _BLANK_LINES.split(decode(body)) if part.strip()])


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


def markdown(body: bytes) -> Parsed:
    """CommonMark with tables. HTML inside is left out, code is kept as text."""
    content = _FRONT_MATTER.sub("", decode(body))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(content)
    return Parsed(list(_markdown_blocks(tokens)))


def _clean(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


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


def _markdown_blocks(tokens: list[Token]) -> Iterator[Block]:
    in_list = 0
    level = 0
    rows: list[list[str]] = []
    for token in tokens:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                in_list += 1
            case "bullet_list_close" | "ordered_list_close":
                in_list -= 1
            case "heading_open":
                level = int(token.tag[1:])
            case "heading_close":
                level = 0
            case "tr_open":
                rows.append([])
            case "table_close":
                yield Block(BlockKind.TABLE, rows=rows)
                rows = []
            case "fence" | "code_block":
                yield Block(BlockKind.PARAGRAPH, token.content.strip())
            case "inline" if rows:
                rows[-1].append(_inline_text(token))
            case "inline" if level:
                yield Block(BlockKind.HEADING, _inline_text(token), level=level)
            case "inline":
                kind = BlockKind.LIST_ITEM if in_list else BlockKind.PARAGRAPH
                yield Block(kind, _inline_text(token))
            case _:
                pass


def _inline_text(token: Token) -> str:
    """What a reader sees: link texts, code and alternative texts, but no addresses and no HTML."""
    parts: list[str] = []
    for child in token.children or []:
        if child.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif child.type != "html_inline":
            parts.append(child.content)
    return " ".join("".join(parts).split())

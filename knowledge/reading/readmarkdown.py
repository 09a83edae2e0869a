"""Reader of Markdown, whose parser no other format needs to load."""

import re
from collections.abc import Iterator
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.decoding import decode

_FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
# Markdown's rules for emphasis and links take quadratic time over brackets and stars; no author
# writes a paragraph as long as this.
_INLINE_CHARS_MAX: Final = 20_000


def read(body: bytes) -> Parsed:
    """CommonMark with tables. HTML inside is left out, code is kept as text."""
    content = _FRONT_MATTER.sub("", decode(body))
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.core.ruler.disable("inline")
    notes: dict[str, Any] = {}  # what links by name point to
    return Parsed(_markdown_blocks(reader, reader.parse(content, notes), notes))


def _markdown_blocks(
    reader: MarkdownIt, tokens: list[Token], notes: dict[str, Any]
) -> Iterator[Block]:
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
                yield Block(BlockKind.TABLE, rows=rows, headed=True)
                rows = []
            case "fence" | "code_block":
                yield Block(BlockKind.PARAGRAPH, token.content.strip())
            case "inline" if rows:
                rows[-1].append(_inline_text(reader, token, notes))
            case "inline" if level:
                yield Block(BlockKind.HEADING, _inline_text(reader, token, notes), level=level)
            case "inline":
                kind = BlockKind.LIST_ITEM if in_list else BlockKind.PARAGRAPH
                yield Block(kind, _inline_text(reader, token, notes))
            case _:
                pass


def _inline_text(reader: MarkdownIt, token: Token, notes: dict[str, Any]) -> str:
    """What a reader sees: link texts, code and alternative texts, but no addresses and no HTML."""
    if len(token.content) > _INLINE_CHARS_MAX:
        return " ".join(token.content.split())
    parts: list[str] = []
    children: list[Token] = []
    reader.inline.parse(token.content, reader, notes, children)
    for child in children:
        if child.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif child.type != "html_inline":
            parts.append(child.content)
    return " ".join("".join(parts).split())

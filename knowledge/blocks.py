"""What every reader makes of a file: a list of blocks in reading order."""

from enum import StrEnum
from typing import Protocol

import msgspec


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"


class Block(msgspec.Struct, frozen=True, omit_defaults=True):
    """`page` is a page, slide or sheet, from 1. A table has `rows`, everything else has `text`."""

    kind: BlockKind
    text: str = ""
    level: int = 0
    page: int | None = None
    rows: list[list[str]] = []


class Parsed(msgspec.Struct, frozen=True):
    """`pages` is None where the format knows none, like HTML."""

    blocks: list[Block]
    pages: int | None = None


class Parser(Protocol):
    def __call__(self, body: bytes, /) -> Parsed:
        """KnowledgeError with a code of `errors.MESSAGES` for whatever cannot be read."""
        ...

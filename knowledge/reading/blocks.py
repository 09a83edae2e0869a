"""What every reader makes of a file: blocks in reading order."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

import msgspec


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"


class Block(msgspec.Struct, frozen=True, omit_defaults=True):
    """`page` is a page, slide or sheet, from 1. A table has `rows`, everything else has `text`.

    `headed` says that the first row names the columns; otherwise that is guessed.
    """

    kind: BlockKind
    text: str = ""
    level: int = 0
    page: int | None = None
    rows: list[list[str]] = []
    headed: bool = False


class Parsed(msgspec.Struct, frozen=True):
    """`blocks` may come one by one, while the file is still being read; `pages` is None where the
    format knows none, like HTML.
    """

    blocks: Iterable[Block]
    pages: int | None = None


class Parser(Protocol):
    def __call__(self, body: bytes, /) -> Parsed:
        """KnowledgeError with a code of `errors.MESSAGES` for whatever cannot be read, also while
        the blocks come.
        """
        ...

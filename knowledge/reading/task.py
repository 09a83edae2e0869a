"""What the two sides of an extraction say to each other. Imports no parser: the server must not
hold one.

Before its reply the child may say how far it is: lines of a number from 0 to 1.
"""

import msgspec

from knowledge.language import SIMPLE
from knowledge.reading.split import Piece


class Task(msgspec.Struct, frozen=True):
    """Goes ahead of the file, as a line of JSON."""

    media_type: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces, or the code and message of a KnowledgeError."""

    pieces: list[Piece] = []
    pages: int | None = None
    cfg: str = SIMPLE
    code: str | None = None
    message: str | None = None

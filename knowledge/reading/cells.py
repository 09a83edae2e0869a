"""What readers of tables share: their limits, and the numbers that files write as text."""

import re
from typing import Final

CELLS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 1_000
REPEATED_CHARS_MAX: Final = 100  # of a cell that is said again in each row it reaches down to
_NUMBER: Final = re.compile("[0-9]{1,9}")


def number(said: str | None) -> int:
    """0 where no number stands, or one longer than any real document has."""
    return int(said) if said and _NUMBER.fullmatch(said) else 0


def times(said: str | None, most: int) -> int:
    """How often or how far something is repeated: from 1 to `most`."""
    return min(max(number(said), 1), most)

"""The same passage said twice: in two documents, two versions of a page, or two translations of a
form. Pure.

Two passages are one when nearly all their words are, and all their numbers: a price list repeats
itself except in what matters.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from knowledge import lexical

SAME_FROM: Final = 0.9
_WORDS_COMPARED_FROM: Final = 12

T = TypeVar("T")


def once_each(found: Iterable[T], text_of: Callable[[T], str], most: int) -> list[T]:
    """The first of each group of near-duplicates, in order, until there are `most`."""
    kept: list[T] = []
    seen: list[_Gist] = []
    for each in found:
        gist = _Gist(text_of(each))
        if any(gist.is_like(other) for other in seen):
            continue
        kept.append(each)
        seen.append(gist)
        if len(kept) == most:
            break
    return kept


class _Gist:
    def __init__(self, text: str) -> None:
        self.folded = lexical.fold(text)
        self.words = frozenset(self.folded.split())
        # Most words are letters and nothing else, which is seen at once.
        self.numbers = frozenset(
            word for word in self.words if not word.isalpha() and any(map(str.isdigit, word))
        )

    def is_like(self, other: "_Gist") -> bool:
        if self.folded == other.folded:
            return True
        if self.numbers != other.numbers or len(self.words) < _WORDS_COMPARED_FROM:
            return False
        return len(self.words & other.words) >= SAME_FROM * len(self.words | other.words)

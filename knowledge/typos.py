"""A word that no passage has, and the known one it was probably meant to be.

Distances are those of optimal string alignment (one letter wrong, missing, too many, or two
swapped), over the organisation's own words with the same first letter: people rarely get that one
wrong, and it keeps the look-up short.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

WORD_CHARS_MIN: Final = 4
LONG_WORD_CHARS: Final = 8
WORDS_MAX: Final = 4
_KNOWN_MAX: Final = 5_000

_SIMILAR: Final = text("""
SELECT wanted.word, lexemes.lexeme, lexemes.df
FROM unnest(CAST(:words AS text[])) AS wanted (word)
JOIN LATERAL (
    SELECT lexeme, df FROM lexemes
    WHERE org_id = :org AND lexeme >= left(wanted.word, 1)
        AND lexeme < left(wanted.word, 1) || chr(1114111)
        AND length(lexeme) BETWEEN length(wanted.word) - 2 AND length(wanted.word) + 2
    ORDER BY df DESC LIMIT :most) AS lexemes ON true
""")


async def corrections(db: AsyncSession, org_id: UUID, unknown: Iterable[str]) -> dict[str, str]:
    """For each unknown word that has one, the closest known word."""
    words = [word for word in unknown if _could_be_mistyped(word)][:WORDS_MAX]
    if not words:
        return {}
    rows = await db.execute(_SIMILAR, {"org": org_id, "words": words, "most": _KNOWN_MAX})
    known: dict[str, list[tuple[str, int]]] = {}
    for word, lexeme, df in rows:
        known.setdefault(word, []).append((lexeme, df))
    return await asyncio.to_thread(_closest_of_each, known)


def _closest_of_each(known: dict[str, list[tuple[str, int]]]) -> dict[str, str]:
    found = ((word, closest(word, near)) for word, near in known.items())
    return {word: meant for word, meant in found if meant is not None}


def closest(word: str, known: Sequence[tuple[str, int]]) -> str | None:
    """The known word nearest to `word`, the commoner of two; None when none is near enough."""
    most = 1 if len(word) < LONG_WORD_CHARS else 2
    near = process.extract(
        word, [lexeme for lexeme, _ in known], scorer=OSA.distance, score_cutoff=most, limit=None
    )
    if not near:
        return None
    return min(near, key=lambda match: (match[1], -known[match[2]][1], match[0]))[0]


def _could_be_mistyped(word: str) -> bool:
    """Numbers and codes mean themselves; in short words every letter makes another word; pairs of
    dense scripts are no words.
    """
    return len(word) >= WORD_CHARS_MIN and word.isalpha()

"""A question that follows others, without a model: what is searched for, and what counts as found.

Two searches are made: for the visitor's last turn alone, and for it twice together with the turn
before. The second ranks better (nDCG@10 0.89 against 0.82 on the follow-up turns of MTRAG-UN), but
it also finds the earlier answer again when the visitor has gone on to something else, or typed
nonsense. So what the last turn itself says decides which of the two is believed.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Boolean, Float, Row, Text, column, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import bands, lexical, rerank
from knowledge.bands import Band, Evidence
from knowledge.retrieve import Retriever
from knowledge.search import QUERY_CHARS_MAX, SearchResult

# Chosen on SQuAD 2.0 (CC BY-SA 4.0), 18 of its 36 topics as the knowledge base; a turn before, and
# then: the words of a second question on the same paragraph that the first had not (145), a whole
# second question on it (260), a question on another topic of the base (260), on a topic that is
# not in it (260), on anything a shop is asked (60), nonsense (60), a word or two (“why?”, 60).
# Right passage first, or else rightly unknown: 87, 92, 78, 85, 78, 100, 68 %. By the last turn
# alone 53, 80, 80, 87, 82, 100, 0 %; always together 89, 93, 57, 87, 55, 57, 72 %.
RARITY_MIN: Final = 1.0
COVERAGE_MIN: Final = 0.5
# A whole question, one passage having all of its telling words, stands alone where that is surer:
# by a margin where its words are rare, for what such a question leaves out costs more. On the
# questions that are headings of a manual, each after four others, the section is then among the
# first four for 100 instead of 94 %, with nothing lost on 800 turns made like those above.
WHOLE_WORDS_MIN: Final = 2
SURER_BY: Final = 0.1
_POOL: Final = 30
_WORDS_MAX: Final = 100

_SAID: Final = text("""
WITH corpus AS (
    SELECT cfg, CAST(sum(passages) OVER () AS float8) AS passages FROM knowledge_stats
    WHERE org_id = :org AND passages > 0
), said AS (
    SELECT DISTINCT word FROM regexp_split_to_table(:question, '\\s+') AS word
    WHERE word <> '' LIMIT :words_max
)
SELECT word, passages, bool_or(lexeme IS NULL) AS is_stop,
    array_remove(array_agg(DISTINCT lexeme), NULL) AS lexemes,
    CAST(coalesce(max(df), 0) AS float8) AS df
FROM said, corpus
LEFT JOIN LATERAL (
    SELECT parsed.lexeme, lexemes.df
    FROM unnest(to_tsvector(CAST(cfg AS regconfig), word)) AS parsed
    LEFT JOIN lexemes ON lexemes.org_id = :org AND lexemes.lexeme = parsed.lexeme) AS meant ON true
GROUP BY word, passages
""").columns(
    column("word", Text),
    column("passages", Float),
    column("is_stop", Boolean),
    column("lexemes", ARRAY(Text)),
    column("df", Float),
)


class Said(msgspec.Struct, frozen=True):
    """What a turn says by itself: `rarity` is its telling words' idf, 1 for each word that only
    one passage has; `unknown` are the lexemes that no passage has, `known` how many words some
    have, `stops` how many a language does without.
    """

    rarity: float
    unknown: frozenset[str]
    known: int = 0
    stops: int = 0

    @property
    def is_nonsense(self) -> bool:
        """Whether no word of it is known: neither to the passages nor to a language."""
        return bool(self.unknown) and not self.known and not self.stops


class Followed(msgspec.Struct, frozen=True):
    """What was searched for in the end, and what was found."""

    query: str
    result: SearchResult


def together(question: str, earlier: Sequence[str]) -> str | None:
    """The last turn twice and the visitor's turn before it; None for a first turn.

    The bot's own words would lower the figures, and more turns than one as well.
    """
    half = QUERY_CHARS_MAX // 4  # whatever is cut off, no turn loses its place
    if not earlier:
        return None
    return f"{question[:half]}\n{question[:half]}\n{earlier[-1][:half]}"


async def find(
    retriever: Retriever,
    org_id: UUID,
    question: str,
    earlier: Sequence[str] = (),
    *,
    standalone: str | None = None,
    labels: Sequence[str] | None = None,
    limit: int = 12,
    reach: int = 0,
) -> Followed:
    """Search for a visitor's question after what they asked before, oldest first. With `reach` the
    neighbours of what is found may come with it.

    `standalone` is what a model made of both, if one was asked. It is not believed where the
    visitor typed nonsense, nor where it finds nothing. KnowledgeError `embedding_failed`.
    """
    most = max(limit, rerank.PASSAGES_MAX) if retriever.reranker is not None else limit
    both = together(question, earlier)
    if both is None:
        alone = await retriever.find(org_id, question, labels=labels, limit=most, reach=reach)
        found = Followed(question, alone)
    else:
        found = await _follow(
            retriever, org_id, question, both, standalone=standalone, labels=labels, limit=most
        )
    went_on = found.query not in (question, standalone)
    about = f"{earlier[-1]}\n{question}" if went_on else found.query
    hits = await rerank.best_first(retriever.reranker, about, found.result.hits)
    result = msgspec.structs.replace(found.result, hits=hits[:limit])
    return Followed(found.query, result)


async def _follow(
    retriever: Retriever,
    org_id: UUID,
    question: str,
    both: str,
    *,
    standalone: str | None,
    labels: Sequence[str] | None,
    limit: int,
) -> Followed:
    reading = asyncio.create_task(_turn(retriever, org_id, question))
    if standalone is not None and not (await reading).is_nonsense:
        found = await retriever.find(org_id, standalone, labels=labels, limit=limit)
        if found.band is not Band.UNKNOWN:
            return Followed(standalone, found)
    said, alone, joined = await asyncio.gather(
        reading,
        retriever.find(org_id, question, labels=labels, limit=max(limit, _POOL)),
        retriever.find(org_id, both, labels=labels, limit=limit),
    )
    chosen = choose(said, alone, joined)
    return Followed(question, alone) if chosen is None else Followed(both, chosen)


async def _turn(retriever: Retriever, org_id: UUID, question: str) -> Said:
    async with retriever.transactions(org_id) as db:
        return await turn(db, org_id, question)


async def turn(db: AsyncSession, org_id: UUID, question: str) -> Said:
    """What the organisation's passages make of the words of a turn."""
    folded = lexical.fold(question[:QUERY_CHARS_MAX])
    rows = (
        await db.execute(_SAID, {"org": org_id, "question": folded, "words_max": _WORDS_MAX})
    ).all()
    telling = [row for row in rows if not row.is_stop]
    known = [row for row in telling if row.df]
    if all(lexical.is_sign(row.word) for row in known):
        known = []  # “x” is nonsense, although it stands somewhere
    return Said(
        sum(_rarity(row) for row in telling),
        frozenset(lexeme for row in telling if row not in known for lexeme in row.lexemes),
        len(known),
        len(rows) - len(telling),
    )


def choose(said: Said, alone: SearchResult, joined: SearchResult) -> SearchResult | None:
    """What was found together with the turn before, judged by the better of the two readings; None
    when the last turn has to stand alone.

    A turn of few telling words, all of them known, only goes on (“and the lid?”, “why?”). Any
    other must speak of the passage itself, at least half as much as of the best one it has alone.
    What is a whole question by itself is not pulled away by the turn before.
    """
    if not joined.hits:
        return None
    unknown = said.unknown - set(alone.corrections)
    goes_on = not unknown and said.rarity < RARITY_MIN
    if _is_whole(said, alone) and _surer(alone, joined) > (0.0 if goes_on else SURER_BY):
        return None
    if goes_on:
        return joined if _is_no_worse(joined, alone) else None
    best = joined.hits[0]
    own = next((hit for hit in alone.hits if hit.passage.id == best.passage.id), None)
    if own is None or own.coverage <= 0:
        return None
    if own.coverage < COVERAGE_MIN * alone.hits[0].coverage:
        return None
    itself = Evidence(own.coverage, own.strength, own.vector)
    better = max(joined.evidence, itself, key=lambda each: bands.support(each, joined.scale))
    chosen = msgspec.structs.replace(joined, evidence=better, band=bands.band(better, joined.scale))
    return chosen if _is_no_worse(chosen, alone) else None


def _is_whole(said: Said, alone: SearchResult) -> bool:
    all_said = bool(alone.hits) and math.isclose(alone.hits[0].coverage, 1.0)
    return said.known >= WHOLE_WORDS_MIN and all_said and alone.band is Band.ANSWERED


def _surer(alone: SearchResult, joined: SearchResult) -> float:
    by_itself = bands.support(alone.evidence, alone.scale)
    return by_itself - bands.support(joined.evidence, joined.scale)


def _is_no_worse(joined: SearchResult, alone: SearchResult) -> bool:
    """A turn that is answered by itself is not to be made less certain by what was asked before."""
    return joined.band is Band.ANSWERED or alone.band is not Band.ANSWERED


def _rarity(row: Row[tuple[str, float, bool, list[str], float]]) -> float:
    def idf(df: float) -> float:
        return math.log(1 + (row.passages - df + 0.5) / (df + 0.5))

    return idf(min(max(row.df, 1.0), row.passages)) / idf(1.0)

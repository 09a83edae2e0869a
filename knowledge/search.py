"""Hybrid search: the passages nearest to a question, best first, and whether they suffice for an
answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import bands, language, lexical, neardup, statement, typos
from knowledge.bands import Band, Evidence, Scale
from knowledge.embed import Vectors
from knowledge.index import title
from knowledge.preferences import NOTHING_CHOSEN, Preferences

LIMIT_MAX: Final = 50
QUERY_CHARS_MAX: Final = 4_000
NEIGHBOURS_MAX: Final = 3
_REPEATED_AT_MOST: Final = 4
# The share of the vectors: passages are prose, in which words decide; questions with answers, and
# other texts of a line, are short and paraphrased.
VECTOR_SHARE: Final = 0.25
VECTOR_SHARE_FAQ: Final = 0.75
# How many candidates the approximate index weighs: recall@10 above 0.98 of the exact scan.
_EF_SEARCH: Final = 500
_APPROXIMATELY: Final = text("""
SELECT set_config('hnsw.ef_search', :ef, true),
    set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('plan_cache_mode', 'force_custom_plan', true)
""")


class FoundPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A live passage with what a citation needs; `title` and `url` are its document's."""

    id: UUID
    no: int
    document_id: UUID
    version: int
    ord: int
    kind: str
    title: str
    url: str | None
    heading: str | None
    page: int | None
    text: str
    tokens: int


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """`lexical` is BM25 and has no upper bound, `vector` the cosine, `score` their fusion from 0
    to 1.

    `coverage` is how much of the question's idf occurs in the passage, `strength` BM25 per
    question idf. `reranked` is what a reranker said, where one was asked.
    """

    passage: FoundPassage
    lexical: float
    vector: float
    score: float
    coverage: float
    strength: float
    reranked: float | None = None


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """`corrections` are words that nobody wrote, with those that were searched in their place."""

    hits: list[Hit]
    band: Band
    evidence: Evidence
    scale: Scale
    corrections: Mapping[str, str] = {}
    windows: Mapping[UUID, list[FoundPassage]] = {}
    """By passage, it among its neighbours, where they were asked for."""


class MatchedWord(msgspec.Struct, frozen=True):
    """A lexeme of the question in a passage: how rare, how often."""

    lexeme: str
    idf: float
    tf: int
    corrected_from: str | None


async def passages(
    db: AsyncSession,
    org_id: UUID,
    question: str,
    question_vector: Vectors | None,
    *,
    model: str,
    limit: int = 12,
    preferences: Preferences = NOTHING_CHOSEN,
    labels: Sequence[str] | None = None,
) -> SearchResult:
    """The organisation's passages nearest to the question.

    `question_vector` is one row of `model`'s Embedder, or None to search by words alone. With
    `labels`, documents that have labels are found only if they have one of these; None finds all.
    """
    most = min(limit, LIMIT_MAX)
    given = _parameters(
        org_id, question, question_vector, model=model, preferences=preferences, labels=labels
    )
    # Documents repeat themselves; what was found twice is shown once.
    given["limit"] = most * _REPEATED_AT_MOST
    dimensions = preferences.indexed_dimensions if preferences.indexed_model == model else None
    if given["vector"] is None:
        dimensions = None
    if dimensions is not None:
        await go_through_the_index(db)
    wanted = statement.searching(dimensions)
    rows = (await db.execute(wanted, given)).all()
    meant: dict[str, str] = {}
    if not rows or rows[0].unknown:
        unknown = rows[0].unknown if rows else await db.scalars(statement.UNKNOWN_WORDS, given)
        meant = await typos.corrections(db, org_id, unknown)
        if meant:
            given |= {"said": list(meant), "meant": list(meant.values())}
            # The vector was made of words that nobody knows, so it is trusted half as much.
            given |= {"share": given["share"] / 2, "faq_share": given["faq_share"] / 2}
            rows = (await db.execute(wanted, given)).all()
    hits = neardup.once_each(map(_hit, rows), lambda hit: hit.passage.text, most)
    evidence = _evidence(hits)
    scale = _scale(model if given["vector"] is not None else "", preferences)
    return SearchResult(
        hits=hits,
        band=bands.band(evidence, scale),
        evidence=evidence,
        scale=scale,
        corrections=meant,
    )


async def go_through_the_index(db: AsyncSession) -> None:
    """Let this transaction's searches use an approximate index, with care enough."""
    await db.execute(_APPROXIMATELY, {"ef": str(_EF_SEARCH)})


async def matched_words(
    db: AsyncSession, org_id: UUID, question: str, result: SearchResult
) -> dict[UUID, list[MatchedWord]]:
    """For each passage that was found, the words of the question in it, what counts most first."""
    given = _parameters(org_id, question, None, model="", preferences=NOTHING_CHOSEN, labels=None)
    given |= {"said": list(result.corrections), "meant": list(result.corrections.values())}
    ids = {hit.passage.no: hit.passage.id for hit in result.hits}
    rows = await db.execute(statement.MATCHED_WORDS, given | {"nos": list(ids)})
    words: dict[UUID, list[MatchedWord]] = {}
    for row in rows:
        word = MatchedWord(row.lexeme, row.idf, row.tf, row.corrected_from)
        words.setdefault(ids[row.no], []).append(word)
    return words


async def neighbours(
    db: AsyncSession, org_id: UUID, found: Sequence[FoundPassage], *, reach: int = 1
) -> list[list[FoundPassage]]:
    """For each passage, itself among the `reach` passages before and after it in its document, in
    order.
    """
    far = min(reach, NEIGHBOURS_MAX)
    rows = await db.execute(
        statement.NEIGHBOURS,
        {
            "org": org_id,
            "documents": [passage.document_id for passage in found],
            "versions": [passage.version for passage in found],
            "firsts": [passage.ord - far for passage in found],
            "lasts": [passage.ord + far for passage in found],
        },
    )
    windows: list[list[FoundPassage]] = [[] for _ in found]
    for row in rows:
        windows[row.nth - 1].append(_passage(row))
    # A passage retired since it was found stands alone.
    return [window or [passage] for window, passage in zip(windows, found, strict=True)]


def _parameters(
    org_id: UUID,
    question: str,
    vector: Vectors | None,
    *,
    model: str,
    preferences: Preferences,
    labels: Sequence[str] | None,
) -> dict[str, Any]:
    known = vector is not None and bool(np.any(vector))
    folded = lexical.fold(question[:QUERY_CHARS_MAX])
    fitted = preferences.calibrated(model)
    share = fitted.share if fitted else VECTOR_SHARE
    faq_share = fitted.faq_share if fitted else VECTOR_SHARE_FAQ
    return {
        "org": org_id,
        "question": language.without_fillers(folded),
        "signs": [word for word in folded.split() if lexical.is_sign(word)],
        "asked_in": language.detect(folded),
        "said": [],
        "meant": [],
        "vector": _literal(vector) if vector is not None and known else None,
        "model": model,
        "labels": list(labels) if labels is not None else None,
        "share": share if known else 0.0,
        "faq_share": faq_share if known else 0.0,
    }


def _literal(vector: Vectors) -> str:
    """As pgvector reads it; half precision has no more than five decimals."""
    return msgspec.json.encode(np.round(vector.astype(np.float64).ravel(), 5).tolist()).decode()


def _hit(row: Row[Any]) -> Hit:
    total = row.total or 0.0
    return Hit(
        passage=_passage(row),
        lexical=row.bm25,
        vector=row.cosine,
        score=row.score,
        coverage=row.matched / total if total else 0.0,
        strength=row.bm25 / total if total else 0.0,
    )


def _passage(row: Row[Any]) -> FoundPassage:
    return FoundPassage(
        id=row.id,
        no=row.no,
        document_id=row.document_id,
        version=row.version,
        ord=row.ord,
        kind=row.kind,
        title=title(row.document_kind, row.name, row.title) or row.name,
        url=row.url,
        heading=row.heading,
        page=row.page,
        text=row.text,
        tokens=row.tokens,
    )


def _evidence(hits: Sequence[Hit]) -> Evidence:
    if not hits:
        return Evidence(0.0, 0.0, 0.0)
    return Evidence(hits[0].coverage, hits[0].strength, hits[0].vector)


def _scale(model: str, preferences: Preferences) -> Scale:
    fitted = preferences.calibrated(model)
    return fitted.scale if fitted is not None else bands.scale_for(model)

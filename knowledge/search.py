"""Hybrid search in one statement: BM25 over the postings and an exact scan of the vectors, fused
by score.

BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza 2009, doi:10.1561/1500000019) and the
always positive idf of Lucene; the fusion is the convex combination of Bruch et al.
(arXiv:2210.11934), whose weight says how much the vectors count. `ts_rank` is no substitute: it
has no idf, and an AND of all words finds nothing for most questions.

Every table is entered by `org_id`, the first column of its key. Row-level security stands behind
that.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import Float, Integer, Row, column, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import bands, language, lexical
from knowledge.bands import Band, Evidence
from knowledge.embed import Vectors
from knowledge.index import title_of
from knowledge.tables import Document, Passage

LIMIT_MAX: Final = 50
QUERY_CHARS_MAX: Final = 4_000
NEIGHBOURS_MAX: Final = 3
_POOL: Final = 100
_REPEATED_AT_MOST: Final = 4
# The share of the vectors: passages are prose, in which words decide; FAQ rows are short and
# paraphrased.
_VECTOR_SHARE: Final = 0.25
_VECTOR_SHARE_FAQ: Final = 0.75


class FoundPassage(msgspec.Struct, frozen=True, kw_only=True):
    """A live passage with what a citation needs; `title` and `url` are its document's."""

    id: UUID
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
    question idf.
    """

    passage: FoundPassage
    lexical: float
    vector: float
    score: float
    coverage: float
    strength: float


class SearchResult(msgspec.Struct, frozen=True):
    hits: list[Hit]
    band: Band
    evidence: Evidence


_SEARCH: Final = text("""
WITH corpus AS (
    SELECT CAST(sum(passages) AS float8) AS passages,
        CAST(sum(lexemes) / sum(passages) AS float8) AS length
    FROM knowledge_stats WHERE org_id = :org HAVING sum(passages) > 0
), question AS MATERIALIZED (
    -- Without the stop words of the question's own language: "the" is no stop word in French, and
    -- being rare there it would outweigh everything else in a base of both languages.
    SELECT coalesce(string_agg(word, ' ' ORDER BY place), '') AS words
    FROM unnest(regexp_split_to_array(:question, '\\s+')) WITH ORDINALITY AS said (word, place)
    WHERE to_tsvector(CAST(:asked_in AS regconfig), word) <> ''
), asked AS MATERIALIZED (
    SELECT stats.cfg, word.lexeme
    FROM knowledge_stats AS stats, question,
        unnest(to_tsvector(CAST(stats.cfg AS regconfig), question.words)) AS word
    WHERE stats.org_id = :org AND stats.passages > 0
), terms AS MATERIALIZED (
    -- A word that no passage has counts like one that a single passage has; in a small knowledge
    -- base every unusual turn of the question would outweigh its subject otherwise.
    SELECT lexeme, df,
        ln(1 + (corpus.passages - greatest(df, 1) + 0.5) / (greatest(df, 1) + 0.5)) AS idf
    FROM corpus, (SELECT DISTINCT lexeme FROM asked) AS once, LATERAL (
        SELECT CAST(count(*) AS float8) AS df FROM postings
        WHERE postings.org_id = :org AND postings.lexeme = once.lexeme) AS known
), lexical AS (
    SELECT passage_no AS no,
        sum(idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * n_lex / length))) AS bm25
    FROM corpus, terms
    JOIN postings ON postings.org_id = :org AND postings.lexeme = terms.lexeme
    WHERE df > 0 GROUP BY 1 ORDER BY bm25 DESC LIMIT :pool
), nearest AS (
    -- All vectors have length one, so the inner product, which is cheaper, is the cosine.
    SELECT no, -negative AS cosine FROM (
        SELECT passage_no AS no, vector <#> CAST(:vector AS halfvec) AS negative FROM embeddings
        WHERE org_id = :org AND model = :model AND CAST(:vector AS text) IS NOT NULL
        ORDER BY negative LIMIT :pool) AS top
), scored AS (
    SELECT no, coalesce(bm25, 0) AS bm25,
        coalesce(bm25 / max(bm25) OVER (), 0) AS by_words,
        coalesce(
            (cosine - min(cosine) OVER ()) / nullif(max(cosine) OVER () - min(cosine) OVER (), 0),
            CASE WHEN cosine IS NULL THEN 0 ELSE 1 END) AS by_vector
    FROM lexical FULL JOIN nearest USING (no)
), best AS MATERIALIZED (
    SELECT passages.*, bm25,
        CASE kind WHEN 'faq' THEN (1 - :faq_share) * by_words + :faq_share * by_vector
                  ELSE (1 - :share) * by_words + :share * by_vector END AS score
    FROM scored JOIN passages ON passages.org_id = :org AND passages.no = scored.no
    ORDER BY score DESC, passages.no LIMIT :limit
)
SELECT best.id, best.document_id, best.version, best.ord, best.kind, best.heading, best.page,
    best.text, best.tokens, documents.name, documents.url, best.bm25, best.score,
    coalesce(-(embeddings.vector <#> CAST(:vector AS halfvec)), 0) AS cosine,
    coalesce(wanted.matched, 0) AS matched, coalesce(wanted.total, 0) AS total
FROM best
JOIN documents ON documents.org_id = :org AND documents.id = best.document_id
LEFT JOIN embeddings ON embeddings.org_id = :org AND embeddings.passage_no = best.no
                    AND embeddings.model = :model,
LATERAL (
    SELECT sum(idf) AS total, sum(idf) FILTER (WHERE EXISTS (
        SELECT FROM postings WHERE postings.org_id = :org AND postings.lexeme = asked.lexeme
                               AND postings.passage_no = best.no)) AS matched
    FROM asked JOIN terms USING (lexeme) WHERE asked.cfg = best.cfg) AS wanted
ORDER BY best.score DESC, best.no
""")
_NEIGHBOURS: Final = text("""
SELECT near.id, near.document_id, near.version, near.ord, near.kind, near.heading, near.page,
    near.text, near.tokens, documents.name, documents.url, wanted.nth
FROM unnest(CAST(:documents AS uuid[]), CAST(:versions AS int[]), CAST(:ords AS int[]))
     WITH ORDINALITY AS wanted (document_id, version, ord, nth)
JOIN passages AS near ON near.org_id = :org AND near.document_id = wanted.document_id
    AND near.version = wanted.version
    AND near.ord BETWEEN wanted.ord - :reach AND wanted.ord + :reach
JOIN documents ON documents.org_id = :org AND documents.id = near.document_id
ORDER BY wanted.nth, near.ord
""")
_PASSAGE_COLUMNS: Final = (
    Passage.id, Passage.document_id, Passage.version, Passage.ord, Passage.kind, Passage.heading,
    Passage.page, Passage.text, Passage.tokens, Document.name, Document.url,
)  # fmt: skip
_SEARCH_COLUMNS: Final = _SEARCH.columns(
    *_PASSAGE_COLUMNS,
    *(column(name, Float) for name in ("bm25", "score", "cosine", "matched", "total")),
)
_NEIGHBOUR_COLUMNS: Final = _NEIGHBOURS.columns(*_PASSAGE_COLUMNS, column("nth", Integer))


async def passages(
    db: AsyncSession,
    org_id: UUID,
    question: str,
    question_vector: Vectors | None,
    *,
    model: str,
    limit: int = 12,
) -> SearchResult:
    """The organisation's passages nearest to the question, best first, and whether they suffice
    for an answer.

    `question_vector` is one row of `model`'s Embedder, or None to search by words alone.
    """
    known = question_vector is not None and bool(np.any(question_vector))
    folded = lexical.fold(question[:QUERY_CHARS_MAX])
    parameters = {
        "org": org_id,
        "question": folded,
        "asked_in": language.detect(folded),
        "vector": _literal(question_vector) if question_vector is not None and known else None,
        "model": model,
        "share": _VECTOR_SHARE if known else 0.0,
        "faq_share": _VECTOR_SHARE_FAQ if known else 0.0,
        "pool": _POOL,
        # Documents repeat themselves; what was found twice is shown once.
        "limit": min(limit, LIMIT_MAX) * _REPEATED_AT_MOST,
    }
    rows = await db.execute(_SEARCH_COLUMNS, parameters)
    hits = _once_each(_hit(row) for row in rows)[: min(limit, LIMIT_MAX)]
    evidence = _evidence(hits)
    return SearchResult(
        hits, bands.band(evidence, bands.scale_for(model if known else "")), evidence
    )


async def neighbours(
    db: AsyncSession, org_id: UUID, found: Sequence[FoundPassage], *, reach: int = 1
) -> list[list[FoundPassage]]:
    """For each passage, itself among the `reach` passages before and after it in its document, in
    order.
    """
    rows = await db.execute(
        _NEIGHBOUR_COLUMNS,
        {
            "org": org_id,
            "documents": [passage.document_id for passage in found],
            "versions": [passage.version for passage in found],
            "ords": [passage.ord for passage in found],
            "reach": min(reach, NEIGHBOURS_MAX),
        },
    )
    windows: list[list[FoundPassage]] = [[] for _ in found]
    for row in rows:
        windows[row.nth - 1].append(_passage(row))
    # A passage retired since it was found stands alone.
    return [window or [passage] for window, passage in zip(windows, found, strict=True)]


def _once_each(hits: Iterable[Hit]) -> list[Hit]:
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.passage.text, hit)
    return list(first.values())


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
        document_id=row.document_id,
        version=row.version,
        ord=row.ord,
        kind=row.kind,
        title=title_of(row.name),
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

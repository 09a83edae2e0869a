"""The one statement that searches: BM25 over the postings and the nearest vectors, fused by score.

BM25 with k1 = 1.2 and b = 0.75 (Robertson and Zaragoza 2009, doi:10.1561/1500000019) and the
always positive idf of Lucene; the fusion is the convex combination of Bruch et al.
(arXiv:2210.11934). `ts_rank` is no substitute: it has no idf, and an AND of all words finds
nothing for most questions.

Every table is entered by `org_id`, the first column of its key. Row-level security stands behind
that.
"""

from functools import cache
from math import log
from typing import Final

from sqlalchemy import ARRAY, Float, Integer, Text, column, text
from sqlalchemy.sql.selectable import TextualSelect

from knowledge.tables import Document, Passage

POOL: Final = 100
_K1: Final = 1.2
_B: Final = 0.75
_WORDS_MAX: Final = 100
# Past this size a word in every fourth passage costs more time than it tells anything; the rarest
# two of a question always count. Measured on sets of 1,000 to 5,000 passages: 0.1 nDCG where it
# matters least and 2 where it matters most, so small knowledge bases keep every word.
_COMMON_FROM_PASSAGES: Final = 20_000
_COMMON_SHARE: Final = 0.25
_RAREST_KEPT: Final = 2
# How much a word counts that was put in the place of one nobody wrote.
_CORRECTED_WEIGHT: Final = 0.8
# Of how many words a passage is short (paraphrased questions and answers, in which the vectors
# know more than the words) and from how many on it is prose.
_SHORT_WORDS: Final = 12
_PROSE_WORDS: Final = 60
_PROSE_TO_SHORT: Final = f"CAST({log(_PROSE_WORDS / _SHORT_WORDS)} AS float8)"

_EXACT: Final = """
    SELECT passage_no AS no, vector <#> (SELECT CAST(:vector AS halfvec)) AS negative
    FROM embeddings
    WHERE org_id = :org AND model = :model AND CAST(:vector AS text) IS NOT NULL
        AND passage_no NOT IN (SELECT no FROM hidden)
    ORDER BY negative LIMIT {pool}"""
_APPROXIMATE: Final = """
    SELECT passage_no AS no, CAST(vector AS halfvec({dimensions}))
        <#> CAST(:vector AS halfvec({dimensions})) AS negative FROM embeddings
    WHERE org_id = :org AND model = :model AND passage_no NOT IN (SELECT no FROM hidden)
    ORDER BY negative LIMIT {pool}"""

_HIDDEN: Final = """
hidden AS MATERIALIZED (
    -- What the asker may not see is taken out before anything is ranked or cut off.
    SELECT passages.no FROM documents JOIN passages ON passages.org_id = documents.org_id
        AND passages.document_id = documents.id AND passages.version = documents.live_version
    WHERE documents.org_id = :org AND documents.labels <> '{}'
        AND CAST(:labels AS text[]) IS NOT NULL
        AND NOT documents.labels && CAST(:labels AS text[])
)"""
_TERMS: Final = f"""
corpus AS (
    SELECT CAST(sum(passages) AS float8) AS passages,
        CAST(sum(lexemes) / sum(passages) AS float8) AS length
    FROM knowledge_stats WHERE org_id = :org HAVING sum(passages) > 0
), said AS MATERIALIZED (
    -- Without the stop words of the question's own language: "the" is no stop word in French, and
    -- being rare there it would outweigh everything else in a base of both languages.
    SELECT word, count(*) AS times, min(place) AS place
    FROM unnest(regexp_split_to_array(:question, '\\s+')) WITH ORDINALITY AS each (word, place)
    WHERE to_tsvector(CAST(:asked_in AS regconfig), word) <> ''
    GROUP BY word ORDER BY place LIMIT {_WORDS_MAX}
), asked AS MATERIALIZED (
    SELECT stats.cfg, said.word, coalesce(mended.meant, parsed.lexeme) AS lexeme,
        sum(said.times) AS times, mended.said AS corrected_from
    FROM knowledge_stats AS stats, said,
        LATERAL unnest(to_tsvector(CAST(stats.cfg AS regconfig), said.word)) AS parsed
        LEFT JOIN unnest(CAST(:said AS text[]), CAST(:meant AS text[])) AS mended (said, meant)
            ON mended.said = parsed.lexeme
    WHERE stats.org_id = :org AND stats.passages > 0
    GROUP BY stats.cfg, said.word, 3, mended.said
), terms AS MATERIALIZED (
    -- A word that no passage has counts like one that a single passage has; in a small knowledge
    -- base every unusual turn of the question would outweigh its subject otherwise.
    SELECT lexeme, df, times, corrected_from,
        CAST(CASE WHEN corrected_from IS NULL THEN 1 ELSE {_CORRECTED_WEIGHT} END AS float8)
            AS weight,
        ln(1 + (corpus.passages - greatest(df, 1) + 0.5) / (greatest(df, 1) + 0.5)) AS idf,
        corpus.passages < {_COMMON_FROM_PASSAGES} OR df < {_COMMON_SHARE} * corpus.passages
            OR row_number() OVER (ORDER BY df, lexeme) <= {_RAREST_KEPT} AS telling
    FROM corpus, (
        -- Said twice is meant more, but not twice as much.
        SELECT once.lexeme, sqrt(CAST(once.times AS float8)) AS times, once.corrected_from,
            CAST(coalesce(lexemes.df, 0) AS float8) AS df
        FROM (SELECT lexeme, max(times) AS times, min(corrected_from) AS corrected_from
              FROM asked GROUP BY lexeme) AS once
        LEFT JOIN lexemes ON lexemes.org_id = :org AND lexemes.lexeme = once.lexeme) AS known
), unknown AS (
    -- The words that no passage has, in whatever language it is.
    SELECT DISTINCT lexeme FROM asked WHERE asked.corrected_from IS NULL AND word IN (
        SELECT word FROM asked JOIN terms USING (lexeme) GROUP BY word HAVING max(df) = 0)
)"""
_SEARCH: Final = f"""
WITH {_HIDDEN}, {_TERMS}, lexical AS (
    SELECT passage_no AS no, sum(
        times * weight * idf * tf * {_K1 + 1}
        / (tf + {_K1} * ({1 - _B} + CAST({_B} AS float8) * n_lex / length))) AS bm25
    FROM corpus, terms
    JOIN postings ON postings.org_id = :org AND postings.lexeme = terms.lexeme
    WHERE df > 0 AND telling AND passage_no NOT IN (SELECT no FROM hidden)
    GROUP BY 1 ORDER BY bm25 DESC LIMIT {{pool}}
), nearest AS (
    -- All vectors have length one, so the inner product, which is cheaper, is the cosine.
    SELECT no, -negative AS cosine FROM (<nearest>) AS top
), scored AS (
    SELECT no, coalesce(bm25, 0) AS bm25,
        coalesce(bm25 / max(bm25) OVER (), 0) AS by_words,
        coalesce(
            (cosine - min(cosine) OVER ()) / nullif(max(cosine) OVER () - min(cosine) OVER (), 0),
            CASE WHEN cosine IS NULL THEN 0 ELSE 1 END) AS by_vector
    FROM lexical FULL JOIN nearest USING (no)
), best AS MATERIALIZED (
    SELECT passages.*, bm25, (1 - part) * by_words + part * by_vector AS score
    FROM scored JOIN passages ON passages.org_id = :org AND passages.no = scored.no,
    LATERAL (SELECT :share + (:faq_share - :share) * CASE kind WHEN 'faq' THEN 1 ELSE
        least(1, greatest(0, ln({_PROSE_WORDS} / greatest(CAST(n_lex AS float8), 1))
                             / {_PROSE_TO_SHORT})) END AS part) AS weighed
    ORDER BY score DESC, passages.no LIMIT :limit
)
SELECT best.id, best.document_id, best.version, best.ord, best.kind, best.heading, best.page,
    best.text, best.tokens, best.no, documents.kind AS document_kind, documents.name,
    documents.title, documents.url, best.bm25, best.score,
    coalesce(-(embeddings.vector <#> (SELECT CAST(:vector AS halfvec))), 0) AS cosine,
    coalesce(wanted.matched, 0) AS matched,
    -- What names nothing that is known has no evidence, however often it stands somewhere.
    CASE WHEN wanted.names THEN wanted.total ELSE 0 END AS total,
    (SELECT array_agg(lexeme) FROM unknown) AS unknown
FROM best
JOIN documents ON documents.org_id = :org AND documents.id = best.document_id
LEFT JOIN embeddings ON embeddings.org_id = :org AND embeddings.passage_no = best.no
                    AND embeddings.model = :model,
LATERAL (
    SELECT sum(times * idf) AS total,
        bool_or(df > 0 AND lexeme <> ALL (CAST(:signs AS text[]))) AS names,
        sum(times * weight * idf) FILTER (WHERE EXISTS (
        SELECT FROM postings WHERE postings.org_id = :org AND postings.lexeme = terms.lexeme
                               AND postings.passage_no = best.no)) AS matched
    FROM (SELECT DISTINCT lexeme FROM asked WHERE asked.cfg = best.cfg) AS here
    JOIN terms USING (lexeme)) AS wanted
ORDER BY best.score DESC, best.no
"""
_PASSAGE_COLUMNS: Final = (
    Passage.id, Passage.document_id, Passage.version, Passage.ord, Passage.kind, Passage.heading,
    Passage.page, Passage.text, Passage.tokens, Passage.no, Document.kind.label("document_kind"),
    Document.name, Document.title, Document.url,
)  # fmt: skip


@cache
def searching(dimensions: int | None = None, pool: int = POOL) -> TextualSelect:
    """The statement; with `dimensions` it goes through the approximate index of such vectors.
    Words and vectors each bring `pool` candidates: a number and no parameter, or else Postgres
    could not keep one plan for all questions, and planning takes a third as long as searching.

    Parameters: org, question (folded), signs (its words that name nothing), asked_in, said and
    meant (corrections), vector, model, labels (NULL: all), share, faq_share, limit.
    """
    nearest = _EXACT if dimensions is None else _APPROXIMATE
    search = _SEARCH.replace("<nearest>", nearest).replace("{pool}", str(int(pool)))
    if dimensions is not None:
        search = search.replace("{dimensions}", str(int(dimensions)))
    scores = (column(name, Float) for name in ("bm25", "score", "cosine", "matched", "total"))
    return text(search).columns(*_PASSAGE_COLUMNS, *scores, column("unknown", ARRAY(Text)))


UNKNOWN_WORDS: Final = text(f"WITH {_TERMS} SELECT lexeme FROM unknown").columns(
    column("lexeme", Text)
)
# Which words of the question stand in which of the passages, and what each is worth.
MATCHED_WORDS: Final = text(f"""
WITH {_TERMS}
SELECT passage_no AS no, terms.lexeme, terms.idf, tf, terms.corrected_from
FROM terms JOIN postings ON postings.org_id = :org AND postings.lexeme = terms.lexeme
    AND postings.passage_no = ANY (CAST(:nos AS bigint[]))
ORDER BY no, idf * tf DESC, terms.lexeme
""").columns(
    column("no", Integer), column("lexeme", Text), column("idf", Float), column("tf", Integer),
    column("corrected_from", Text),
)  # fmt: skip

# The places come worked out: an index is not asked for the outcome of a sum that row-level security
# has to stand before, and all passages of the document would be read.
NEIGHBOURS: Final = text("""
SELECT near.id, near.document_id, near.version, near.ord, near.kind, near.heading, near.page,
    near.text, near.tokens, near.no, documents.kind AS document_kind, documents.name,
    documents.title, documents.url, wanted.nth
FROM unnest(CAST(:documents AS uuid[]), CAST(:versions AS int[]), CAST(:firsts AS int[]),
            CAST(:lasts AS int[]))
     WITH ORDINALITY AS wanted (document_id, version, first, last, nth)
JOIN passages AS near ON near.org_id = :org AND near.document_id = wanted.document_id
    AND near.version = wanted.version AND NOT near.disabled
    AND near.ord BETWEEN wanted.first AND wanted.last
JOIN documents ON documents.org_id = :org AND documents.id = near.document_id
ORDER BY wanted.nth, near.ord
""").columns(*_PASSAGE_COLUMNS, column("nth", Integer))

"""How near a visitor's question comes to the ways in which questions with an answer are asked."""

import unicodedata
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Float, Text, Uuid, column, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import lexical
from knowledge.search import QUERY_CHARS_MAX, Hit
from knowledge.tables import PassageKind

_CANDIDATES_MAX: Final = 20
_ENDS: Final = " ?!.。؟¿¡"

_WORDINGS_MAX: Final = 200

# Search shows a text once, and an answer is the text of all its wordings: here are the others.
_ALL_WORDINGS: Final = text("""
SELECT passages.id, passages.heading FROM passages
JOIN documents ON documents.org_id = :org AND documents.id = passages.document_id
    AND documents.live_version = passages.version
WHERE passages.org_id = :org AND passages.document_id = ANY (CAST(:documents AS uuid[]))
    AND passages.kind = 'faq' AND NOT passages.disabled
ORDER BY passages.ord, passages.document_id
""").columns(column("id", Uuid), column("heading", Text))
_COMPARE: Final = text("""
WITH corpus AS (
    SELECT greatest(coalesce(sum(passages), 0), 1) AS passages FROM knowledge_stats
    WHERE org_id = :org
), near AS MATERIALIZED (
    SELECT passages.id, passages.cfg, given.folded
    FROM unnest(CAST(:ids AS uuid[]), CAST(:wordings AS text[])) AS given (id, folded)
    JOIN passages ON passages.org_id = :org AND passages.id = given.id
), said AS MATERIALIZED (
    SELECT id, word.lexeme
    FROM near, unnest(to_tsvector(CAST(cfg AS regconfig), :question)) AS word
), wording AS MATERIALIZED (
    SELECT id, word.lexeme FROM near, unnest(to_tsvector(CAST(cfg AS regconfig), folded)) AS word
), known AS MATERIALIZED (
    -- A word that nobody wrote speaks most of all against that the two ask the same.
    SELECT each.lexeme, ln(1 + (passages - least(coalesce(df, 0), passages) + 0.5)
                          / (least(coalesce(df, 0), passages) + 0.5)) AS idf
    FROM corpus, (SELECT lexeme FROM said UNION SELECT lexeme FROM wording) AS each
    LEFT JOIN lexemes ON lexemes.org_id = :org AND lexemes.lexeme = each.lexeme
), both_ways AS (
    SELECT id, sum(idf) FILTER (WHERE asked) AS asked, sum(idf) FILTER (WHERE worded) AS worded,
        sum(idf) FILTER (WHERE asked AND worded) AS shared
    FROM (SELECT id, lexeme, said.id IS NOT NULL AS asked, wording.id IS NOT NULL AS worded
          FROM said FULL JOIN wording USING (id, lexeme)) AS words
    JOIN known USING (lexeme) GROUP BY id
)
SELECT near.id, documents.id AS document_id, faqs.question, faqs.answer, faqs.word_for_word,
    CAST(coalesce(2 * shared / nullif(asked + worded, 0), 0) AS float8) AS overlap
FROM near
JOIN passages ON passages.org_id = :org AND passages.id = near.id
JOIN documents ON documents.org_id = :org AND documents.id = passages.document_id
JOIN faqs ON faqs.org_id = :org AND faqs.document_id = documents.id AND faqs.enabled
LEFT JOIN both_ways ON both_ways.id = near.id
""")
_COMPARED: Final = _COMPARE.columns(
    column("id", Uuid),
    column("document_id", Uuid),
    column("question", Text),
    column("answer", Text),
    column("word_for_word", Boolean),
    column("overlap", Float),
)


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """A way to ask that was found, and the answer it stands for.

    `overlap` is how much of the idf of both, the question and this wording, is in words that they
    share (0 to 1, the same in both directions); `cosine` is of their vectors, 0 where search
    did not show this wording; `exact` says that they are the same text but for case, spaces and
    the punctuation at its ends.
    """

    document_id: UUID
    passage_id: UUID
    question: str
    wording: str
    answer: str
    word_for_word: bool
    overlap: float
    cosine: float
    exact: bool


async def compare(
    db: AsyncSession, org_id: UUID, question: str, hits: Sequence[Hit]
) -> list[Wording]:
    """The wordings of the answers among the hits, beside the question as the visitor typed it; no
    query is made when there are none.
    """
    hits = [hit for hit in hits if hit.passage.kind == PassageKind.FAQ][:_CANDIDATES_MAX]
    if not hits:
        return []
    asked = plain(question)
    cosines = {hit.passage.id: hit.vector for hit in hits}
    documents = list({hit.passage.document_id for hit in hits})
    others = await db.execute(_ALL_WORDINGS, {"org": org_id, "documents": documents})
    every = {row.id: row.heading or "" for row in others}
    # The same words first, then what was found, and of the rest as many as there is time for.
    order = sorted(every, key=lambda each: (plain(every[each]) != asked, each not in cosines))
    wordings = {each: every[each] for each in order[:_WORDINGS_MAX]}
    given = {
        "org": org_id,
        "question": lexical.fold(question[:QUERY_CHARS_MAX]),
        "ids": list(wordings),
        "wordings": [lexical.fold(each) for each in wordings.values()],
    }
    return [
        Wording(
            document_id=row.document_id,
            passage_id=row.id,
            question=row.question,
            wording=wordings[row.id],
            answer=row.answer,
            word_for_word=row.word_for_word,
            overlap=row.overlap,
            cosine=cosines.get(row.id, 0.0),
            exact=plain(wordings[row.id]) == asked,
        )
        for row in await db.execute(_COMPARED, given)
    ]


def plain(said: str) -> str:
    """A question with its symbols, which folding drops: C# is not C++."""
    return " ".join(unicodedata.normalize("NFKC", said).casefold().split()).strip(_ENDS)

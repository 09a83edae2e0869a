"""Putting passages, their postings and vectors on the shelf, and taking them off again; stats
keep up.

Everything here happens inside the caller's transaction. Rows go in by `INSERT … SELECT
unnest(…)`: Postgres does not allow COPY into tables under row-level security.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import CursorResult, Result, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import lexical
from knowledge.embed import Vectors
from knowledge.split import Piece
from knowledge.tables import Passage, new_id

_ROWS_A_STATEMENT: Final = 500
_DECIMALS: Final = 5  # a half-precision number of a unit vector has no more

_ADD_PASSAGES: Final = text("""
    INSERT INTO passages (org_id, id, document_id, version, ord, heading, page, text, tokens, cfg,
                          lexemes, n_lex)
    SELECT :org, id, :document, :version, ord, heading, page, body, tokens, :cfg, lexemes,
           (SELECT coalesce(sum(cardinality(positions)), 0) FROM unnest(lexemes))
    FROM (SELECT *, to_tsvector(CAST(:cfg AS regconfig), folded) AS lexemes
          FROM unnest(CAST(:ids AS uuid[]), CAST(:ords AS int[]), CAST(:headings AS text[]),
                      CAST(:pages AS int[]), CAST(:bodies AS text[]), CAST(:tokens AS int[]),
                      CAST(:folded AS text[]))
               AS piece (id, ord, heading, page, body, tokens, folded)
          OFFSET 0) AS parsed
""")
_ADD_VECTORS: Final = text("""
    INSERT INTO embeddings (org_id, passage_no, model, vector)
    SELECT :org, passages.no, :model, CAST(given.vector AS halfvec)
    FROM unnest(CAST(:ords AS int[]), CAST(:vectors AS text[])) AS given (ord, vector)
    JOIN passages ON passages.org_id = :org AND passages.document_id = :document
                 AND passages.version = :version AND passages.ord = given.ord
""")
_ADD_POSTINGS: Final = text("""
    INSERT INTO postings (org_id, lexeme, passage_no, tf, n_lex)
    SELECT org_id, word.lexeme, no, cardinality(word.positions), n_lex
    FROM passages, unnest(lexemes) AS word
    WHERE org_id = :org AND document_id = :document AND version = :version
    ORDER BY word.lexeme, no
""")
# In one order everywhere, so that two transactions never wait for each other.
_LOCK_COUNTS: Final = text("""
    SELECT cfg FROM knowledge_stats WHERE org_id = :org ORDER BY cfg FOR UPDATE
""")
_COUNT: Final = text("""
    INSERT INTO knowledge_stats AS stats (org_id, cfg, passages, lexemes)
    SELECT org_id, cfg, :sign * count(*), :sign * sum(n_lex) FROM passages
    WHERE org_id = :org AND document_id = :document AND version = ANY (CAST(:versions AS int[]))
    GROUP BY org_id, cfg ORDER BY cfg
    ON CONFLICT (org_id, cfg) DO UPDATE
    SET passages = stats.passages + excluded.passages, lexemes = stats.lexemes + excluded.lexemes
""")
_REMOVE_POSTINGS: Final = text("""
    DELETE FROM postings
    USING (SELECT no, (unnest(lexemes)).lexeme FROM passages
           WHERE org_id = :org AND document_id = :document
             AND version = ANY (CAST(:versions AS int[]))) AS old
    WHERE postings.org_id = :org AND postings.lexeme = old.lexeme AND postings.passage_no = old.no
""")
_REMOVE_PASSAGES: Final = text("""
    DELETE FROM passages
    WHERE org_id = :org AND document_id = :document AND version = ANY (CAST(:versions AS int[]))
""")
_VERSIONS: Final = text("""
    SELECT DISTINCT version FROM passages
    WHERE org_id = :org AND document_id = :document AND version <> :except
""").columns(Passage.version)


async def put(
    db: AsyncSession,
    org_id: UUID,
    document_id: UUID,
    *,
    version: int,
    title: str,
    pieces: Sequence[Piece],
    cfg: str,
    model: str,
    vectors: Vectors,
) -> None:
    """Add `pieces` as the passages of that version; a vector of zeros is left out."""
    owner = {"org": org_id, "document": document_id, "version": version}
    for at in range(0, len(pieces), _ROWS_A_STATEMENT):
        some = pieces[at : at + _ROWS_A_STATEMENT]
        columns = await asyncio.to_thread(_columns, some, at, title)
        await db.execute(_ADD_PASSAGES, owner | {"cfg": cfg} | columns)
        columns = await asyncio.to_thread(_vector_columns, vectors[at : at + _ROWS_A_STATEMENT], at)
        await db.execute(_ADD_VECTORS, owner | {"model": model} | columns)
    await db.execute(_ADD_POSTINGS, owner)
    await db.execute(_LOCK_COUNTS, owner)
    await db.execute(_COUNT, owner | {"versions": [version], "sign": 1})


async def remove(
    db: AsyncSession, org_id: UUID, document_id: UUID, *, except_version: int = 0
) -> tuple[int, int]:
    """Take a document's passages off, but for one version; returns how many passages and postings
    went.
    """
    owner: dict[str, object] = {"org": org_id, "document": document_id}
    versions = list(await db.scalars(_VERSIONS, owner | {"except": except_version}))
    if not versions:
        return 0, 0
    owner["versions"] = versions
    await db.execute(_LOCK_COUNTS, owner)
    await db.execute(_COUNT, owner | {"sign": -1})
    postings = await db.execute(_REMOVE_POSTINGS, owner)
    passages = await db.execute(_REMOVE_PASSAGES, owner)
    return _rows(passages), _rows(postings)


def searchable(title: str, heading: str | None, body: str) -> str:
    """What a passage is found by: its document's name and headings count as its words."""
    return "\n".join(part for part in (title, heading, body) if part)


def _columns(pieces: Sequence[Piece], first: int, title: str) -> dict[str, object]:
    return {
        "ids": [new_id() for _ in pieces],
        "ords": list(range(first, first + len(pieces))),
        "headings": [piece.heading for piece in pieces],
        "pages": [piece.page for piece in pieces],
        "bodies": [piece.text for piece in pieces],
        "tokens": [piece.tokens for piece in pieces],
        "folded": [lexical.fold(searchable(title, piece.heading, piece.text)) for piece in pieces],
    }


def _vector_columns(vectors: Vectors, first: int) -> dict[str, object]:
    known = [at for at, vector in enumerate(vectors) if vector.any()]
    rounded = np.round(vectors[known].astype(np.float64), _DECIMALS).tolist()
    return {
        "ords": [first + at for at in known],
        "vectors": [msgspec.json.encode(vector).decode() for vector in rounded],
    }


def _rows(result: Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount

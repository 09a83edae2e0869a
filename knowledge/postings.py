"""Putting passages, their postings and vectors on the shelf, and taking them off again; the counts
of passages and of words keep up.

A disabled passage is kept as a row, with nothing by which it could be found. Everything here
happens inside the caller's transaction. Rows go in by `INSERT … SELECT unnest(…)`: Postgres does
not allow COPY into tables under row-level security.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy import CursorResult, Result, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import language, lexical
from knowledge.embed import Vectors
from knowledge.reading.split import Piece
from knowledge.tables import Passage, PassageKind, new_id

_ROWS_A_STATEMENT: Final = 500
_DECIMALS: Final = 5  # a half-precision number of a unit vector has no more

_ADD_PASSAGES: Final = text("""
    INSERT INTO passages (org_id, id, document_id, version, ord, kind, heading, page, text,
                          original, disabled, tokens, cfg, lexemes, n_lex)
    SELECT :org, id, :document, :version, ord, :kind, heading, page, body, original, disabled,
           tokens, :cfg, lexemes,
           (SELECT coalesce(sum(cardinality(positions)), 0) FROM unnest(lexemes))
    FROM (SELECT *, to_tsvector(CAST(:cfg AS regconfig), folded) AS lexemes
          FROM unnest(CAST(:ids AS uuid[]), CAST(:ords AS int[]), CAST(:headings AS text[]),
                      CAST(:pages AS int[]), CAST(:bodies AS text[]), CAST(:originals AS text[]),
                      CAST(:disabled AS bool[]), CAST(:tokens AS int[]), CAST(:folded AS text[]))
               AS piece (id, ord, heading, page, body, original, disabled, tokens, folded)
          OFFSET 0) AS parsed
""")
_ADD_VECTORS: Final = text("""
    INSERT INTO embeddings (org_id, passage_no, model, vector)
    SELECT :org, passages.no, :model, CAST(given.vector AS halfvec)
    FROM unnest(CAST(:ords AS int[]), CAST(:vectors AS text[])) AS given (ord, vector)
    JOIN passages ON passages.org_id = :org AND passages.document_id = :document
                 AND passages.version = :version AND passages.ord = given.ord
    WHERE NOT passages.disabled
    ON CONFLICT DO NOTHING
""")
_PARSE_AGAIN: Final = text("""
    UPDATE passages SET lexemes = parsed.lexemes,
        n_lex = (SELECT coalesce(sum(cardinality(positions)), 0) FROM unnest(parsed.lexemes))
    FROM (SELECT no, to_tsvector(CAST(cfg AS regconfig), :folded) AS lexemes FROM passages
          WHERE org_id = :org AND no = :no OFFSET 0) AS parsed
    WHERE passages.org_id = :org AND passages.no = parsed.no
""")
# Two writers of one organisation count one after the other: they touch the same words in many
# rows, and whichever order they came in, one of them would wait for the other's other half.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('shelf:' || :org, 0))")
# Which passages: those of one document's `versions`, or the one numbered `no`.
_THESE: Final = """
    org_id = :org AND document_id = :document AND version = ANY (CAST(:versions AS int[]))
    AND NOT disabled AND (CAST(:no AS bigint) IS NULL OR no = :no)
"""
_ADD_POSTINGS: Final = text(f"""
    INSERT INTO postings (org_id, lexeme, passage_no, tf, n_lex)
    SELECT org_id, word.lexeme, no, cardinality(word.positions), n_lex
    FROM passages, unnest(lexemes) AS word WHERE {_THESE} ORDER BY word.lexeme, no
""")
_COUNT: Final = text(f"""
    INSERT INTO knowledge_stats AS stats (org_id, cfg, passages, lexemes)
    SELECT org_id, cfg, :sign * count(*), :sign * sum(n_lex) FROM passages WHERE {_THESE}
    GROUP BY org_id, cfg
    ON CONFLICT (org_id, cfg) DO UPDATE
    SET passages = stats.passages + excluded.passages, lexemes = stats.lexemes + excluded.lexemes
""")
_COUNT_WORDS: Final = text(f"""
    INSERT INTO lexemes AS known (org_id, lexeme, df)
    SELECT org_id, word.lexeme, :sign * count(*) FROM passages, unnest(lexemes) AS word
    WHERE {_THESE} GROUP BY org_id, word.lexeme
    ON CONFLICT (org_id, lexeme) DO UPDATE SET df = known.df + excluded.df
""")
_FORGET_WORDS: Final = text("""
    DELETE FROM lexemes WHERE org_id = :org AND df <= 0 AND lexeme = ANY (CAST(:words AS text[]))
""")
_WORDS: Final = text(f"""
    SELECT DISTINCT word.lexeme FROM passages, unnest(lexemes) AS word WHERE {_THESE}
""")
_REMOVE_POSTINGS: Final = text(f"""
    DELETE FROM postings
    USING (SELECT no, (unnest(lexemes)).lexeme FROM passages WHERE {_THESE}) AS old
    WHERE postings.org_id = :org AND postings.lexeme = old.lexeme AND postings.passage_no = old.no
""")
_REMOVE_VECTORS: Final = text("""
    DELETE FROM embeddings USING passages
    WHERE embeddings.org_id = :org AND passages.org_id = :org
      AND passages.document_id = :document AND passages.version = ANY (CAST(:versions AS int[]))
      AND embeddings.passage_no = passages.no AND (CAST(:no AS bigint) IS NULL OR no = :no)
""")
_REMOVE_PASSAGES: Final = text("""
    DELETE FROM passages
    WHERE org_id = :org AND document_id = :document AND version = ANY (CAST(:versions AS int[]))
""")
_VERSIONS: Final = text("""
    SELECT DISTINCT version FROM passages
    WHERE org_id = :org AND document_id = :document AND version <> :except
""").columns(Passage.version)
_MAIN_LANGUAGE: Final = text("""
    SELECT cfg FROM knowledge_stats WHERE org_id = :org AND passages > 0 AND cfg <> 'simple'
    ORDER BY passages DESC, cfg LIMIT 1
""")


class Taken(msgspec.Struct, frozen=True):
    """How many rows went."""

    passages: int = 0
    postings: int = 0
    vectors: int = 0


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
    kind: PassageKind = PassageKind.DOCUMENT,
) -> None:
    """Add `pieces` as the passages of that version; a vector of zeros is left out."""
    owner = _owner(org_id, document_id, [version])
    for at in range(0, len(pieces), _ROWS_A_STATEMENT):
        some = pieces[at : at + _ROWS_A_STATEMENT]
        columns = await asyncio.to_thread(_columns, some, at, title)
        given = {"version": version, "kind": kind, "cfg": cfg}
        await db.execute(_ADD_PASSAGES, owner | given | columns)
        some_vectors = vectors[at : at + _ROWS_A_STATEMENT]
        await add_vectors(db, org_id, document_id, version, at, model=model, vectors=some_vectors)
    await _count(db, owner, 1)


async def add_vectors(
    db: AsyncSession,
    org_id: UUID,
    document_id: UUID,
    version: int,
    first_ord: int,
    *,
    model: str,
    vectors: Vectors,
) -> None:
    """Give the passages from `first_ord` on their vectors; one of zeros is left out."""
    columns = await asyncio.to_thread(_vector_columns, vectors, first_ord)
    owner = {"org": org_id, "document": document_id, "version": version, "model": model}
    await db.execute(_ADD_VECTORS, owner | columns)


async def remove(
    db: AsyncSession, org_id: UUID, document_id: UUID, *, except_version: int = 0
) -> Taken:
    """Take a document's passages off, but for one version."""
    query = {"org": org_id, "document": document_id, "except": except_version}
    versions = list(await db.scalars(_VERSIONS, query))
    if not versions:
        return Taken()
    owner = _owner(org_id, document_id, versions)
    postings = await _discount(db, owner)
    vectors = await db.execute(_REMOVE_VECTORS, owner)
    passages = await db.execute(_REMOVE_PASSAGES, owner)
    return Taken(_rows(passages), postings, _rows(vectors))


async def hide(db: AsyncSession, passage: Passage) -> None:
    """Take away all by which the passage could be found."""
    owner = _owner(passage.org_id, passage.document_id, [passage.version], passage.no)
    await _discount(db, owner)
    await db.execute(_REMOVE_VECTORS, owner)


async def show(
    db: AsyncSession, passage: Passage, *, title: str, model: str, vector: Vectors
) -> None:
    """Make a hidden passage found again by its text as it is now; `vector` is one row."""
    folded = lexical.fold(searchable(title, passage.heading, passage.text))
    await db.execute(_PARSE_AGAIN, {"org": passage.org_id, "no": passage.no, "folded": folded})
    await add_vectors(
        db,
        passage.org_id,
        passage.document_id,
        passage.version,
        passage.ord,
        model=model,
        vectors=vector.reshape(1, -1),
    )
    await _count(db, _owner(passage.org_id, passage.document_id, [passage.version], passage.no), 1)


async def main_language(db: AsyncSession, org_id: UUID) -> str:
    """The language that most of the organisation's passages are in; `simple` when none is known."""
    return await db.scalar(_MAIN_LANGUAGE, {"org": org_id}) or language.SIMPLE


async def _count(db: AsyncSession, owner: dict[str, object], sign: int) -> None:
    await db.execute(_ADD_POSTINGS, owner)
    await db.execute(_ONE_AT_A_TIME, {"org": str(owner["org"])})
    await db.execute(_COUNT, owner | {"sign": sign})
    await db.execute(_COUNT_WORDS, owner | {"sign": sign})


async def _discount(db: AsyncSession, owner: dict[str, object]) -> int:
    await db.execute(_ONE_AT_A_TIME, {"org": str(owner["org"])})
    await db.execute(_COUNT, owner | {"sign": -1})
    await db.execute(_COUNT_WORDS, owner | {"sign": -1})
    words = list(await db.scalars(_WORDS, owner))
    await db.execute(_FORGET_WORDS, {"org": owner["org"], "words": words})
    return _rows(await db.execute(_REMOVE_POSTINGS, owner))


def _owner(
    org_id: UUID, document_id: UUID, versions: list[int], no: int | None = None
) -> dict[str, object]:
    return {"org": org_id, "document": document_id, "versions": versions, "no": no}


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
        "originals": [piece.original for piece in pieces],
        "disabled": [piece.disabled for piece in pieces],
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

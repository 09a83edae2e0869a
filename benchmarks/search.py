"""Question to passages in Postgres: the hybrid statement beside words alone and vectors alone.

python -m benchmarks.search [--passages 10000] [--questions 300] [--json]
"""

import asyncio
import time
from typing import Final
from uuid import UUID

import click
from sqlalchemy import TextClause, text

from benchmarks.corpus import Writer
from benchmarks.report import bench_database, percentiles, report
from chatbot.database import Database
from chatbot.orgs.sites import create_org
from knowledge import index, language, search, tokens
from knowledge.embed import LocalEmbedder, Vectors
from knowledge.split import Piece
from knowledge.tables import Status

_PASSAGES_A_DOCUMENT: Final = 500
_WARM_UP: Final = 30
_EMBEDDER: Final = LocalEmbedder()

# The two halves of the hybrid, each as one would write it alone.
_WORDS_ALONE: Final = text("""
    WITH corpus AS (
        SELECT sum(passages)::float8 AS n, sum(lexemes)::float8 / sum(passages) AS length
        FROM knowledge_stats WHERE org_id = :org),
    terms AS MATERIALIZED (SELECT lexeme, ln(1 + (n - count(*) + 0.5) / (count(*) + 0.5)) AS idf
        FROM corpus, unnest(to_tsvector('english', :question)) JOIN postings USING (lexeme)
        WHERE org_id = :org GROUP BY lexeme, n)
    SELECT passage_no, sum(idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * n_lex / length))) AS score
    FROM corpus, terms JOIN postings USING (lexeme)
    WHERE org_id = :org GROUP BY 1 ORDER BY score DESC LIMIT 12
""")
_VECTORS_ALONE: Final = text("""
    SELECT passage_no, vector <=> cast(:vector AS halfvec) AS distance
    FROM embeddings WHERE org_id = :org AND model = :model ORDER BY distance LIMIT 12
""")


@click.command()
@click.option("--passages", default=10_000)
@click.option("--questions", default=300)
@click.option("--json", "as_json", is_flag=True)
def main(passages: int, questions: int, as_json: bool) -> None:
    metrics, peers = asyncio.run(_measure(passages, questions))
    report("search", metrics, peers, as_json=as_json)


async def _measure(
    passages: int, questions: int
) -> tuple[dict[str, float | int], dict[str, dict[str, float]]]:
    writer = Writer()
    async with bench_database() as database:
        org = await create_org(database, "Bench", slug="bench")
        other = await create_org(database, "Other", slug="other")
        for org_id in (org.id, other.id):
            await fill(database, org_id, writer, passages)
        asked = [writer.question(topic) for topic in range(questions + _WARM_UP)]
        vectors = await _EMBEDDER.embed(asked)
        hybrid = await _time_hybrid(database, org.id, asked, vectors)
        words = await _time(database, org.id, _WORDS_ALONE, asked, vectors)
        nearest = await _time(database, org.id, _VECTORS_ALONE, asked, vectors)
    return {"passages": passages, **percentiles(hybrid)}, {
        "BM25 alone": percentiles(words),
        "vectors alone": percentiles(nearest),
    }


async def fill(database: Database, org_id: UUID, writer: Writer, passages: int) -> None:
    for first in range(0, passages, _PASSAGES_A_DOCUMENT):
        count = min(_PASSAGES_A_DOCUMENT, passages - first)
        texts = [writer.passage(first + at) for at in range(count)]
        vectors = await _EMBEDDER.embed(texts)
        async with database.transaction(org_id) as db:
            await index.add(db, org_id, name=f"{first}.txt", body=str(first).encode())
            claim = await index.claim(db, org_id)
            if claim is None:
                raise AssertionError("the document that was just added waits")
            await index.progress(db, claim, 0.5, Status.INDEXING)
            await index.replace_passages(
                db,
                claim,
                pieces=[Piece(one, None, None, tokens.count(one)) for one in texts],
                vectors=vectors,
                model=_EMBEDDER.model,
                cfg=language.detect(texts[0]),
                pages=None,
            )


async def _time_hybrid(
    database: Database, org_id: UUID, asked: list[str], vectors: Vectors
) -> list[float]:
    """With the transaction around it, as every question pays for it."""
    seconds: list[float] = []
    for question, vector in zip(asked, vectors, strict=True):
        begun = time.perf_counter()
        async with database.transaction(org_id) as db:
            found = await search.passages(db, org_id, question, vector, model=_EMBEDDER.model)
        seconds.append(time.perf_counter() - begun)
        if not found.hits:
            raise AssertionError("every question is about a topic that was written about")
    return seconds[_WARM_UP:]


async def _time(
    database: Database, org_id: UUID, statement: TextClause, asked: list[str], vectors: Vectors
) -> list[float]:
    seconds: list[float] = []
    for question, vector in zip(asked, vectors, strict=True):
        given = {"org": org_id, "question": question, "vector": str(vector.tolist())}
        begun = time.perf_counter()
        async with database.transaction(org_id) as db:
            (await db.execute(statement, given | {"model": _EMBEDDER.model})).all()
        seconds.append(time.perf_counter() - begun)
    return seconds[_WARM_UP:]


if __name__ == "__main__":
    main()

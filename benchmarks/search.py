"""Question to passages in Postgres: the hybrid statement beside words alone and vectors alone.

    python -m benchmarks.search [--passages 10000] [--questions 300] [--full] [--json]

`--full` builds a million passages once and keeps them (in `.bench`, about 10 GB): organisations of
10,000 and 100,000, nine more to fill it up, and one of 20 passages. It times the large one with
its partial index and, beside it, scanned exactly, and checks what the indexes find against exact
scans. To rebuild, delete the folder.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import click
import msgspec
import numpy as np
from sqlalchemy import TextClause, text

from benchmarks import million
from benchmarks.corpus import Writer
from benchmarks.filling import fill
from benchmarks.million import Million
from benchmarks.report import Metrics, bench_database, percentiles, report
from chatbot.database import Database
from chatbot.orgs.sites import create_org
from knowledge import preferences, search
from knowledge.embed import LocalEmbedder, Vectors
from knowledge.preferences import NOTHING_CHOSEN, Preferences

_WARM_UP: Final = 30
_KEPT: Final = Path(".bench")
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
_NEAREST: Final = """
    SELECT passage_no FROM embeddings WHERE org_id = :org AND model = :model
    ORDER BY {expression} LIMIT 10
"""
_EXACTLY: Final = text(_NEAREST.format(expression="vector <#> CAST(:vector AS halfvec)"))
_THROUGH_THE_INDEX: Final = text(
    _NEAREST.format(expression="CAST(vector AS halfvec(256)) <#> CAST(:vector AS halfvec(256))")
)


@click.command()
@click.option("--passages", default=10_000)
@click.option("--questions", default=300)
@click.option("--full", is_flag=True, help="a million passages, kept in .bench")
@click.option("--json", "as_json", is_flag=True)
def main(passages: int, questions: int, full: bool, as_json: bool) -> None:
    work = _measure_million(questions) if full else _measure(passages, questions)
    metrics, peers = asyncio.run(work)
    report("search_full" if full else "search", metrics, peers, as_json=as_json)


async def _measure(passages: int, questions: int) -> tuple[Metrics, dict[str, Metrics]]:
    writer = Writer()
    async with bench_database() as database:
        org = await create_org(database, "Bench", slug="bench")
        other = await create_org(database, "Other", slug="other")
        for org_id in (org.id, other.id):
            await fill(database, org_id, writer, passages)
        asked, vectors = await _questions(writer, questions)
        hybrid = await _time_hybrid(database, org.id, asked, vectors)
        words = await _time(database, org.id, _WORDS_ALONE, asked, vectors)
        nearest = await _time(database, org.id, _VECTORS_ALONE, asked, vectors)
    return {"passages": passages, **percentiles(hybrid)}, {
        "BM25 alone": percentiles(words),
        "vectors alone": percentiles(nearest),
    }


async def _measure_million(questions: int) -> tuple[Metrics, dict[str, Metrics]]:
    async with _kept_million() as (database, kept):
        asked, vectors = await _questions(Writer(), questions)
        async with database.transaction(kept.large) as db:
            chosen = await preferences.get(db, kept.large)
        if chosen.indexed_dimensions is None:
            raise AssertionError("the organisation of 100,000 passages has its index")
        large = await _time_hybrid(database, kept.large, asked, vectors, chosen)
        exact = await _time_hybrid(database, kept.large, asked, vectors)
        middle = await _time_hybrid(database, kept.middle, asked, vectors)
        small = await _time_hybrid(database, kept.small, asked, vectors)
        metrics: Metrics = {
            "passages_in_all": kept.passages,
            **percentiles(middle, prefix="of_10000_"),
            **percentiles(large, prefix="of_100000_indexed_"),
            **percentiles(small, prefix="of_20_"),
            "recall_at_10_indexed": await _recall(database, kept.large, vectors),
            "of_20_like_exact": await _small_is_exact(database, kept.small, vectors),
        }
        words = await _time(database, kept.large, _WORDS_ALONE, asked, vectors)
        nearest = await _time(database, kept.large, _VECTORS_ALONE, asked, vectors)
    return metrics, {
        "the same, scanned exactly": percentiles(exact, prefix="of_100000_indexed_"),
        "BM25 alone": percentiles(words, prefix="of_100000_"),
        "vectors alone, exact": percentiles(nearest, prefix="of_100000_"),
    }


@asynccontextmanager
async def _kept_million() -> AsyncGenerator[tuple[Database, Million]]:
    async with million.database(_KEPT) as (database, urls):
        yield database, await million.prepared(database, urls)


async def _questions(writer: Writer, count: int) -> tuple[list[str], Vectors]:
    asked = [writer.question(topic) for topic in range(count + _WARM_UP)]
    return asked, await _EMBEDDER.embed(asked)


async def _time_hybrid(
    database: Database,
    org_id: UUID,
    asked: list[str],
    vectors: Vectors,
    chosen: Preferences = NOTHING_CHOSEN,
) -> list[float]:
    """With the transaction around it, as every question pays for it."""
    seconds: list[float] = []
    for question, vector in zip(asked, vectors, strict=True):
        begun = time.perf_counter()
        async with database.transaction(org_id) as db:
            found = await search.passages(
                db, org_id, question, vector, model=_EMBEDDER.model, preferences=chosen
            )
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


async def _recall(database: Database, org_id: UUID, vectors: Vectors) -> float:
    """The share of the ten nearest passages that the index finds, with production's settings."""
    found = total = 0
    for vector in vectors[_WARM_UP:]:
        given = {"org": org_id, "model": _EMBEDDER.model, "vector": str(vector.tolist())}
        async with database.transaction(org_id) as db:
            exact = set(await db.scalars(_EXACTLY, given))
            await search.go_through_the_index(db)
            found += len(exact & set(await db.scalars(_THROUGH_THE_INDEX, given)))
        total += len(exact)
    return round(found / total, 4)


async def _small_is_exact(database: Database, org_id: UUID, vectors: Vectors) -> float:
    """The share of questions on which production's statement, asked for vectors alone, gives the
    organisation of 20 the ten that a comparison with all of its vectors gives.
    """
    query = text("SELECT passage_no, CAST(vector AS text) FROM embeddings WHERE org_id = :org")
    async with database.transaction(org_id) as db:
        rows = (await db.execute(query, {"org": org_id})).all()
    own = {row[0]: np.asarray(msgspec.json.decode(row[1]), np.float32) for row in rows}
    same = 0
    for vector in vectors:
        async with database.transaction(org_id) as db:
            found = await search.passages(
                db, org_id, "", vector, model=_EMBEDDER.model, limit=10, preferences=NOTHING_CHOSEN
            )
        best = sorted(own, key=lambda no: -float(own[no] @ vector))[:10]
        same += [hit.passage.no for hit in found.hits] == best
    return round(same / len(vectors), 4)


if __name__ == "__main__":
    main()

"""Many small documents of two organisations at once, worked off by the real job queue: how long it
takes, and how fair the turns are.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import psutil
from sqlalchemy import func, select

from benchmarks.corpus import Writer
from benchmarks.report import Metrics, bench_database
from chatbot.database import Database
from chatbot.jobs import Jobs
from chatbot.library import ingest as library
from chatbot.library.upkeep import Upkeep
from chatbot.orgs.sites import create_org
from chatbot.settings import Limits
from knowledge.embed import LocalEmbedder
from knowledge.models import Models
from knowledge.tables import Document, Status

_SECONDS_MAX: Final = 3_600.0
_POLL_S: Final = 0.5


async def work_off(documents: int) -> Metrics:
    """The first organisation queues all of its documents before the second queues its first."""
    models = Models(LocalEmbedder())
    await models.current.embed(["load the vectors first"])
    async with bench_database() as database:
        jobs = Jobs(database.url)
        ingestion = library.Ingestion(database, jobs, models, Upkeep(database, jobs, models, ""))
        org_ids = [
            (await create_org(database, name, slug=name.lower())).id for name in ("Alder", "Birch")
        ]
        for org_id in org_ids:
            await _queue(database, jobs, org_id, documents)
        memory, begun = psutil.Process().memory_info().rss, time.perf_counter()
        await jobs.start(ingestion.resume)
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                # Nobody tells when the last one is done.
                while await _waiting(database, org_ids):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
        finally:
            await jobs.stop()
        seconds = time.perf_counter() - begun
        ready = [await _ready_at(database, org_id) for org_id in org_ids]
    return {
        "documents": documents * len(org_ids),
        "ready": sum(map(len, ready)),
        "seconds": round(seconds, 1),
        "documents_a_second": round(documents * len(org_ids) / seconds, 2),
        "largest_lead_of_one": _largest_lead(*ready),
        "server_memory_mb_before": memory >> 20,
        "server_memory_mb_after": psutil.Process().memory_info().rss >> 20,
    }


async def _queue(database: Database, jobs: Jobs, org_id: UUID, documents: int) -> None:
    writer = Writer(seed=documents)
    limits = Limits()
    for at in range(documents):
        text = f"# Note {at}\n\n{writer.passage(at)}\n\n{writer.passage(at + 1)}\n"
        async with database.transaction(org_id, actor="system") as db:
            await library.add(
                db, jobs, org_id, name=f"note-{at}.md", body=text.encode(), limits=limits
            )


async def _waiting(database: Database, org_ids: Sequence[UUID]) -> int:
    count = 0
    for org_id in org_ids:
        unfinished = (
            Document.org_id == org_id,
            Document.status.not_in((Status.READY, Status.FAILED)),
        )
        async with database.transaction(org_id) as db:
            count += await db.scalar(select(func.count()).where(*unfinished)) or 0
    return count


async def _ready_at(database: Database, org_id: UUID) -> list[datetime]:
    query = select(Document.updated_at).where(
        Document.org_id == org_id, Document.status == Status.READY
    )
    async with database.transaction(org_id) as db:
        return sorted((await db.scalars(query)).all())


def _largest_lead(one: list[datetime], other: list[datetime]) -> int:
    """By how many documents one organisation was ever ahead, while both still had some."""
    both_until = min(one[-1], other[-1]) if one and other else None
    if both_until is None:
        return max(len(one), len(other))
    turns = sorted([(at, 1) for at in one] + [(at, -1) for at in other])
    lead = largest = 0
    for at, side in turns:
        if at <= both_until:
            lead += side
            largest = max(largest, abs(lead))
    return largest

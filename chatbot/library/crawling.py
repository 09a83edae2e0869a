"""Websites on their way into the knowledge base: verbs for people, and the job that reads them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.errors import Conflict, Invalid
from chatbot.jobs import CRAWL, INGEST, Jobs
from chatbot.settings import Limits
from knowledge.web import crawl
from knowledge.web.crawl import Wanted
from knowledge.web.crawler import Crawler
from knowledge.web.crawltables import Crawl
from knowledge.web.fetch import Fetcher
from knowledge.web.weberrors import WebError

log = structlog.get_logger()
REMOVED_AT_ONCE: Final = 20


class Crawling:
    """Runs the job `crawl`: some pages of one organisation, then back to the end of the line."""

    def __init__(self, database: Database, jobs: Jobs, fetcher: Fetcher, *, limits: Limits) -> None:
        self._database = database
        self._jobs = jobs
        self._crawler = Crawler(
            database.transaction,
            fetcher,
            queued=self._queued,
            documents_max=limits.documents_max,
        )
        jobs.does(CRAWL, self.one)

    async def one(self, org_id: UUID) -> None:
        """Read some pages of the crawl that has waited longest; ask for another turn when one is
        due.
        """
        await self._crawler.turn(org_id)
        await self._defer_if_due(org_id)

    async def resume(self) -> None:
        """Defer for every organisation with a crawl to begin, or one whose worker died."""
        async with self._database.transaction() as db:
            query = text("select lookup.due_crawls(clock_timestamp())")
            org_ids: Sequence[UUID] = (await db.scalars(query)).all()
        for org_id in org_ids:
            await self._defer_if_due(org_id)

    async def _defer_if_due(self, org_id: UUID) -> None:
        async with self._database.transaction(org_id, actor="system") as db:
            if await crawl.is_due(db, org_id):
                await self._jobs.defer(db, CRAWL, org_id)

    async def _queued(self, db: AsyncSession, org_id: UUID) -> None:
        await self._jobs.defer(db, INGEST, org_id)


async def add(
    db: AsyncSession, jobs: Jobs, org_id: UUID, wanted: Wanted, *, crawls_max: int
) -> Crawl:
    """Have a website read, in this transaction. Invalid `too_many_crawls`, Conflict
    `crawl_exists`, or a KnowledgeError for an address or label that cannot be taken.
    """
    count = await db.scalar(select(func.count()).where(Crawl.org_id == org_id)) or 0
    if count >= crawls_max:
        raise Invalid("too_many_crawls", f"There are {count} crawls already. Delete one first.")
    try:
        made = await crawl.add(db, org_id, wanted)
    except WebError as error:
        if error.code == "crawl_exists":
            raise Conflict(error.code, error.message) from error
        raise
    await jobs.defer(db, CRAWL, org_id)
    return made


async def change(db: AsyncSession, org_id: UUID, crawl_id: UUID, changes: dict[str, Any]) -> Crawl:
    """Other limits, schedule or labels. KnowledgeError `not_found` or `bad_labels`."""
    return await crawl.change(db, await crawl.get(db, org_id, crawl_id, lock=True), changes)


async def run_now(db: AsyncSession, jobs: Jobs, org_id: UUID, crawl_id: UUID) -> Crawl:
    """Begin the next run as soon as there is a worker. KnowledgeError `not_found`."""
    found = await crawl.run_now(db, await crawl.get(db, org_id, crawl_id, lock=True))
    await jobs.defer(db, CRAWL, org_id)
    return found


async def remove(
    database: Database, org_id: UUID, crawl_id: UUID, *, actor: str, keep_documents: bool
) -> int:
    """Delete a crawl, with its documents unless they are kept; how many went. KnowledgeError
    `not_found`.

    Some documents a transaction, so that nobody waits long for the shelf. Whoever is stopped in the
    middle leaves a crawl that rests, with the documents that are left, to be deleted again.
    """
    async with database.transaction(org_id, actor=actor) as db:
        await crawl.stop(db, await crawl.get(db, org_id, crawl_id, lock=True))
    gone, is_gone = 0, False
    while not is_gone:
        async with database.transaction(org_id, actor=actor) as db:
            found = await crawl.get(db, org_id, crawl_id, lock=True)
            some, is_gone = await crawl.remove(
                db, found, keep_documents=keep_documents, at_once=REMOVED_AT_ONCE
            )
        gone += some
    return gone

"""`chatbot crawl`: a website read while one watches, page by page."""

import asyncio
from typing import Final
from uuid import UUID

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.errors import Conflict
from chatbot.jobs import Jobs
from chatbot.library import crawling
from chatbot.settings import Limits
from knowledge.ingest import ingest_next
from knowledge.models import Models
from knowledge.web import crawl
from knowledge.web.crawl import Wanted
from knowledge.web.crawler import Crawler
from knowledge.web.crawltables import Crawl, CrawlStatus, PageStatus
from knowledge.web.fetch import Fetcher
from knowledge.web.weburl import canonical

POLL_S: Final = 0.5
_ENDED: Final = {CrawlStatus.DONE, CrawlStatus.FAILED}


class Reading:
    """Reads a website in this process, and indexes its pages at once."""

    def __init__(
        self, database: Database, fetcher: Fetcher, models: Models, *, limits: Limits
    ) -> None:
        self._database = database
        self._models = models
        self._limits = limits
        self._queue = Jobs(database.url)
        self._crawler = Crawler(
            database.transaction, fetcher, queued=_nobody, documents_max=limits.documents_max
        )

    async def read(self, org_id: UUID, wanted: Wanted, *, out: Console, log: Console) -> bool:
        """Begin a run and see it through; a line for every page that failed, and one for the
        whole. Whether it was done.
        """
        crawl_id, run = await self._begin(org_id, wanted)
        with _bar(log) as bar:
            shown = bar.add_task("reading", total=wanted.pages_max)
            while not await self._is_over(org_id, crawl_id, run):
                turn = asyncio.create_task(self._crawler.turn(org_id))
                while not turn.done():
                    await asyncio.wait([turn], timeout=POLL_S)
                    bar.update(shown, completed=await self._taken(org_id, crawl_id))
                if not await turn:  # another process has its turn
                    await asyncio.sleep(POLL_S)
            bar.update(shown, description="indexing")
            while await ingest_next(self._database.transaction, self._models, org_id):
                pass
        async with self._database.transaction(org_id) as db:
            done = await crawl.get(db, org_id, crawl_id)
            counts = (await crawl.counts(db, org_id, [crawl_id]))[crawl_id]
            failed = await crawl.pages(db, org_id, crawl_id, status=PageStatus.FAILED)
        for page in failed:
            log.print(f"[red]{page.url}[/]: {page.error_code}: {page.error_message}")
        if done.error_code:
            log.print(f"[red]{done.error_code}[/]: {done.error_message}")
        fared = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        out.print(f"{done.status}: {fared or 'nothing read'}")
        return done.status == CrawlStatus.DONE

    async def _begin(self, org_id: UUID, wanted: Wanted) -> tuple[UUID, int]:
        """The crawl, made or found again, and the number of the run that we wait for."""
        most = self._limits.crawls_max
        try:
            async with self._database.transaction(org_id, actor="system") as db:
                made = await crawling.add(db, self._queue, org_id, wanted, crawls_max=most)
                return made.id, 1
        except Conflict:
            pass
        async with self._database.transaction(org_id, actor="system") as db:
            query = select(Crawl.id).where(
                Crawl.org_id == org_id,
                Crawl.url == str(canonical(wanted.url)),
                Crawl.kind == wanted.kind,
            )
            crawl_id = (await db.scalars(query)).one()
            changes = {"depth": wanted.depth, "pages_max": wanted.pages_max}
            await crawling.change(db, org_id, crawl_id, changes)
            begun = await crawling.run_now(db, self._queue, org_id, crawl_id)
            return crawl_id, begun.run + (begun.status != CrawlStatus.RUNNING)

    async def _is_over(self, org_id: UUID, crawl_id: UUID, run: int) -> bool:
        async with self._database.transaction(org_id) as db:
            found = await crawl.get(db, org_id, crawl_id)
        return found.run >= run and found.status in _ENDED

    async def _taken(self, org_id: UUID, crawl_id: UUID) -> int:
        async with self._database.transaction(org_id) as db:
            counts = (await crawl.counts(db, org_id, [crawl_id]))[crawl_id]
        return sum(counts.values()) - counts[PageStatus.WAITING] - counts[PageStatus.SKIPPED]


def wanted(**told: object) -> Wanted:
    """What the options of the command line ask for."""
    return msgspec.convert(told, Wanted)


async def _nobody(_db: AsyncSession, _org_id: UUID) -> None:
    """The pages are indexed here, when all are read."""


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )

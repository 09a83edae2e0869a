"""One organisation's crawler and what it left in the database; and a shop for it to read."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import index
from knowledge.tables import Document
from knowledge.web import crawl
from knowledge.web.addresses import Addresses
from knowledge.web.crawl import Wanted
from knowledge.web.crawler import Crawler
from knowledge.web.crawltables import Crawl, CrawlPage
from knowledge.web.fetch import Fetcher
from knowledge.web.weburl import parse
from tests.knowledge.website import SITE_HOST, Reply, Website, page


class Reader:
    """One organisation's crawler, and what it left in the database."""

    def __init__(self, database: Database, org: Org, fetcher: Fetcher, **more: Any) -> None:
        self.database = database
        self.org_id = org.id
        self.queued = 0
        given = {"documents_max": 10_000} | more
        self.crawler = Crawler(database.transaction, fetcher, queued=self._queued, **given)

    async def _queued(self, db: AsyncSession, org_id: UUID) -> None:
        self.queued += 1

    async def add(self, url: str, **wanted: Any) -> UUID:
        given: dict[str, Any] = {"delay_ms": 0} | wanted
        async with self.database.transaction(self.org_id) as db:
            return (await crawl.add(db, self.org_id, Wanted(url=url, **given))).id

    async def run(self, crawl_id: UUID, *, again: bool = True) -> Crawl:
        """Turns until the run has ended."""
        if again:
            async with self.database.transaction(self.org_id) as db:
                await crawl.run_now(db, await crawl.get(db, self.org_id, crawl_id))
        async with asyncio.timeout(60):
            while await self.crawler.turn(self.org_id):
                pass
        return await self.get(crawl_id)

    async def read(self, url: str, **wanted: Any) -> Crawl:
        return await self.run(await self.add(url, **wanted), again=False)

    async def get(self, crawl_id: UUID) -> Crawl:
        async with self.database.transaction(self.org_id) as db:
            return await crawl.get(db, self.org_id, crawl_id)

    async def pages(self, crawl_id: UUID) -> dict[str, CrawlPage]:
        """By path."""
        async with self.database.transaction(self.org_id) as db:
            rows = await crawl.pages(db, self.org_id, crawl_id)
        return {parse(row.url).path: row for row in rows}

    async def fared(self, crawl_id: UUID) -> dict[str, str]:
        """How each path fared: its status, with the reason where there is one."""
        found = await self.pages(crawl_id)
        return {
            path: f"{row.status} {row.error_code}" if row.error_code else row.status
            for path, row in found.items()
        }

    async def documents(self) -> dict[str, Document]:
        async with self.database.transaction(self.org_id) as db:
            found = await index.documents(db, self.org_id)
        return {parse(each.name).path: each for each in found}


def reader_of(database: Database, org: Org, site: Website, **more: Any) -> Reader:
    fetcher = Fetcher(Addresses([f"{SITE_HOST}/32"]), ports={80, 443, site.port}, total_s=5)
    return Reader(database, org, fetcher, **more)


def shop(site: Website) -> None:
    """Four pages that lead to each other in a circle, and what every website has beside."""
    site.pages |= {
        "/robots.txt": Reply("User-agent: *\nDisallow: /cart", content_type="text/plain"),
        "/": Reply(
            page(
                "Kettles",
                "We sell kettles and repair them.",
                links=("/returns", "/faq#top", "/cart", "/logo.png", "https://else.example/x"),
            )
        ),
        "/returns": Reply(
            page("Returns", "Send a kettle back within thirty days.", links=("/", "/shipping"))
        ),
        "/faq": Reply(
            page("Questions", "Descale with citric acid.", links=("/returns?utm_source=a",))
        ),
        "/shipping": Reply(page("Shipping", "Parcels leave on working days.", links=("/", "/faq"))),
        "/cart": Reply(page("Cart", "Nothing in here.")),
    }

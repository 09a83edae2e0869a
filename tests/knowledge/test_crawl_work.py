"""Who reads when: turns, schedules, leases, and workers that die; and what goes with a crawl."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, text, update

from chatbot.database import Database
from chatbot.library import crawling
from chatbot.orgs.tables import Org
from knowledge import index, ingest
from knowledge.models import Models
from knowledge.web import crawl
from knowledge.web.crawltables import Crawl, CrawlKind, Schedule
from knowledge.web.weberrors import WebError
from tests.knowledge.reader import Reader, reader_of, shop
from tests.knowledge.shelves import LOCAL
from tests.knowledge.website import (
    Reply,
    Website,
    page,
)

ROOT = Path(__file__).parents[2]


async def test_a_crawl_keeps_its_distance(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    shop(site)
    site.pages["/robots.txt"] = Reply("User-agent: *\nCrawl-delay: 0.3")
    reader = reader_of(database, two_orgs[0], site)

    began = time.monotonic()
    await reader.read(f"{site.url}/", delay_ms=100)

    assert len(await reader.documents()) == 5
    assert time.monotonic() - began > 4 * 0.3


async def test_a_full_knowledge_base_ends_the_run(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    shop(site)
    reader = reader_of(database, two_orgs[0], site, documents_max=2)

    done = await reader.read(f"{site.url}/")

    assert (done.status, done.error_code) == ("failed", "too_many_documents")
    assert len(await reader.documents()) == 2


async def test_two_crawls_of_the_same_page_share_its_document(
    reader: Reader, site: Website
) -> None:
    shop(site)
    whole = await reader.read(f"{site.url}/")
    one = await reader.read(f"{site.url}/faq", kind=CrawlKind.PAGE)

    async with reader.database.transaction(reader.org_id) as db:
        gone, _ = await crawl.remove(db, await crawl.get(db, reader.org_id, whole.id))
    left = set(await reader.documents())
    async with reader.database.transaction(reader.org_id) as db:
        await crawl.remove(db, await crawl.get(db, reader.org_id, one.id))

    assert (gone, left) == (3, {"/faq"})
    assert not await reader.documents()


async def test_documents_may_stay_when_their_crawl_goes(reader: Reader, site: Website) -> None:
    shop(site)
    done = await reader.read(f"{site.url}/")

    async with reader.database.transaction(reader.org_id) as db:
        found = await crawl.get(db, reader.org_id, done.id)
        await crawl.remove(db, found, keep_documents=True)

    assert len(await reader.documents()) == 4


async def test_other_labels_reach_the_pages_that_were_read(reader: Reader, site: Website) -> None:
    shop(site)
    done = await reader.read(f"{site.url}/", labels=["public"])

    async with reader.database.transaction(reader.org_id) as db:
        found = await crawl.get(db, reader.org_id, done.id, lock=True)
        await crawl.change(db, found, {"labels": ["Staff"], "schedule": Schedule.WEEKLY})

    assert {tuple(each.labels) for each in (await reader.documents()).values()} == {("staff",)}
    weekly = await reader.get(done.id)
    assert weekly.next_at is not None
    assert weekly.started_at is not None
    assert 6 < (weekly.next_at - weekly.started_at).total_seconds() / 86_400 < 8


async def test_the_next_run_comes_about_a_day_later(reader: Reader, site: Website) -> None:
    shop(site)

    done = await reader.read(f"{site.url}/", schedule=Schedule.DAILY)

    assert done.next_at is not None
    assert done.started_at is not None
    assert 22 < (done.next_at - done.started_at).total_seconds() / 3_600 < 26
    assert not await reader.crawler.turn(reader.org_id)


async def test_organisations_take_turns(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    shop(site)
    readers = [reader_of(database, org, site, turn_s=0.0) for org in two_orgs]
    crawls = [await reader.add(f"{site.url}/") for reader in readers]

    turns: list[int] = []
    for at in (0, 1, 0, 1):
        await readers[at].crawler.turn(readers[at].org_id)
        turns.append(len(await readers[at].documents()))
    for reader, crawl_id in zip(readers, crawls, strict=True):
        done = await reader.run(crawl_id, again=False)
        assert (done.status, done.run) == ("done", 1)

    assert turns == [1, 1, 1, 1] or turns == [1, 1, 2, 2]
    assert {len(await reader.documents()) for reader in readers} == {4}


async def test_due_crawls_are_found_across_organisations(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    shop(site)
    reader = reader_of(database, two_orgs[0], site)

    async def due() -> bool:
        async with database.transaction() as db:
            found = await db.scalars(text("select lookup.due_crawls(clock_timestamp())"))
            return reader.org_id in found.all()

    crawl_id = await reader.add(f"{site.url}/")
    before = await due()
    async with database.transaction(reader.org_id) as db:
        held = await crawl.claim(db, reader.org_id, lease_s=60)
    while_held = await due() or await reader.crawler.turn(reader.org_id)
    async with database.transaction(reader.org_id) as db:
        await db.execute(update(Crawl).where(Crawl.id == crawl_id).values(leased_until=func.now()))
    after_death = await due()
    await reader.run(crawl_id, again=False)

    assert held is not None
    assert (before, while_held, after_death, await due()) == (True, False, True, False)


async def test_one_crawl_has_one_worker(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    shop(site)
    one = reader_of(database, two_orgs[0], site)
    two = reader_of(database, two_orgs[0], site)
    crawl_id = await one.add(f"{site.url}/")

    await asyncio.gather(*(each.crawler.turn(one.org_id) for each in (one, two)))

    assert (await one.get(crawl_id)).status == "done"
    assert max(site.hits.values()) == 1


async def test_what_a_worker_writes_after_it_lost_its_crawl_does_not_count(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    reader = reader_of(database, two_orgs[0], site)
    arrived, may_go = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        arrived.set()
        await may_go.wait()

    site.pages["/"] = Reply(page("Home", "Welcome."), wait_for=hang)
    crawl_id = await reader.add(f"{site.url}/")
    slow = asyncio.create_task(reader.crawler.turn(reader.org_id))
    await asyncio.wait_for(arrived.wait(), 10)
    async with database.transaction(reader.org_id) as db:
        await crawl.remove(db, await crawl.get(db, reader.org_id, crawl_id))
    may_go.set()

    assert await asyncio.wait_for(slow, 10)
    assert not await reader.documents()


async def test_a_worker_that_was_too_slow_writes_nothing_over_the_next_one(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    slow = reader_of(database, two_orgs[0], site, lease_s=0.2)
    quick = reader_of(database, two_orgs[0], site)
    arrived, may_go = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        arrived.set()
        await may_go.wait()

    site.pages["/"] = Reply(page("Home", "Old words.", links=("/more",)), wait_for=hang)
    site.pages["/more"] = Reply(page("More", "More words."))
    crawl_id = await slow.add(f"{site.url}/")
    overtaken = asyncio.create_task(slow.crawler.turn(slow.org_id))
    await asyncio.wait_for(arrived.wait(), 10)
    await asyncio.sleep(0.3)
    site.pages["/"] = Reply(page("Home", "New words."))

    done = await quick.run(crawl_id, again=False)
    may_go.set()
    await asyncio.wait_for(overtaken, 10)

    assert (done.status, done.run) == ("done", 1)
    assert set(await quick.documents()) == {"/"}
    assert (await quick.documents())["/"].version == 1
    assert (await quick.get(crawl_id)).status == "done"


async def test_a_worker_that_is_told_to_stop_leaves_the_rest_to_the_next(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    shop(site)
    reader = reader_of(database, two_orgs[0], site)
    arrived = asyncio.Event()

    async def hang() -> None:
        arrived.set()
        await asyncio.sleep(30)

    site.pages["/returns"] = Reply(page("Returns", "Back."), wait_for=hang)
    crawl_id = await reader.add(f"{site.url}/")
    task = asyncio.create_task(reader.crawler.turn(reader.org_id))
    await asyncio.wait_for(arrived.wait(), 10)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    shop(site)

    done = await reader.run(crawl_id, again=False)

    assert (done.status, done.run) == ("done", 1)
    assert len(await reader.documents()) == 4
    assert site.hits["/"] == 1


WORKER = """
import asyncio, sys
from chatbot.database import Database
from knowledge.web.addresses import Addresses
from knowledge.web.crawler import Crawler
from knowledge.web.fetch import Fetcher
from uuid import UUID

async def queued(db, org_id): pass

async def main(url, org_id, host, port):
    database = Database(url, connections=2)
    fetcher = Fetcher(Addresses([f"{host}/32"]), ports={int(port)})
    crawler = Crawler(
        database.transaction, fetcher, queued=queued, documents_max=100, lease_s=1.0
    )
    while await crawler.turn(UUID(org_id)): pass

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_worker_that_is_killed_loses_nothing_and_fetches_nothing_twice(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    paths = tuple(f"/p{at:02}" for at in range(30))
    reader = reader_of(database, two_orgs[0], site)
    half, may_go = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        half.set()
        await may_go.wait()

    site.pages["/"] = Reply(page("Home", "Many pages.", links=paths))
    site.pages |= {path: Reply(page(path, f"This is {path}.")) for path in paths}
    site.pages["/p15"] = Reply(page("/p15", "This is /p15."), wait_for=hang)
    crawl_id = await reader.add(f"{site.url}/")
    arguments = (database.url, str(reader.org_id), site.host, str(site.port))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, *arguments, cwd=ROOT
    )
    await asyncio.wait_for(half.wait(), 30)
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    may_go.set()

    await asyncio.sleep(1.0)  # the lease of the dead
    done = await reader.run(crawl_id, again=False)

    assert (done.status, done.run) == ("done", 1)
    assert len(await reader.documents()) == 31
    twice = {path for path, count in site.hits.items() if count > 1}
    assert twice == {"/p15", "/robots.txt"}


async def test_no_transaction_is_open_while_a_page_is_awaited(
    database: Database, two_orgs: tuple[Org, Org], site: Website
) -> None:
    reader = reader_of(database, two_orgs[0], site)
    closed = False

    async def look() -> None:
        """Others (the sign of life) open one for a moment; one held for the page never closes."""
        nonlocal closed
        query = "select count(*) from pg_stat_activity where state like 'idle in transaction%'"
        for _ in range(100):
            async with database.transaction() as db:
                closed = closed or await db.scalar(text(query)) == 0
            await asyncio.sleep(0.02)

    site.pages["/"] = Reply(page("Home", "Welcome."), wait_for=look)

    await reader.read(f"{site.url}/")

    assert closed


async def test_an_address_is_crawled_once_for_each_kind(reader: Reader, site: Website) -> None:
    await reader.add(f"{site.url}/")

    with pytest.raises(WebError, match="crawl_exists"):
        await reader.add(f"{site.url}/?utm_source=newsletter#top")
    await reader.add(f"{site.url}/", kind=CrawlKind.PAGE)


async def test_two_crawls_of_the_same_page_keep_its_labels(reader: Reader, site: Website) -> None:
    shop(site)
    staff = await reader.read(f"{site.url}/", labels=["staff"])
    public = await reader.read(f"{site.url}/faq", kind=CrawlKind.PAGE)

    async with reader.database.transaction(reader.org_id) as db:
        await crawl.change(db, await crawl.get(db, reader.org_id, public.id), {"labels": ["b"]})
        await crawl.change(db, await crawl.get(db, reader.org_id, staff.id), {"labels": ["c"]})

    found = await reader.documents()
    assert {path: each.labels for path, each in found.items()} == {
        "/": ["c"],
        "/returns": ["c"],
        "/shipping": ["c"],
        "/faq": ["staff"],
    }


async def test_labels_set_by_hand_outlive_those_of_the_crawl(reader: Reader, site: Website) -> None:
    shop(site)
    done = await reader.read(f"{site.url}/", labels=["staff"])
    by_hand = (await reader.documents())["/faq"]
    async with reader.database.transaction(reader.org_id) as db:
        await index.label(db, reader.org_id, by_hand.id, ["board"])

    async with reader.database.transaction(reader.org_id) as db:
        await crawl.change(db, await crawl.get(db, reader.org_id, done.id), {"labels": []})

    found = await reader.documents()
    assert (found["/faq"].labels, found["/returns"].labels) == (["board"], [])


async def test_removing_a_crawl_waits_for_its_documents_before_the_shelf(
    reader: Reader, site: Website
) -> None:
    shop(site)
    done = await reader.read(f"{site.url}/")
    while await ingest.ingest_next(reader.database.transaction, Models(LOCAL), reader.org_id):
        pass
    last = max(each.id for each in (await reader.documents()).values())
    shelf = text("select pg_advisory_xact_lock(hashtextextended('shelf:' || :o, 0))")

    async def remove() -> tuple[int, bool]:
        async with reader.database.transaction(reader.org_id) as db:
            return await crawl.remove(db, await crawl.get(db, reader.org_id, done.id))

    async with reader.database.transaction(reader.org_id) as db:
        await index.lock(db, reader.org_id, last)
        removing = asyncio.create_task(remove())
        await asyncio.sleep(0.5)
        # As a worker does that is about to shelve the document it holds.
        await db.execute(shelf, {"o": str(reader.org_id)})

    assert await removing == (4, True)


async def test_a_crawl_is_removed_some_documents_at_a_time(
    reader: Reader, site: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(site)
    done = await reader.read(f"{site.url}/", schedule=Schedule.DAILY)
    monkeypatch.setattr(crawling, "REMOVED_AT_ONCE", 3)
    async with reader.database.transaction(reader.org_id) as db:
        found = await crawl.get(db, reader.org_id, done.id)
        await crawl.stop(db, found)
        first = await crawl.remove(db, found, at_once=2)
    left = await reader.documents()
    resting = await reader.get(done.id)

    gone = await crawling.remove(
        reader.database, reader.org_id, done.id, actor="system", keep_documents=False
    )

    assert (first, len(left), resting.next_at) == ((2, False), 2, None)
    assert gone == 2
    assert not await reader.documents()

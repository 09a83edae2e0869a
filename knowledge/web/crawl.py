"""Websites that are read: asked for, changed, begun, held by one worker at a time, ended. Every
verb works in its caller's transaction.

A worker holds a crawl by a lease that it prolongs with each page; what it writes counts only while
the lease is its own. While a run goes on, `next_at` stays in the past, so that whoever looks for
due crawls finds the one whose worker died.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from knowledge import audience, index, locking
from knowledge.errors import KnowledgeError
from knowledge.tables import CLOCK, Document, new_id
from knowledge.web.crawltables import Crawl, CrawlKind, CrawlPage, CrawlStatus, PageStatus, Schedule
from knowledge.web.weberrors import WebError
from knowledge.web.weburl import canonical

PAGES_MAX: Final = 1_000
DEPTH_MAX: Final = 5
DELAY_MS_MIN: Final = 100
DELAY_MS_MAX: Final = 60_000
ROWS_MAX: Final = 200
_EVERY: Final = {
    Schedule.NEVER: None,
    Schedule.DAILY: timedelta(days=1),
    Schedule.WEEKLY: timedelta(days=7),
}
_JITTER: Final = 0.05


class Lost(Exception):
    """The crawl was deleted or begun anew, or another worker holds it: nothing of ours counts."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know of a run, and the lease by which it holds it."""

    org_id: UUID
    crawl_id: UUID
    run: int
    url: str
    kind: CrawlKind
    depth: int
    pages_max: int
    delay_s: float
    labels: list[str]
    started_at: datetime
    lease: datetime


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks for; the bounds of its numbers are checked where it comes in."""

    url: str
    kind: CrawlKind = CrawlKind.SITE
    depth: int = 3
    pages_max: int = 200
    delay_ms: int = 1_000
    schedule: Schedule = Schedule.NEVER
    labels: Sequence[str] = ()


async def add(db: AsyncSession, org_id: UUID, wanted: Wanted) -> Crawl:
    """Queue a website to be read. WebError `bad_url`, `address_refused` or `crawl_exists`;
    KnowledgeError `bad_labels`.
    """
    values = msgspec.structs.asdict(wanted) | {
        "org_id": org_id,
        "id": new_id(),
        "url": str(canonical(wanted.url)),
        "labels": audience.checked(wanted.labels),
        "status": CrawlStatus.QUEUED,
        "next_at": CLOCK,
    }
    statement = insert(Crawl).values(**values).on_conflict_do_nothing().returning(Crawl)
    made = (await db.scalars(statement)).one_or_none()
    if made is None:
        raise WebError("crawl_exists")
    return made


async def get(db: AsyncSession, org_id: UUID, crawl_id: UUID, *, lock: bool = False) -> Crawl:
    """KnowledgeError `not_found` also for another organisation's crawl."""
    found = await db.get(
        Crawl, (org_id, crawl_id), with_for_update=lock or None, populate_existing=True
    )
    if found is None:
        raise WebError("not_found")
    return found


async def crawls(db: AsyncSession, org_id: UUID, *, after: UUID | None = None) -> Sequence[Crawl]:
    """Newest first; `after` is the id of the last one already seen."""
    query = select(Crawl).where(Crawl.org_id == org_id).order_by(Crawl.id.desc())
    if after is not None:
        query = query.where(Crawl.id < after)
    return (await db.scalars(query.limit(ROWS_MAX))).all()


async def pages(
    db: AsyncSession,
    org_id: UUID,
    crawl_id: UUID,
    *,
    status: PageStatus | None = None,
    after: str = "",
) -> Sequence[CrawlPage]:
    """In the order of their addresses; `after` is the last one already seen."""
    crawl = await get(db, org_id, crawl_id)
    query = (
        select(CrawlPage)
        .where(CrawlPage.org_id == org_id, CrawlPage.crawl_id == crawl.id, CrawlPage.url > after)
        .order_by(CrawlPage.url)
        .limit(ROWS_MAX)
    )
    if status is not None:
        query = query.where(CrawlPage.status == status)
    return (await db.scalars(query)).all()


async def counts(
    db: AsyncSession, org_id: UUID, crawl_ids: Sequence[UUID]
) -> dict[UUID, dict[PageStatus, int]]:
    """How the pages of each crawl fared in the run that last saw them."""
    query = (
        select(CrawlPage.crawl_id, CrawlPage.status, func.count())
        .where(CrawlPage.org_id == org_id, CrawlPage.crawl_id.in_(crawl_ids))
        .group_by(CrawlPage.crawl_id, CrawlPage.status)
    )
    found = {crawl_id: dict.fromkeys(PageStatus, 0) for crawl_id in crawl_ids}
    for crawl_id, status, count in await db.execute(query):
        found[crawl_id][PageStatus(status)] = count
    return found


async def change(db: AsyncSession, crawl: Crawl, changes: dict[str, Any]) -> Crawl:
    """Other limits, schedule or labels; they hold from the next page on. KnowledgeError
    `bad_labels`.
    """
    if "labels" in changes:
        changes = changes | {"labels": audience.checked(changes["labels"])}
        await _label(db, crawl, changes["labels"])
    for name, value in changes.items():
        setattr(crawl, name, value)
    if "schedule" in changes and crawl.status in {CrawlStatus.DONE, CrawlStatus.FAILED}:
        crawl.next_at = _next_at(crawl)
    crawl.updated_at = func.now()
    await db.flush()
    await db.refresh(crawl)
    return crawl


async def run_now(db: AsyncSession, crawl: Crawl) -> Crawl:
    """Queue the next run; one that is going on is left alone."""
    if crawl.status != CrawlStatus.RUNNING:
        crawl.status, crawl.next_at = CrawlStatus.QUEUED, CLOCK
        crawl.error_code = crawl.error_message = None
        crawl.updated_at = func.now()
        await db.flush()
        await db.refresh(crawl)
    return crawl


async def stop(db: AsyncSession, crawl: Crawl) -> None:
    """Let no worker go on with it or begin it again, until a person asks for it."""
    crawl.status, crawl.schedule = CrawlStatus.DONE, Schedule.NEVER
    crawl.next_at = crawl.leased_until = None
    crawl.updated_at = func.now()
    await db.flush()


async def remove(
    db: AsyncSession, crawl: Crawl, *, keep_documents: bool = False, at_once: int = PAGES_MAX
) -> tuple[int, bool]:
    """Delete a crawl and the documents made of its pages, except those that another crawl reads
    too: at most `at_once` of its pages. How many documents went, and whether the crawl did.
    """
    query = select(CrawlPage.document_id).where(
        CrawlPage.org_id == crawl.org_id,
        CrawlPage.crawl_id == crawl.id,
        CrawlPage.document_id.is_not(None),
    )
    some = query.order_by(CrawlPage.document_id).limit(at_once)
    made = [] if keep_documents else list(await db.scalars(some))
    gone = 0
    await locking.lock_all(db, crawl.org_id, made)
    for document_id in made:
        gone += await forget(db, crawl.org_id, crawl.id, document_id)
    pages = CrawlPage.org_id == crawl.org_id, CrawlPage.crawl_id == crawl.id
    await db.execute(delete(CrawlPage).where(*pages, CrawlPage.document_id.in_(made)))
    if not keep_documents and (await db.scalars(query.limit(1))).first() is not None:
        return gone, False
    await db.execute(delete(Crawl).where(Crawl.org_id == crawl.org_id, Crawl.id == crawl.id))
    return gone, True


async def forget(db: AsyncSession, org_id: UUID, crawl_id: UUID, document_id: UUID | None) -> bool:
    """Delete what was made of a page, unless another crawl reads it too."""
    if document_id is None:
        return False
    elsewhere = select(CrawlPage.url).where(
        CrawlPage.org_id == org_id,
        CrawlPage.document_id == document_id,
        CrawlPage.crawl_id != crawl_id,
    )
    if (await db.scalars(elsewhere.limit(1))).first() is not None:
        return False
    await index.delete(db, org_id, document_id)
    return True


async def claim(db: AsyncSession, org_id: UUID, *, lease_s: float) -> Claim | None:
    """The crawl that has waited longest and that nobody holds, begun if it was not."""
    query = (
        select(Crawl)
        .where(*_due(org_id))
        .order_by(Crawl.next_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    crawl = (await db.scalars(query)).one_or_none()
    if crawl is None:
        return None
    if crawl.status != CrawlStatus.RUNNING:
        crawl.status, crawl.run = CrawlStatus.RUNNING, crawl.run + 1
        crawl.started_at, crawl.finished_at = CLOCK, None
        crawl.error_code = crawl.error_message = None
    crawl.leased_until = CLOCK + timedelta(seconds=lease_s)
    await db.flush()
    await db.refresh(crawl)
    return _claim(crawl)


async def hold(db: AsyncSession, held: Claim, *, lease_s: float) -> Claim:
    """Prolong the lease and lock the crawl for this transaction. Raises Lost."""
    statement = (
        update(Crawl)
        .where(*_is_held(held))
        .values(leased_until=CLOCK + timedelta(seconds=lease_s), updated_at=func.now())
        .returning(Crawl)
    )
    return _claim(await _found(db, statement))


async def check(db: AsyncSession, held: Claim) -> Claim:
    """As the crawl is now, its limits changed perhaps; raises Lost."""
    return _claim(await _found(db, select(Crawl).where(*_is_held(held))))


async def release(db: AsyncSession, held: Claim) -> None:
    """Let the next worker go on with the run, after the organisation's other due crawls."""
    values = {"leased_until": None, "next_at": CLOCK}
    await db.execute(update(Crawl).where(*_is_held(held)).values(**values))


async def finish(
    db: AsyncSession, held: Claim, error: KnowledgeError | None, *, failed: bool
) -> None:
    """End the run, and say when the next one begins. Raises Lost."""
    crawl = await _found(db, select(Crawl).where(*_is_held(held)).with_for_update())
    crawl.status = CrawlStatus.FAILED if failed else CrawlStatus.DONE
    crawl.error_code = error.code if error else None
    crawl.error_message = error.message if error else None
    crawl.finished_at, crawl.leased_until = CLOCK, None
    crawl.next_at = _next_at(crawl)
    crawl.updated_at = func.now()
    await db.flush()


async def is_due(db: AsyncSession, org_id: UUID) -> bool:
    return bool(await db.scalar(select(exists().where(*_due(org_id)))))


def _due(org_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Its time has come and nobody holds it, or who held it died."""
    free = or_(Crawl.leased_until.is_(None), Crawl.leased_until < CLOCK)
    return Crawl.org_id == org_id, Crawl.next_at <= CLOCK, free


def _is_held(held: Claim) -> tuple[ColumnElement[bool], ...]:
    return (
        Crawl.org_id == held.org_id,
        Crawl.id == held.crawl_id,
        Crawl.run == held.run,
        Crawl.leased_until == held.lease,
    )


async def _found(db: AsyncSession, statement: Select[Crawl] | ReturningUpdate[Crawl]) -> Crawl:
    crawl = (await db.scalars(statement.execution_options(populate_existing=True))).one_or_none()
    if crawl is None:
        raise Lost
    return crawl


def _claim(crawl: Crawl) -> Claim:
    if crawl.leased_until is None or crawl.started_at is None:
        raise AssertionError("a crawl that is held has a lease and a beginning")
    return Claim(
        org_id=crawl.org_id,
        crawl_id=crawl.id,
        run=crawl.run,
        url=crawl.url,
        kind=CrawlKind(crawl.kind),
        depth=crawl.depth,
        pages_max=crawl.pages_max,
        delay_s=crawl.delay_ms / 1_000,
        labels=list(crawl.labels),
        started_at=crawl.started_at,
        lease=crawl.leased_until,
    )


def _next_at(crawl: Crawl) -> Any:
    """A day or a week after the last beginning, a little early or late, so that not all crawls
    begin at once.
    """
    every = _EVERY[Schedule(crawl.schedule)]
    if every is None:
        return None
    chance = secrets.SystemRandom().uniform(1 - _JITTER, 1 + _JITTER)
    return func.greatest(Crawl.started_at + every * chance, CLOCK)


async def _label(db: AsyncSession, crawl: Crawl, labels: list[str]) -> None:
    """Only documents that still have what this crawl gave them, and that no other crawl reads."""
    read_by = select(CrawlPage.document_id).where(
        CrawlPage.org_id == crawl.org_id, CrawlPage.document_id.is_not(None)
    )
    made = list(await db.scalars(read_by.where(CrawlPage.crawl_id == crawl.id)))
    elsewhere = read_by.where(CrawlPage.crawl_id != crawl.id)
    await locking.lock_all(db, crawl.org_id, made)
    await db.execute(
        update(Document)
        .where(Document.org_id == crawl.org_id, Document.id.in_(made))
        .where(Document.labels == crawl.labels, Document.id.not_in(elsewhere))
        .values(labels=labels)
    )

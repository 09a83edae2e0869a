"""HTTP for websites that are read: what to read and when, and how each page fared."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.jobs import Jobs
from chatbot.library import crawling, views
from chatbot.library.views import DocumentError, Labels
from chatbot.settings import Settings
from chatbot.staff.api import has_session
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role
from knowledge.errors import URL_CHARS_MAX
from knowledge.web import crawl
from knowledge.web.crawl import DELAY_MS_MAX, DELAY_MS_MIN, DEPTH_MAX, PAGES_MAX, Wanted
from knowledge.web.crawltables import Crawl, CrawlKind, CrawlPage, CrawlStatus, PageStatus, Schedule

Depth = Annotated[int, msgspec.Meta(ge=0, le=DEPTH_MAX)]
Pages = Annotated[int, msgspec.Meta(ge=1, le=PAGES_MAX)]
Delay = Annotated[int, msgspec.Meta(ge=DELAY_MS_MIN, le=DELAY_MS_MAX)]
AfterUrl = Annotated[str, QueryParameter(name="after", max_length=URL_CHARS_MAX)]


class CrawlWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`url` is a page, a sitemap, or where to begin following links; `depth` counts links."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=URL_CHARS_MAX)]
    kind: Literal["page", "sitemap", "site"] = "site"
    depth: Depth = 3
    pages_max: Pages = 200
    delay_ms: Delay = 1_000
    schedule: Literal["never", "daily", "weekly"] = "never"
    labels: Labels = []


class CrawlChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    depth: Depth | None = None
    pages_max: Pages | None = None
    delay_ms: Delay | None = None
    schedule: Literal["never", "daily", "weekly"] | None = None
    labels: Labels | None = None


class CrawlCounts(msgspec.Struct, frozen=True):
    waiting: int
    fetched: int
    unchanged: int
    skipped: int
    failed: int
    gone: int


class CrawlView(msgspec.Struct, frozen=True):
    """`error` says why a run failed, or where one that is done stopped short."""

    id: UUID
    url: str
    kind: Literal["page", "sitemap", "site"]
    depth: int
    pages_max: int
    delay_ms: int
    schedule: Literal["never", "daily", "weekly"]
    labels: list[str]
    status: Literal["queued", "running", "done", "failed"]
    error: DocumentError | None
    counts: CrawlCounts
    run: int
    started_at: datetime | None
    finished_at: datetime | None
    next_at: datetime | None


class CrawlList(msgspec.Struct, frozen=True):
    items: list[CrawlView]
    next: str | None = None


class CrawlPageView(msgspec.Struct, frozen=True):
    url: str
    status: Literal["waiting", "fetched", "unchanged", "skipped", "failed", "gone"]
    error: DocumentError | None
    http_status: int | None
    document_id: UUID | None
    depth: int
    fetched_at: datetime | None


class CrawlPageList(msgspec.Struct, frozen=True):
    items: list[CrawlPageView]
    next: str | None


class CrawlRemoved(msgspec.Struct, frozen=True):
    documents: int


@get("/knowledge/crawls", operation_id="list_crawls")
async def list_crawls(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    after: FromQuery[UUID | None] = None,
) -> CrawlList:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await crawl.crawls(db, staff.org_id, after=after)
        items = await _views(db, rows)
    full = len(rows) == crawl.ROWS_MAX
    return CrawlList(items, str(rows[-1].id) if full else None)


@post("/knowledge/crawls", guards=[has_session], operation_id="add_crawl")
async def add_crawl(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    jobs: NamedDependency[Jobs],
    settings: NamedDependency[Settings],
    data: JSONBody[CrawlWanted],
) -> CrawlView:
    require(staff, Role.OWNER, Role.ADMIN)
    wanted = msgspec.convert(data, Wanted, from_attributes=True)
    most = settings.limits.crawls_max
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        made = await crawling.add(db, jobs, staff.org_id, wanted, crawls_max=most)
        return await _view(db, made)


@get("/knowledge/crawls/{crawl_id:uuid}", operation_id="get_crawl")
async def get_crawl(
    staff: NamedDependency[Staff], database: NamedDependency[Database], crawl_id: FromPath[UUID]
) -> CrawlView:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await _view(db, await crawl.get(db, staff.org_id, crawl_id))


@patch("/knowledge/crawls/{crawl_id:uuid}", operation_id="change_crawl")
async def change_crawl(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    crawl_id: FromPath[UUID],
    data: JSONBody[CrawlChange],
) -> CrawlView:
    require(staff, Role.OWNER, Role.ADMIN)
    given = msgspec.structs.asdict(data)
    changes = {name: value for name, value in given.items() if value is not None}
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        changed = await crawling.change(db, staff.org_id, crawl_id, changes)
        return await _view(db, changed)


@delete("/knowledge/crawls/{crawl_id:uuid}", status_code=200, operation_id="delete_crawl")
async def delete_crawl(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    crawl_id: FromPath[UUID],
    keep_documents: FromQuery[bool] = False,
) -> CrawlRemoved:
    require(staff, Role.OWNER, Role.ADMIN)
    gone = await crawling.remove(
        database, staff.org_id, crawl_id, actor=staff.actor, keep_documents=keep_documents
    )
    return CrawlRemoved(gone)


@post("/knowledge/crawls/{crawl_id:uuid}/run", status_code=202, operation_id="run_crawl")
async def run_crawl(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    jobs: NamedDependency[Jobs],
    crawl_id: FromPath[UUID],
) -> CrawlView:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await _view(db, await crawling.run_now(db, jobs, staff.org_id, crawl_id))


@get("/knowledge/crawls/{crawl_id:uuid}/pages", operation_id="list_crawl_pages")
async def list_crawl_pages(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    crawl_id: FromPath[UUID],
    status: FromQuery[PageStatus | None] = None,
    after: AfterUrl = "",
) -> CrawlPageList:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await crawl.pages(db, staff.org_id, crawl_id, status=status, after=after)
    full = len(rows) == crawl.ROWS_MAX
    return CrawlPageList([_page(row) for row in rows], rows[-1].url if full else None)


HANDLERS = [
    list_crawls,
    add_crawl,
    get_crawl,
    change_crawl,
    delete_crawl,
    run_crawl,
    list_crawl_pages,
]


async def _view(db: AsyncSession, row: Crawl) -> CrawlView:
    return (await _views(db, [row]))[0]


async def _views(db: AsyncSession, rows: Sequence[Crawl]) -> list[CrawlView]:
    if not rows:
        return []
    counts = await crawl.counts(db, rows[0].org_id, [row.id for row in rows])
    return [
        CrawlView(
            id=row.id,
            url=row.url,
            kind=CrawlKind(row.kind).value,
            depth=row.depth,
            pages_max=row.pages_max,
            delay_ms=row.delay_ms,
            schedule=Schedule(row.schedule).value,
            labels=list(row.labels),
            status=CrawlStatus(row.status).value,
            error=views.error(row),
            counts=CrawlCounts(**{each.value: n for each, n in counts[row.id].items()}),
            run=row.run,
            started_at=row.started_at,
            finished_at=row.finished_at,
            # While a run goes on it is the mark by which a dead worker's crawl is found.
            next_at=None if row.status == CrawlStatus.RUNNING else row.next_at,
        )
        for row in rows
    ]


def _page(row: CrawlPage) -> CrawlPageView:
    return CrawlPageView(
        url=row.url,
        status=PageStatus(row.status).value,
        error=views.error(row),
        http_status=row.http_status,
        document_id=row.document_id,
        depth=row.depth,
        fetched_at=row.fetched_at,
    )

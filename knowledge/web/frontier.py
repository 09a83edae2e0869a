"""The addresses of a crawl: which are still to be fetched in this run, and how the others fared.

An address has one row; `run` says which run saw it last, so that no run fetches it twice, and what
a run did not come upon can be told from what it did.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, and_, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge.tables import Document, DocumentFile
from knowledge.web.crawl import Claim, forget
from knowledge.web.crawltables import CrawlPage, PageStatus
from knowledge.web.sitemaps import Entry
from knowledge.web.weberrors import WEB_MESSAGES

ROWS_MAX: Final = 5_000  # of one run, waiting or not
RETIRED_AT_ONCE: Final = 20
BELIEVED_DAYS: Final = 30
_TAKEN: Final = (
    PageStatus.FETCHED,
    PageStatus.UNCHANGED,
    PageStatus.FAILED,
    PageStatus.GONE,
)

_DISCOVER: Final = text(
    "insert into crawl_pages (org_id, crawl_id, url, depth, run, status)"
    " select :org_id, :crawl_id, url, :depth, :run, 'waiting'"
    " from unnest(cast(:urls as text[])) as found (url)"
    " where not exists (select from crawl_pages p where p.org_id = :org_id"
    " and p.crawl_id = :crawl_id and p.url = found.url and p.run >= :run)"
    " on conflict (org_id, crawl_id, url) do update set run = excluded.run,"
    " depth = excluded.depth, status = excluded.status, error_code = null, error_message = null,"
    " http_status = null where crawl_pages.run < excluded.run"
)
_PASS: Final = text(
    "update crawl_pages p set run = :run, status = 'unchanged', error_code = null,"
    " error_message = null"
    " from unnest(cast(:urls as text[]), cast(:moments as timestamptz[])) as said (url, moment)"
    " where p.org_id = :org_id and p.crawl_id = :crawl_id and p.url = said.url and p.run < :run"
    " and p.status in ('fetched', 'unchanged') and p.document_id is not null"
    " and p.fetched_at > said.moment and p.fetched_at > now() - make_interval(days => :days)"
)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """An address that waits, with what the last run knew of it."""

    url: str
    depth: int
    document_id: UUID | None = None
    etag: str | None = None
    last_modified: str | None = None
    sha256: bytes | None = None
    fetched_at: datetime | None = None


class Progress(msgspec.Struct, frozen=True):
    """`taken` pages count towards the limit of the crawl; `seen` are all rows of this run."""

    taken: int
    seen: int
    failed: int
    waiting: int


async def seed(db: AsyncSession, held: Claim) -> None:
    """Begin a run at its first address, once; what earlier runs left without a result is
    forgotten.
    """
    old = and_(CrawlPage.run < held.run, CrawlPage.document_id.is_(None))
    await db.execute(delete(CrawlPage).where(*_of(held), old))
    await discover(db, held, [held.url], depth=0)


async def discover(db: AsyncSession, held: Claim, urls: Iterable[str], *, depth: int) -> None:
    """Let addresses wait that this run has not seen yet, as many as it may see."""
    room = ROWS_MAX - (await progress(db, held)).seen
    some = list(dict.fromkeys(urls))[: max(0, room)]
    if not some:
        return
    given = {"urls": some, "depth": depth, "run": held.run, **_key(held)}
    await db.execute(_DISCOVER, given)


async def pass_unchanged(db: AsyncSession, held: Claim, entries: Sequence[Entry]) -> None:
    """Leave out pages that were read after what their sitemap says was their newest change; but
    not for ever, because many sitemaps are wrong.
    """
    dated = {entry.url: entry.changed_by for entry in entries if entry.changed_by is not None}
    if dated:
        given = {"urls": list(dated), "moments": list(dated.values())}
        await db.execute(_PASS, given | {"days": BELIEVED_DAYS, **_key(held), "run": held.run})


async def next_page(db: AsyncSession, held: Claim) -> Page | None:
    """Those that are reached with the fewest links come first."""
    query = (
        select(CrawlPage)
        .where(*_of(held), CrawlPage.run == held.run, CrawlPage.status == PageStatus.WAITING)
        .order_by(CrawlPage.depth, CrawlPage.url)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    row = (await db.scalars(query)).one_or_none()
    return None if row is None else _page(row)


async def find(db: AsyncSession, held: Claim, url: str) -> tuple[Page, PageStatus, int] | None:
    """What is known of an address, how it fared, and in which run."""
    row = await db.get(CrawlPage, (held.org_id, held.crawl_id, url), populate_existing=True)
    return None if row is None else (_page(row), PageStatus(row.status), row.run)


async def is_settled(db: AsyncSession, held: Claim, url: str) -> PageStatus | None:
    """How the address fared in this run, None while it waits or was not come upon."""
    found = await find(db, held, url)
    if found is None or found[2] != held.run or found[1] is PageStatus.WAITING:
        return None
    return found[1]


async def progress(db: AsyncSession, held: Claim) -> Progress:
    query = (
        select(CrawlPage.status, func.count())
        .where(*_of(held), CrawlPage.run == held.run)
        .group_by(CrawlPage.status)
    )
    found = {PageStatus(status): count for status, count in await db.execute(query)}
    return Progress(
        taken=sum(found.get(status, 0) for status in _TAKEN),
        seen=sum(found.values()),
        failed=found.get(PageStatus.FAILED, 0),
        waiting=found.get(PageStatus.WAITING, 0),
    )


async def settle(
    db: AsyncSession,
    held: Claim,
    url: str,
    status: PageStatus,
    *,
    depth: int,
    code: str | None = None,
    message: str | None = None,
    **known: Any,
) -> None:
    """How an address fared in this run; `known` are further columns, the others keep their
    value.
    """
    values: dict[str, Any] = {
        "run": held.run,
        "depth": depth,
        "status": status,
        "error_code": code,
        "error_message": message or (WEB_MESSAGES.get(code) if code else None),
        **known,
    }
    key = _key(held) | {"url": url}
    await db.execute(
        insert(CrawlPage)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=["org_id", "crawl_id", "url"], set_=values)
    )


async def twin(db: AsyncSession, held: Claim, url: str, sha256: bytes) -> bool:
    """Whether another address of this run has given the very same bytes."""
    query = select(CrawlPage.url).where(
        *_of(held),
        CrawlPage.run == held.run,
        CrawlPage.sha256 == sha256,
        CrawlPage.url != url,
        CrawlPage.document_id.is_not(None),
        CrawlPage.status.in_((PageStatus.FETCHED, PageStatus.UNCHANGED)),
    )
    return (await db.scalars(query.limit(1))).first() is not None


async def unseen(db: AsyncSession, held: Claim) -> Sequence[Page]:
    """Some pages that earlier runs read and this one did not come upon."""
    query = select(CrawlPage).where(*_of(held), CrawlPage.run < held.run)
    return [_page(row) for row in await db.scalars(query.limit(RETIRED_AT_ONCE))]


async def ask_for_unseen(db: AsyncSession, held: Claim) -> None:
    """Let those wait too: each will be asked for itself."""
    waits = {"run": held.run, "status": PageStatus.WAITING}
    await db.execute(update(CrawlPage).where(*_of(held), CrawlPage.run < held.run).values(**waits))


async def waiting(db: AsyncSession, held: Claim) -> Sequence[Page]:
    """Some of those that still wait."""
    query = select(CrawlPage).where(
        *_of(held), CrawlPage.run == held.run, CrawlPage.status == PageStatus.WAITING
    )
    return [_page(row) for row in await db.scalars(query.limit(RETIRED_AT_ONCE))]


async def forget_waiting(db: AsyncSession, held: Claim) -> None:
    """Drop those that were never read and will not be in this run."""
    await db.execute(
        delete(CrawlPage).where(
            *_of(held),
            CrawlPage.run == held.run,
            CrawlPage.status == PageStatus.WAITING,
            CrawlPage.document_id.is_(None),
        )
    )


async def leave_waiting(db: AsyncSession, held: Claim) -> None:
    """Keep what was made of those that this run had no room for."""
    is_left = CrawlPage.run == held.run, CrawlPage.status == PageStatus.WAITING
    values = {
        "status": PageStatus.SKIPPED,
        "error_code": "pages_limit",
        "error_message": WEB_MESSAGES["pages_limit"],
    }
    await db.execute(update(CrawlPage).where(*_of(held), *is_left).values(**values))


async def retire(db: AsyncSession, held: Claim, page: Page, code: str, **known: Any) -> None:
    """Take a page out of the knowledge base that the website has no more."""
    await forget(db, held.org_id, held.crawl_id, page.document_id)
    known |= {"code": code, "document_id": None}
    await settle(db, held, page.url, PageStatus.GONE, depth=page.depth, **known)


async def body_of(db: AsyncSession, org_id: UUID, document_id: UUID) -> bytes | None:
    """The bytes that were read last."""
    query = (
        select(DocumentFile.body)
        .join(
            Document,
            and_(
                Document.org_id == DocumentFile.org_id,
                Document.id == DocumentFile.document_id,
                Document.version == DocumentFile.version,
            ),
        )
        .where(DocumentFile.org_id == org_id, DocumentFile.document_id == document_id)
    )
    return (await db.scalars(query)).one_or_none()


def _of(held: Claim) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return CrawlPage.org_id == held.org_id, CrawlPage.crawl_id == held.crawl_id


def _key(held: Claim) -> dict[str, Any]:
    return {"org_id": held.org_id, "crawl_id": held.crawl_id}


def _page(row: CrawlPage) -> Page:
    return msgspec.convert(row, Page, from_attributes=True)

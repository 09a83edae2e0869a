"""One page of a website: fetched, looked at, put down."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import index, locking
from knowledge.reading import filetype
from knowledge.tables import CLOCK, Document, DocumentKind
from knowledge.web import crawl, fetch, frontier, links, sitemaps
from knowledge.web.crawl import Claim
from knowledge.web.crawltables import CrawlKind, PageStatus
from knowledge.web.fetch import BeforeHop, Fetched, Fetcher
from knowledge.web.frontier import Page
from knowledge.web.links import PageLinks
from knowledge.web.sitemaps import Sitemap
from knowledge.web.weburl import Scope, Target, canonical, join

PAGES: Final = fetch.HTML | {filetype.PDF, filetype.TEXT, filetype.MARKDOWN}
SITEMAP_DEPTH_MAX: Final = 3
_XML: Final = frozenset({"application/xml", "text/xml"})
_PACKED: Final = frozenset({"application/gzip", "application/x-gzip"})
_UTF8_MARK: Final = b"\xef\xbb\xbf"

Queued = Callable[[AsyncSession, UUID], Awaitable[None]]


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """`place` is where the page was found at last. Of a page that did not change there is no
    body; of a sitemap there is nothing else.
    """

    place: Target
    fetched: Fetched
    sha256: bytes = b""
    said: PageLinks = PageLinks()
    sitemap: Sitemap | None = None

    @property
    def not_modified(self) -> bool:
        return self.fetched.not_modified


async def visit(fetcher: Fetcher, held: Claim, page: Page, *, before_hop: BeforeHop) -> Visit:
    """Fetch a page, unless it has not changed. WebError for whatever stands in the way."""
    known = page.document_id is not None
    fetched = await fetcher.get(
        page.url,
        wanted=_wanted(held, page),
        etag=page.etag if known else None,
        last_modified=page.last_modified if known else None,
        before_hop=before_hop,
    )
    found = Visit(
        place=canonical(str(fetched.url)),
        fetched=fetched,
        sha256=hashlib.sha256(fetched.body).digest(),
    )
    # Hostile pages take their time, and the loop has other things to do.
    if _is_sitemap(held, page, fetched):
        sitemap = await asyncio.to_thread(sitemaps.read, fetched.body)
        return msgspec.structs.replace(found, sitemap=sitemap)
    if fetched.media_type in fetch.HTML or not fetched.media_type:
        return await _looked_at(found, fetched.body)
    return found


async def remembered(found: Visit, body: bytes) -> Visit:
    """With what the page said when it was last fetched."""
    return await _looked_at(found, body)


def follows(held: Claim, page: Page) -> bool:
    """Whether the links of this page are pages of the crawl."""
    return held.kind is CrawlKind.SITE and page.depth < held.depth


async def keep(
    db: AsyncSession,
    held: Claim,
    page: Page,
    found: Visit,
    *,
    scope: Scope,
    queued: Queued,
    documents_max: int,
) -> None:
    """Put down what a visit gave, in this transaction. KnowledgeError for what is no document."""
    place = str(found.place)
    addresses = {page.url, place}
    await locking.lock_all(db, held.org_id, [page.document_id], pages=addresses)
    if place != page.url:
        await _lead_on(db, held, page, found)
        at_place = await frontier.find(db, held, place)
        page = at_place[0] if at_place else Page(url=place, depth=page.depth)
    if found.sitemap is not None:
        await _list(db, held, page, found.sitemap, scope=scope)
        await _put_aside(db, held, page, "sitemap", found)
        return
    if follows(held, page):
        inside = [str(link) for link in found.said.links if scope.holds(link)]
        await frontier.discover(db, held, inside, depth=page.depth + 1)
    if code := await _not_a_page_of_its_own(db, held, page, found, scope=scope):
        await _put_aside(db, held, page, code, found)
    elif page.document_id and (found.not_modified or found.sha256 == page.sha256):
        await _settle(db, held, page, PageStatus.UNCHANGED, found)
    else:
        document = await _document(db, held, page, found, documents_max=documents_max)
        await queued(db, held.org_id)
        await _settle(db, held, page, PageStatus.FETCHED, found, document_id=document.id)


def _wanted(held: Claim, page: Page) -> frozenset[str] | None:
    if held.kind is not CrawlKind.SITEMAP:
        return PAGES
    return None if page.depth == 0 else PAGES | _XML | _PACKED


def _is_sitemap(held: Claim, page: Page, fetched: Fetched) -> bool:
    if held.kind is not CrawlKind.SITEMAP or fetched.not_modified:
        return False
    nested = page.depth <= SITEMAP_DEPTH_MAX and fetched.media_type in _XML | _PACKED
    return page.depth == 0 or nested


async def _looked_at(found: Visit, body: bytes) -> Visit:
    said = await asyncio.to_thread(_look, body, found.fetched.charset, found.place)
    return msgspec.structs.replace(found, said=said)


def _look(body: bytes, charset: str, place: Target) -> PageLinks:
    return links.read(links.decode(body, charset), place)


async def _lead_on(db: AsyncSession, held: Claim, page: Page, found: Visit) -> None:
    """The address that was asked for only leads to the page; what was made of it under the old
    address goes once it moved for good.
    """
    gone: dict[str, Any] = {}
    if found.fetched.moved_for_good:
        await crawl.forget(db, held.org_id, held.crawl_id, page.document_id)
        gone = {"document_id": None}
    await frontier.settle(
        db, held, page.url, PageStatus.SKIPPED, depth=page.depth, code="redirected", **gone
    )


async def _list(
    db: AsyncSession, held: Claim, page: Page, sitemap: Sitemap, *, scope: Scope
) -> None:
    """Let the pages of a sitemap wait, and its sitemaps before them."""
    entries = [
        msgspec.structs.replace(entry, url=str(target))
        for entry in (*sitemap.sitemaps, *sitemap.pages)
        if (target := join(page.url, entry.url)) and scope.same_site(target)
    ]
    await frontier.pass_unchanged(db, held, entries)
    await frontier.discover(db, held, [each.url for each in entries], depth=page.depth + 1)


async def _not_a_page_of_its_own(
    db: AsyncSession, held: Claim, page: Page, found: Visit, *, scope: Scope
) -> str | None:
    """Why nothing is made of a page that could be read."""
    if found.said.noindex:
        return "noindex"
    own = found.said.canonical
    if own is not None and held.kind is not CrawlKind.PAGE and _is_believed(own, found, scope):
        fared = await frontier.is_settled(db, held, str(own))
        if fared in {None, PageStatus.FETCHED, PageStatus.UNCHANGED}:
            await frontier.discover(db, held, [str(own)], depth=max(1, page.depth))
            return "canonical"
    if not found.not_modified and await frontier.twin(db, held, page.url, found.sha256):
        return "duplicate"
    return None


def _is_believed(own: Target, found: Visit, scope: Scope) -> bool:
    """A page may name another of its site; that all of them are the front page is a mistake that
    many sites make.
    """
    return (
        own != found.place
        and scope.holds(own)
        and (own.path != "/" or found.place.path[:2] == "/?")
    )


async def _put_aside(db: AsyncSession, held: Claim, page: Page, code: str, found: Visit) -> None:
    await crawl.forget(db, held.org_id, held.crawl_id, page.document_id)
    await _settle(db, held, page, PageStatus.SKIPPED, found, code=code, document_id=None)


async def _document(
    db: AsyncSession, held: Claim, page: Page, found: Visit, *, documents_max: int
) -> Document:
    if page.document_id is None:
        await index.check_room(db, held.org_id, documents_max)
    known = await index.lock_by_name(db, held.org_id, DocumentKind.PAGE, page.url)
    is_new = known.version == 0
    return await index.add(
        db,
        held.org_id,
        name=page.url,
        body=_in_utf8(found.fetched),
        media_type=_media_type(found.fetched),
        url=page.url,
        kind=DocumentKind.PAGE,
        title=found.said.title,
        labels=held.labels if is_new else None,  # people, or another crawl, have their own
    )


def _media_type(fetched: Fetched) -> str:
    return filetype.HTML if fetched.media_type in fetch.HTML else fetched.media_type


def _in_utf8(fetched: Fetched) -> bytes:
    """The page as it will be read later, when nobody knows any more what the server said of it."""
    if not fetched.charset or fetched.media_type not in fetch.HTML:
        return fetched.body
    try:
        fetched.body.decode("utf-8")
    except UnicodeDecodeError:
        return _UTF8_MARK + links.decode(fetched.body, fetched.charset).encode()
    return fetched.body


async def _settle(
    db: AsyncSession, held: Claim, page: Page, status: PageStatus, found: Visit, **known: Any
) -> None:
    known = {"fetched_at": CLOCK, "http_status": found.fetched.status, **known}
    if not found.not_modified:
        known |= {
            "etag": found.fetched.etag,
            "last_modified": found.fetched.last_modified,
            "sha256": found.sha256,
        }
    await frontier.settle(db, held, page.url, status, depth=page.depth, **known)

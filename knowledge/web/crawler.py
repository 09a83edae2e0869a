"""Reads websites, a turn at a time: some pages of one crawl, then the next organisation's.

Nothing is held across a fetch: each page is chosen in one short transaction and put down in
another, which also prolongs the lease. A worker that dies leaves its page waiting, and the next
one goes on from there.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import locking
from knowledge.errors import KnowledgeError
from knowledge.ingest import Transactions
from knowledge.web import crawl, frontier, robots, visit
from knowledge.web.crawl import Claim, Lost
from knowledge.web.crawltables import CrawlKind, PageStatus
from knowledge.web.fetch import Fetcher
from knowledge.web.frontier import Page
from knowledge.web.robots import Robots
from knowledge.web.visit import Queued, Visit
from knowledge.web.weberrors import WebError
from knowledge.web.weburl import Scope, Target, canonical, parse, scope_of

NAP_S: Final = 30.0
LEASE_S: Final = 120.0  # more than a nap, the fetch of robots.txt and that of the page
TURN_S: Final = 20.0
TURN_PAGES: Final = 50
RUN_S_MAX: Final = 12 * 3_600
TROUBLES_MAX: Final = 5
VISITS_PER_PAGE_MAX: Final = 3
_ROBOTS_KEPT_S: Final = 600.0
_HOSTS_KEPT: Final = 500
# What is so today and may be otherwise tomorrow, and says nothing about the page.
_TROUBLES: Final = robots.NO_WEBSITE
_HOPELESS: Final = {"robots_unreachable", "too_many_documents"}
_ASIDE: Final = {"redirected", "outside_scope", "robots_disallowed", "not_html"}
_GONE: Final = {404, 410}


_Some = Callable[[AsyncSession, Claim], Awaitable[Sequence[Page]]]


class Ended(Exception):
    """The run cannot go on."""

    def __init__(self, error: KnowledgeError) -> None:
        self.error = error
        super().__init__(error.code)


class Manners:
    """What is known of each host: its robots.txt, and when it may be asked again."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._robots: dict[tuple[UUID, int, str], tuple[float, Robots]] = {}
        self._free_at: dict[str, float] = {}

    async def robots(self, target: Target, held: Claim) -> Robots:
        """Asked for by each run anew, and now and then while it goes on."""
        key = held.crawl_id, held.run, target.origin
        until, found = self._robots.get(key, (0.0, None))
        if found is None or until < time.monotonic():
            found = await robots.load(self._fetcher, target)
            if len(self._robots) >= _HOSTS_KEPT:
                self._robots.clear()
            kept_s = _ROBOTS_KEPT_S if found.error is None else 0.0
            self._robots[key] = time.monotonic() + kept_s, found
        return found

    def turn_in(self, target: Target, delay_s: float) -> float:
        """Seconds until this host may be asked; all crawls of this process share its patience."""
        now = time.monotonic()
        begins = max(now, self._free_at.get(target.host, 0.0))
        if len(self._free_at) >= _HOSTS_KEPT:
            self._free_at = {host: at for host, at in self._free_at.items() if at > now}
        self._free_at[target.host] = begins + delay_s
        return begins - now


class Crawler:
    """`queued` is called in the transaction that put a page into the line of documents."""

    def __init__(
        self,
        transactions: Transactions,
        fetcher: Fetcher,
        *,
        queued: Queued,
        documents_max: int,
        lease_s: float = LEASE_S,
        turn_s: float = TURN_S,
    ) -> None:
        self.transactions = transactions
        self.fetcher = fetcher
        self.queued = queued
        self.documents_max = documents_max
        self.lease_s = lease_s
        self.turn_s = turn_s
        self.manners = Manners(fetcher)

    async def turn(self, org_id: UUID) -> bool:
        """Read some pages of the crawl that has waited longest; False if none is due."""
        async with self.transactions(org_id) as db:
            held = await crawl.claim(db, org_id, lease_s=self.lease_s)
        if held is None:
            return False
        turn = _Turn(self, held)
        try:
            await turn.work()
        except Lost:
            pass
        except BaseException:
            # Told to stop, or a bug: whoever comes next need not wait for the lease.
            async with self.transactions(org_id) as db:
                await crawl.release(db, turn.held)
            raise
        return True


def _outside(page: Page, place: Target) -> WebError:
    if page.depth > 0:
        return WebError("outside_scope")
    message = f"The address leads to {place}. Give that address instead."
    return WebError("redirected_away", message=message)


class _Turn:
    def __init__(self, crawler: Crawler, held: Claim) -> None:
        self.held = held
        self._crawler = crawler
        self._scope: Scope = scope_of(parse(held.url), whole_site=held.kind is not CrawlKind.SITE)
        self._troubles = 0
        self._moved_for_good = True

    async def work(self) -> None:
        ends = time.monotonic() + self._crawler.turn_s
        async with self._holding() as db:
            await frontier.seed(db, self.held)
        try:
            for _ in range(TURN_PAGES):
                page = await self._next()
                if page is None:
                    if await self._is_through():
                        return
                    continue
                await self._read(page)
                if time.monotonic() >= ends:
                    break
        except Ended as ended:
            await self._finish(ended.error, failed=True)
            return
        async with self._crawler.transactions(self.held.org_id) as db:
            await crawl.release(db, self.held)

    @asynccontextmanager
    async def _holding(self) -> AsyncGenerator[AsyncSession]:
        """A transaction in which the crawl is ours, and that prolongs the lease. Raises Lost."""
        async with self._crawler.transactions(self.held.org_id) as db:
            held = await crawl.hold(db, self.held, lease_s=self._crawler.lease_s)
            yield db
        # Only now: what was rolled back has prolonged nothing.
        self.held = held

    async def _next(self) -> Page | None:
        """The next address, None when there is none or the crawl has as many as it may."""
        async with self._crawler.transactions(self.held.org_id) as db:
            self.held = await crawl.check(db, self.held)
            if (self.held.lease - self.held.started_at).total_seconds() > RUN_S_MAX:
                raise Ended(WebError("time_limit"))
            if await self._is_full(db):
                return None
            return await frontier.next_page(db, self.held)

    async def _is_full(self, db: AsyncSession) -> bool:
        found = await frontier.progress(db, self.held)
        visits_max = VISITS_PER_PAGE_MAX * self.held.pages_max + TURN_PAGES
        return found.taken >= self.held.pages_max or found.seen - found.waiting >= visits_max

    async def _read(self, page: Page) -> None:
        target = parse(page.url)
        rules = await self._crawler.manners.robots(target, self.held)
        try:
            if rules.error is not None:
                raise rules.error
            if not rules.allows(target):
                raise WebError("robots_disallowed")
            await self._wait(target, max(self.held.delay_s, rules.delay_s))
            self._moved_for_good = True
            found = await visit.visit(
                self._crawler.fetcher, self.held, page, before_hop=self._hop(page)
            )
            if found.not_modified:
                found = await self._remembered(page, found)
            await self._keep(page, found)
        except Lost:
            raise
        except KnowledgeError as error:
            await self._note(page, error)
        except Exception:
            await self._note(page, WebError("internal"))
            raise

    async def _wait(self, target: Target, delay_s: float) -> None:
        """Until the host may be asked; where others wait for it too, that outlasts the lease."""
        left_s = self._crawler.manners.turn_in(target, delay_s)
        while left_s > NAP_S:
            await asyncio.sleep(NAP_S)
            left_s -= NAP_S
            async with self._holding():
                pass
        await asyncio.sleep(left_s)

    def _hop(self, page: Page) -> Callable[[Target, bool], Awaitable[None]]:
        """What is asked before a redirect is followed: whether a link there would be."""

        async def before_hop(target: Target, for_good: bool) -> None:
            self._moved_for_good = for_good
            place = canonical(str(target))
            if not self._scope.holds(place):
                raise _outside(page, place)
            if not (await self._crawler.manners.robots(target, self.held)).allows(target):
                raise WebError("robots_disallowed")
            async with self._crawler.transactions(self.held.org_id) as db:
                if await frontier.is_settled(db, self.held, str(place)):
                    raise WebError("redirected")

        return before_hop

    async def _remembered(self, page: Page, found: Visit) -> Visit:
        """A page that did not change leads where it led before."""
        if page.document_id is None or not visit.follows(self.held, page):
            return found
        async with self._crawler.transactions(self.held.org_id) as db:
            body = await frontier.body_of(db, self.held.org_id, page.document_id)
        return await visit.remembered(found, body or b"")

    async def _keep(self, page: Page, found: Visit) -> None:
        """Put down what a page gave, in one transaction with the lease."""
        async with self._holding() as db:
            await visit.keep(
                db,
                self.held,
                page,
                found,
                scope=self._scope,
                queued=self._crawler.queued,
                documents_max=self._crawler.documents_max,
            )
        self._troubles = 0

    async def _note(self, page: Page, error: KnowledgeError) -> None:
        """Put down why a page could not be read; end the run when that says enough about the
        website.
        """
        status = error.status if isinstance(error, WebError) else None
        is_trouble = error.code in _TROUBLES or status == 429 or (status or 0) >= 500
        self._troubles = self._troubles + 1 if is_trouble else 0
        alone = self.held.kind is CrawlKind.PAGE
        async with self._holding() as db:
            if status in _GONE and (page.depth > 0 or alone):
                said = {"message": error.message, "http_status": status}
                await frontier.retire(db, self.held, page, error.code, **said)
            elif error.code in _ASIDE:
                await self._put_aside(db, page, error)
            else:
                await frontier.settle(
                    db,
                    self.held,
                    page.url,
                    PageStatus.FAILED,
                    depth=page.depth,
                    code=error.code,
                    message=error.message,
                    http_status=status,
                )
        if error.code in _HOPELESS:
            raise Ended(error)
        if page.depth == 0 and error.code != "redirected":
            raise Ended(error if isinstance(error, WebError) else WebError("internal"))
        if self._troubles >= TROUBLES_MAX:
            raise Ended(WebError("site_down"))

    async def _put_aside(self, db: AsyncSession, page: Page, error: KnowledgeError) -> None:
        """Not a page of this crawl; what was made of it before goes, unless it only leads
        elsewhere for now.
        """
        known = {}
        if self._moved_for_good or error.code == "not_html":
            await crawl.forget(db, self.held.org_id, self.held.crawl_id, page.document_id)
            known = {"document_id": None}
        await frontier.settle(
            db,
            self.held,
            page.url,
            PageStatus.SKIPPED,
            depth=page.depth,
            code=error.code,
            **known,
        )

    async def _is_through(self) -> bool:
        """End the run; False when pages that nothing led to are to be asked for first.

        After a complete run, what it did not come upon is gone. When pages failed, they may have
        been the ones that led there, so each is asked for itself.
        """
        async with self._holding() as db:
            found = await frontier.progress(db, self.held)
            cut_off = found.waiting > 0
            if cut_off:
                await frontier.forget_waiting(db, self.held)
            elif found.failed and await frontier.unseen(db, self.held):
                await frontier.ask_for_unseen(db, self.held)
                return False
        if not found.failed:
            await self._retire(frontier.unseen, "no_longer_linked")
            await self._retire(frontier.waiting, "pages_limit")
        else:
            await self._leave_waiting()
        await self._finish(WebError("pages_limit") if cut_off else None, failed=False)
        return True

    async def _leave_waiting(self) -> None:
        async with self._holding() as db:
            await frontier.leave_waiting(db, self.held)

    async def _retire(self, some: _Some, code: str) -> None:
        while True:
            async with self._holding() as db:
                pages = await some(db, self.held)
                made = [page.document_id for page in pages]
                await locking.lock_all(db, self.held.org_id, made)
                for page in pages:
                    await frontier.retire(db, self.held, page, code)
            if not pages:
                return

    async def _finish(self, error: KnowledgeError | None, *, failed: bool) -> None:
        async with self._crawler.transactions(self.held.org_id) as db:
            await crawl.finish(db, self.held, error, failed=failed)

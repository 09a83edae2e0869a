"""Keeps the rows of `attendance` true for this node's staff sockets, clears away those of nodes
that died, and says whether an organisation is staffed anywhere.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog

from chatbot.database import Database
from chatbot.realtime import topics
from chatbot.realtime.signals import Signal
from chatbot.realtime.sockets.client import Client
from chatbot.staff import attendance

CACHED_ORGS_MAX = 10_000
RETRY_S = 2.0
STOP_WITHIN_S = 5.0
WRITE_WITHIN_S = 1.0

log = structlog.get_logger(__name__)


class Timing(msgspec.Struct, frozen=True):
    """Seconds. A dead node is noticed after `lasts_s + sweep_s` at the latest."""

    renew_s: float = 30.0
    lasts_s: float = 45.0
    sweep_s: float = 10.0
    grace_s: float = 10.0
    """How long somebody whose last socket went still counts: to load a page again, to restart."""
    cached_s: float = 10.0


DEFAULT = Timing()


class Attending:
    """Watches the sockets of staff (`door.hearing.watch`). Who hears a topic is there; who closed
    the last window is so for a moment longer.
    """

    def __init__(self, database: Database, *, node: str, timing: Timing | None = None) -> None:
        self._database = database
        self._node = node
        self._timing = timing or DEFAULT
        self._sockets: defaultdict[tuple[UUID, UUID], set[str]] = defaultdict(set)
        self._here: defaultdict[UUID, set[UUID]] = defaultdict(set)  # org → staff, grace included
        self._leaving: dict[tuple[UUID, UUID], float] = {}
        self._to_write: dict[UUID, None] = {}
        self._woken = asyncio.Event()
        self._known: dict[UUID, tuple[bool, float]] = {}
        self._changes = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def is_staffed(self, org_id: UUID) -> bool:
        """Whether a colleague of the organisation has the console open, on any node."""
        if org_id in self._here:
            return True
        now = asyncio.get_running_loop().time()
        known = self._known.get(org_id)
        if known is not None and known[1] > now:
            return known[0]
        changes = self._changes
        async with self._database.transaction(org_id, actor="system") as db:
            found = await attendance.is_staffed(db, org_id)
        if changes == self._changes:  # or else it may be what was true before the change
            if len(self._known) >= CACHED_ORGS_MAX:
                self._known.clear()
            self._known[org_id] = found, now + self._timing.cached_s
        return found

    def wants(self, _topic: str, event: str) -> bool:
        """For `relay.listen`, as `hear`."""
        return event == topics.AVAILABILITY_CHANGED

    def hear(self, org_id: UUID, signal: Signal) -> None:
        if signal.event == topics.AVAILABILITY_CHANGED:
            self._forget(org_id)

    def forget_all(self) -> None:
        """For `relay.listen_for_gaps`."""
        self._changes += 1
        self._known.clear()

    # ── What sockets do ───────────────────────────────────────────────────────────────────────────

    def joined(self, sid: str, client: Client[Any], topic: str) -> None:
        """Colleagues are there from their first topic on."""
        who = _colleague(client)
        if who is None:
            return
        org_id, staff_id = who
        self._sockets[who].add(sid)
        self._leaving.pop(who, None)
        if staff_id not in self._here[org_id]:
            self._here[org_id].add(staff_id)
            self._write_soon(org_id)

    def left(self, sid: str, client: Client[Any], topic: str) -> None:
        """Who hears nothing more may still be there."""

    def gone(self, sid: str, client: Client[Any]) -> None:
        who = _colleague(client)
        if who is None or who not in self._sockets:
            return
        self._sockets[who].discard(sid)
        if not self._sockets[who]:
            del self._sockets[who]
            self._leaving[who] = asyncio.get_running_loop().time() + self._timing.grace_s
            self._woken.set()

    # ── The rows ──────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        loops = self._keep_written(), self._renew(), self._sweep()
        self._tasks = [asyncio.create_task(each) for each in loops]

    async def stop(self) -> None:
        """Leave the rows for the time that it takes to come back, elsewhere or here."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._hurry()
        except Exception as error:  # the database is away: the rows run out by themselves
            log.info("realtime.attendance_left", error=type(error).__name__)

    async def _keep_written(self) -> None:
        while True:
            await self._wait()
            now = asyncio.get_running_loop().time()
            for who in [who for who, until in self._leaving.items() if until <= now]:
                await self._try(self._depart(*who))
            to_write, self._to_write = self._to_write, {}
            for org_id in to_write:
                if not await self._try(self._attend(org_id)):
                    asyncio.get_running_loop().call_later(RETRY_S, self._write_soon, org_id)

    async def _hurry(self) -> None:
        lasts = timedelta(seconds=self._timing.grace_s)
        for org_id in self._here:
            async with self._database.transaction(org_id, actor="system") as db:
                await attendance.hurry(db, org_id, node=self._node, lasts=lasts)

    async def _wait(self) -> None:
        """Until somebody comes, goes, or has been gone for long enough."""
        loop = asyncio.get_running_loop()
        first = min(self._leaving.values(), default=None)
        wait_s = None if first is None else max(0.0, first - loop.time())
        try:
            async with asyncio.timeout(wait_s):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._timing.renew_s)
            for org_id in list(self._here):
                self._write_soon(org_id)

    async def _sweep(self) -> None:
        while True:
            lapsed: list[UUID] = []
            await self._try(self._find_lapsed(lapsed))
            for org_id in lapsed:
                await self._try(self._clear(org_id))
            await asyncio.sleep(self._timing.sweep_s)

    async def _find_lapsed(self, found: list[UUID]) -> None:
        async with self._database.transaction(actor="system") as db:
            found += await attendance.lapsed(db)

    async def _clear(self, org_id: UUID) -> None:
        async with self._database.transaction(org_id, actor="system") as db:
            await attendance.clear(db, org_id)
        self._forget(org_id)

    async def _attend(self, org_id: UUID) -> None:
        here = self._here.get(org_id)
        if here:
            lasts = timedelta(seconds=self._timing.lasts_s)
            async with self._database.transaction(org_id, actor="system") as db:
                await attendance.attend(db, org_id, here, node=self._node, lasts=lasts)

    async def _depart(self, org_id: UUID, staff_id: UUID) -> None:
        if self._leaving.pop((org_id, staff_id), None) is None:
            return  # back meanwhile
        self._here[org_id].discard(staff_id)
        if not self._here[org_id]:
            del self._here[org_id]
        self._forget(org_id)
        async with self._database.transaction(org_id, actor="system") as db:
            await attendance.leave(db, org_id, [staff_id], node=self._node)

    async def _try(self, work: Awaitable[None]) -> bool:
        """Whether it was done. What was not is tried again, and rows left behind run out.

        No organisation waits for what holds up another one: a transaction that removes colleagues
        may keep the rows of theirs locked for as long as it likes.
        """
        try:
            async with asyncio.timeout(WRITE_WITHIN_S):
                await work
        except Exception as error:
            log.warning("realtime.attendance_failed", error=type(error).__name__)
            return False
        return True

    def _write_soon(self, org_id: UUID) -> None:
        self._to_write[org_id] = None
        self._woken.set()

    def _forget(self, org_id: UUID) -> None:
        self._changes += 1
        self._known.pop(org_id, None)


def _colleague(client: Client[Any]) -> tuple[UUID, UUID] | None:
    """(organisation, staff member); None for a visitor."""
    kind, _, staff_id = client.person.actor.partition(":")
    return (client.person.org_id, UUID(staff_id)) if kind == "staff" else None

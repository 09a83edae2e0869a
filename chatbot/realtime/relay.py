"""The one reader of `realtime.messages` in a process: every committed signal once, in the memory of
a snapshot.

A row is new in exactly the read whose snapshot first sees its transaction, so nothing is lost to
transactions that commit out of order and nothing rolled back is ever seen. docs/realtime.md has the
whole story.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.rows import tuple_row
from sqlalchemy import ARRAY, Integer, Text, bindparam, func, select, text

from chatbot.database import Database
from chatbot.errors import Unavailable
from chatbot.realtime.signals import Cursor, Restart, Row, Signal, bounds, fold, restart, signal

CHANNEL = "chatbot_realtime"
POLL_S = 0.1  # what a lost wake-up costs at most
ANNOUNCE_EVERY_S = 0.005
PAGE_ROWS = 1000
MISSED_MAX = 300
RETRY_S = (0.1, 2.0)
CONNECT_TIMEOUT_S = 5
MAINTAIN_EVERY_S = 3600

_READ = "select * from realtime.read(%s, %s, %s, %s, %s)"
_POSITION = "select life, epoch, started_at, floor, cur from realtime.position()"
_MISSED = select(
    func.realtime.missed(
        bindparam("topics", type_=ARRAY(Text)),
        bindparam("epoch", type_=Text),
        bindparam("cur", type_=Text),
        bindparam("rows_max", type_=Integer),
    ).table_valued("reset", "id", "topic", "event", "payload", "inserted_at")
)
# NOTIFY takes a transaction id, whose commit would wait for the disk; nothing is lost if it is not
# waited for. Planning `realtime.read` anew, over all partitions, costs three times as much as
# running it, and every read wants the same plan.
_OPTIONS = (
    "-c synchronous_commit=off -c statement_timeout=10000 -c plan_cache_mode=force_generic_plan"
)

Listener = Callable[[UUID, Signal], None]
log = structlog.get_logger(__name__)


class Missed(msgspec.Struct, frozen=True):
    """What a client did not hear; with `reset` it must refetch all it shows, and `signals` is
    empty.
    """

    signals: list[Signal]
    reset: bool


class Relay:
    """Reads when this process committed, when another node says that it did, and every POLL_S
    anyway.
    """

    def __init__(self, database: Database, *, poll_s: float = POLL_S) -> None:
        self._database = database
        self._poll_s = poll_s
        self._listeners: list[Listener] = []
        self._gap_listeners: list[Callable[[], None]] = []
        self._life: UUID | None = None
        self._cursor: Cursor | None = None
        self._restart: Restart | None = None
        self._awake = asyncio.Event()
        self._to_announce = False
        self._announced_at = 0.0
        self._own_pid = 0
        self._tasks: list[asyncio.Task[None]] = []
        database.on_commit(self.wake)

    @property
    def cursor(self) -> Cursor:
        """Where the relay stands: all that is not visible there is still to be heard. Raises
        Unavailable before start.
        """
        if self._cursor is None:
            raise Unavailable("relay_starting", "Live updates are starting. Try again in a moment.")
        return self._cursor

    def listen(self, callback: Listener) -> None:
        """Call `callback(org_id, signal)` for every signal of every organisation; it must return at
        once.
        """
        self._listeners.append(callback)

    def listen_for_gaps(self, callback: Callable[[], None]) -> None:
        """Call `callback` when signals were lost for good (restored or replaced database): refetch
        everything.
        """
        self._gap_listeners.append(callback)

    def wake(self) -> None:
        """Something was committed in this process."""
        self._to_announce = True
        self._awake.set()

    async def start(self) -> None:
        """Take a place in the stream and follow it from there. Raises psycopg.OperationalError
        without a database.
        """
        await self._maintain()
        link = await self._connect()
        await self._find_place(link)
        loops = (self._follow(link), self._hear_other_nodes(), self._keep_house())
        self._tasks = [asyncio.create_task(each) for each in loops]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def missed(self, org_id: UUID, topics: Sequence[str], cursor: Cursor) -> Missed:
        """The signals on `topics` of that organisation after `cursor`: all of them, or a reset,
        never a part.

        A reset: more than MISSED_MAX, or a cursor of another epoch, malformed, from the future, or
        older than
        what is kept.
        """
        if bounds(cursor.cur) is None:
            return Missed([], reset=True)
        asked = {"topics": list(topics), "epoch": cursor.epoch, "cur": cursor.cur}
        async with self._database.transaction(org_id, actor="system") as db:
            found = (await db.execute(_MISSED, asked | {"rows_max": MISSED_MAX})).all()
        if any(each.reset for each in found):
            return Missed([], reset=True)
        rows = (
            Row(each.id, org_id, each.topic, each.event, each.payload, each.inserted_at)
            for each in found
        )
        return Missed(fold(signal(row, cursor) for row in rows), reset=False)

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        return await psycopg.AsyncConnection.connect(
            self._database.url,
            autocommit=True,
            row_factory=tuple_row,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=_OPTIONS,
        )

    async def _find_place(self, link: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        """Keep the place from before the connection was lost, unless this is another database."""
        [(life, epoch, started_at, floor, now)] = await (await link.execute(_POSITION)).fetchall()
        self._own_pid = link.info.backend_pid
        before, self._cursor = self._cursor, Cursor(epoch, now)
        if before is None:
            self._life = life
        elif life == self._life and before.epoch == epoch:
            self._cursor = before
        elif life == self._life and (again := restart(before.cur, started_at, now, floor)):
            log.warning("realtime.database_restarted")
            self._restart, self._cursor = again, Cursor(epoch, again.place)
        else:
            log.warning("realtime.gap")
            self._life = life
            for callback in self._gap_listeners:
                callback()

    async def _follow(self, link: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        pause = RETRY_S[0]
        while True:
            try:
                async with link:
                    while True:
                        if await self._sleep():
                            await self._read(link)
                        await self._announce(link)
                        pause = RETRY_S[0]
            except Exception as error:
                # The one loop that must not end: whatever it was, go on from the same place.
                log.warning("realtime.relay_down", exc_info=not isinstance(error, psycopg.Error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_S[1])
            link = await self._reconnect(link)

    async def _reconnect(
        self, link: psycopg.AsyncConnection[tuple[Any, ...]]
    ) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        try:
            link = await self._connect()
            await self._find_place(link)
        except psycopg.Error:
            return link  # closed: the next round of `_follow` fails at once, and waits longer
        log.info("realtime.relay_back")
        return link

    async def _sleep(self) -> bool:
        """Until there may be something to read (True), or only to announce what was read."""
        announces = self._to_announce
        try:
            async with asyncio.timeout(ANNOUNCE_EVERY_S if announces else self._poll_s):
                await self._awake.wait()
        except TimeoutError:
            return not announces
        self._awake.clear()
        return True

    async def _read(self, link: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        """Tell the listeners all that became visible since the last read, page by page at one
        snapshot.
        """
        before, upto, after = self.cursor, None, ("0", -1)
        while True:
            values = (before.cur, upto, *after, PAGE_ROWS)
            found = await (await link.execute(_READ, values, prepare=True)).fetchall()
            self._tell([Row(*each[2:]) for each in found if self._is_news(each)], before)
            upto, after = found[0][0], found[-1][1:3]
            if len(found) < PAGE_ROWS:
                self._cursor, self._restart = Cursor(before.epoch, upto), None
                return

    def _is_news(self, found: tuple[Any, ...]) -> bool:
        """Whether the line of `realtime.read` holds a signal, and one that was not told before."""
        _, xid, number, *_, inserted_at = found
        if number is None:
            return False
        return self._restart is None or self._restart.is_news(int(xid), inserted_at)

    def _tell(self, rows: list[Row], before: Cursor) -> None:
        """A signal carries the place from before its read: a connection lost in mid-batch repeats
        the batch.
        """
        orgs = {str(row.id): row.org_id for row in rows}
        for each in fold(signal(row, before) for row in rows):
            for callback in self._listeners:
                try:
                    callback(orgs[each.id], each)
                except Exception:
                    # One listener's mistake must not cost the others their signals.
                    log.exception("realtime.listener_failed", event_name=each.event)

    async def _announce(self, link: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        """Wake the other nodes: outside every business transaction, whose commits it would put in a
        queue.
        """
        if not self._to_announce or time.monotonic() - self._announced_at < ANNOUNCE_EVERY_S:
            return
        self._to_announce = False
        self._announced_at = time.monotonic()
        await link.execute("select pg_notify(%s, '')", (CHANNEL,), prepare=True)

    async def _hear_other_nodes(self) -> None:
        while True:
            try:
                async with await self._connect() as link:
                    await link.execute(f"listen {CHANNEL}")
                    async for heard in link.notifies():
                        if heard.pid != self._own_pid:
                            self._awake.set()
            except psycopg.Error as error:
                log.info("realtime.listen_down", error=type(error).__name__)
            await asyncio.sleep(RETRY_S[1])

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(MAINTAIN_EVERY_S)
            try:
                await self._maintain()
            except Exception as error:
                # Tried again in an hour; partitions stand four days ahead, with a default one
                # behind them.
                log.exception("realtime.maintain_failed", error=type(error).__name__)

    async def _maintain(self) -> None:
        async with self._database.transaction(actor="system") as db:
            left_over = await db.scalar(text("select realtime.maintain()"))
        if left_over:
            log.warning("realtime.maintain_left_over", partitions=left_over)

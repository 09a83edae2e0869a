"""The one reader of `realtime.messages` in a process: every committed signal once, in the memory of
a snapshot.

A row is new in exactly the read whose snapshot first sees its transaction, so nothing is lost to
transactions that commit out of order and nothing rolled back is ever seen. docs/realtime.md has the
whole story.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import psycopg
import structlog
from sqlalchemy import text

from chatbot.database import Database
from chatbot.errors import Unavailable
from chatbot.realtime import metrics, topics
from chatbot.realtime.following import telling
from chatbot.realtime.following.link import Answer, Link
from chatbot.realtime.following.neighbours import COMMITTED, HERE, Neighbours
from chatbot.realtime.following.oldest import Oldest
from chatbot.realtime.following.telling import Listener, Telling, Wants
from chatbot.realtime.signals import Cursor, Part, Restart, restart

CHANNEL = "chatbot_realtime"
POLL_S = 0.1  # what a lost wake-up costs at most
READ_EVERY_S = 0.004  # commits that come closer together share a read
REST_S = 0.02  # after reads that take long, at most: half of the time is for others
MEASURE_EVERY_S = 1.0
PAGE_ROWS = 200  # fewer than may wait for a socket, which is emptied between two pages
RETRY_S = (0.1, 2.0)
MAINTAIN_EVERY_S = 3600

_STATEMENTS = {
    "news": "select * from realtime.news($1, $2, $3, $4::bigint, $5::integer)",
    "position": "select life, epoch, started_at, floor, cur from realtime.position()",
    "catalogue": "select coalesce(json_agg(c), '[]') from realtime.catalogue() c",
    "say": f"select pg_notify('{CHANNEL}', $1)",
}
# NOTIFY takes a transaction id, whose commit would wait for the disk; nothing is lost if it is not
# waited for. Planning `realtime.news` anew, over all partitions, costs more than running it, and
# every read wants the same plan.
_OPTIONS = (
    "-c synchronous_commit=off -c statement_timeout=10000 -c plan_cache_mode=force_generic_plan"
)
_kinds = msgspec.json.Decoder(list[topics.Row])
log = structlog.get_logger(__name__)


class Relay:
    """Reads when this process committed, when another node says that it did, and every POLL_S
    anyway; never more often than every READ_EVERY_S, but at once after a rest.
    """

    def __init__(
        self, database: Database, *, poll_s: float = POLL_S, read_every_s: float = READ_EVERY_S
    ) -> None:
        self._database = database
        self._poll_s = poll_s
        self._read_every_s = read_every_s
        self._telling = Telling()
        self._catalogue = topics.OURS
        self._gap_listeners: list[Callable[[], None]] = []
        self._kind_listeners: list[Callable[[topics.Catalogue, topics.Catalogue], None]] = []
        self._life: bytes = b""
        self._cursor: Cursor | None = None
        self._restart: Restart | None = None
        self._part: tuple[bytes | None, tuple[bytes, bytes]] | None = None
        """Of a read that was cut short: its snapshot, and (xid, id) of the last row told."""
        self._neighbours = Neighbours(time.monotonic)
        self._oldest = Oldest()
        self._own_pid = 0
        self._to_announce = False
        self._woken_by = ""
        self._rest: asyncio.Future[None] | None = None
        self._next_read_at = 0.0
        self._measured_at = 0.0
        self._rows_behind = 0
        self._pause_s = RETRY_S[0]
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

    @property
    def catalogue(self) -> topics.Catalogue:
        """The kinds of topics there are by now, and which of them are paused."""
        return self._catalogue

    def listen(self, callback: Listener, wants: Wants | None = None) -> None:
        """Call `callback(org_id, signal)` for every signal of every organisation, or at least for
        those of which `wants(topic, event)` is true. Both must return at once.
        """
        self._telling.add(callback, wants)

    def listen_for_gaps(self, callback: Callable[[], None]) -> None:
        """Call `callback` when signals were lost for good (restored or replaced database): refetch
        everything.
        """
        self._gap_listeners.append(callback)

    def listen_for_kinds(
        self, callback: Callable[[topics.Catalogue, topics.Catalogue], None]
    ) -> None:
        """Call `callback(before, now)` when kinds of topics came, went, were paused or resumed."""
        self._kind_listeners.append(callback)

    def wake(self) -> None:
        """Something was committed in this process."""
        self._to_announce = True
        self._rouse("local")

    async def start(self) -> None:
        """Take a place in the stream and follow it from there. Raises psycopg.OperationalError
        without a database.
        """
        await self._maintain()
        link = await self._connect()
        loops = (self._follow(link), self._keep_house())
        self._tasks = [asyncio.create_task(each) for each in loops]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    # ── The connection ────────────────────────────────────────────────────────────────────────────

    async def _connect(self) -> Link:
        """A connection, and a place in the stream: the one from before, unless this is another
        database.
        """
        link = await Link.open(
            self._database.url,
            _STATEMENTS,
            options=_OPTIONS,
            hear=self._hear,
            lost=lambda: self._rouse("lost"),
            listen=CHANNEL,
        )
        try:
            self._own_pid, self._neighbours = link.pid, Neighbours(time.monotonic)
            await self._find_place(link)
            await self._read_catalogue(link)
        except BaseException:
            await link.close()
            raise
        self._rouse("connect")
        return link

    async def _find_place(self, link: Link) -> None:
        found = await link.ask("position")
        life, epoch, now = found.raw(0, 0), found.text(0, 1), found.text(0, 4)
        started_at, floor = found.time(0, 2), found.integer(0, 3)
        part, self._part = self._part, None
        before, self._cursor = self._cursor, Cursor(epoch, now)
        if before is None:
            self._life = life
        elif life == self._life and before.epoch == epoch:
            self._cursor, self._part = before, part
        elif life == self._life and (
            again := restart(
                before.cur, started_at, now, floor, part=_told(part), before=self._restart
            )
        ):
            log.warning("realtime.database_restarted")
            self._restart, self._cursor = again, Cursor(epoch, again.place)
        else:
            log.warning("realtime.gap")
            metrics.GAPS.inc()
            self._life, self._restart = life, None
            for callback in self._gap_listeners:
                callback()

    async def _read_catalogue(self, link: Link) -> None:
        rows = _kinds.decode((await link.ask("catalogue")).raw(0, 0))
        before, self._catalogue = self._catalogue, topics.Catalogue(rows)
        self._telling.paused = self._catalogue.paused()
        metrics.PAUSED_KINDS.set(len(self._telling.paused))
        for callback in self._kind_listeners:
            callback(before, self._catalogue)

    async def _follow(self, link: Link) -> None:
        while True:
            try:
                async with link:
                    while True:
                        await self._until_due()
                        await self._read(link)
                        await self._announce(link)
                        self._pause_s = RETRY_S[0]
            except Exception as error:
                # The one loop that must not end: whatever it was, go on from the same place.
                expected = isinstance(error, psycopg.Error | OSError)
                log.warning(
                    "realtime.relay_down", error=type(error).__name__, exc_info=not expected
                )
                metrics.RELAY_LOST.inc()
            link = await self._reconnect()

    async def _reconnect(self) -> Link:
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(self._pause_s * 2, RETRY_S[1])
            try:
                link = await self._connect()
            except Exception as error:
                # A database that comes up says all sorts of things: it is asked again.
                log.info("realtime.relay_still_down", error=type(error).__name__)
            else:
                log.info("realtime.relay_back")
                return link

    # ── When to read ──────────────────────────────────────────────────────────────────────────────

    def _rouse(self, why: str) -> None:
        self._woken_by = self._woken_by or why
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    async def _until_due(self) -> None:
        """Until something was committed, or POLL_S passed; and READ_EVERY_S since the last read."""
        loop = asyncio.get_running_loop()
        if not self._woken_by:
            self._rest = loop.create_future()
            poll = loop.call_later(self._poll_s, self._rouse, "poll")
            try:
                await self._rest
            finally:
                poll.cancel()
                self._rest = None
        gap_s = self._next_read_at - loop.time()
        if gap_s > 0:
            await asyncio.sleep(gap_s)
        metrics.reads_of(self._woken_by).inc()
        self._woken_by = ""

    def _hear(self, pid: int, said: str) -> None:
        if pid == self._own_pid:
            return
        if self._neighbours.hear(pid) or said == COMMITTED:
            self._rouse("notify")

    async def _announce(self, link: Link) -> None:
        """Wake the other nodes, if there are any: outside every business transaction, whose commits
        it would put in a queue.
        """
        if self._neighbours.must_say():
            await link.ask("say", HERE.encode())
        if self._to_announce:
            self._to_announce = False
            if self._neighbours.are_there():
                await link.ask("say", COMMITTED.encode())

    # ── Reading ───────────────────────────────────────────────────────────────────────────────────

    async def _read(self, link: Link) -> None:
        """Tell the listeners all that became visible since the last read, page by page at one
        snapshot.
        """
        began_at = asyncio.get_running_loop().time()
        before = self.cursor
        upto, after = self._part or (None, (b"0", b"-1"))
        rows_behind = -PAGE_ROWS
        while True:
            asked_at = time.perf_counter()
            seen = before.cur.encode()
            found = await link.ask("news", seen, upto, *after, b"%d" % PAGE_ROWS)
            metrics.RELAY_READ.observe((time.perf_counter() - asked_at) * 1000)
            if _changes_kinds(found):
                await self._read_catalogue(link)
            self._telling.tell(found, before, restarted=self._restart, asked_at=asked_at)
            upto, rows_behind = found.raw(0, telling.CUR), rows_behind + found.rows
            if found.rows < PAGE_ROWS:
                break
            last = found.rows - 1
            after = (
                b"%d" % found.integer(last, telling.XID),
                b"%d" % found.integer(last, telling.ID),
            )
            self._part = upto, after
            await asyncio.sleep(self._read_every_s)  # who reads is not taken for one who does not
        self._part = None
        if upto != seen or self._restart is not None:
            self._cursor, self._restart = Cursor(before.epoch, upto.decode()), None
        now = asyncio.get_running_loop().time()
        self._next_read_at = began_at + min(max(self._read_every_s, 2 * (now - began_at)), REST_S)
        self._measure(now, max(0, rows_behind))

    def _measure(self, now: float, rows_behind: int) -> None:
        self._rows_behind = max(rows_behind, self._rows_behind)
        age_s = self._oldest.age(self.cursor.cur, now)
        if now < self._measured_at + MEASURE_EVERY_S:
            return
        self._measured_at = now
        metrics.RELAY_READ_AT.set_to_current_time()
        metrics.RELAY_LAG_ROWS.set(self._rows_behind)
        metrics.OLDEST_OPEN.set(age_s)
        self._rows_behind = 0

    # ── Upkeep ────────────────────────────────────────────────────────────────────────────────────

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
        metrics.UPKEEP_LEFT.set(left_over or 0)
        metrics.UPKEEP_AT.set_to_current_time()
        if left_over:
            log.warning("realtime.maintain_left_over", partitions=left_over)


def _told(part: tuple[bytes | None, tuple[bytes, bytes]] | None) -> Part | None:
    upto, (xid, number) = part or (None, (b"0", b"-1"))
    return None if upto is None else Part(upto.decode(), int(xid), int(number))


def _changes_kinds(found: Answer) -> bool:
    wanted = topics.KINDS_TOPIC.encode()
    return any(found.raw(index, telling.TOPIC) == wanted for index in range(found.rows))

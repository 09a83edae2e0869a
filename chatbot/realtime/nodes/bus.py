"""What nodes tell each other that is stored nowhere: words of answers, typing, who is there.

At most once, and never waited for: whoever needs to be sure asks again when it is told that a room
is heard from now on. Signals never come this way.
"""

import asyncio
import random
import secrets
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any, Final, Protocol

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chatbot.errors import StartupError
from chatbot.realtime import metrics

VERSION: Final = 1  # of the envelope; a node reads no other
PREFIX: Final = "chatbot:"
BEAT: Final = "beat"
BEAT_S = 5.0
SILENCE_S = 12.0  # not even an own beat came back: the connection is dead
CALL_WITHIN_S = 2.0
RETRY_S = (0.1, 5.0)
LEAVING_S = 1.0
WAITING_MAX = 10_000
WAITING_BYTES_MAX = 8_000_000
MESSAGE_BYTES_MAX = 1_000_000
BATCH = 500

Hearer = Callable[[str, msgspec.Raw], None]
"""(room, data as JSON): what another node published; it must return at once."""

log = structlog.get_logger(__name__)


class Bus(Protocol):
    """The way from this node to the others."""

    @property
    def is_up(self) -> bool:
        """Whether other nodes can be heard, and hear this one, as far as is known."""
        ...

    def publish(self, room: str, event: str, data: object) -> None:
        """Tell the other nodes that follow the room. Never waits; may be lost."""
        ...

    def follow(self, room: str) -> None:
        """Hear what others publish to the room; as often as `unfollow` will be called."""
        ...

    def unfollow(self, room: str) -> None: ...

    def listen(self, event: str, hearer: Hearer) -> None:
        """Call `hearer` for every such event that another node publishes to a followed room."""
        ...

    def listen_for_rooms(self, callback: Callable[[str], None]) -> None:
        """Call `callback(room)` whenever a room is heard from now on: once it is followed, and
        again after every interruption, in which anything may have been missed.
        """
        ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class LocalBus:
    """One process alone: there is nobody to tell."""

    is_up = False

    def publish(self, room: str, event: str, data: object) -> None: ...

    def follow(self, room: str) -> None: ...

    def unfollow(self, room: str) -> None: ...

    def listen(self, event: str, hearer: Hearer) -> None: ...

    def listen_for_rooms(self, callback: Callable[[str], None]) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class _Envelope(msgspec.Struct, frozen=True):
    """One message in a room's channel."""

    v: int
    node: str
    event: str
    data: msgspec.Raw


_envelope = msgspec.json.Decoder(_Envelope)


class RedisBus:
    """One channel a room, subscribed only while somebody here follows it.

    Without Redis it goes on trying, later each time, and comes back by itself; until then nothing
    is heard, and of what is published the oldest is dropped.
    """

    def __init__(self, url: str) -> None:
        self.node = secrets.token_hex(8)
        self._client = client_of(url)
        self._followed: Counter[str] = Counter()
        self._changes: dict[str, bool] = {}  # room → to be subscribed or not
        self._changed = asyncio.Event()
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._outbox_bytes = 0
        self._waiting = asyncio.Event()
        self._hearers: dict[str, list[Hearer]] = {}
        self._room_listeners: list[Callable[[str], None]] = []
        self._is_heard = self._hears = self._was_up = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_up(self) -> bool:
        return self._is_heard and self._hears

    def publish(self, room: str, event: str, data: object) -> None:
        body = msgspec.json.encode({"v": VERSION, "node": self.node, "event": event, "data": data})
        if len(body) > MESSAGE_BYTES_MAX:
            metrics.BUS_SENT.labels("too_large").inc()
            return
        self._outbox.append((room, body))
        self._outbox_bytes += len(body)
        while len(self._outbox) > WAITING_MAX or self._outbox_bytes > WAITING_BYTES_MAX:
            self._outbox_bytes -= len(self._outbox.popleft()[1])
            metrics.BUS_SENT.labels("dropped").inc()
        self._waiting.set()

    def follow(self, room: str) -> None:
        self._followed[room] += 1
        if self._followed[room] == 1:
            self._change(room, wanted=True)

    def unfollow(self, room: str) -> None:
        self._followed[room] -= 1
        if self._followed[room] <= 0:
            del self._followed[room]
            self._change(room, wanted=False)

    def listen(self, event: str, hearer: Hearer) -> None:
        self._hearers.setdefault(event, []).append(hearer)

    def listen_for_rooms(self, callback: Callable[[str], None]) -> None:
        self._room_listeners.append(callback)

    async def start(self) -> None:
        """Begin to connect; a Redis that is not there keeps nobody waiting."""
        metrics.BUS_UP.set(0)
        self._beat()
        self._tasks = [
            asyncio.create_task(self._send(), name="bus: send"),
            asyncio.create_task(self._hear(), name="bus: hear"),
        ]

    async def stop(self) -> None:
        """Send what waits, for a moment at most, and disconnect."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVING_S if self._is_heard else 0):
                while self._outbox:  # noqa: ASYNC110 - the sender takes from it
                    await asyncio.sleep(0.01)
        for task in self._tasks:
            await end(task)
        self._tasks = []
        await self._client.aclose()

    # ── Speaking ──────────────────────────────────────────────────────────────────────────────────

    async def _send(self) -> None:
        pause = RETRY_S[0]
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._waiting.wait()
            if not self._waiting.is_set():
                self._beat()
            batch = self._next_batch()
            try:
                await self._publish(batch)
            except Exception as error:
                # Whatever it was: those messages are lost, the next ones may not be.
                metrics.BUS_SENT.labels("lost").inc(len(batch))
                self._is_heard = False
                self._note_change(error)
                await _rest(pause)
                pause = min(pause * 2, RETRY_S[1])
                self._beat()
            else:
                metrics.BUS_SENT.labels("ok").inc(len(batch))
                self._is_heard = True
                self._note_change()
                pause = RETRY_S[0]

    def _beat(self) -> None:
        """Say something to oneself: it shows that the way there and back is open."""
        self.publish(self._own_room, BEAT, None)

    def _next_batch(self) -> list[tuple[str, bytes]]:
        batch = [self._outbox.popleft() for _ in range(min(BATCH, len(self._outbox)))]
        self._outbox_bytes -= sum(len(body) for _, body in batch)
        if not self._outbox:
            self._waiting.clear()
        return batch

    async def _publish(self, batch: list[tuple[str, bytes]]) -> None:
        async with asyncio.timeout(CALL_WITHIN_S), self._client.pipeline(False) as pipe:
            for room, body in batch:
                pipe.publish(PREFIX + room, body)
            await pipe.execute()

    # ── Hearing ───────────────────────────────────────────────────────────────────────────────────

    async def _hear(self) -> None:
        pause = RETRY_S[0]
        while True:
            heard = False
            ears = self._client.pubsub()
            try:
                async with asyncio.timeout(CALL_WITHIN_S):
                    await ears.subscribe(PREFIX + self._own_room)
                async with aclosing(self._messages(ears)) as messages:
                    async for message in messages:
                        heard = True
                        self._take(message)
            except Exception as error:
                # Whatever it was, begin again: the rooms are told when they are heard.
                self._hears = False
                self._note_change(error)
            finally:
                with suppress(RedisError, OSError):
                    await ears.aclose()
            pause = RETRY_S[0] if heard else min(pause * 2, RETRY_S[1])
            await _rest(pause)

    async def _messages(self, ears: PubSub) -> AsyncGenerator[dict[str, Any]]:
        """All that comes, until the connection is lost or silent; raises what was wrong."""
        self._changes = dict.fromkeys(self._followed, True)
        self._changed.set()
        keeping = asyncio.create_task(self._keep_subscribed(ears), name="bus: subscribe")
        try:
            while not keeping.done():
                message = await ears.get_message(timeout=SILENCE_S)
                if message is None:
                    raise TimeoutError("not even an own beat was heard")
                yield message
            await keeping
        finally:
            await end(keeping, again_s=0.1)

    async def _keep_subscribed(self, ears: PubSub) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            changes, self._changes = self._changes, {}
            for verb, wanted in ((ears.subscribe, True), (ears.unsubscribe, False)):
                rooms = [PREFIX + room for room, to_be in changes.items() if to_be is wanted]
                for start in range(0, len(rooms), BATCH):
                    async with asyncio.timeout(CALL_WITHIN_S):
                        await verb(*rooms[start : start + BATCH])

    def _take(self, message: dict[str, Any]) -> None:
        room = message["channel"].decode().removeprefix(PREFIX)
        if message["type"] == "subscribe":
            self._hears = True
            self._note_change()
            for callback in self._room_listeners if room in self._followed else ():
                self._tell(callback, room)
        elif message["type"] == "message":
            self._take_in(room, message["data"])

    def _take_in(self, room: str, body: bytes) -> None:
        try:
            envelope = _envelope.decode(body)
        except msgspec.DecodeError:
            metrics.BUS_HEARD.labels("unreadable").inc()
            return
        if envelope.v != VERSION:
            metrics.BUS_HEARD.labels("other_version").inc()
            return
        if envelope.node == self.node or room not in self._followed:
            return  # our own echo, or the room was left meanwhile
        metrics.BUS_HEARD.labels("ok").inc()
        for hearer in self._hearers.get(envelope.event, ()):
            self._tell(hearer, room, envelope.data)

    def _tell(self, callback: Callable[..., None], *told: object) -> None:
        try:
            callback(*told)
        except Exception:
            # One hearer's mistake must not cost the others the connection.
            log.exception("realtime.bus_hearer_failed")

    # ── Both ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def _own_room(self) -> str:
        """Where the beats go: nobody else hears them."""
        return f"node:{self.node}"

    def _change(self, room: str, *, wanted: bool) -> None:
        self._changes[room] = wanted
        self._changed.set()

    def _note_change(self, error: Exception | None = None) -> None:
        """Log and count when others are reached again, or no longer."""
        if self.is_up == self._was_up:
            return
        self._was_up = self.is_up
        metrics.BUS_UP.set(self.is_up)
        if self.is_up:
            log.info("realtime.bus_up")
        else:
            log.warning("realtime.bus_down", error=type(error).__name__)


async def _rest(pause_s: float) -> None:
    """Nodes that lost the same Redis do not all come back in the same instant."""
    await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def client_of(url: str) -> Redis:
    """A client that gives up soon; StartupError for an address that is none."""
    try:
        return Redis.from_url(
            url,
            socket_timeout=CALL_WITHIN_S,
            socket_connect_timeout=CALL_WITHIN_S,
            retry=Retry(NoBackoff(), 0),  # the bus itself tries again
            protocol=2,  # older servers, and what speaks like Redis, know no other
            driver_info=None,
        )
    except ValueError as error:
        raise StartupError(
            "bad_setting: CHATBOT_REDIS_URL must begin with redis://, rediss:// or unix://."
        ) from error


def bus_of(url: str) -> Bus:
    """The bus that the settings name; without Redis this process is alone."""
    return RedisBus(url) if url else LocalBus()


async def end(task: asyncio.Task[None], *, again_s: float = 1.0) -> None:
    """Cancel it until it is over: `asyncio.wait_for` of Python 3.11, which libraries use, swallows
    a cancellation that comes just as its own work is done (gh-86296). How it ended is not told.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=again_s)
    if not task.cancelled():
        task.exception()

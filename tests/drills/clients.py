"""Clients that keep the rules of docs/clients.md and note what they live through, and a writer that
knows what it committed.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import psycopg
import socketio
from socketio.exceptions import SocketIOError

from tests import live
from tests.drills.server import Story

BACK_OFF_S: Final = (0.5, 15.0)
_SEND: Final = (
    b"select realtime.send(jsonb_build_object('n_id', n::text), 'n.changed', %s)"
    b" from generate_series(%s::int, %s::int) n"
)


class Writer:
    """Signals at a steady pace by another program's connection; it knows which were committed."""

    def __init__(self, url: Callable[[], str], topic: str, story: Story) -> None:
        self.sent: dict[str, float] = {}
        self._url, self._topic, self._story = url, topic, story
        self._count = 0

    async def run(self, per_s: float, *, at_once: int = 1) -> None:
        """So many transactions a second, each with so many signals, for ever; a failure is noted by
        its SQLSTATE, and tried again with the next number.
        """
        while True:
            try:
                async with await psycopg.AsyncConnection[Any].connect(
                    self._url(), autocommit=True, connect_timeout=2
                ) as link:
                    scope = "select set_config('app.org', %s, false)"
                    await link.execute(scope, (self._topic.split(":")[1],))
                    await self._write(link, per_s, at_once)
            except (psycopg.Error, OSError) as error:
                code = getattr(error, "sqlstate", None) or type(error).__name__
                self._story.note(f"writer refused: {code}")
                await asyncio.sleep(0.2)

    async def _write(self, link: psycopg.AsyncConnection[Any], per_s: float, at_once: int) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            first = self._count + 1
            self._count += at_once
            began = time.monotonic()
            await link.execute(_SEND, (self._topic, first, self._count))
            self.sent |= dict.fromkeys(map(str, range(first, self._count + 1)), began)
            due = max(due + 1 / per_s, clock() - 1)
            await asyncio.sleep(max(0.0, due - clock()))


@dataclass
class Ear:
    """A client on one topic that keeps the rules of docs/clients.md and notes what it is told."""

    person: live.Person
    topic: str
    story: Story
    renew: Callable[[], Coroutine[Any, Any, None]] | None = None
    heard: dict[str, float] = field(default_factory=dict[str, float])
    refetched_at: float = 0.0
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    socket: socketio.AsyncClient | None = None
    cursor: dict[str, str] | None = None
    _is_gone: asyncio.Event = field(default_factory=asyncio.Event)
    _spread_s: float = 0.0
    _pause_s: float = BACK_OFF_S[0]

    async def run(self) -> None:
        while True:
            try:
                await self._once()
            except AssertionError as refusal:
                await self._turned_away(refusal)
            except (OSError, TimeoutError, aiohttp.ClientError) as error:
                self.story.note(f"client: {type(error).__name__} on the way")
            except SocketIOError as error:
                self.story.note(f"client: {type(error).__name__} on the way")
            self.joined.clear()
            await asyncio.sleep(self._spread_s or random.uniform(0.5, 1) * self._pause_s * 2)
            self._pause_s, self._spread_s = min(self._pause_s * 2, BACK_OFF_S[1]), 0.0

    async def emit(self, event: str, data: Mapping[str, Any]) -> Any:
        assert self.socket is not None
        return await self.socket.call(event, data, namespace=self.person.namespace, timeout=15)

    async def subscribe(self, *, anew: bool = False) -> str:
        """The code for the topic."""
        asked: dict[str, Any] = {"topics": [self.topic]}
        if self.cursor is not None and not anew:
            asked["cursor"] = self.cursor
        reply = await self.emit("subscribe", asked)
        code = reply["error"]["code"] if "error" in reply else reply["topics"][self.topic]
        self.story.note(f"subscribe: {code}")
        if code == "ok":
            if reply["reset"] or self.cursor is None or anew:
                self.refetched_at = time.monotonic()
            if reply["reset"]:
                same = self.cursor is not None and self.cursor["epoch"] == reply["epoch"]
                why = "too much, or too long ago" if same else "another epoch"
                self.story.note(f"subscribe: reset on {self.topic.rpartition(':')[2]}: {why}")
            for each in reply["missed"]:
                self.story.note("signal caught up")
                self._know(each)
            self.cursor = {"epoch": reply["epoch"], "cur": reply["cur"]}
            self.joined.set()
        return code

    async def _once(self) -> None:
        person, self._is_gone = self.person, asyncio.Event()
        self.socket = socketio.AsyncClient(reconnection=False, http_session=person.http)
        self.socket.on("*", self._hear, namespace=person.namespace)
        self.socket.on("connect_error", self._refused, namespace=person.namespace)
        self.socket.on("disconnect", self._gone, namespace=person.namespace)
        token = person.token
        if person.namespace == "/staff":
            token = (await person.post("/staff/socket-token"))["token"]
        origin = {"Origin": person.headers["Origin"]}
        try:
            await self.socket.connect(
                person.url,
                headers=origin,
                auth={"token": token},
                namespaces=[person.namespace],
                transports=["websocket"],
                wait_timeout=10,
            )
            while (await self.subscribe()) != "ok":  # noqa: ASYNC110
                await asyncio.sleep(2)
            self._pause_s = BACK_OFF_S[0]
            await self._is_gone.wait()
            self.story.note("client: connection ended")
        finally:
            with suppress(Exception):
                await self.socket.disconnect()

    async def _gone(self, *_reason: object) -> None:
        self._is_gone.set()

    async def _hear(self, event: str, data: dict[str, Any]) -> None:
        if event == "system":
            self.story.note(f"system: {data['code']}")
            if data["code"] == "server_restarting":
                self._spread_s = random.uniform(0, data["retry_after_s"])
            elif data["retry"] == "refetch":
                self.refetched_at = time.monotonic()
        elif event == "signal":
            self.cursor = {"epoch": data["epoch"], "cur": data["cur"]}
            self._know(data)
        else:
            self.story.note(f"event: {event}")

    def _know(self, signal: Mapping[str, Any]) -> None:
        number = signal["ids"].get("n_id")
        if number in self.heard:
            self.story.note("signal heard twice")
        elif number:
            self.heard[number] = time.monotonic()

    async def _turned_away(self, refusal: AssertionError) -> None:
        """An HTTP call said no: not signed in any more, or not now."""
        body = refusal.args[0] if refusal.args else None
        code = body["error"]["code"] if isinstance(body, dict) else str(body)
        self.story.note(f"HTTP: {code}")
        if code == "not_signed_in" and self.renew:
            with suppress(AssertionError, OSError, aiohttp.ClientError):
                await self.renew()

    async def _refused(self, told: Any) -> None:
        found = told.get("data") if isinstance(told, dict) else None
        code = found.get("code") if isinstance(found, dict) else told
        self.story.note(f"not let in: {code}")
        if code in ("not_signed_in", "token_expired") and self.renew:
            await self.renew()


def lost(writer: Writer, ears: Sequence[Ear]) -> int:
    """Committed signals that an ear neither heard nor read anew for."""
    return sum(
        number not in ear.heard and at > ear.refetched_at
        for ear in ears
        for number, at in writer.sent.items()
    )


def late(writer: Writer, ears: Sequence[Ear], since: float = 0.0) -> dict[str, float]:
    """Milliseconds from before the write to the ear, of those written after `since`."""
    found = sorted(
        (ear.heard[number] - at) * 1000
        for ear in ears
        for number, at in writer.sent.items()
        if at >= since and number in ear.heard
    )
    if not found:
        return {"n": 0}
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1}
    return {"n": len(found)} | {
        name: round(found[min(len(found) - 1, int(len(found) * part))], 1)
        for name, part in places.items()
    }


@asynccontextmanager
async def busy(*work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """The work goes on while the block lasts."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""A client that follows the rules of docs/realtime.md, and notes all that it lives through.

It speaks Socket.IO over a bare websocket, so that dozens of them cost little. What it shows are the
messages of its topics; it reads them from the database as whoever it is.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from chatbot.conversations.tables import Message, Visibility
from chatbot.database import Database
from tests.realtime.torture.checker import Applied, History, Read

SEEN_MAX, SEEN_KEPT = 1_000, 500
PATIENCE_S = 10.0
BACK_OFF_S = (0.05, 0.4)
AGAIN_S = 0.1

_WHERE = text("select pg_current_snapshot()::text, clock_timestamp()")


class Who(msgspec.Struct, frozen=True):
    """As whom a client connects and reads. `token` gives a fresh one."""

    name: str
    namespace: str
    origin: str
    org_id: UUID
    actor: str
    conversations: tuple[UUID, ...]
    internal: bool
    token: Callable[[], str]

    @property
    def topics(self) -> tuple[str, ...]:
        features = ("messages", "staff") if self.internal else ("messages",)
        return tuple(
            f"conversation:{each}:{feature}" for each in self.conversations for feature in features
        )


class _Cut(Exception):
    """The connection is gone, or refused for now."""


class Client:
    """`run` until cancelled; `history` is what the checker wants.

    `forgetful` keeps neither seen ids nor versions, `deaf_to_resets` does not read anew when told
    to: faults planted to see them found.
    """

    def __init__(
        self,
        who: Who,
        url: Callable[[], str],
        database: Database,
        *,
        forgetful: bool = False,
        deaf_to_resets: bool = False,
    ) -> None:
        self.history = History(who.name, frozenset(who.topics))
        self.resets = 0
        self.connections = 0
        self.caught_up = 0
        self._who = who
        self._url = url
        self._database = database
        self._forgetful = forgetful
        self._deaf = deaf_to_resets
        self._choose = random.Random(who.name)
        self._cursor: dict[str, str] | None = None
        self._catching_up = False
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._shown: dict[str, tuple[str, int, str]] = {}  # thing → topic, version, token
        self._named: set[str] = set()
        self._to_read_all = True
        self._work = asyncio.Event()
        self._ready = asyncio.Event()

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Connect, follow, and connect again, for ever."""
        async with asyncio.TaskGroup() as work:
            work.create_task(self._stay(http))
            work.create_task(self._read_what_is_named())

    async def until_ready(self) -> None:
        await self._ready.wait()

    def shown(self) -> dict[str, dict[str, tuple[int, str]]]:
        """What the client shows now, by topic."""
        found: dict[str, dict[str, tuple[int, str]]] = {}
        for thing, (topic, version, token) in self._shown.items():
            found.setdefault(topic, {})[thing] = (version, token)
        return found

    # ── The connection ────────────────────────────────────────────────────────────────────────────

    async def _stay(self, http: aiohttp.ClientSession) -> None:
        while True:
            with suppress(_Cut, aiohttp.ClientError, OSError, TimeoutError):
                address = f"{self._url()}/socket.io/?EIO=4&transport=websocket"
                headers = {"Origin": self._who.origin}
                async with (
                    asyncio.timeout(PATIENCE_S) as patience,
                    http.ws_connect(address, headers=headers) as ws,
                ):
                    await self._join(ws)
                    patience.reschedule(None)
                    await self._follow(ws)
            await asyncio.sleep(self._choose.uniform(*BACK_OFF_S))

    async def _join(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        """Prove who it is, then subscribe with the last cursor; what comes meanwhile counts."""
        who = self._who
        await self._next(ws)
        await ws.send_str(f"40{who.namespace},{_json({'token': who.token()})}")
        if not (await self._next(ws)).startswith("40"):
            raise _Cut
        self.connections += 1
        asked: dict[str, Any] = {"topics": who.topics}
        if self._cursor is not None:
            asked["cursor"] = self._cursor
        self._catching_up = True
        await ws.send_str(f"42{who.namespace},1{_json(['subscribe', asked])}")
        while not (frame := await self._next(ws)).startswith(f"43{who.namespace},1"):
            self._receive(frame)
        self._joined(msgspec.json.decode(frame.partition(",1")[2])[0])

    def _joined(self, reply: dict[str, Any]) -> None:
        if "error" in reply or set(reply["topics"].values()) != {"ok"}:
            raise _Cut  # the database is away: try again
        for signal in reply["missed"]:
            self.caught_up += 1
            self._dispatch(signal)
        if reply["reset"]:
            self.resets += 1
        if self._cursor is None or (reply["reset"] and not self._deaf):
            self._to_read_all = True
        self._cursor = {"epoch": reply["epoch"], "cur": reply["cur"]}
        self._catching_up = False
        self._work.set()
        self._ready.set()

    async def _follow(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            frame = await self._next(ws)
            if frame == "2":
                await ws.send_str("3")
            self._receive(frame)

    async def _next(self, ws: aiohttp.ClientWebSocketResponse) -> str:
        message = await ws.receive()
        if message.type != aiohttp.WSMsgType.TEXT:
            raise _Cut
        return message.data

    # ── What is heard ─────────────────────────────────────────────────────────────────────────────

    def _receive(self, frame: str) -> None:
        if not frame.startswith(f"42{self._who.namespace},"):
            return
        event, data = msgspec.json.decode(frame.partition(",")[2])
        if event == "signal":
            if not self._catching_up:
                self._cursor = {"epoch": data["epoch"], "cur": data["cur"]}
            self._dispatch(data)
        elif event == "system" and data["retry"] == "refetch" and not self._deaf:
            self._to_read_all = True
            self._work.set()

    def _dispatch(self, signal: dict[str, Any]) -> None:
        if token := signal["ids"].get("write_id"):
            self.history.told.append((signal["topic"], token))
        if self._is_known(signal["id"]):
            return
        if token:
            self.history.acted.append(token)
        elif signal["event"] == "message.changed":
            self._hear_of(signal["ids"]["message_id"], signal["version"])

    def _is_known(self, number: str) -> bool:
        if self._forgetful:
            return False
        if number in self._seen:
            return True
        self._seen[number] = None
        if len(self._seen) > SEEN_MAX:
            while len(self._seen) > SEEN_KEPT:
                self._seen.popitem(last=False)
        return False

    def _hear_of(self, thing: str, version: int) -> None:
        if thing not in self._shown or self._shown[thing][1] < version:
            self._named.add(thing)
            self._work.set()

    # ── What is read ──────────────────────────────────────────────────────────────────────────────

    async def _read_what_is_named(self) -> None:
        """One read at a time: everything, or what signals named; again until it worked."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await (self._read_all() if self._to_read_all else self._read_named())
            except (SQLAlchemyError, OSError, TimeoutError):
                self._work.set()
                await asyncio.sleep(AGAIN_S)

    async def _read_all(self) -> None:
        self._to_read_all = False
        try:
            async with self._database.transaction(self._who.org_id, actor=self._who.actor) as db:
                snapshot, at = (await db.execute(_WHERE)).one()  # first: what follows sees more
                found = await self._messages(db, None)
        except BaseException:
            self._to_read_all = True
            raise
        self.history.reads.append(Read(snapshot, at))
        self._show(found)
        self._work.set()  # what was named meanwhile

    async def _read_named(self) -> None:
        named, self._named = self._named, set()
        if not named:
            return
        try:
            async with self._database.transaction(self._who.org_id, actor=self._who.actor) as db:
                self._show(await self._messages(db, named))
        except BaseException:
            self._named |= named
            raise

    async def _messages(self, db: Any, named: set[str] | None) -> list[Message]:
        query = select(Message).where(
            Message.org_id == self._who.org_id,
            Message.conversation_id.in_(self._who.conversations),
        )
        if named is not None:
            query = query.where(Message.id.in_([UUID(each) for each in named]))
        if not self._who.internal:
            query = query.where(Message.visibility == Visibility.PUBLIC)
        return list((await db.scalars(query)).all())

    def _show(self, found: list[Message]) -> None:
        for row in found:
            thing = str(row.id)
            if thing in self._shown and self._shown[thing][1] >= row.rev and not self._forgetful:
                continue
            feature = "messages" if row.visibility == Visibility.PUBLIC else "staff"
            topic = f"conversation:{row.conversation_id}:{feature}"
            self._shown[thing] = topic, row.rev, row.text
            self.history.applied.append(Applied(thing, row.rev, row.text))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

"""What sockets tell each other and nobody stores: who is there, who types, and broadcasts. It
reaches the sockets of this node at once and those of others over the bus.
"""

import asyncio
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import select

from chatbot.conversations.tables import Message
from chatbot.database import Database
from chatbot.errors import TooLarge
from chatbot.realtime import metrics, topics
from chatbot.realtime.doors.deeds import Deeds
from chatbot.realtime.doors.door import Door
from chatbot.realtime.events import (
    Broadcast,
    Member,
    Presence,
    Present,
    SendBroadcast,
    Sender,
    SetPresence,
    SetTyping,
    Typing,
)
from chatbot.realtime.nodes.bus import Bus
from chatbot.realtime.presence import roster
from chatbot.realtime.presence.roster import News, Roster
from chatbot.realtime.presence.typists import LASTS_ELSEWHERE_S, Typists
from chatbot.realtime.signals import Signal
from chatbot.realtime.sockets.client import Client
from chatbot.realtime.sockets.server import NAMESPACES, STAFF, SocketServer

PAYLOAD_BYTES_MAX = 1024
AUTHORS_AT_ONCE = 4  # of a pool that everybody needs
NODES_ROOM = "nodes:presence"

log = structlog.get_logger(__name__)


class Typed(msgspec.Struct, frozen=True):
    """Typing as nodes tell it each other."""

    key: str
    typing: Typing


class Ephemera:
    """Answers `presence`, `typing` and `broadcast` on both doors, and watches who leaves."""

    def __init__(
        self,
        *,
        server: SocketServer,
        bus: Bus,
        database: Database,
        deeds: Deeds,
        node: str,
    ) -> None:
        self._server = server
        self._bus = bus
        self._database = database
        self._roster = Roster(node, clock=time.monotonic, wall=time.time)
        self._typists = Typists(time.monotonic)
        self._elsewhere = Typists(time.monotonic, lasts_s=LASTS_ELSEWHERE_S, repeat_s=0.0)
        self._doors: dict[str, Door[Any]] = {}
        self._deeds = deeds
        self._turns = asyncio.Semaphore(AUTHORS_AT_ONCE)
        self._timer: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._messages = msgspec.json.Decoder(roster.Message)
        bus.listen("presence", self._hear_presence)
        bus.listen("typing", self._hear_typing)
        bus.listen("broadcast", self._hear_broadcast)
        bus.listen_for_rooms(self._hear_room)

    def serve(self, door: Door[Any]) -> None:
        """Answer these events of the door's sockets."""
        self._doors[door.listener] = door
        door.add("presence", SetPresence, partial(self._announce, door))
        door.add("typing", SetTyping, partial(self._type, door))
        door.add("broadcast", SendBroadcast, partial(self._broadcast, door))
        door.hearing.watch(self)

    async def start(self) -> None:
        self._bus.follow(NODES_ROOM)
        self._wake()

    async def stop(self) -> None:
        """Say nothing more; other nodes forget this one by themselves."""
        self._bus.unfollow(NODES_ROOM)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ── What sockets do ───────────────────────────────────────────────────────────────────────────

    def joined(self, sid: str, client: Client[Any], topic: str) -> None:
        """Colleagues are told who is there when they begin to hear; nobody needs to be told that
        nobody is.
        """
        if self._roster.count(topic) and client.person.actor.startswith("staff:"):
            everybody = self._present(topic)
            told = Presence(topic, [], [], everybody.members, everybody.count)
            self._doors["staff"].tell(sid, "presence", told)

    def left(self, sid: str, client: Client[Any], topic: str) -> None:
        if self._roster.leave(sid, topic):
            metrics.PRESENT.labels(metrics.kind(topic)).dec()
            self._wake()
        named = topics.parse(topic) if len(self._typists) else None
        if named is not None and topic == topics.messages(named.id):
            self._tell_typing(client.person.actor, self._typists.leave(sid, named.id))

    def gone(self, sid: str, client: Client[Any]) -> None:
        """`left` has said it all."""

    async def _announce(
        self, door: Door[Any], sid: str, client: Client[Any], asked: SetPresence
    ) -> Present:
        """Be there in this state, or no longer; who is there then."""
        door.hearing.must_hear(sid, asked.topic)
        client.count_presence(asyncio.get_running_loop().time())
        if asked.state is None:
            was_there, is_there = self._roster.leave(sid, asked.topic), False
        else:
            await self._deeds.check(door.hearing, sid, client, asked.topic, "announce")
            person = client.person
            member = Member(person.actor, door.name(person), asked.state)
            was_there, is_there = self._roster.announce(sid, asked.topic, member), True
        metrics.PRESENT.labels(metrics.kind(asked.topic)).inc(is_there - was_there)
        self._wake()
        return self._present(asked.topic)

    async def _type(
        self, door: Door[Any], sid: str, client: Client[Any], asked: SetTyping
    ) -> dict[str, str]:
        door.hearing.must_hear(sid, topics.messages(asked.conversation_id))
        key, name = client.person.actor, door.name(client.person)
        typing = Typing(asked.conversation_id, door.listener, name, asked.on)
        if not asked.on:
            self._tell_typing(key, self._typists.stop(asked.conversation_id, key, sid), sid)
        elif self._typists.start(key, typing, sid):
            self._tell_typing(key, typing, sid)
        self._wake()
        return {}

    async def _broadcast(
        self, door: Door[Any], sid: str, client: Client[Any], asked: SendBroadcast
    ) -> dict[str, str]:
        """Tell all others who hear the topic, on every node."""
        door.hearing.must_hear(sid, asked.topic)
        if len(msgspec.json.encode(asked.payload)) > PAYLOAD_BYTES_MAX:
            raise TooLarge(message=f"A payload has at most {PAYLOAD_BYTES_MAX} bytes as JSON.")
        await self._deeds.check(door.hearing, sid, client, asked.topic, "broadcast")
        sender = Sender(client.person.actor, door.name(client.person))
        told = Broadcast(asked.topic, asked.event, asked.payload, sender)
        self._server.deliver("broadcast", told, asked.topic, skip=sid)
        self._bus.publish(asked.topic, "broadcast", told)
        metrics.BROADCASTS.labels(metrics.kind(asked.topic)).inc()
        return {}

    # ── What happens ──────────────────────────────────────────────────────────────────────────────

    def wants(self, _topic: str, event: str) -> bool:
        """For `relay.listen`, as `hear`."""
        is_said = event == topics.MESSAGE_CHANGED
        return event == topics.ACCESS_CHANGED or (is_said and len(self._typists) > 0)

    def hear(self, org_id: UUID, signal: Signal) -> None:
        match signal.event:
            case topics.ACCESS_CHANGED:
                self._deeds.rights_changed(org_id)
            case topics.MESSAGE_CHANGED:
                conversation_id = UUID(signal.ids["conversation_id"])
                # A note is heard elsewhere: visitors must not learn when staff write one.
                is_public = signal.topic == topics.messages(conversation_id)
                if is_public and self._typists.typing_in(conversation_id):
                    message_id = UUID(signal.ids["message_id"])
                    self._later(self._hear_message(org_id, conversation_id, message_id))
            case _:
                pass

    def forget_rights(self) -> None:
        """For `relay.listen_for_gaps`: a signal of lost rights may be among what was missed."""
        self._deeds.forget_all()

    async def _hear_message(self, org_id: UUID, conversation_id: UUID, message_id: UUID) -> None:
        """Whoever said something, by whatever way, has typed it."""
        async with self._turns:
            if not self._typists.typing_in(conversation_id):
                return
            own = Message.org_id == org_id, Message.id == message_id
            async with self._database.transaction(org_id, actor="system") as db:
                query = select(Message.author_kind, Message.author_id).where(*own)
                author = (await db.execute(query)).one_or_none()
        if author is not None:
            key = f"{author.author_kind}:{author.author_id}"
            self._tell_typing(key, self._typists.stop(conversation_id, key))

    def _hear_presence(self, room: str, data: msgspec.Raw) -> None:
        self._roster.hear(self._messages.decode(data))
        self._wake()

    def _hear_typing(self, room: str, data: msgspec.Raw) -> None:
        typed = msgspec.json.decode(data, type=Typed)
        if topics.messages(typed.typing.conversation_id) != room:
            return
        if typed.typing.on:
            self._elsewhere.start(typed.key, typed.typing)
        else:
            self._elsewhere.stop(typed.typing.conversation_id, typed.key)
        self._server.deliver("typing", typed.typing, room)
        self._wake()

    def _hear_broadcast(self, room: str, data: msgspec.Raw) -> None:
        told = msgspec.json.decode(data, type=Broadcast)
        if told.topic == room:
            self._server.deliver("broadcast", told, room)

    def _hear_room(self, room: str) -> None:
        """What the other nodes said before may be missing."""
        if room == NODES_ROOM:
            self._roster.ask_all()
            self._wake()

    # ── Telling ───────────────────────────────────────────────────────────────────────────────────

    def _present(self, topic: str) -> Present:
        return Present(self._roster.members(topic), self._roster.count(topic))

    def _tell_typing(self, key: str, typing: Typing | None, skip: str | None = None) -> None:
        if typing is None:
            return
        room = topics.messages(typing.conversation_id)
        self._server.deliver("typing", typing, room, skip=skip)
        self._bus.publish(room, "typing", Typed(key, typing))
        metrics.TYPING.labels("on" if typing.on else "off").inc()

    def _wake(self) -> None:
        """Have a turn soon: what happens until then is told together."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        messages, news = self._roster.turn()
        for message in messages:
            self._bus.publish(NODES_ROOM, "presence", message)
        for each in news:
            self._tell(each)
        for key, typing in self._typists.expire():
            self._tell_typing(key, typing)
            metrics.TYPING.labels("forgotten").inc()
        for _, typing in self._elsewhere.expire():
            self._server.deliver("typing", typing, topics.messages(typing.conversation_id))
        times = (self._roster.due(), self._typists.due(), self._elsewhere.due())
        wait_s = min(each for each in times if each is not None) - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._turn)

    def _tell(self, news: News) -> None:
        """Of our own topics only staff are told: a visitor learns of staff by availability."""
        told = Presence(news.topic, news.joined, news.left, None, news.count)
        is_ours = topics.parse(news.topic) is not None
        for namespace in (STAFF,) if is_ours else NAMESPACES:
            self._server.manager.deliver("presence", told, namespace=namespace, room=news.topic)
        kind = metrics.kind(news.topic)
        metrics.PRESENCE.labels(kind, "joined").inc(len(news.joined))
        metrics.PRESENCE.labels(kind, "left").inc(len(news.left))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        async def attempt() -> None:
            try:
                await work
            except Exception as error:  # typing ends by itself a few seconds later
                log.info("realtime.typing_lasts", error=type(error).__name__)

        task = asyncio.get_running_loop().create_task(attempt())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

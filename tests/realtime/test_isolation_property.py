"""Two organisations, and anything anybody may do in any order: nobody hears what is not theirs.

What each person may hear is said once more here, in plain words; the policies of the database must
agree with it, and so must all that sockets receive.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from socketio.exceptions import ConnectionError as Refused
from sqlalchemy import text, update

from chatbot.conversations import transcript
from chatbot.conversations.tables import Conversation, Visibility
from chatbot.database import Database, new_id
from chatbot.orgs.tables import Site
from chatbot.realtime import topics
from chatbot.realtime.following.relay import POLL_S
from chatbot.staff.login import Staff, socket_token
from chatbot.visitors import sessions
from chatbot.visitors.sessions import Visitor
from tests.realtime.conftest import (
    SITE_ORIGIN,
    TOKENS,
    Ear,
    House,
    Service,
    build_house,
    connected,
    disable,
    hire,
    say,
    sessions_of,
    until,
)

EXAMPLES = 3
STEPS = 50
SETTLED_WITHIN_S = 10.0
NAMES_AT_ONCE = 7
SOCKETS_MAX = 3  # of one person

_SEND = text(
    "select realtime.send(jsonb_build_object('token_id', cast(:token as text)), 'any.thing',"
    " :topic, :private)"
)

OFTEN = {
    "connect": 2,
    "subscribe": 3,
    "unsubscribe": 2,
    "signal": 4,
    "speak": 4,
    "type": 2,
    "answer": 2,
    "announce": 2,
    "broadcast": 2,
    "give_away": 2,
    "revoke": 1,
}


@dataclass(eq=False)
class Person:
    """A visitor or a colleague of one organisation; `is_gone` after their rights ended."""

    house: House
    who: Visitor | Staff
    token: str = ""
    is_gone: bool = False

    def may_hear(self, name: str, owners: dict[UUID, Visitor]) -> bool:
        """The rule: staff hear all of their organisation but other people's own topics; a visitor
        hears their own topics and what is public.
        """
        topic = topics.parse(name)
        if topic is None or self.is_gone or not topic.kind.listeners:
            return False
        house, who = self.house, self.who
        match topic.scope:
            case "org":
                own = topic.id == house.org_id
                return own and (isinstance(who, Staff) or topic.feature == "public")
            case "site":
                return topic.id == house.site_id and isinstance(who, Staff)
            case "staff":
                return isinstance(who, Staff) and topic.id == who.staff_id
            case "visitor":
                return isinstance(who, Visitor) and topic.id == who.visitor_id
            case "conversation" if isinstance(who, Staff):
                return owners[topic.id].org_id == who.org_id
            case "conversation":
                return topic.feature == "messages" and owners[topic.id] is who
            case _:
                return False


@dataclass(eq=False)
class Socket:
    """An open socket, the topics it was granted, and the signals that it must have heard."""

    person: Person
    ear: Ear
    granted: set[str] = field(default_factory=set[str])
    expected: set[str] = field(default_factory=set[str])
    checked: int = 0

    def tokens(self) -> set[str]:
        return {
            data["ids"]["token_id"]
            for event, data in self.ear.heard
            if event == "signal" and "token_id" in data["ids"]
        }


class World:
    """Both organisations as they stand, and every socket there is."""

    def __init__(
        self, service: Service, database: Database, stack: AsyncExitStack, choose: random.Random
    ) -> None:
        self._choose = choose
        self._service = service
        self._database = database
        self._stack = stack
        self._people: list[Person] = []
        self._sockets: list[Socket] = []
        self._owners: dict[UUID, Visitor] = {}
        self._names: list[str] = []
        self._answers: dict[str, UUID] = {}
        self._count = 0

    async def found(self) -> None:
        """An organisation: two visitors with a conversation each, and two colleagues. One of each
        is there, and has asked for everything that has a name so far.
        """
        house = await build_house(self._database)
        other, token, talk_id = await self._another_visitor(house)
        second = await hire(self._database, house.org_id)
        self._owners |= {house.conversation_id: house.visitor, talk_id: other}
        people = [
            Person(house, house.visitor, house.visitor_token),
            Person(house, house.staff),
            Person(house, other, token),
            Person(house, second),
        ]
        self._people += people
        self._names += [
            *house.topics(),
            f"visitor:{other.visitor_id}:conversations",
            f"staff:{second.staff_id}:notifications",
            f"conversation:{talk_id}:messages",
            f"conversation:{talk_id}:staff",
            f"conversation:{talk_id}:access",
        ]
        for person in people[:2]:
            await self._connect(person)
            socket = self._sockets[-1]
            for start in range(0, len(self._names), NAMES_AT_ONCE):
                await self._subscribe(socket, self._names[start : start + NAMES_AT_ONCE])

    async def go_on(self) -> None:
        """Somebody does something."""
        choose = self._choose
        person, house = choose.choice(self._people), choose.choice(self._people).house
        talk_id = choose.choice(list(self._owners))
        socket = choose.choice(self._sockets) if self._sockets else None
        match choose.choices(list(OFTEN), list(OFTEN.values()))[0]:
            case "connect":
                await self._connect(person)
            case "subscribe" if socket:
                await self._subscribe(socket, choose.sample(self._names, NAMES_AT_ONCE))
            case "unsubscribe" if socket and socket.granted:
                await self._unsubscribe(socket, {choose.choice(sorted(socket.granted))})
            case "signal":
                await self._signal(choose.choice(self._names))
            case "speak":
                shown = choose.choice((Visibility.PUBLIC, Visibility.INTERNAL))
                await say(self._database, house, "hello", visibility=shown)
            case "type" if socket:
                await self._type(socket, talk_id)
            case "answer":
                await self._answer(talk_id)
            case "announce" if socket:
                await self._announce(socket, choose.choice(self._names))
            case "broadcast" if socket:
                await self._broadcast(socket, choose.choice(self._names))
            case "give_away":
                await self._give_away(talk_id)
            case "revoke":
                await self._revoke(person)
            case _:
                pass

    async def finish(self) -> None:
        """What is on its way arrives before the answer to one more question."""
        await self._hear_all()
        await asyncio.sleep(POLL_S)
        for socket in self._sockets:
            await socket.ear.ask("unsubscribe", {"topics": []})
            self._check(socket)

    # ── What people do ────────────────────────────────────────────────────────────────────────────

    async def _connect(self, person: Person) -> None:
        """Whoever lost their rights is refused."""
        if sum(each.person is person for each in self._sockets) >= SOCKETS_MAX:
            return
        who = person.who
        token = socket_token(TOKENS, who)[0] if isinstance(who, Staff) else person.token
        namespace = "/staff" if isinstance(who, Staff) else "/visitor"
        link = connected(self._service, namespace, token)
        if person.is_gone:
            with pytest.raises(Refused):
                await link.__aenter__()
            return
        ear = await self._stack.enter_async_context(link)
        self._sockets.append(Socket(person, ear))

    async def _subscribe(self, socket: Socket, names: Sequence[str]) -> None:
        """What is not theirs looks like what does not exist."""
        reply = await socket.ear.ask("subscribe", {"topics": names})

        may = {name: socket.person.may_hear(name, self._owners) for name in names}
        assert reply["topics"] == {name: "ok" if ok else "not_found" for name, ok in may.items()}
        socket.granted |= {name for name, ok in may.items() if ok}

    async def _unsubscribe(self, socket: Socket, names: set[str]) -> None:
        await self._hear_all()
        await socket.ear.ask("unsubscribe", {"topics": sorted(names)})
        self._check(socket)
        socket.granted -= names
        for name in names:
            await self._signal(name)

    async def _signal(self, name: str) -> None:
        topic = topics.parse(name)
        if topic is None or not topic.kind.listeners:
            return
        self._count += 1
        house = next(each.house for each in self._people if name in self._names_of(each.house))
        token = f"{house.org_id.hex[-6:]}-{self._count}"
        values = {"token": token, "topic": name, "private": topic.feature != "public"}
        async with self._database.transaction(house.org_id, actor="system") as db:
            await db.execute(_SEND, values)
        for socket in self._sockets:
            if name in socket.granted:
                socket.expected.add(token)

    async def _type(self, socket: Socket, conversation_id: UUID) -> None:
        reply = await socket.ear.ask("typing", {"conversation_id": conversation_id, "on": True})

        assert ("error" in reply) == (topics.messages(conversation_id) not in socket.granted)

    async def _announce(self, socket: Socket, name: str) -> None:
        """Only where one listens; and who is there is of one's own organisation."""
        reply = await socket.ear.ask("presence", {"topic": name, "state": {}})

        assert "error" in reply or name in socket.granted
        self._check_members(socket, reply.get("members", []))

    async def _broadcast(self, socket: Socket, name: str) -> None:
        asked = {"topic": name, "event": "any.thing", "payload": {"from": name}}
        reply = await socket.ear.ask("broadcast", asked)

        assert "error" in reply or name in socket.granted

    async def _answer(self, conversation_id: UUID) -> None:
        mid, org_id = new_id(), self._owners[conversation_id].org_id
        self._answers[str(mid)] = conversation_id
        frames = self._service.realtime.frames
        stream = frames.open(org_id=org_id, conversation_id=conversation_id, mid=mid, attempt=1)
        stream.write("some words")
        await stream.end("complete", 1)

    # ── Rights that end ───────────────────────────────────────────────────────────────────────────

    async def _give_away(self, conversation_id: UUID) -> None:
        """The conversation becomes the other visitor's; who loses it is told, and hears no more."""
        old = self._owners[conversation_id]
        [new] = [
            each.who
            for each in self._people
            if isinstance(each.who, Visitor) and each.who.org_id == old.org_id
            if each.who is not old
        ]
        lost = topics.messages(conversation_id)
        losing = [each for each in self._sockets if each.person.who is old and lost in each.granted]
        await self._hear_all()
        for socket in losing:
            self._check(socket)
        here = Conversation.org_id == old.org_id, Conversation.id == conversation_id
        async with self._database.transaction(old.org_id, actor="system") as db:
            await db.execute(update(Conversation).where(*here).values(visitor_id=new.visitor_id))
        self._owners[conversation_id] = new
        for socket in losing:
            await until(lambda socket=socket: self._was_told(socket), SETTLED_WITHIN_S)
            self._check(socket)
            socket.granted.discard(lost)
        await self._signal(lost)

    def _was_told(self, socket: Socket) -> bool:
        news = socket.ear.heard[socket.checked :]
        return any(event == "system" and data["code"] == "access_changed" for event, data in news)

    async def _revoke(self, person: Person) -> None:
        """Every socket of theirs is closed."""
        if person.is_gone:
            return
        await self._hear_all()
        who = person.who
        if isinstance(who, Staff):
            await disable(self._database, who)
        else:
            async with self._database.transaction(who.org_id, actor="system") as db:
                await sessions.revoke(db, who.org_id, who.session_id)
        person.is_gone = True
        for socket in [each for each in self._sockets if each.person is person]:
            await until(lambda socket=socket: not socket.ear.connected, SETTLED_WITHIN_S)
            self._check(socket)
            self._sockets.remove(socket)

    # ── What is looked at ─────────────────────────────────────────────────────────────────────────

    async def _hear_all(self) -> None:
        """Whoever may hear a signal and subscribed its topic does hear it."""
        await until(
            lambda: all(each.expected <= each.tokens() for each in self._sockets), SETTLED_WITHIN_S
        )

    def _check(self, socket: Socket) -> None:
        """Nothing that the socket heard since the last look is of a topic it was not granted."""
        heard = socket.ear.heard[socket.checked :]
        socket.checked = len(socket.ear.heard)
        foreign = [
            (event, data) for event, data in heard if self._topic(event, data) not in socket.granted
        ]
        assert [each for each in foreign if each[0] != "system"] == []
        for event, data in heard:
            if event == "presence":
                self._check_members(socket, [*data["joined"], *(data["state"] or [])])

    def _check_members(self, socket: Socket, members: Sequence[dict[str, Any]]) -> None:
        house = socket.person.house
        ours = {each.who.actor for each in self._people if each.house is house}
        assert {each["key"] for each in members} <= ours

    def _topic(self, event: str, data: dict[str, Any]) -> str:
        if "topic" in data:
            return data["topic"]
        if "mid" in data:
            return topics.messages(self._answers[data["mid"]])
        return topics.messages(UUID(data["conversation_id"])) if event == "typing" else ""

    def _names_of(self, house: House) -> set[str]:
        """The topics that anybody of the organisation could hear."""
        people = [each for each in self._people if each.house is house]
        return {
            name
            for name in self._names
            if any(Person(house, each.who).may_hear(name, self._owners) for each in people)
        }

    async def _another_visitor(self, house: House) -> tuple[Visitor, str, UUID]:
        async with self._database.transaction(house.org_id, actor="system") as db:
            site = await db.get_one(Site, (house.org_id, house.site_id))
            _, _, token = await sessions.issue(db, TOKENS, site, origin=SITE_ORIGIN, locale=None)
        visitor = await sessions_of(self._database).authenticate(token, SITE_ORIGIN)
        async with self._database.transaction(house.org_id, actor=visitor.actor) as db:
            talk, _ = await transcript.begin(db, visitor, new_id().hex, most=10)
        return visitor, token, talk.id


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],  # a shorter story that fails too is not worth minutes of sockets
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=st.integers(min_value=0, max_value=2**32))
async def test_whatever_anybody_does_nobody_hears_what_is_not_theirs(
    service: Service, database: Database, story: int
) -> None:
    async with AsyncExitStack() as stack:
        world = World(service, database, stack, random.Random(story))
        await world.found()
        await world.found()

        for _ in range(STEPS):
            await world.go_on()

        await world.finish()

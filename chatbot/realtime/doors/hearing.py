"""Which socket hears which topic: asked of the database at every join, taken back when rights are
lost, told to whoever watches.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol

import msgspec
from engineio import packet as engine

from chatbot.database import Database
from chatbot.errors import NotFound
from chatbot.question import ask
from chatbot.realtime import metrics, topics
from chatbot.realtime.following import catchup
from chatbot.realtime.following.catchup import MISSED_MAX, NOTHING, RESET, Missed
from chatbot.realtime.signals import Cursor, bounds
from chatbot.realtime.sockets.client import Client, P, Person
from chatbot.realtime.sockets.entrance import Entrance
from chatbot.realtime.sockets.manager import EARLY_MAX
from chatbot.realtime.sockets.server import SocketServer
from chatbot.settings import Limits

JOINS_AT_ONCE = 8  # of a pool that everybody needs

# Which of the topics may be heard; and of those that show who is there, on which one may be shown.
_FOUND = """
, joined as materialized (select topic, allowed from scope, realtime.may_join(
    case when scope.org <> '' and scope.actor <> '' then %(topics)s::text[] end))
, shown as materialized (select topic, allowed from scope, realtime.may_announce(
    case when scope.org <> '' and scope.actor <> '' then %(shown)s::text[] end))
, found as (select topic, joined.allowed, shown.allowed as may_announce
    from joined left join shown using (topic))"""
_SAY = """
select topic, allowed, may_announce from found"""
_SAY_WITH_MISSED = """
, own as (select coalesce(array_agg(topic) filter (where allowed), '{}') as topics from found)
select topic, allowed, may_announce, null::boolean as reset, null::bigint as id,
    null::text as event, null::jsonb as payload, null::timestamptz as inserted_at from found
union all
select m.topic, null, null, m.reset, m.id, m.event, m.payload, m.inserted_at
    from own, realtime.missed(own.topics, %(epoch)s, %(cur)s, %(rows_max)s) m"""
_JOIN = _FOUND + _SAY
_JOIN_AND_MISSED = _FOUND + _SAY_WITH_MISSED

Learn = Callable[[Person, str, bool], None]
"""(person, topic, whether this person may be shown there as present)."""


class Joined(msgspec.Struct, frozen=True):
    """`ok` or a code for each topic that was asked for, and what was missed on those with `ok`."""

    codes: dict[str, str]
    missed: Missed


class Watcher(Protocol):
    """Who wants to know what sockets do. Every call must return at once."""

    def joined(self, sid: str, client: Client[Any], topic: str) -> None:
        """A socket hears the topic from now on."""
        ...

    def left(self, sid: str, client: Client[Any], topic: str) -> None:
        """It no longer does: it asked so, lost the right, or is gone."""
        ...

    def gone(self, sid: str, client: Client[Any]) -> None:
        """The socket is no more; `left` was said of each of its topics."""
        ...


class _Asking:
    """A question to the database that is under way: of whom, and about which topics."""

    def __init__(self, actor: str, names: Sequence[str]) -> None:
        self.is_outdated = True
        self._actor = actor
        self._names = names

    def is_concerned(self, topic: topics.Topic) -> bool:
        """Whether rights that the topic names are this person's, or to one of these topics."""
        about = f"{topic.scope}:{topic.id}"
        return about == self._actor or any(name.startswith(f"{about}:") for name in self._names)


class Hearing(Generic[P]):
    """The topics of one namespace's sockets. A topic is a room of the same name."""

    def __init__(
        self,
        namespace: str,
        listener: topics.Listener,
        *,
        server: SocketServer,
        database: Database,
        limits: Limits,
        entrance: Entrance,
        catalogue: Callable[[], topics.Catalogue],
        find_client: Callable[[str], Client[P] | None],
        learn: Learn,
    ) -> None:
        self.listener: topics.Listener = listener
        self._namespace = namespace
        self._manager = server.manager
        self._database = database
        self._limits = limits
        self._find = find_client
        self._watchers: list[Watcher] = []
        self._learn = learn
        self._asking: set[_Asking] = set()
        self._entrance = entrance
        self._catalogue = catalogue
        self._turns = asyncio.Semaphore(JOINS_AT_ONCE)
        self.joining = 0
        """Subscriptions that wait for the database."""

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every topic that a socket enters or leaves, and of its end."""
        self._watchers.append(watcher)

    def held(self, sid: str) -> list[str]:
        """The topics that a socket hears."""
        rooms = self._manager.rooms_of(sid, self._namespace)
        return [room for room in rooms if topics.is_room(room)]

    def sids(self, room: str) -> list[str]:
        """The sockets of this namespace in a room."""
        return self._manager.sids(room, self._namespace)

    def hears(self, sid: str, topic: str) -> bool:
        """Whether the socket subscribed the topic, which it could only if it may."""
        return sid in self._manager.rooms.get(self._namespace, {}).get(topic, ())

    def must_hear(self, sid: str, topic: str) -> None:
        """NotFound unless the socket subscribed the topic."""
        if not self.hears(sid, topic):
            raise NotFound

    async def join(
        self, sid: str, client: Client[P], names: Sequence[str], cursor: Cursor | None = None
    ) -> Joined:
        """Hear the topics that this person may hear, and catch up on them after `cursor`.

        What is told while the database is asked is kept, and handed over with the permission: it
        may be heard twice, never not at all. TooMany beyond the limits.
        """
        codes = self._codes(sid, names)
        asked = [name for name in names if name not in codes]
        if not asked:
            return Joined(codes, NOTHING)
        now = asyncio.get_running_loop().time()
        client.count_joins(now, len(asked))
        self._entrance.pass_through(now, len(asked))
        fresh = [name for name in asked if not self.hears(sid, name)]
        kept = {name: self._manager.listen_early(self._namespace, name) for name in fresh}
        self.joining += 1
        try:
            async with self._turns:
                shown = [name for name in asked if self._is_shown_on(name)]
                allowed, missed = await self._ask(client.person, asked, cursor, shown)
            for name in asked:
                if name in allowed:
                    codes[name] = "ok"
                    self._let_in(sid, client, name, kept.get(name, ()))
                else:
                    codes[name] = NotFound.code
                    self.leave(sid, name)
        finally:
            self.joining -= 1
            for name, heard in kept.items():
                self._manager.stop_listening(self._namespace, name, heard)
        lost = any(len(heard) > EARLY_MAX for name, heard in kept.items() if name in allowed)
        return Joined(codes, RESET if lost else missed)

    async def allowed(self, person: P, names: Sequence[str]) -> set[str]:
        """Those of `names` that the policies on `realtime.messages` let this person hear."""
        return (await self._ask(person, names, None, []))[0] if names else set()

    def rights_changed(self, topic: topics.Topic | None = None) -> None:
        """The rights that the topic names changed, or any: answers of the database to whom that
        concerns, which are on their way, no longer count.
        """
        for each in self._asking:
            each.is_outdated = each.is_outdated or topic is None or each.is_concerned(topic)

    async def leave_lost(self, sid: str, client: Client[P]) -> bool:
        """Leave the topics that this person may no longer hear; whether there were any."""
        held = self.held(sid)
        lost = set(held) - await self.allowed(client.person, held)
        for name in lost:
            self.leave(sid, name)
        return bool(lost)

    def leave_closed(self) -> set[str]:
        """Leave every topic whose kind was forgotten, or is no longer for this sort of listener;
        the sockets that had to.
        """
        rooms = [room for room in self._manager.rooms.get(self._namespace, {}) if room]
        closed = [
            (sid, room)
            for room in rooms
            if topics.is_room(room) and not self._catalogue().may_ask(room, self.listener)
            for sid in self.sids(room)
        ]
        for sid, name in closed:
            self.leave(sid, name)
        return {sid for sid, _ in closed}

    def leave(self, sid: str, name: str) -> None:
        """Hear a topic no longer; nothing happens when it was not heard."""
        client = self._find(sid)
        if client is None or not self.hears(sid, name):
            return
        self._manager.basic_leave_room(sid, self._namespace, name)
        for watcher in self._watchers:
            watcher.left(sid, client, name)

    def end(self, sid: str, client: Client[P]) -> None:
        """The socket is gone."""
        for name in self.held(sid):
            self._manager.basic_leave_room(sid, self._namespace, name)
            for watcher in self._watchers:
                watcher.left(sid, client, name)
        for watcher in self._watchers:
            watcher.gone(sid, client)

    def _refusal(self, name: str) -> str | None:
        """Why a topic may not be asked for at all; None to let the policies decide."""
        topic = self._catalogue().parse(name)
        if topic is None or self.listener not in topic.kind.listeners:
            return NotFound.code
        return "paused" if self._catalogue().is_paused(topic) else None

    def _is_shown_on(self, name: str) -> bool:
        return self._catalogue().may_announce(name, self.listener)

    def _codes(self, sid: str, names: Sequence[str]) -> dict[str, str]:
        """The codes of those topics that the database need not be asked for."""
        held = set(self.held(sid))
        codes: dict[str, str] = {}
        for name in names:
            code = self._refusal(name)
            if code is not None:
                codes[name] = code
            elif len(held | {name}) > self._limits.topics_per_socket:
                codes[name] = "too_many_topics"
            else:
                held.add(name)
        return codes

    async def _ask(
        self, person: P, names: Sequence[str], cursor: Cursor | None, shown: Sequence[str]
    ) -> tuple[set[str], Missed]:
        """What may be heard, and what was missed there; learned is on which of `shown` the person
        may be shown as present.

        Asked again when rights changed meanwhile: the signal of that change finds only sockets in
        their rooms.
        """
        values: dict[str, object] = {"topics": list(names), "shown": list(shown)}
        follows = cursor is not None and bounds(cursor.cur) is not None
        if cursor is not None and follows:
            values |= {"epoch": cursor.epoch, "cur": cursor.cur, "rows_max": MISSED_MAX}
        started = time.perf_counter()
        asking = _Asking(person.actor, names)
        self._asking.add(asking)
        rows: list[Any] = []
        try:
            while asking.is_outdated:
                asking.is_outdated = False
                rows = await ask(
                    self._database,
                    _JOIN_AND_MISSED if follows else _JOIN,
                    values,
                    org_id=person.org_id,
                    actor=person.actor,
                )
        finally:
            self._asking.discard(asking)
        allowed = {row.topic for row in rows if row.allowed}
        for row in rows:
            if row.may_announce is not None:
                self._learn(person, row.topic, row.may_announce)
        took = metrics.CATCHUP if follows else metrics.AUTH_CHECK
        took.observe((time.perf_counter() - started) * 1e3)
        if cursor is None or not allowed:
            return allowed, NOTHING
        return allowed, catchup.missed(person.org_id, cursor, rows) if follows else RESET

    def _let_in(
        self,
        sid: str,
        client: Client[P],
        name: str,
        kept: Sequence[engine.Packet],
    ) -> None:
        eio_sid = self._manager.eio_sid_from_sid(sid, self._namespace)
        if eio_sid is None or self._find(sid) is not client or self.hears(sid, name):
            return  # it left while we asked, or heard it before
        self._manager.basic_enter_room(sid, self._namespace, name)
        for message in kept:
            self._manager.put(eio_sid, message)
        for watcher in self._watchers:
            watcher.joined(sid, client, name)

"""What visitor and staff sockets have in common: who comes in, for how long, and what they may ask.

`hearing.py` has which socket hears which topic. Another module gives a door more to answer with
`door.add("presence", SetPresence, act)`, where `await act(sid, client, asked)` gives the
acknowledgement or raises a ChatbotError, and hears of sockets with `door.hearing.watch(watcher)`.
By then the token is proven, the event counted against its limit and its data of the right shape;
whether this socket hears the topic it speaks of is for `act` to ask (`door.hearing.hears`). To one
socket: `door.tell(sid, event, data)`; to a room: `door.server.deliver(event, data, room)`.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Generic
from uuid import uuid4

import msgspec
import structlog
from socketio import AsyncNamespace
from socketio.exceptions import ConnectionRefusedError as Refused
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatbot.database import Database, utc_now
from chatbot.errors import (
    ChatbotError,
    Forbidden,
    Invalid,
    NotFound,
    NotSignedIn,
    TooLarge,
    TooMany,
    Unavailable,
    envelope,
)
from chatbot.realtime import metrics, topics
from chatbot.realtime.doors.deeds import Deeds
from chatbot.realtime.doors.hearing import Hearing
from chatbot.realtime.doors.rights import Rights
from chatbot.realtime.events import (
    Auth,
    NamedFrame,
    Renewed,
    Resume,
    Resumed,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.nodes.node import Nodes
from chatbot.realtime.signals import short
from chatbot.realtime.sockets.client import Client, P
from chatbot.realtime.sockets.entrance import Entrance
from chatbot.realtime.sockets.server import TOO_LONG, SocketServer
from chatbot.settings import Limits

EVENT_WITHIN_S = 20.0
CONNECTS_AT_ONCE = 8  # of a pool that everybody needs
CROWDED_S = 5
PROOF_S = 1.0  # a token proven this long ago need not be proven again
EXPIRY_GRACE_S = 5.0

log = structlog.get_logger(__name__)

Action = tuple[type[msgspec.Struct], Callable[[str, Client[P], Any], Awaitable[object]]]


class Deps(msgspec.Struct, frozen=True):
    """What both doors are built from."""

    database: Database
    relay: Relay
    nodes: Nodes
    server: SocketServer
    limits: Limits
    joins: Entrance
    deeds: Deeds


class Door(AsyncNamespace, Generic[P]):
    """One namespace. Refuses whoever does not prove who they are, at `connect` and again at every
    event.
    """

    listener: topics.Listener
    server: SocketServer

    def __init__(self, namespace: str, deps: Deps) -> None:
        super().__init__(namespace)
        self._deps = deps
        self._clients: dict[str, Client[P]] = {}
        self.hearing: Hearing[P] = Hearing(
            namespace,
            self.listener,
            server=deps.server,
            database=deps.database,
            limits=deps.limits,
            entrance=deps.joins,
            catalogue=lambda: deps.relay.catalogue,
            find_client=self._clients.get,
            learn=deps.deeds.learn,
        )
        self._turns = asyncio.Semaphore(CONNECTS_AT_ONCE)
        self._proving = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._rights: Rights[P] = Rights(
            self.hearing,
            find_client=self._clients.get,
            prove=self._prove_again,
            dismiss=self._dismiss,
            tell=self.tell,
        )
        self._actions: dict[str, Action[P]] = {
            "subscribe": (Subscribe, self._subscribe),
            "unsubscribe": (Unsubscribe, self._unsubscribe),
            "resume": (Resume, self._resume),
            "renew": (Auth, self._renew),
        }

    @abstractmethod
    async def _authenticate(self, token: str, origin: str | None) -> tuple[P, datetime]:
        """Whose token it is and when it ends; raises NotSignedIn."""

    @abstractmethod
    def name(self, person: P) -> str:
        """The name that others see of this person."""

    @property
    def waiting(self) -> int:
        """Sockets that wait for the database, to come in or to hear topics."""
        return self._proving + self.hearing.joining

    def add(
        self,
        event: str,
        schema: type[msgspec.Struct],
        act: Callable[[str, Client[P], Any], Awaitable[object]],
    ) -> None:
        """Answer one more event of clients; see above. ValueError when it is answered already."""
        if event in self._actions:
            raise ValueError(f"{event} is answered already")
        self._actions[event] = (schema, act)

    def tell(self, sid: str, event: str, data: object) -> None:
        """Hand an event to one socket. Never waits."""
        self.server.manager.deliver(event, data, namespace=self.namespace, room=sid)

    def events(self) -> list[str]:
        """The names of all events that a client may send."""
        return list(self._actions)

    async def trigger_event(self, event: str, *args: Any) -> object:
        match event:
            case "connect":
                return await self._connect(*args)
            case "disconnect":
                return self._disconnect(*args)
            case _:
                return await self._answer(event, *args)

    # ── Coming and going ──────────────────────────────────────────────────────────────────────────

    async def _connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        """Any other exception would leave the socket half connected in the library: refuse on all
        of them.
        """
        error: ChatbotError
        try:
            async with asyncio.timeout(self.server.prove_within_s):
                await self._admit(sid, environ, auth)
            metrics.CONNECTS.labels("ok").inc()
            return
        except ChatbotError as refusal:
            error = refusal
        except msgspec.ValidationError:
            error = NotSignedIn()
        except (TimeoutError, PoolTimeout, OperationalError, InterfaceError) as failure:
            log.warning("realtime.connect_unavailable", error=type(failure).__name__)
            error = Unavailable(retry_after_s=CROWDED_S)
        except Exception as failure:
            log.exception("realtime.connect_failed", error=type(failure).__name__)
            error = Unavailable()
        metrics.CONNECTS.labels(metrics.code(error.code)).inc()
        metrics.told(error.code, "connect")
        eio_sid = self.server.manager.eio_sid_from_sid(sid, self.namespace)
        if eio_sid is not None:
            self.server.refuse_soon(eio_sid)
        raise Refused(error.message, envelope(error)["error"])

    async def _admit(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        eio_sid = self.server.manager.eio_sid_from_sid(sid, self.namespace)
        if eio_sid is None or not self.server.is_open(eio_sid):
            raise Unavailable  # it left at once
        origin, token = _origin(environ), msgspec.convert(auth, Auth).token
        loop = asyncio.get_running_loop()
        self.server.guests.admit(eio_sid, loop.time(), waiting=self.waiting)
        self._proving += 1
        try:
            async with self._turns:
                person, ends_at = await self._authenticate(token, origin)
        finally:
            self._proving -= 1
        self.server.guests.served(loop.time())
        if not self.server.is_open(eio_sid):
            raise Unavailable  # it left while we asked: the library would keep it for ever
        others = self.server.manager.sids(person.actor, self.namespace)
        if len(others) >= self._deps.limits.sockets_per_person:
            raise TooMany("too_many_connections", "Too many windows are open. Close one of them.")
        block = self.server.guests.block(eio_sid)
        client = Client(person, token, origin, block=block, limits=self._deps.limits)
        self._clients[sid] = client
        self._prove(sid, client, ends_at)
        self.server.manager.basic_enter_room(sid, self.namespace, person.actor)
        self.server.vouch_for(eio_sid)
        metrics.CONNECTIONS.labels(self.namespace).inc()

    def _disconnect(self, sid: str, reason: str = metrics.OTHER) -> None:
        client = self._clients.pop(sid, None)
        if client is None:
            return
        metrics.DISCONNECTS.labels(metrics.reason(reason)).inc()
        metrics.CONNECTIONS.labels(self.namespace).dec()
        if client.expiry is not None:
            client.expiry.cancel()
        self.hearing.end(sid, client)

    def _prove(self, sid: str, client: Client[P], ends_at: datetime) -> None:
        if self._clients.get(sid) is not client:
            return  # it left while we asked
        loop = asyncio.get_running_loop()
        client.proven_at = loop.time()
        if client.expiry is not None:
            client.expiry.cancel()
        left_s = max(0.0, (ends_at - utc_now()).total_seconds()) + EXPIRY_GRACE_S
        client.expiry = loop.call_later(left_s, self._expire, sid)

    def _expire(self, sid: str) -> None:
        error = NotSignedIn(
            "token_expired", "The token has ended. Get a new one, then connect.", retry="refetch"
        )
        self._later(self._dismiss(sid, error))

    # ── Events ────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self, event: str, sid: str, data: object = None, *more: object) -> object:
        """The acknowledgement of one event: what was asked for, or the error envelope."""
        try:
            async with asyncio.timeout(EVENT_WITHIN_S):
                return await self._act(event, sid, data, more)
        except ChatbotError as error:
            return _told(error)
        except msgspec.ValidationError as error:
            return _told(Invalid(message=f"{error}."))
        except (DataError, UnicodeEncodeError):
            message = "The event contains characters that cannot be stored."
            return _told(Invalid("bad_text", message))
        except (TimeoutError, PoolTimeout, OperationalError, InterfaceError) as error:
            log.warning("realtime.event_unavailable", error=type(error).__name__, event_name=event)
            return _told(Unavailable(retry_after_s=CROWDED_S))
        except Exception:
            number = uuid4().hex[:12]
            log.exception("realtime.event_failed", number=number, event_name=event)
            message = f"Something went wrong on our side (number {number})."
            return _told(ChatbotError(message=message))

    async def _act(self, event: str, sid: str, data: object, more: tuple[object, ...]) -> object:
        client = self._clients.get(sid)
        if client is None:
            raise NotSignedIn
        client.count_event(asyncio.get_running_loop().time())
        action = self._actions.get(event)
        metrics.EVENTS.labels(event if action else metrics.OTHER).inc()
        if action is None or more:
            raise Invalid("unknown_event", "There is no such event, or not with these arguments.")
        if data is TOO_LONG:
            most = self._deps.limits.socket_event_bytes_max
            raise TooLarge("payload_too_large", f"An event has at most {most:,} bytes.")
        schema, act = action
        asked = msgspec.convert(data, schema)
        if event != "renew":  # which proves itself by the new token; the old one may have ended
            await self._still_proven(sid, client)
        return await act(sid, client, asked)

    async def _still_proven(self, sid: str, client: Client[P]) -> None:
        if asyncio.get_running_loop().time() - client.proven_at < PROOF_S:
            return
        self._proving += 1
        try:
            async with self._turns:
                await self._prove_again(sid, client)
        except (NotSignedIn, Forbidden, NotFound):
            self._later(self._dismiss(sid, NotSignedIn()))
            raise NotSignedIn from None
        finally:
            self._proving -= 1

    async def _subscribe(self, sid: str, client: Client[P], asked: Subscribe) -> Subscribed:
        """Enter the rooms, then take the cursor, then tell it: what happens meanwhile is heard
        twice, not never.
        """
        names = list(dict.fromkeys(asked.topics))
        joined = await self.hearing.join(sid, client, names, asked.cursor)
        cursor, missed = self._deps.relay.cursor, joined.missed
        metrics.asked(joined.codes)
        if asked.cursor is not None:
            metrics.caught_up(missed.signals, reset=missed.reset)
        return Subscribed(
            joined.codes, cursor.epoch, short(cursor.cur), missed.signals, missed.reset
        )

    async def _unsubscribe(self, sid: str, client: Client[P], asked: Unsubscribe) -> dict[str, str]:
        for name in asked.topics:
            if topics.is_room(name):  # nobody leaves the room in which lost rights are heard
                self.hearing.leave(sid, name)
        return {}

    async def _resume(self, sid: str, client: Client[P], asked: Resume) -> Resumed:
        heard = self.hearing.held(sid)
        frames = await self._deps.nodes.resume(client.person.org_id, heard, asked)
        if frames is None:
            raise NotFound
        return Resumed([NamedFrame(event, frame) for event, frame in frames])

    async def _renew(self, sid: str, client: Client[P], asked: Auth) -> Renewed:
        """Go on with a fresh token of the same person."""
        person, ends_at = await self._authenticate(asked.token, client.origin)
        if (person.org_id, person.actor) != (client.person.org_id, client.person.actor):
            raise NotSignedIn
        client.person, client.token = person, asked.token
        self._prove(sid, client, ends_at)
        return Renewed(ends_at)

    # ── Rights that change ────────────────────────────────────────────────────────────────────────

    def access_changed(self, topic: topics.Topic) -> None:
        """Someone's rights changed: whoever is concerned is checked and leaves what is lost."""
        self._rights.changed(topic)

    def kinds_changed(self) -> None:
        """Kinds of topics came or went: whoever hears what is no longer for them leaves."""
        self._rights.kinds_changed()

    def access_missed(self) -> None:
        """Nobody knows whose rights changed meanwhile: everybody is checked, a few at a time."""
        self._rights.missed(list(self._clients))

    async def _prove_again(self, sid: str, client: Client[P]) -> None:
        token = client.token
        try:
            person, ends_at = await self._authenticate(token, client.origin)
        except (NotSignedIn, Forbidden, NotFound):
            if client.token is token:
                raise
            return
        if client.token is token:  # or else it was renewed meanwhile, by one that is proven
            client.person = person
            self._prove(sid, client, ends_at)

    async def _dismiss(self, sid: str, error: ChatbotError) -> None:
        await self.server.dismiss(sid, self.namespace, error)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _origin(environ: dict[str, Any]) -> str | None:
    """The page's origin; None for a caller that is no browser. A browser hiding it is refused."""
    origin = environ.get("HTTP_ORIGIN")
    fetch = {name: value for name, value in environ.items() if name.startswith("HTTP_SEC_FETCH_")}
    if origin is None and fetch and fetch.get("HTTP_SEC_FETCH_SITE") != "same-origin":
        raise NotSignedIn
    return origin


def _told(error: ChatbotError) -> dict[str, object]:
    metrics.told(error.code, "ack")
    return envelope(error)

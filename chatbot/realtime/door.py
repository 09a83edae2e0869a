"""What visitor and staff sockets have in common: who is there, what they may hear, and what they
may ask.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic
from uuid import UUID, uuid4

import msgspec
import structlog
from socketio import AsyncNamespace
from socketio.exceptions import ConnectionRefusedError as Refused
from sqlalchemy import ARRAY, Text, bindparam, func, select
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatbot.database import Database, utc_now
from chatbot.errors import (
    ChatbotError,
    Forbidden,
    Invalid,
    NotFound,
    NotSignedIn,
    TooMany,
    Unavailable,
    envelope,
)
from chatbot.realtime import topics
from chatbot.realtime.client import Client, P
from chatbot.realtime.events import (
    Auth,
    NamedFrame,
    Renewed,
    Resume,
    Resumed,
    SetTyping,
    Subscribe,
    Subscribed,
    System,
    Typing,
    Unsubscribe,
)
from chatbot.realtime.frames import AnswerFrames
from chatbot.realtime.relay import Missed, Relay
from chatbot.realtime.signals import short
from chatbot.realtime.sockets import CONNECT_WITHIN_S, SocketServer
from chatbot.settings import Limits

SOCKETS_PER_PERSON_MAX = 20
EVENT_WITHIN_S = 20.0
PROOF_S = 1.0  # a token proven this long ago need not be proven again
RENEW_WITHIN_S = 0.5  # after the session behind a token ended: time to show its successor
EXPIRY_GRACE_S = 5.0
RECHECKS_AT_ONCE = 8

_MAY_JOIN = select(
    func.realtime.may_join(bindparam("topics", type_=ARRAY(Text))).table_valued("topic", "allowed")
)
log = structlog.get_logger(__name__)

Action = tuple[type[msgspec.Struct], Callable[[str, Client[P], Any], Awaitable[object]]]


class Deps(msgspec.Struct, frozen=True):
    """What both doors are built from."""

    database: Database
    relay: Relay
    frames: AnswerFrames
    limits: Limits


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
        self._access_changes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._recheck_turns = asyncio.Semaphore(RECHECKS_AT_ONCE)
        self._actions: dict[str, Action[P]] = {
            "subscribe": (Subscribe, self._subscribe),
            "unsubscribe": (Unsubscribe, self._unsubscribe),
            "resume": (Resume, self._resume),
            "typing": (SetTyping, self._typing),
            "renew": (Auth, self._renew),
        }

    @abstractmethod
    async def _authenticate(self, token: str, origin: str | None) -> tuple[P, datetime]:
        """Whose token it is and when it ends; raises NotSignedIn."""

    @abstractmethod
    def _name(self, person: P) -> str:
        """The name that others see while this person types."""

    def events(self) -> list[str]:
        """The names of all events that a client may send."""
        return list(self._actions)

    def serves(self, org_id: UUID) -> bool:
        """Whether anybody of the organisation is connected here."""
        return any(client.person.org_id == org_id for client in self._clients.values())

    async def trigger_event(self, event: str, *args: Any) -> object:
        match event:
            case "connect":
                return await self._connect(*args)
            case "disconnect":
                return self._disconnect(args[0])
            case _:
                return await self._answer(event, *args)

    # ── Coming and going ──────────────────────────────────────────────────────────────────────────

    async def _connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        """Any other exception would leave the socket half connected in the library: refuse on all
        of them.
        """
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._admit(sid, environ, auth)
        except ChatbotError as error:
            raise _refused(error) from None
        except msgspec.ValidationError:
            raise _refused(NotSignedIn()) from None
        except Exception as error:
            log.exception("realtime.connect_failed", error=type(error).__name__)
            raise _refused(Unavailable()) from None

    async def _admit(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        origin, token = _origin(environ), msgspec.convert(auth, Auth).token
        person, ends_at = await self._authenticate(token, origin)
        eio_sid = self.server.manager.eio_sid_from_sid(sid, self.namespace)
        if eio_sid is None or not self.server.is_open(eio_sid):
            raise Unavailable  # it left while we asked: the library would keep it for ever
        if len(self.server.manager.sids(person.actor, self.namespace)) >= SOCKETS_PER_PERSON_MAX:
            raise TooMany("too_many_connections", "Too many windows are open. Close one of them.")
        client = Client(
            person,
            token,
            origin,
            block=self.server.block_of(environ),
            events_per_second=self._deps.limits.events_per_second,
        )
        self._clients[sid] = client
        self._prove(sid, client, ends_at)
        self.server.manager.basic_enter_room(sid, self.namespace, person.actor)
        self.server.vouch_for(eio_sid)

    def _disconnect(self, sid: str) -> None:
        client = self._clients.pop(sid, None)
        if client is not None and client.expiry is not None:
            client.expiry.cancel()

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
        self._later(self.server.dismiss(sid, self.namespace, error))

    # ── Events ────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self, event: str, sid: str, data: object = None, *more: object) -> object:
        """The acknowledgement of one event: what was asked for, or the error envelope."""
        try:
            async with asyncio.timeout(EVENT_WITHIN_S):
                return await self._act(event, sid, data, more)
        except ChatbotError as error:
            return envelope(error)
        except msgspec.ValidationError as error:
            return envelope(Invalid(message=f"{error}."))
        except (DataError, UnicodeEncodeError):
            message = "The event contains characters that cannot be stored."
            return envelope(Invalid("bad_text", message))
        except (TimeoutError, PoolTimeout, OperationalError, InterfaceError) as error:
            log.warning("realtime.event_unavailable", error=type(error).__name__, event_name=event)
            return envelope(Unavailable())
        except Exception:
            number = uuid4().hex[:12]
            log.exception("realtime.event_failed", number=number, event_name=event)
            message = f"Something went wrong on our side (number {number})."
            return envelope(ChatbotError(message=message))

    async def _act(self, event: str, sid: str, data: object, more: tuple[object, ...]) -> object:
        client = self._clients.get(sid)
        if client is None:
            raise NotSignedIn
        client.count_event(asyncio.get_running_loop().time())
        action = self._actions.get(event)
        if action is None or more:
            raise Invalid("unknown_event", "There is no such event, or not with these arguments.")
        schema, act = action
        asked = msgspec.convert(data, schema)
        await self._still_proven(sid, client)
        return await act(sid, client, asked)

    async def _still_proven(self, sid: str, client: Client[P]) -> None:
        if asyncio.get_running_loop().time() - client.proven_at < PROOF_S:
            return
        try:
            client.person, ends_at = await self._authenticate(client.token, client.origin)
        except (NotSignedIn, Forbidden, NotFound):
            self._later(self.server.dismiss(sid, self.namespace, NotSignedIn()))
            raise NotSignedIn from None
        self._prove(sid, client, ends_at)

    async def _subscribe(self, sid: str, client: Client[P], asked: Subscribe) -> Subscribed:
        """Enter the rooms, then take the cursor, then tell it: what happens meanwhile is heard
        twice, not never.
        """
        codes = await self._join(sid, client, list(dict.fromkeys(asked.topics)))
        cursor = self._deps.relay.cursor
        joined = [name for name, code in codes.items() if code == "ok"]
        missed = Missed([], reset=False)
        if asked.cursor is not None and joined:
            missed = await self._deps.relay.missed(client.person.org_id, joined, asked.cursor)
        return Subscribed(codes, cursor.epoch, short(cursor.cur), missed.signals, missed.reset)

    async def _unsubscribe(self, sid: str, client: Client[P], asked: Unsubscribe) -> dict[str, str]:
        for name in asked.topics:
            if topics.parse(name) is not None:
                self.server.manager.basic_leave_room(sid, self.namespace, name)
        return {}

    async def _resume(self, sid: str, client: Client[P], asked: Resume) -> Resumed:
        conversation_id = self._deps.frames.conversation_of(asked.mid)
        if conversation_id is None:
            raise NotFound
        self._must_hear(sid, conversation_id)
        frames = self._deps.frames.resume(
            conversation_id=conversation_id,
            mid=asked.mid,
            attempt=asked.attempt,
            after=asked.after,
        )
        if frames is None:
            raise NotFound
        return Resumed([NamedFrame(event, frame) for event, frame in frames])

    async def _typing(self, sid: str, client: Client[P], asked: SetTyping) -> dict[str, str]:
        self._must_hear(sid, asked.conversation_id)
        typing = Typing(asked.conversation_id, self.listener, self._name(client.person), asked.on)
        self.server.deliver("typing", typing, topics.messages(asked.conversation_id), skip=sid)
        return {}

    async def _renew(self, sid: str, client: Client[P], asked: Auth) -> Renewed:
        """Go on with a fresh token of the same person."""
        person, ends_at = await self._authenticate(asked.token, client.origin)
        if (person.org_id, person.actor) != (client.person.org_id, client.person.actor):
            raise NotSignedIn
        client.person, client.token = person, asked.token
        self._prove(sid, client, ends_at)
        return Renewed(ends_at)

    # ── Who may hear what ─────────────────────────────────────────────────────────────────────────

    def _held(self, sid: str) -> list[str]:
        rooms = self.server.manager.rooms_of(sid, self.namespace)
        return [room for room in rooms if topics.parse(room) is not None]

    def _must_hear(self, sid: str, conversation_id: UUID) -> None:
        """NotFound unless the socket subscribed the conversation, which it could only if it may."""
        if topics.messages(conversation_id) not in self._held(sid):
            raise NotFound

    async def _join(self, sid: str, client: Client[P], names: Sequence[str]) -> dict[str, str]:
        """Enter the rooms of the topics that this person may hear; `ok` or a code for each name."""
        held = set(self._held(sid))
        codes: dict[str, str] = {}
        for name in names:
            if not topics.may_ask(name, self.listener):
                codes[name] = NotFound.code
            elif len(held | {name}) > self._deps.limits.topics_per_socket:
                codes[name] = "too_many_topics"
            else:
                held.add(name)
        asked = [name for name in names if name not in codes]
        allowed = await self._allowed(client.person, asked)
        for name in asked:
            codes[name] = "ok" if name in allowed else NotFound.code
            self._set_room(sid, name, heard=name in allowed)
        return codes

    async def _allowed(self, person: P, names: Sequence[str]) -> set[str]:
        """Those of `names` that the policies on `realtime.messages` let this person hear.

        Asked again when rights changed meanwhile: the signal of that change finds only sockets in
        their rooms.
        """
        while names:
            changes = self._access_changes
            async with self._deps.database.transaction(person.org_id, actor=person.actor) as db:
                rows = (await db.execute(_MAY_JOIN, {"topics": list(names)})).all()
            if changes == self._access_changes:
                return {row.topic for row in rows if row.allowed}
        return set()

    def _set_room(self, sid: str, name: str, *, heard: bool) -> None:
        if sid not in self._clients:
            return  # it left while we asked
        if heard:
            self.server.manager.basic_enter_room(sid, self.namespace, name)
        else:
            self.server.manager.basic_leave_room(sid, self.namespace, name)

    def access_changed(self, topic: topics.Topic) -> None:
        """Someone's rights changed: whoever is concerned is checked and leaves what is lost."""
        self._access_changes += 1
        find = self.server.manager.sids
        if topic.scope == "conversation":
            rooms = (f"conversation:{topic.id}:{feature}" for feature in ("messages", "staff"))
            concerned = {sid for room in rooms for sid in find(room, self.namespace)}
            self._recheck(concerned, delay_s=0)
        else:
            self._recheck(find(f"{topic.scope}:{topic.id}", self.namespace), delay_s=RENEW_WITHIN_S)

    def _recheck(self, sids: Iterable[str], *, delay_s: float) -> None:
        for sid in sids:
            self._later(self._check_again(sid, delay_s))

    async def _check_again(self, sid: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        async with self._recheck_turns:
            client = self._clients.get(sid)
            if client is None:
                return
            try:
                async with asyncio.timeout(EVENT_WITHIN_S):
                    client.person, ends_at = await self._authenticate(client.token, client.origin)
                    self._prove(sid, client, ends_at)
                    await self._leave_lost(sid, client)
            except (NotSignedIn, Forbidden, NotFound):
                await self.server.dismiss(sid, self.namespace, NotSignedIn())
            except Exception as error:
                # Whoever cannot be checked may not stay.
                log.warning("realtime.recheck_failed", error=type(error).__name__)
                await self.server.dismiss(sid, self.namespace, Unavailable())

    async def _leave_lost(self, sid: str, client: Client[P]) -> None:
        held = self._held(sid)
        lost = set(held) - await self._allowed(client.person, held)
        for name in lost:
            self._set_room(sid, name, heard=False)
        if lost:
            notice = System("access_changed", "refetch", "Your rights changed. Load again.")
            self.server.manager.deliver("system", notice, namespace=self.namespace, room=sid)

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


def _refused(error: ChatbotError) -> Refused:
    return Refused(error.message, envelope(error)["error"])

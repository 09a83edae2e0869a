"""The Socket.IO server: websocket only, bounded in every direction, closed to whoever does not
prove who they are.
"""

import asyncio
import logging
import re
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import engineio
import socketio
import structlog
from engineio import packet as engine
from socketio.packet import EVENT, Packet

from chatbot.errors import ChatbotError, TooMany
from chatbot.orgs import origins
from chatbot.realtime import metrics
from chatbot.realtime.events import System
from chatbot.realtime.sockets.entrance import Guests
from chatbot.realtime.sockets.gate import Gate
from chatbot.realtime.sockets.kept import Kept
from chatbot.realtime.sockets.manager import Json, Rooms, packet
from chatbot.realtime.sockets.outbox import Outbox
from chatbot.settings import SOCKET_FRAME_BYTES_MAX, Limits
from chatbot.web import address_block

VISITOR = "/visitor"
STAFF = "/staff"
NAMESPACES = (VISITOR, STAFF)

CLOSE_WITHIN_S = 5.0
ENDED_PER_TURN = 20  # of the loop, when thousands leave at once
TOO_LONG: Final = object()
"""Stands for the data of an event that is longer than it may be."""
REFUSED_STAYS_S = 1.0  # to read why
LOOK_EVERY_S = 1.0

_ASKED_OF_ENVIRON = re.compile(r"asgi\.|HTTP_ORIGIN$|HTTP_SEC_FETCH_")
log = structlog.get_logger(__name__)

# The libraries log what they send at INFO, and the words of strangers at ERROR.
_silent = logging.getLogger("chatbot.realtime.library")
_silent.setLevel(logging.CRITICAL)


class SocketServer(socketio.AsyncServer):
    """python-socketio's server, without what an anonymous client could abuse.

    No binary packets (their attachments pile up), no namespace beside ours, no socket that stays a
    stranger longer than `prove_within_s`, none that stays after its queue ran over.
    """

    manager: Rooms

    def __init__(self, limits: Limits, trusted_proxies: Sequence[str] = ()) -> None:
        self._limits = limits
        self._trusted_proxies = trusted_proxies
        self.prove_within_s = float(limits.socket_prove_seconds)
        self.guests = Guests(limits)
        self._endings = Gate(ENDED_PER_TURN)
        self._kept = Kept()
        self._look: asyncio.Task[None] | None = None
        self._busy: set[str] = set()  # connections of which a packet is being answered
        self._tasks: set[asyncio.Task[None]] = set()
        super().__init__(
            client_manager=Rooms(),
            namespaces=list(NAMESPACES),
            async_mode="asgi",
            async_handlers=False,  # one client's events in the order in which they came
            transports=["websocket"],
            max_http_buffer_size=SOCKET_FRAME_BYTES_MAX,
            ping_interval=limits.socket_ping_seconds,
            ping_timeout=limits.socket_pong_seconds,
            monitor_clients=False,  # the library's looks at one socket at a time, each in a task
            cors_allowed_origins=_well_formed,
            cors_credentials=False,
            json=Json,
            logger=_silent,  # pyright: ignore[reportArgumentType] - a logger is taken too
            engineio_logger=_silent,
        )

    async def handle_request(self, scope: Any, receive: Any, send: Any) -> None:
        """One request to /socket.io; for a websocket, until it ends.

        The end is told to the library by an exception of ours, for two reasons: thousands that end
        in one instant take turns, and its traceback, which holds all of the connection in a cycle,
        can be dropped. Memory then comes back at once, and not at the collector's next round.
        """
        left = _Left()

        async def receive_until_left() -> Any:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                await self._endings.turn()
                raise left
            return event

        try:
            await super().handle_request(scope, receive_until_left, send)
        finally:
            left.__traceback__ = left.__context__ = None

    def deliver(self, event: str, data: object, room: str, skip: str | None = None) -> None:
        """Hand an event to every socket in `room` but `skip`, visitors and staff. Never waits."""
        for namespace in NAMESPACES:
            self.manager.deliver(event, data, namespace=namespace, room=room, skip=skip)

    def block_of(self, environ: Mapping[str, Any]) -> str:
        """The client's network. From the ASGI scope; the environ's REMOTE_ADDR is a constant."""
        return address_block(environ["asgi.scope"], self._trusted_proxies)

    def is_open(self, eio_sid: str) -> bool:
        """Whether the connection below a socket still stands."""
        socket = self.eio.sockets.get(eio_sid)
        return socket is not None and not socket.closed and not socket.closing

    def vouch_for(self, eio_sid: str) -> None:
        """This connection has proven whose it is."""
        self.guests.proven(eio_sid)
        _strip(self.environ.get(eio_sid))
        self._kept.came()

    def refuse_soon(self, eio_sid: str) -> None:
        """End a connection that was refused, after the time to read why."""
        if self.guests.is_stranger(eio_sid):
            self._expect_proof(eio_sid, REFUSED_STAYS_S)

    async def dismiss(self, sid: str, namespace: str, error: ChatbotError) -> None:
        """Tell a socket why, then end it and the connection below."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        if eio_sid is not None:
            metrics.told(error.code, "system")
            self.manager.put(eio_sid, packet(namespace, "system", System.of(error)))
        await self.close(sid, namespace)

    async def close(self, sid: str, namespace: str) -> None:
        """End a socket and the connection below, once what waits for it is sent."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        if eio_sid is None:
            return
        await self.disconnect(sid, namespace=namespace)
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            await socket.close(wait=False, reason=self.reason.SERVER_DISCONNECT)

    async def shutdown(self) -> None:
        if self._look is not None:
            self._look.cancel()
        await super().shutdown()

    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        limits = self._limits

        class Engine(engineio.AsyncServer):
            def create_queue(  # pyright: ignore[reportIncompatibleMethodOverride]
                self, *args: object, **kwargs: object
            ) -> Outbox:
                return Outbox(limits.socket_queue_frames, limits.socket_queue_bytes)

        return Engine

    async def _handle_eio_connect(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, eio_sid: str, environ: Mapping[str, Any]
    ) -> bool | None:
        """False refuses the connection (engineio looks at what its `connect` handler returns)."""
        block = self.block_of(environ)
        if not self.guests.may_knock(block):
            metrics.RATE_LIMITED.labels("connect").inc()
            return False
        self.guests.came(eio_sid, block)
        self.eio.sockets[eio_sid].queue.goodbye = lambda: self._too_slow(eio_sid)
        self._expect_proof(eio_sid, self.prove_within_s)
        if self._look is None:
            self._look = asyncio.get_running_loop().create_task(self._look_after())
        await super()._handle_eio_connect(eio_sid, environ)
        return None

    async def _handle_event(
        self,
        eio_sid: str,
        namespace: str | None,
        id: int | None,  # noqa: A002 - the library's name for it
        data: object,
    ) -> None:
        """A client may not speak for the library: `connect` and `disconnect` are its own events."""
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise ValueError("an event is a list that begins with its name")
        if data[0] in self.reserved_events:
            raise ValueError("an event of the library")
        await super()._handle_event(eio_sid, namespace, id, data)

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        """Who leaves the namespace but keeps the connection is a stranger again."""
        await super()._handle_disconnect(eio_sid, namespace, reason)
        if self.guests.is_here(eio_sid) and self.is_open(eio_sid) and not self._is_known(eio_sid):
            self._expect_proof(eio_sid, self.prove_within_s)

    async def _handle_eio_message(self, eio_sid: str, data: object) -> None:
        """CONNECT, DISCONNECT, EVENT and ACK, as text; whoever sends anything else is cut off."""
        if not isinstance(data, str) or data[:1] not in ("0", "1", "2", "3"):
            return self._abort(eio_sid)
        self._busy.add(eio_sid)
        try:
            if _is_longer(data, self._limits.socket_event_bytes_max):
                await self._refuse_long(eio_sid, data)
            else:
                await super()._handle_eio_message(eio_sid, data)
        except Exception as error:
            # Our handlers answer for themselves: this is a packet that the library cannot read.
            log.info("realtime.bad_packet", error=type(error).__name__)
            self._abort(eio_sid)
        finally:
            self._busy.discard(eio_sid)
        return None

    async def _refuse_long(self, eio_sid: str, data: str) -> None:
        """An event that is too long is handed on without its data, to be counted and refused;
        anything else of that size ends the socket.
        """
        found = Packet(encoded_packet=data)
        space = found.namespace or ""
        if found.packet_type != EVENT or not self.manager.sid_from_eio_sid(eio_sid, space):
            raise ValueError("too long, and no event")
        event = found.data[0] if isinstance(found.data, list) and found.data else None
        await self._handle_event(eio_sid, space, found.id, [event, TOO_LONG])

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        environ = self.environ.get(eio_sid)
        await super()._handle_eio_disconnect(eio_sid, reason)
        self.guests.left(eio_sid)
        if environ is not None and not _has_ended(environ):
            # A peer that reads nothing would keep a closed connection open for ever.
            asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, _cut, environ)

    def _is_known(self, eio_sid: str) -> bool:
        return any(self.manager.sid_from_eio_sid(eio_sid, each) for each in NAMESPACES)

    def _expect_proof(self, eio_sid: str, within_s: float) -> None:
        timer = asyncio.get_running_loop().call_later(within_s, self._reap, eio_sid)
        self.guests.expect_proof(eio_sid, timer)

    def _reap(self, eio_sid: str) -> None:
        if self.guests.is_stranger(eio_sid):
            self._abort(eio_sid)

    async def _look_after(self) -> None:
        """End the connections whose heartbeat stays away: a peer that is gone without a word."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._kept.look(len(self.eio.sockets))
            now = time.time()
            late = now - self.eio.ping_timeout
            for eio_sid, socket in list(self.eio.sockets.items()):
                if socket.closed:
                    self.eio.sockets.pop(eio_sid, None)
                elif socket.last_ping and eio_sid in self._busy:
                    socket.last_ping = now  # the heartbeat is read after what is being answered
                elif socket.last_ping and socket.last_ping < late and self.is_open(eio_sid):
                    self._abort(eio_sid)

    def _too_slow(self, eio_sid: str) -> engine.Packet | None:
        """Take the socket out of every room; its one last packet says why."""
        log.info("realtime.slow_consumer")
        metrics.SLOW_CONSUMERS.inc()
        metrics.told("slow_consumer", "system")
        error = TooMany(
            "slow_consumer",
            "This connection was too slow to keep up. Connect again and catch up.",
            retry_after_s=1,
        )
        self._end_soon(eio_sid)
        for namespace in NAMESPACES:
            if self.manager.sid_from_eio_sid(eio_sid, namespace):
                return packet(namespace, "system", System.of(error))
        return None

    def _end_soon(self, eio_sid: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is None:
            return
        self._later(socket.close(wait=False, abort=True, reason=self.reason.SERVER_DISCONNECT))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _abort(self, eio_sid: str) -> None:
        """End a connection now, whatever is still queued for it."""
        environ = self.environ.get(eio_sid)
        self._end_soon(eio_sid)
        if environ is not None:
            _cut(environ)


class _Left(OSError):
    """The peer's websocket has ended."""


def _is_longer(text: str, bytes_max: int) -> bool:
    return len(text) * 4 > bytes_max and len(text.encode()) > bytes_max


def _well_formed(origin: str | None, environ: Mapping[str, Any]) -> bool:
    """Engine.IO's gate: any origin of a web page. Whether it is the right one is decided at
    `connect`.
    """
    return origin is not None and origins.normal(origin) is not None


def _strip(environ: Any) -> None:
    """Forget what nobody reads again: some kilobytes, kept as long as the connection stands."""
    for name in [name for name in environ or () if not _ASKED_OF_ENVIRON.match(name)]:
        del environ[name]


def _cut(environ: Mapping[str, Any]) -> None:
    """Abort the transport. Another server than uvicorn closes in its own way: what was sent is
    flushed first.
    """
    transport = _transport(environ)
    if transport is not None:
        transport.abort()


def _has_ended(environ: Mapping[str, Any]) -> bool:
    transport = _transport(environ)
    return (
        transport is not None and transport.is_closing() and transport.get_write_buffer_size() == 0
    )


def _transport(environ: Mapping[str, Any]) -> asyncio.Transport | None:
    """ASGI knows no such thing; uvicorn's `send` is a method of the protocol that holds it."""
    return getattr(getattr(environ["asgi.send"], "__self__", None), "transport", None)

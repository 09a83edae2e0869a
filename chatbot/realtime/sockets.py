"""The Socket.IO server: websocket only, bounded in every direction, closed to whoever does not
prove who they are.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import engineio
import socketio
import structlog
from engineio import packet as engine

from chatbot.errors import ChatbotError, TooMany
from chatbot.orgs import origins
from chatbot.realtime.events import System
from chatbot.realtime.manager import Json, Outbox, Rooms
from chatbot.settings import Limits
from chatbot.web import address_block

VISITOR = "/visitor"
STAFF = "/staff"
NAMESPACES = (VISITOR, STAFF)

FRAME_BYTES_MAX = 65_536
PING_EVERY_S, PONG_WITHIN_S = 15, 10
CONNECT_WITHIN_S = 5.0
CLOSE_WITHIN_S = 5.0
SOCKETS_MAX = 10_000
STRANGERS_PER_ADDRESS_MAX = 200  # of one address block, not yet proven who they are

log = structlog.get_logger(__name__)

# The libraries log what they send at INFO, and the words of strangers at ERROR.
_silent = logging.getLogger("chatbot.realtime.library")
_silent.setLevel(logging.CRITICAL)


class SocketServer(socketio.AsyncServer):
    """python-socketio's server, without what an anonymous client could abuse.

    No binary packets (their attachments pile up), no namespace beside ours, no socket that stays a
    stranger longer than CONNECT_WITHIN_S, none that stays after its queue ran over.
    """

    manager: Rooms

    def __init__(self, limits: Limits, trusted_proxies: Sequence[str] = ()) -> None:
        self._limits = limits
        self._trusted_proxies = trusted_proxies
        self._strangers: dict[str, str] = {}  # eio_sid → address block
        self._tasks: set[asyncio.Task[None]] = set()
        super().__init__(
            client_manager=Rooms(),
            namespaces=list(NAMESPACES),
            async_mode="asgi",
            async_handlers=False,  # one client's events in the order in which they came
            transports=["websocket"],
            max_http_buffer_size=FRAME_BYTES_MAX,
            ping_interval=PING_EVERY_S,
            ping_timeout=PONG_WITHIN_S,
            cors_allowed_origins=_well_formed,
            cors_credentials=False,
            json=Json,
            logger=_silent,  # pyright: ignore[reportArgumentType] - a logger is taken too
            engineio_logger=_silent,
        )

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
        self._strangers.pop(eio_sid, None)

    async def dismiss(self, sid: str, namespace: str, error: ChatbotError) -> None:
        """Tell a socket why, then end it and the connection below."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        self.manager.deliver("system", System.of(error), namespace=namespace, room=sid)
        await self.disconnect(sid, namespace=namespace)
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            await socket.close(wait=False, reason=self.reason.SERVER_DISCONNECT)

    async def dismiss_all(self, error: ChatbotError) -> None:
        """`dismiss` for every socket there is."""
        for namespace in NAMESPACES:
            for sid in self.manager.all_sids(namespace):
                await self.dismiss(sid, namespace, error)

    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        frames_max = self._limits.socket_queue_frames

        class Engine(engineio.AsyncServer):
            def create_queue(self, *args: object, **kwargs: object) -> Outbox:
                return Outbox(frames_max)

        return Engine

    async def _handle_eio_connect(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, eio_sid: str, environ: Mapping[str, Any]
    ) -> bool | None:
        """False refuses the connection (engineio looks at what its `connect` handler returns)."""
        block = self.block_of(environ)
        strangers = sum(each == block for each in self._strangers.values())
        if len(self.eio.sockets) > SOCKETS_MAX or strangers >= STRANGERS_PER_ADDRESS_MAX:
            return False
        self.eio.sockets[eio_sid].queue.goodbye = lambda: self._too_slow(eio_sid)
        self._expect_proof(eio_sid, block)
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
        environ = self.environ.get(eio_sid)
        if environ is not None and self.is_open(eio_sid) and not self._is_known(eio_sid):
            self._expect_proof(eio_sid, self.block_of(environ))

    async def _handle_eio_message(self, eio_sid: str, data: object) -> None:
        """CONNECT, DISCONNECT, EVENT and ACK, as text; whoever sends anything else is cut off."""
        if not isinstance(data, str) or data[:1] not in ("0", "1", "2", "3"):
            return self._abort(eio_sid)
        try:
            await super()._handle_eio_message(eio_sid, data)
        except Exception as error:
            # Our handlers answer for themselves: this is a packet that the library cannot read.
            log.info("realtime.bad_packet", error=type(error).__name__)
            self._abort(eio_sid)
        return None

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self._strangers.pop(eio_sid, None)
        environ = self.environ.get(eio_sid)
        await super()._handle_eio_disconnect(eio_sid, reason)
        if environ is not None:
            # A peer that reads nothing would keep a closed connection open for ever.
            asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, _cut, environ)

    def _is_known(self, eio_sid: str) -> bool:
        return any(self.manager.sid_from_eio_sid(eio_sid, each) for each in NAMESPACES)

    def _expect_proof(self, eio_sid: str, block: str) -> None:
        self._strangers[eio_sid] = block
        asyncio.get_running_loop().call_later(CONNECT_WITHIN_S, self._reap, eio_sid)

    def _reap(self, eio_sid: str) -> None:
        if eio_sid in self._strangers:
            self._abort(eio_sid)

    def _too_slow(self, eio_sid: str) -> engine.Packet | None:
        """Take the socket out of every room; its one last packet says why."""
        log.info("realtime.slow_consumer")
        error = TooMany(
            "slow_consumer", "This connection was too slow to keep up. Connect again and catch up."
        )
        self._end_soon(eio_sid)
        for namespace in NAMESPACES:
            if self.manager.sid_from_eio_sid(eio_sid, namespace):
                text = f"2{namespace},{Json.dumps(['system', System.of(error)])}"
                return engine.Packet(engine.MESSAGE, text)
        return None

    def _end_soon(self, eio_sid: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is None:
            return
        closing = socket.close(wait=False, abort=True, reason=self.reason.SERVER_DISCONNECT)
        task = asyncio.get_running_loop().create_task(closing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _abort(self, eio_sid: str) -> None:
        """End a connection now, whatever is still queued for it."""
        environ = self.environ.get(eio_sid)
        self._end_soon(eio_sid)
        if environ is not None:
            _cut(environ)


def _well_formed(origin: str | None, environ: Mapping[str, Any]) -> bool:
    """Engine.IO's gate: any origin of a web page. Whether it is the right one is decided at
    `connect`.
    """
    return origin is not None and origins.normal(origin) is not None


def _cut(environ: Mapping[str, Any]) -> None:
    """Abort the transport. ASGI knows no such thing; uvicorn's `send` is a method of the protocol
    that holds it.

    Another server closes in its own way: what was sent is flushed first.
    """
    transport = getattr(getattr(environ["asgi.send"], "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()

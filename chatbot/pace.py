"""Connections that come and go at the pace that one loop can serve: what it begins it also ends.

Ten thousand browsers that come back in one second would otherwise all be begun and none be ended
before its browser gives up, and all would begin anew. Here they are taken from the kernel at once,
because who finds its queue full tries again only after 1, 3, 7 and 15 s; but each is begun when
there is time for it, in the order of arrival, and costs a descriptor until then. Who has waited too
long has given up, or soon will, and is let go unheard.
"""

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chatbot.realtime import metrics

AT_ONCE: Final = 4
TICK_S: Final = 0.002
LATE_S: Final = 0.010  # a loop that is later than this has enough to do: one connection a tick
PATIENCE_S: Final = 8.0  # our widget gives up after 10 s
LINE_MAX: Final = 10_000
BUSY_S: Final = 0.020  # between two connections while earlier ones wait for the database
TAKEN_AT_ONCE: Final = 100  # from the kernel, in one turn of the loop
TAKE_AGAIN_S: Final = 1.0  # when this process may open no more descriptors
PARTINGS_PER_TURN: Final = 40
log = structlog.get_logger(__name__)

Begin = Callable[[], asyncio.BaseProtocol]
"""Makes what speaks with one connection."""

IsBusy = Callable[[], bool]
"""Whether enough is begun, and what comes now would only wait."""


def never() -> bool:
    """The answer of whoever is not asked much."""
    return False


class Line:
    """The line before one listening socket. While few come there is none, and nobody waits."""

    def __init__(self, listener: socket.socket, begin: Begin, is_busy: IsBusy = never) -> None:
        self._listener = listener
        self._begin = begin
        self._is_busy = is_busy
        self._begun_at = 0.0
        self._waiting: deque[tuple[socket.socket, float]] = deque()
        self._begun = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._beginning: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Take connections from now on."""
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._take)

    def close(self) -> None:
        """Take none any more, and let go who waits."""
        asyncio.get_running_loop().remove_reader(self._listener)
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()
        while self._waiting:
            self._next()[0].close()

    def _take(self) -> None:
        for _ in range(TAKEN_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._rest(error)
                return
            self._arrived(connection)

    def _rest(self, error: OSError) -> None:
        """Other connections have to end first; the kernel keeps who comes meanwhile."""
        log.error("no_descriptors", error=errno.errorcode.get(error.errno or 0, "unknown"))
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._again = loop.call_later(TAKE_AGAIN_S, self.open)

    def _arrived(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._begun = 0
            self._tick_later(loop)
        if self._begun < AT_ONCE and not self._waiting and not self._must_rest(loop.time()):
            self._hear(connection)
        elif len(self._waiting) < LINE_MAX:
            self._waiting.append((connection, loop.time()))
            metrics.IN_LINE.inc()
        else:
            self._let_go(connection)

    def _next(self) -> tuple[socket.socket, float]:
        metrics.IN_LINE.dec()
        return self._waiting.popleft()

    def _let_go(self, connection: socket.socket) -> None:
        metrics.LET_GO.inc()
        connection.close()

    def _must_rest(self, now: float) -> bool:
        return now - self._begun_at < BUSY_S and self._is_busy()

    def _hear(self, connection: socket.socket) -> None:
        self._begun += 1
        self._begun_at = asyncio.get_running_loop().time()
        task = asyncio.get_running_loop().create_task(self._speak(connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _speak(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(self._begin, connection)
        except OSError:
            connection.close()  # it left while it waited

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now, self._begun = loop.time(), 0
        most = AT_ONCE if now - self._due < LATE_S else 1
        if self._must_rest(now):
            most = 0
        while self._waiting and self._begun < most and loop.time() - now < LATE_S:
            connection, since = self._next()
            if now - since > PATIENCE_S:
                self._let_go(connection)
            else:
                self._hear(connection)
        self._timer = None
        if self._waiting or self._begun:
            self._tick_later(loop)

    def _tick_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + TICK_S
        self._timer = loop.call_at(self._due, self._tick)


class Partings:
    """The connections of one server whose other end said that it is over."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Transport] = deque()

    def add(self, transport: asyncio.Transport) -> None:
        """Close it in its turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._close_some)
        self._waiting.append(transport)

    def _close_some(self) -> None:
        for _ in range(min(PARTINGS_PER_TURN, len(self._waiting))):
            self._waiting.popleft().close()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._close_some)


class PartingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's websockets, of which thousands can end in one instant."""

    partings: Partings

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """True: the transport stays open until it is closed here."""
        self.partings.add(self.transport)
        return True


def parting() -> type[PartingProtocol]:
    """The websocket protocol of one server."""
    return type("Parting", (PartingProtocol,), {"partings": Partings()})

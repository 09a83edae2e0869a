"""New connections at the pace that one loop can serve: what it begins it also ends.

Ten thousand browsers that come back in one second would otherwise all be begun and none be ended
before its browser gives up, and all would begin anew. Here they are taken from the kernel at once,
because who finds its queue full tries again only after 1, 3, 7 and 15 s; but each is begun when
there is time for it, in the order of arrival, and costs a descriptor until then. Who has waited too
long has given up, or soon will, and is let go unheard.

There are two lines. Who asks for a page, or how the process is, does not stand behind a crowd that
comes to stay, and is not held back while that one waits for the database.
"""

import asyncio
import errno
import resource
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from chatbot.realtime import metrics

AT_ONCE: Final = 4  # of each line; of a crowd that comes to stay one: 500 a second
TICK_S: Final = 0.002
LATE_S: Final = 0.010  # a loop that is later than this has enough to do: one of each line a tick
PATIENCE_S: Final = 8.0  # our widget gives up after 10 s
LINE_MAX: Final = 10_000  # both together; nobody knows how long who is beyond it has waited
RESERVED: Final = 500  # descriptors that no connection takes
BUSY_S: Final = 0.020  # between two that come to stay while earlier ones wait for the database
TAKEN_AT_ONCE: Final = 100  # from the kernel, in one turn of the loop
TAKE_AGAIN_S: Final = 1.0
NOTHING_LEFT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
URGENT: Final = b"GET /health/"
TO_STAY: Final = b"GET /socket.io/"
log = structlog.get_logger(__name__)

Waiting = deque[tuple[socket.socket, float]]
"""Connections, and since when."""


class Line:
    """The lines before one listening socket. While few come there are none, and nobody waits."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._is_busy = is_busy
        self._passing: Waiting = deque()
        self._staying: Waiting = deque()
        self._stayed_at = 0.0
        self._due = 0.0
        self._tick_timer: asyncio.TimerHandle | None = None
        self._open_timer: asyncio.TimerHandle | None = None
        self._highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED
        self._is_full = False
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Take connections from now on."""
        self._is_full = False
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._take)

    async def close(self) -> None:
        """Take none any more, let go who waits, and end what has begun to begin: after this nobody
        new turns up.
        """
        asyncio.get_running_loop().remove_reader(self._listener)
        for timer in (self._tick_timer, self._open_timer):
            if timer is not None:
                timer.cancel()
        for line in (self._passing, self._staying):
            while line:
                self._next(line)[0].close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ── Taking ────────────────────────────────────────────────────────────────────────────────────

    def _take(self) -> None:
        self._take_some()
        if self._tick_timer is None:
            self._due = asyncio.get_running_loop().time()
            self._tick()

    def _take_some(self) -> None:
        for _ in range(TAKEN_AT_ONCE):
            if self._length() >= LINE_MAX:
                self._is_full = True
                asyncio.get_running_loop().remove_reader(self._listener)
                return
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in NOTHING_LEFT:
                    raise
                self._take_later(error.errno)
                return
            if connection.fileno() > self._highest > 0:  # numbers are given from below
                self._let_go(connection)
                self._take_later(errno.EMFILE)
                return
            self._arrived(connection)

    def _take_later(self, code: int) -> None:
        """Other connections have to end first; the kernel keeps who comes meanwhile."""
        log.error("no_descriptors", error=errno.errorcode[code])
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._open_timer = loop.call_later(TAKE_AGAIN_S, self.open)

    def _arrived(self, connection: socket.socket) -> None:
        """Into its line by its first words; who has not said any yet may be one who stays."""
        words = _first_words(connection)
        waiting = connection, asyncio.get_running_loop().time()
        if words is None or words.startswith(TO_STAY):
            self._staying.append(waiting)
        elif words.startswith(URGENT):
            self._passing.appendleft(waiting)
        else:
            self._passing.append(waiting)
        metrics.IN_LINE.inc()

    def _length(self) -> int:
        return len(self._passing) + len(self._staying)

    # ── Beginning ─────────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        most = AT_ONCE if now - self._due < LATE_S else 1
        passed = self._begin_some(self._passing, now, most)
        if len(self._staying) > AT_ONCE:
            most = 1
        if self._is_busy():
            most = int(now - self._stayed_at >= BUSY_S)
        stayed = self._begin_some(self._staying, now, most)
        if stayed:
            self._stayed_at = now
        if self._is_full and self._length() < LINE_MAX // 2:
            self.open()
        self._tick_timer = None
        if passed or stayed or self._length():
            self._due = loop.time() + TICK_S
            self._tick_timer = loop.call_at(self._due, self._tick)

    def _begin_some(self, line: Waiting, now: float, most: int) -> int:
        loop, begun = asyncio.get_running_loop(), 0
        while line and begun < most and loop.time() - now < LATE_S:
            connection, since = self._next(line)
            if now - since > PATIENCE_S or _first_words(connection) == b"":
                self._let_go(connection)
            else:
                begun += 1
                self._begin(connection)
        return begun

    def _next(self, line: Waiting) -> tuple[socket.socket, float]:
        metrics.IN_LINE.dec()
        return line.popleft()

    def _let_go(self, connection: socket.socket) -> None:
        metrics.LET_GO.inc()
        connection.close()

    def _begin(self, connection: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()  # it left while it waited


def _first_words(connection: socket.socket) -> bytes | None:
    """What has come by now, left where it is: None when nothing has, empty when the other end is
    gone.
    """
    try:
        return connection.recv(len(TO_STAY), socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""

"""New connections at the pace that one loop can serve: what it has begun it also ends.

Ten thousand browsers that come back in one second would otherwise all be begun and none be ended
before its browser gives up, and all would begin anew. Here a connection is heard when there is time
for it, in the order of arrival; until then its first bytes wait in the kernel. Who has waited too
long has given up, or soon will, and is let go unheard.
"""

import asyncio
from collections import deque
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

AT_ONCE: Final = 4
TICK_S: Final = 0.002
LATE_S: Final = 0.010  # a loop that is later than this has enough to do: one connection a tick
PATIENCE_S: Final = 5.0
LINE_MAX: Final = 10_000


class Pace:
    """The line of one process. While few come there is none, and nobody waits."""

    def __init__(self) -> None:
        self._line: deque[tuple[asyncio.Transport, float]] = deque()
        self._heard = 0
        self._due = 0.0
        self._is_ticking = False

    def arrived(self, transport: asyncio.Transport) -> None:
        """Hear the connection now, or when it is its turn."""
        loop = asyncio.get_running_loop()
        if not self._is_ticking:
            self._is_ticking, self._heard = True, 0
            self._tick_later(loop)
        if self._heard < AT_ONCE and not self._line:
            self._heard += 1
        elif len(self._line) >= LINE_MAX:
            transport.abort()
        else:
            transport.pause_reading()
            self._line.append((transport, loop.time()))

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now, self._heard = loop.time(), 0
        most = AT_ONCE if now - self._due < LATE_S else 1
        while self._line and self._heard < most and loop.time() - now < LATE_S:
            transport, since = self._line.popleft()
            if now - since > PATIENCE_S:
                transport.abort()
            elif not transport.is_closing():
                transport.resume_reading()
                self._heard += 1
        self._is_ticking = bool(self._line or self._heard)
        if self._is_ticking:
            self._tick_later(loop)

    def _tick_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + TICK_S
        loop.call_at(self._due, self._tick)


class PacedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a line before it."""

    pace: Pace

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.pace.arrived(transport)


def paced() -> type[PacedProtocol]:
    """The protocol of one server, with a line of its own."""
    return type("Paced", (PacedProtocol,), {"pace": Pace()})

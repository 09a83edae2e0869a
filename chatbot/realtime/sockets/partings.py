"""Connections that end in one instant are closed a few in each turn of the loop, which would
otherwise close all of them in one.

`Gate` does the same for what comes after: it costs a future for each who waits, and what is called
here cannot wait.
"""

import asyncio
from collections import deque
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

CLOSED_PER_TURN: Final = 40


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
        for _ in range(min(CLOSED_PER_TURN, len(self._waiting))):
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

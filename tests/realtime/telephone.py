"""A bus between nodes of one process: everything goes through JSON, and a line can be cut."""

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec

from chatbot.realtime.nodes.bus import Hearer


class Telephone:
    """The exchange; every node has a line of its own."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def line(self) -> "Line":
        line = Line(self)
        self.lines.append(line)
        return line


class Line:
    """A `chatbot.realtime.nodes.bus.Bus`."""

    def __init__(self, telephone: Telephone) -> None:
        self.is_up = True
        self.said: list[tuple[str, str]] = []
        self._telephone = telephone
        self._followed: Counter[str] = Counter()
        self._hearers: list[tuple[str, Hearer]] = []
        self._room_listeners: list[Callable[[str], None]] = []

    def publish(self, room: str, event: str, data: object) -> None:
        self.said.append((room, event))
        if not self.is_up:
            return
        body = msgspec.json.encode(data)
        for line in self._telephone.lines:
            if line is not self:
                asyncio.get_running_loop().call_soon(line.take, room, event, body)

    def take(self, room: str, event: str, body: bytes) -> None:
        if not self.is_up or room not in self._followed:
            return
        for name, hearer in self._hearers:
            if name == event:
                hearer(room, msgspec.Raw(body))

    def follow(self, room: str) -> None:
        self._followed[room] += 1
        if self._followed[room] == 1:
            for callback in self._room_listeners:
                asyncio.get_running_loop().call_soon(callback, room)

    def unfollow(self, room: str) -> None:
        self._followed[room] -= 1
        if not self._followed[room]:
            del self._followed[room]

    def listen(self, event: str, hearer: Hearer) -> None:
        self._hearers.append((event, hearer))

    def listen_for_rooms(self, callback: Callable[[str], None]) -> None:
        self._room_listeners.append(callback)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

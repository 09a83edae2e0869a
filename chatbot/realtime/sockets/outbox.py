"""What waits for one socket: bounded in frames and bytes, and as light as ten thousand of them must
be.
"""

import asyncio
from collections.abc import Callable

from engineio import packet as engine


class Message(engine.Packet):
    """One Socket.IO packet, for any number of sockets. The library's own class keeps a text twice:
    as it came, and encoded.
    """

    def __init__(self, text: str) -> None:
        super().__init__(engine.MESSAGE)
        self.encoded = f"{engine.MESSAGE}{text}"

    def encode(self, b64: bool = False) -> str:
        return self.encoded


class Outbox:
    """Stands where engineio would use an `asyncio.Queue`, with one reader: the socket's writer.

    Beyond its bounds it drops all, keeps one goodbye, and takes no more. A queue of asyncio costs
    3 KB while it is empty, and a task for every wait with a timeout: `get` gives a plain future.
    """

    __slots__ = (
        "_bytes",
        "_bytes_max",
        "_emptied",
        "_frames_max",
        "_getter",
        "_items",
        "_over",
        "goodbye",
    )

    def __init__(self, frames_max: int, bytes_max: int) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._over = False
        self._items: list[engine.Packet | None] = []
        self._getter: asyncio.Future[engine.Packet | None] | None = None
        self._emptied: asyncio.Future[None] | None = None
        self.goodbye: Callable[[], engine.Packet | None] | None = None
        """Called once, when the socket turns out too slow: ends it, and gives the last packet for
        it.
        """

    def put_nowait(self, item: engine.Packet | None) -> None:
        """Add a packet; None is the end, which the writer of the socket always hears."""
        if item is None or not (self._over or self._is_full(item)):
            self._add(item)
        elif not self._over:
            self._over = True
            self._items.clear()
            self._bytes = 0
            self._add(self.goodbye() if self.goodbye else None)
            self._add(None)

    async def put(self, item: engine.Packet | None) -> None:
        """`put_nowait`: nothing here waits for a slow reader."""
        self.put_nowait(item)

    def get(self) -> "asyncio.Future[engine.Packet | None]":
        """The next packet, once there is one."""
        found = asyncio.get_running_loop().create_future()
        if self._items:
            found.set_result(self.get_nowait())
        else:
            self._getter = found
        return found

    def get_nowait(self) -> engine.Packet | None:
        """The next packet. Raises asyncio.QueueEmpty."""
        if not self._items:
            raise asyncio.QueueEmpty
        item = self._items.pop(0)
        self._bytes -= _size(item)
        if not self._items and self._emptied is not None:
            self._emptied.set_result(None)
            self._emptied = None
        return item

    def qsize(self) -> int:
        return len(self._items)

    def empty(self) -> bool:
        return not self._items

    def task_done(self) -> None:
        """Part of the interface of a queue; what was taken counts as done."""

    async def join(self) -> None:
        """Until nothing waits any more."""
        while self._items:
            self._emptied = self._emptied or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._emptied)

    def _is_full(self, item: engine.Packet) -> bool:
        return len(self._items) >= self._frames_max or self._bytes + _size(item) > self._bytes_max

    def _add(self, item: engine.Packet | None) -> None:
        getter, self._getter = self._getter, None
        if getter is not None and not getter.done():
            getter.set_result(item)
            return
        self._items.append(item)
        self._bytes += _size(item)


def _size(item: engine.Packet | None) -> int:
    if isinstance(item, Message):
        return len(item.encoded)
    return len(item.data) if item is not None and isinstance(item.data, str) else 0

"""Rooms and queues of this process's sockets: python-socketio's manager with three weak spots
mended.

Read in 5.18.1: a disconnect scans every room, an emit makes a task for every recipient, and the
queue of
a client that does not read grows without end. Here a socket knows its rooms, a packet is put
straight
into the queues, and a queue is bounded.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Generator
from typing import Any

import msgspec
from engineio import packet as engine
from socketio import AsyncManager

QUEUE_BYTES_MAX = 1_000_000


class Json:
    """What python-socketio wants of a JSON module. Structs, UUIDs and times need no step before."""

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return msgspec.json.decode(text)


class Outbox(asyncio.Queue[engine.Packet | None]):
    """What waits for one socket. Beyond its bounds it drops all, keeps one goodbye, and takes no
    more.
    """

    def __init__(self, frames_max: int, bytes_max: int = QUEUE_BYTES_MAX) -> None:
        super().__init__()
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._over = False
        self.goodbye: Callable[[], engine.Packet | None] = lambda: None
        """Called once, when the socket turns out too slow: ends it, and gives the last packet for
        it.
        """

    def put_nowait(self, item: engine.Packet | None) -> None:
        if item is None or not (self._over or self._is_full(item)):
            super().put_nowait(item)  # None is the end: the writer of the socket always hears it
        elif not self._over:
            self._over = True
            while not self.empty():
                self.get_nowait()
                self.task_done()
            super().put_nowait(self.goodbye())
            super().put_nowait(None)

    def _is_full(self, item: engine.Packet) -> bool:
        return self.qsize() >= self._frames_max or self._bytes + _size(item) > self._bytes_max

    def _get(self) -> engine.Packet | None:
        item = super()._get()
        self._bytes -= _size(item)
        return item

    def _put(self, item: engine.Packet | None) -> None:
        super()._put(item)
        self._bytes += _size(item)


class Rooms(AsyncManager):
    """`rooms[namespace][room][sid] = eio_sid`, as in the class above, and each socket's own rooms
    beside.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rooms_of: defaultdict[tuple[str, str], set[str | None]] = defaultdict(set)

    def deliver(
        self, event: str, data: object, *, namespace: str, room: str, skip: str | None = None
    ) -> None:
        """Put one packet into the queue of every socket of `room`. Never waits."""
        members = self.rooms.get(namespace, {}).get(room)
        if not members:
            return
        text = f"2{namespace},{Json.dumps([event, data])}"
        packet = engine.Packet(engine.MESSAGE, text)
        for sid, eio_sid in list(members.items()):
            if sid != skip:
                self._put(eio_sid, packet)

    async def emit(  # noqa: PLR0917 - the signature of the library
        self,
        event: str,
        data: object,
        namespace: str,
        room: str | None = None,
        skip_sid: str | None = None,
        callback: object = None,
        to: str | None = None,
        **kwargs: object,
    ) -> None:
        """As in the library, but to a room or a socket only: without one it would reach every
        organisation.
        """
        target = to or room
        if not target:
            raise ValueError("emit needs a room or a socket to send to")
        if callback is not None:
            raise ValueError("the server asks clients for no acknowledgement")
        self.deliver(event, data, namespace=namespace, room=target, skip=skip_sid)

    def rooms_of(self, sid: str, namespace: str) -> list[str]:
        """The rooms that a socket entered, without its own."""
        entered = self._rooms_of.get((namespace, sid), ())
        return [room for room in entered if room is not None and room != sid]

    def sids(self, room: str, namespace: str) -> list[str]:
        """The sockets of a room."""
        return list(self.rooms.get(namespace, {}).get(room, ()))

    def all_sids(self, namespace: str) -> list[str]:
        """Every socket of a namespace."""
        return list(self.rooms.get(namespace, {}).get(None, ()))

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        return [room for room in self._rooms_of.get((namespace, sid), ()) if room is not None]

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of[namespace, sid].add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        super().basic_leave_room(sid, namespace, room)
        entered = self._rooms_of.get((namespace, sid))
        if entered is not None:
            entered.discard(room)
            if not entered:
                del self._rooms_of[namespace, sid]

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: object) -> None:
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            waiting = pending.get(namespace, [])
            if sid in waiting:
                waiting.remove(sid)
                if not waiting:
                    del pending[namespace]

    def get_participants(self, namespace: str, room: str) -> Generator[tuple[str, str], None, None]:
        yield from list(self.rooms.get(namespace, {}).get(room, {}).items())

    def _put(self, eio_sid: str, packet: engine.Packet) -> None:
        engine_server: Any = self.server.eio  # pyright: ignore[reportOptionalMemberAccess]
        socket = engine_server.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            socket.queue.put_nowait(packet)


def _size(item: engine.Packet | None) -> int:
    return len(item.data) if item is not None and isinstance(item.data, str) else 0

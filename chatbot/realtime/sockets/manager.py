"""Rooms of this process's sockets: python-socketio's manager with its weak spots mended.

Read in 5.18.1: a disconnect scans every room, an emit makes a task for every recipient, who is
connecting stands in a list that every event looks through, and each room keeps itself twice. Here
a socket knows its rooms, a packet is put straight into the queues, and a room is a plain dict.
"""

from collections import defaultdict
from collections.abc import Generator
from typing import Any

import msgspec
from engineio import packet as engine
from socketio import AsyncManager
from socketio.packet import EVENT

from chatbot.realtime.sockets.outbox import Message

EARLY_MAX = 256  # packets kept for one topic while a socket's right to it is asked for


class Json:
    """What python-socketio wants of a JSON module. Structs, UUIDs and times need no step before."""

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: object) -> Any:
        return msgspec.json.decode(text)


def packet(namespace: str, event: str, data: object) -> Message:
    """One event as it goes to any number of sockets: encoded once."""
    return Message(f"{EVENT}{namespace},{Json.dumps([event, data])}")


class Rooms(AsyncManager):
    """`rooms[namespace][room][sid] = eio_sid`, as in the library, and beside it each socket's own
    rooms. Room None is everybody; a socket's own name is no room, but can be delivered to.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rooms_of: defaultdict[tuple[str, str], set[str | None]] = defaultdict(set)
        self._sid_of: dict[tuple[str, str], str] = {}  # (namespace, eio_sid) → sid
        self._between: set[str] = set()  # sids that are connecting or disconnecting
        self._listening: dict[tuple[str, str], list[list[engine.Packet]]] = {}

    def deliver(
        self, event: str, data: object, *, namespace: str, room: str, skip: str | None = None
    ) -> None:
        """Put one packet into the queue of every socket of `room`, or of the socket of that name.
        Never waits.
        """
        rooms = self.rooms.get(namespace, {})
        members = rooms.get(room) or _alone(rooms.get(None), room)
        early = self._listening.get((namespace, room))
        if not members and not early:
            return
        message = packet(namespace, event, data)
        for heard in early or ():
            if len(heard) <= EARLY_MAX:  # one more than kept: its reader sees that it is not all
                heard.append(message)
        for sid, eio_sid in list(members.items()):
            if sid != skip:
                self.put(eio_sid, message)

    def put(self, eio_sid: str, message: engine.Packet) -> None:
        """Into the queue of one connection, if it still stands."""
        socket = self._engine.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            socket.queue.put_nowait(message)

    @property
    def _engine(self) -> Any:
        return self.server.eio  # pyright: ignore[reportOptionalMemberAccess]

    def has_listeners(self, room: str) -> bool:
        """Whether any socket hears the room, or may in a moment (it is being asked)."""
        return any(
            room in rooms or (namespace, room) in self._listening
            for namespace, rooms in self.rooms.items()
        )

    def listen_early(self, namespace: str, room: str) -> list[engine.Packet]:
        """Keep what is delivered to the room from now on, for a socket that may be let in; until
        `stop_listening`.
        """
        heard: list[engine.Packet] = []
        self._listening.setdefault((namespace, room), []).append(heard)
        return heard

    def stop_listening(self, namespace: str, room: str, heard: list[engine.Packet]) -> None:
        """The end of `listen_early`."""
        others = [each for each in self._listening[namespace, room] if each is not heard]
        if others:
            self._listening[namespace, room] = others
        else:
            del self._listening[namespace, room]

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
        """The rooms that a socket entered."""
        entered = self._rooms_of.get((namespace, sid), ())
        return [room for room in entered if room is not None]

    def sids(self, room: str, namespace: str) -> list[str]:
        """The sockets of a room."""
        return list(self.rooms.get(namespace, {}).get(room, ()))

    def all_sids(self, namespace: str) -> list[str]:
        """Every socket of a namespace."""
        return list(self.rooms.get(namespace, {}).get(None, ()))

    # ── What the library calls ────────────────────────────────────────────────────────────────────

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        if (namespace, eio_sid) in self._sid_of:
            return None  # it is connected already
        sid: str = self._engine.generate_id()
        self._sid_of[namespace, eio_sid] = sid
        self._between.add(sid)
        self.basic_enter_room(sid, namespace, None, eio_sid=eio_sid)
        return sid

    async def connect(self, sid: str, namespace: str) -> str:
        self._between.discard(sid)
        return sid

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        if sid is None or sid in self._between:
            return False
        return sid in self.rooms.get(namespace, {}).get(None, {})

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        self._between.add(sid)
        return self.eio_sid_from_sid(sid, namespace)

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return self._sid_of.get((namespace, eio_sid))

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        return self.rooms.get(namespace, {}).get(None, {}).get(sid)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        return self.rooms_of(sid, namespace)

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        found = eio_sid or self.eio_sid_from_sid(sid, namespace)
        if found is None:
            raise ValueError("sid is not connected to requested namespace")
        self.rooms.setdefault(namespace, {}).setdefault(room, {})[sid] = found
        self._rooms_of[namespace, sid].add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        super().basic_leave_room(sid, namespace, room)
        entered = self._rooms_of.get((namespace, sid))
        if entered is not None:
            entered.discard(room)
            if not entered:
                del self._rooms_of[namespace, sid]

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: object) -> None:
        eio_sid = self.eio_sid_from_sid(sid, namespace)
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        if eio_sid is not None:
            self._sid_of.pop((namespace, eio_sid), None)
        self._between.discard(sid)

    def get_participants(self, namespace: str, room: str) -> Generator[tuple[str, str], None, None]:
        yield from list(self.rooms.get(namespace, {}).get(room, {}).items())


def _alone(everybody: dict[str, str] | None, sid: str) -> dict[str, str]:
    eio_sid = everybody.get(sid) if everybody else None
    return {sid: eio_sid} if eio_sid else {}

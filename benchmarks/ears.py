"""Many sockets that listen, in a process of their own and as light as they can be: a few bytes of
WebSocket (RFC 6455) and Socket.IO read by hand, for a library would cost more than the server.
"""

import asyncio
import re
import resource
import time
from array import array
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.child import until_closed
from benchmarks.websocket import CLOSE, PING, PONG, TEXT, frame, handshake

CONNECTING_AT_ONCE = 40
CONNECT_S_MAX = 20
FILES_WANTED = 20_000
_SENT_AT = re.compile(rb'"at_id":"(\d+)"')


class Seat(NamedTuple):
    """Where one socket sits: whose token it shows, and what it subscribes."""

    token: str
    origin: str
    topic: str


class Ear(asyncio.Protocol):
    """One socket in `/visitor`. `ready` when it subscribed; then it notes how late signals are."""

    def __init__(self, host: str, seat: Seat, late_ns: "array[int]") -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._host = host
        self._seat = seat
        self._late_ns = late_ns
        self._bytes = b""
        self._upgraded = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(handshake(self._host, self._seat.origin))

    def data_received(self, data: bytes) -> None:
        data = self._bytes + data
        if not self._upgraded:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._bytes = data
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(head.decode(errors="replace"))
                return
            self._upgraded, data = True, rest
        self._bytes = self._read_frames(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")

    def _read_frames(self, data: bytes) -> bytes:
        """Handle every whole frame; give back what is left. A server's frames are not masked."""
        at = 0
        while len(data) - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if len(data) < at + 4:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                raise ValueError("a frame of more than 64 KiB")
            if len(data) < start + length:
                break
            self._heard(data[at] & 15, data[start : start + length])
            at = start + length
        return data[at:]

    def _heard(self, kind: int, payload: bytes) -> None:
        if kind == PING:
            self._send(payload, PONG)
        elif kind == CLOSE:
            self._transport.close()
        elif payload.startswith(b'42/visitor,["signal"'):
            if (found := _SENT_AT.search(payload)) and (sent_at := int(found[1])):
                self._late_ns.append(time.monotonic_ns() - sent_at)
        elif payload == b"2":
            self._send(b"3")
        elif payload.startswith(b"0"):
            self._send(b"40/visitor," + msgspec.json.encode({"token": self._seat.token}))
        elif payload.startswith(b"40/visitor"):
            asked = ["subscribe", {"topics": [self._seat.topic]}]
            self._send(b"42/visitor,1" + msgspec.json.encode(asked))
        elif payload.startswith(b"43/visitor,1") and b'"ok"' in payload:
            self.ready.set_result(None)
        else:
            self._fail(payload.decode(errors="replace"))

    def _send(self, payload: bytes, kind: int = TEXT) -> None:
        self._transport.write(frame(payload, kind))

    def _fail(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why[:200]))


def listen(pipe: Connection, url: str, seats: Sequence[Seat]) -> None:
    """Say how many sockets listen; answer `late` with the delays (ns) since the last such word, and
    leave when the pipe is closed.
    """
    uvloop.run(_listen(pipe, url, seats))


async def _listen(pipe: Connection, url: str, seats: Sequence[Seat]) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_WANTED, most), most))
    late_ns: array[int] = array("q")
    turns = asyncio.Semaphore(CONNECTING_AT_ONCE)
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80

    async def sit(seat: Seat) -> None:
        async with turns, asyncio.timeout(CONNECT_S_MAX):
            make = asyncio.get_running_loop().create_connection
            _, ear = await make(lambda: Ear(address.netloc, seat, late_ns), host, port)
            await ear.ready

    def answer(_word: str) -> "array[int]":
        said = array("q", late_ns)
        del late_ns[:]
        return said

    async with asyncio.TaskGroup() as work:
        for seat in seats:
            work.create_task(sit(seat))
    closed = until_closed(pipe, answer)
    pipe.send(len(seats))
    await closed.wait()

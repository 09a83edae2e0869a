"""Many visitors' sockets in one light process: bare frames, no library, the widget's way of coming
back.
"""

import asyncio
import os
import random
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.child import until_closed
from benchmarks.websocket import CLOSE, PING, PONG, TEXT, frame, handshake

FIRST_WAIT_S: Final = 0.5
WAIT_S_MAX: Final = 15.0
GIVE_UP_S: Final = 10.0  # as the widget
_OF_BROWSERS: Final = (  # what the server has to keep or to throw away
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "Accept-Encoding: gzip, deflate, br",
    "Accept-Language: en-GB,en;q=0.9",
)


class Talk(msgspec.Struct, frozen=True):
    """What one visitor's socket needs: its token, its topics, and on which of them it shows that
    it is there.
    """

    token: str
    topics: list[str]
    present_on: str


class State(msgspec.Struct):
    """How a crowd is doing: sockets that hear their topics, codes they were refused with, and how
    long after the word `connect` each was in (seconds).
    """

    joined: int
    refused: dict[str, int]
    after_s: list[float]


def run(pipe: Connection, url: str, origin: str, talks: list[Talk]) -> None:
    """Answer `connect`, `drop`, `state` with a State, and leave when the pipe is closed."""
    uvloop.run(_run(pipe, url, origin, talks))


async def _run(pipe: Connection, url: str, origin: str, talks: list[Talk]) -> None:
    crowd = Crowd(url, origin, talks)

    def answer(word: str) -> State:
        if word == "connect":
            crowd.connect()
        elif word == "drop":
            crowd.drop()
        return crowd.state()

    pipe.send(os.getpid())
    await until_closed(pipe, answer).wait()
    crowd.drop()


class Crowd:
    """All sockets of one process. They come at once, and come back until they are in."""

    def __init__(self, url: str, origin: str, talks: list[Talk]) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.origin = parts.hostname or "", parts.port or 80, origin
        self._guests = [Guest(self, talk) for talk in talks]
        self._refused: Counter[str] = Counter()
        self._after_s: list[float] = []
        self._began = 0.0
        self.wanted = False

    def connect(self) -> None:
        """Every socket that is not in tries to be."""
        self._began = asyncio.get_running_loop().time()
        self._after_s, self._refused, self.wanted = [], Counter(), True
        for guest in self._guests:
            guest.come(random.random() * FIRST_WAIT_S)

    def drop(self) -> None:
        """All leave without a word."""
        self.wanted = False
        for guest in self._guests:
            guest.vanish()

    def state(self) -> State:
        joined = sum(guest.joined for guest in self._guests)
        return State(joined, dict(self._refused), self._after_s)

    def came_in(self) -> None:
        self._after_s.append(asyncio.get_running_loop().time() - self._began)

    def was_refused(self, code: str) -> None:
        self._refused[code] += 1


class Guest(asyncio.Protocol):
    """One socket: connects, proves itself, subscribes with its last cursor, shows that it is there,
    answers pings.
    """

    def __init__(self, crowd: Crowd, talk: Talk) -> None:
        self.joined = False
        self._crowd = crowd
        self._talk = talk
        self._cursor: dict[str, str] | None = None
        self._transport: Any = None
        self._buffer = b""
        self._attempt = 0
        self._wait_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def come(self, after_s: float) -> None:
        """Try after that time."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(after_s, lambda: loop.create_task(self._try()))

    def vanish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport, self._buffer, self._wait_s = transport, b"", 0.0
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(GIVE_UP_S, self._refuse, "silence", 0)
        transport.write(handshake(self._crowd.host, self._crowd.origin, *_OF_BROWSERS))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._buffer.startswith(b"HTTP"):
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head[:16]:
                self._refuse("handshake", 0)
                return
            self._buffer = rest
        while self._buffer and (found := _first_frame(self._buffer)):
            kind, text, self._buffer = found
            self._hear(kind, text)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self.joined = None, False
        if self._timer is not None:
            self._timer.cancel()
        if self._crowd.wanted:
            self.come(self._wait_s + self._later())

    async def _try(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._crowd.wanted or self._transport is not None:
            return
        try:
            await loop.create_connection(lambda: self, self._crowd.host, self._crowd.port)
        except OSError:
            self._crowd.was_refused("network")
            self.come(self._later())

    def _hear(self, kind: int, text: bytes) -> None:
        if kind == CLOSE:
            self._transport.abort()
        elif kind == PING:
            self._send(text.decode(), PONG)
        elif text == b"2":
            self._send("3")
        elif text.startswith(b"0"):
            self._send("40/visitor," + msgspec.json.encode({"token": self._talk.token}).decode())
        elif text.startswith(b"40"):
            cursor = {"cursor": self._cursor} if self._cursor else {}
            asked = ["subscribe", {"topics": self._talk.topics} | cursor]
            self._send("42/visitor,1" + msgspec.json.encode(asked).decode())
        elif text.startswith(b"43/visitor,1"):
            self._hear_topics(msgspec.json.decode(text[12:])[0])
        elif text.startswith(b"43/visitor,2"):
            self._hear_presence(msgspec.json.decode(text[12:])[0])
        elif text.startswith(b"44"):
            error = msgspec.json.decode(text.partition(b",")[2])["data"]
            self._refuse(error["code"], error.get("retry_after_s", 0))

    def _hear_topics(self, answer: dict[str, Any]) -> None:
        if self._left_if_refused(answer):
            return
        if set(answer["topics"].values()) != {"ok"} or answer["reset"]:
            self._refuse("reset" if answer["reset"] else "topic", 0)
            return
        self._cursor = {"epoch": answer["epoch"], "cur": answer["cur"]}
        asked = ["presence", {"topic": self._talk.present_on, "state": {"viewing": True}}]
        self._send("42/visitor,2" + msgspec.json.encode(asked).decode())

    def _hear_presence(self, answer: dict[str, Any]) -> None:
        if self._left_if_refused(answer):
            return
        self._attempt, self.joined = 0, True
        if self._timer is not None:
            self._timer.cancel()
        self._crowd.came_in()

    def _left_if_refused(self, answer: dict[str, Any]) -> bool:
        error = answer.get("error")
        if error is not None:
            self._refuse(error["code"], error.get("retry_after_s", 0))
        return error is not None

    def _refuse(self, code: str, retry_after_s: float) -> None:
        self._crowd.was_refused(code)
        self._wait_s = retry_after_s
        if self._transport is not None:
            self._transport.abort()

    def _later(self) -> float:
        """0.5 s, doubled each time, up to 15 s; half of it by chance."""
        full = min(WAIT_S_MAX, FIRST_WAIT_S * 2**self._attempt)
        self._attempt += 1
        return full * (0.5 + random.random())

    def _send(self, text: str, kind: int = TEXT) -> None:
        self._transport.write(frame(text.encode(), kind))


def _first_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode, payload and the rest; None when it is not all here. Servers do not mask."""
    if len(data) < 2:
        return None
    size, start = data[1], 2
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(data[2:10], "big"), 10
    end = start + size
    if len(data) < start or len(data) < end:
        return None
    return data[0] & 0x0F, data[start:end], data[end:]

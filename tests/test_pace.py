"""The line before a listening socket, and the way out of those who leave together."""

# pyright: reportPrivateUsage=false

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from chatbot import pace
from chatbot.pace import IsBusy, Line, Partings, never


class Shop:
    """A listening socket with a line before it: who was heard, by the port they came from."""

    def __init__(self, listener: socket.socket, is_busy: IsBusy) -> None:
        self.heard: list[int] = []
        self._listener = listener
        self._guests: list[socket.socket] = []
        self.line = Line(listener, lambda: Clerk(self.heard), is_busy)

    def come(self, count: int) -> list[int]:
        """So many connect, one after the other; the ports they came from."""
        address = self._listener.getsockname()
        guests = [socket.create_connection(address, timeout=5) for _ in range(count)]
        self._guests += guests
        return [guest.getsockname()[1] for guest in guests]

    async def sent_away(self) -> list[int]:
        """The ports of those whose connection was ended, once the loop had time."""
        await asyncio.sleep(0.05)
        return [guest.getsockname()[1] for guest in self._guests if _has_ended(guest)]

    def close(self) -> None:
        self.line.close()
        for each in (self._listener, *self._guests):
            each.close()


class Clerk(asyncio.Protocol):
    def __init__(self, heard: list[int]) -> None:
        self._heard = heard

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._heard.append(transport.get_extra_info("peername")[1])


def _has_ended(guest: socket.socket) -> bool:
    guest.setblocking(False)
    try:
        return guest.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@contextlib.asynccontextmanager
async def opened(
    listener: socket.socket | None = None, is_busy: IsBusy = never
) -> AsyncGenerator[Shop]:
    shop = Shop(listener or socket.create_server(("127.0.0.1", 0)), is_busy)
    shop.line.open()
    try:
        yield shop
    finally:
        shop.close()


async def until_heard(shop: Shop, count: int) -> None:
    async with asyncio.timeout(5):
        while len(shop.heard) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_few_connections_are_heard_at_once_and_a_crowd_in_its_order() -> None:
    async with opened() as shop:
        ports = shop.come(pace.AT_ONCE + 60)

        await until_heard(shop, len(ports))

        assert shop.heard == ports


async def test_a_crowd_waits_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TICK_S", 60.0)
    async with opened() as shop:
        ports = shop.come(pace.AT_ONCE + 20)

        assert await shop.sent_away() == []
        assert shop.heard == ports[: pace.AT_ONCE]


async def test_who_waited_too_long_is_let_go_unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PATIENCE_S", -1.0)
    async with opened() as shop:
        ports = shop.come(pace.AT_ONCE + 3)

        assert await shop.sent_away() == ports[pace.AT_ONCE :]
        assert shop.heard == ports[: pace.AT_ONCE]


async def test_a_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LINE_MAX", 3)
    monkeypatch.setattr(pace, "TICK_S", 60.0)
    async with opened() as shop:
        ports = shop.come(pace.AT_ONCE + 5)

        assert await shop.sent_away() == ports[-2:]


async def test_while_enough_is_begun_one_is_let_in_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "BUSY_S", 60.0)
    busy = True
    async with opened(is_busy=lambda: busy) as shop:
        ports = shop.come(6)

        assert await shop.sent_away() == []
        assert shop.heard == ports[:1]
        busy = False
        await until_heard(shop, len(ports))
        assert shop.heard == ports


async def test_a_server_without_descriptors_takes_connections_again_a_little_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "TAKE_AGAIN_S", 0.01)
    refusals = iter([OSError(errno.EMFILE, "too many"), ConnectionAbortedError()])

    class Full(socket.socket):
        def accept(self) -> Any:
            for refusal in refusals:
                raise refusal
            return super().accept()

    listener = Full()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    async with opened(listener) as shop:
        ports = shop.come(2)

        await until_heard(shop, 2)

        assert shop.heard == ports


async def test_who_waits_when_the_server_leaves_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TICK_S", 60.0)
    async with opened() as shop:
        ports = shop.come(pace.AT_ONCE + 2)
        await until_heard(shop, pace.AT_ONCE)

        shop.line.close()

        assert await shop.sent_away() == ports[pace.AT_ONCE :]


async def test_those_who_leave_together_are_let_go_a_few_in_each_turn_of_the_loop() -> None:
    closed, turns = list[int](), list[int]()
    loop = asyncio.get_running_loop()
    count = 3 * pace.PARTINGS_PER_TURN

    class Leaving:
        def __init__(self, number: int) -> None:
            self.number = number

        def close(self) -> None:
            closed.append(self.number)

    def watch() -> None:
        turns.append(len(closed))
        if len(closed) < count:
            loop.call_soon(watch)

    partings = Partings()
    for number in range(count):
        partings.add(cast("asyncio.Transport", Leaving(number)))
    loop.call_soon(watch)
    async with asyncio.timeout(5):
        while len(closed) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)

    assert closed == list(range(count))
    steps = [after - before for before, after in zip([0, *turns], turns, strict=False)]
    assert max(steps) <= pace.PARTINGS_PER_TURN

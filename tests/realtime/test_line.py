"""The line before a listening socket, and the way out of those who leave together."""

# pyright: reportPrivateUsage=false

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import pytest

from chatbot.realtime.sockets import line, partings
from chatbot.realtime.sockets.line import Line
from chatbot.realtime.sockets.partings import Partings

IsBusy = Callable[[], bool]
STAY = line.TO_STAY + b"?EIO=4&transport=websocket HTTP/1.1\r\n"


class Shop:
    """A listening socket with a line before it: who was heard, by the port they came from."""

    def __init__(self, listener: socket.socket, is_busy: IsBusy) -> None:
        self.heard: list[int] = []
        self._listener = listener
        self._guests: list[socket.socket] = []
        self._clerks: list[Clerk] = []
        self.line = Line(listener, self._clerk, is_busy)

    def come(self, count: int, words: bytes = b"") -> list[int]:
        """So many connect and say that, one after the other; the ports they came from."""
        address = self._listener.getsockname()
        guests = [socket.create_connection(address, timeout=5) for _ in range(count)]
        for guest in guests:
            guest.sendall(words)
        self._guests += guests
        return [guest.getsockname()[1] for guest in guests]

    def leave_again(self, count: int) -> None:
        """So many connect and go at once."""
        for _ in range(count):
            socket.create_connection(self._listener.getsockname(), timeout=5).close()

    async def sent_away(self) -> list[int]:
        """The ports of those whose connection was ended, once the loop had time."""
        await asyncio.sleep(0.05)
        return [guest.getsockname()[1] for guest in self._guests if _has_ended(guest)]

    async def close(self) -> None:
        await self.line.close()
        for each in (self._listener, *self._guests):
            each.close()
        for clerk in self._clerks:
            clerk.hang_up()
        await asyncio.sleep(0)

    def _clerk(self) -> "Clerk":
        self._clerks.append(Clerk(self.heard))
        return self._clerks[-1]


class Clerk(asyncio.Protocol):
    def __init__(self, heard: list[int]) -> None:
        self._heard = heard
        self._transport: asyncio.Transport | None = None

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
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
    listener: socket.socket | None = None, is_busy: IsBusy = lambda: False
) -> AsyncGenerator[Shop]:
    shop = Shop(listener or socket.create_server(("127.0.0.1", 0)), is_busy)
    shop.line.open()
    try:
        yield shop
    finally:
        await shop.close()


async def until_heard(shop: Shop, count: int) -> None:
    async with asyncio.timeout(5):
        while len(shop.heard) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_few_connections_are_heard_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "TICK_S", 60.0)
    async with opened() as shop:
        ports = shop.come(line.AT_ONCE, STAY)

        await until_heard(shop, len(ports))

        assert shop.heard == ports


async def test_a_crowd_is_heard_in_the_order_of_arrival() -> None:
    async with opened() as shop:
        ports = shop.come(60, STAY)

        await until_heard(shop, len(ports))

        assert shop.heard == ports


async def test_a_crowd_waits_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "TICK_S", 60.0)
    async with opened() as shop:
        ports = shop.come(line.AT_ONCE + 20, STAY)

        sent_away = await shop.sent_away()

        assert sent_away == []
        assert shop.heard == ports[:1]


async def test_who_waited_too_long_is_let_go_unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "PATIENCE_S", -1.0)
    async with opened() as shop:
        ports = shop.come(3, STAY)

        sent_away = await shop.sent_away()

        assert sent_away == ports
        assert shop.heard == []


async def test_who_left_while_waiting_takes_nobodys_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "BUSY_S", 60.0)
    async with opened(is_busy=lambda: True) as shop:
        shop.leave_again(50)
        [port] = shop.come(1, STAY)

        await until_heard(shop, 1)

        assert shop.heard == [port]


async def test_a_full_line_leaves_the_others_to_the_kernel_until_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "LINE_MAX", 6)
    monkeypatch.setattr(line, "BUSY_S", 60.0)
    busy = True
    async with opened(is_busy=lambda: busy) as shop:
        ports = shop.come(20, STAY)

        sent_away = await shop.sent_away()
        waiting = shop.line._length()
        busy = False
        await until_heard(shop, len(ports))

        assert sent_away == []
        assert waiting <= 6
        assert shop.heard == ports


async def test_while_enough_is_begun_one_is_let_in_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "BUSY_S", 60.0)
    busy = True
    async with opened(is_busy=lambda: busy) as shop:
        ports = shop.come(8, STAY)

        await shop.sent_away()
        at_first = list(shop.heard)
        shop.line._stayed_at -= 60.0
        await shop.sent_away()
        then = list(shop.heard)
        busy = False
        await until_heard(shop, len(ports))

        assert at_first == ports[:1]
        assert then == ports[:2]
        assert shop.heard == ports


async def test_who_does_not_come_to_stay_is_not_held_back_by_those_who_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "BUSY_S", 60.0)
    async with opened(is_busy=lambda: True) as shop:
        stay = shop.come(9, STAY)
        page = shop.come(2, b"GET /w/v1/loader.js HTTP/1.1\r\n")
        health = shop.come(1, b"GET /health/live HTTP/1.1\r\n")

        await until_heard(shop, 4)
        await shop.sent_away()

        assert set(shop.heard) == {*stay[:1], *page, *health}
        assert shop.heard.index(*health) < shop.heard.index(page[0])


async def test_some_descriptors_are_left_for_other_things(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "TAKE_AGAIN_S", 60.0)
    with socket.socket() as next_free:
        number = next_free.fileno()
    monkeypatch.setattr(resource, "getrlimit", lambda *_: (number + 30 + line.RESERVED, -1))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    async with opened() as shop:
        ports = shop.come(30, STAY)

        sent_away = await shop.sent_away()

        assert len(sent_away) == 1
        assert len(shop.heard) < len(ports) - 1


async def test_a_server_without_descriptors_takes_connections_again_a_little_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "TAKE_AGAIN_S", 0.01)
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
    monkeypatch.setattr(line, "TICK_S", 60.0)
    async with opened() as shop:
        ports = shop.come(line.AT_ONCE + 2, STAY)
        await until_heard(shop, 1)

        await shop.line.close()

        assert await shop.sent_away() == ports[1:]


async def test_those_who_leave_together_are_let_go_a_few_in_each_turn_of_the_loop() -> None:
    closed, turns = list[int](), list[int]()
    loop = asyncio.get_running_loop()
    count = 3 * partings.CLOSED_PER_TURN

    class Leaving:
        def __init__(self, number: int) -> None:
            self.number = number

        def close(self) -> None:
            closed.append(self.number)

    def watch() -> None:
        turns.append(len(closed))
        if len(closed) < count:
            loop.call_soon(watch)

    leaving = Partings()
    for number in range(count):
        leaving.add(cast("asyncio.Transport", Leaving(number)))
    loop.call_soon(watch)
    async with asyncio.timeout(5):
        while len(closed) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)

    assert closed == list(range(count))
    steps = [after - before for before, after in zip([0, *turns], turns, strict=False)]
    assert max(steps) <= partings.CLOSED_PER_TURN

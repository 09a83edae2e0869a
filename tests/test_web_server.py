"""The web server as we run it, on both event loops: connections that end, and the way down."""

import asyncio
import contextlib
import socket
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvicorn
import uvloop

from chatbot.serving import HURRY_AFTER_S, Leaving, WebServer

Run = Callable[[Coroutine[Any, Any, None]], None]
HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {b64encode(b'0' * 16).decode()}\r\n\r\n"
).encode()
SOON_S = 5.0  # and never in a moment, if it is never closed


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Takes every websocket, and reads until it ends."""
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


@contextlib.asynccontextmanager
async def serving() -> AsyncGenerator[tuple[WebServer, tuple[str, int]]]:
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    server = WebServer(app, shutdown_s=60)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server, address
    server.should_exit = True
    async with asyncio.timeout(SOON_S):
        await running


def test_a_websocket_whose_other_end_says_goodbye_is_closed(run: Run) -> None:
    async def leave() -> None:
        async with serving() as (server, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(HANDSHAKE)
            await reader.readuntil(b"\r\n\r\n")

            writer.write_eof()
            async with asyncio.timeout(SOON_S):
                rest = await reader.read()

            assert rest == b""
            assert not server.server_state.connections
            writer.close()

    run(leave())


def test_a_server_that_leaves_waits_for_nobody_who_has_just_come(run: Run) -> None:
    async def leave() -> None:
        guests: list[socket.socket] = []
        async with serving() as (_, address):
            for number in range(200):
                guests.append(socket.create_connection(address, timeout=SOON_S))
                if number % 20 == 0:
                    await asyncio.sleep(0)
        for guest in guests:
            guest.close()

    for _ in range(5):
        run(leave())


def test_a_signal_that_comes_twice_at_once_is_one_and_a_later_one_hurries() -> None:
    server, now = uvicorn.Server(uvicorn.Config(app)), 100.0
    leaving = Leaving([server], clock=lambda: now)

    leaving.tell()
    now += 0.5
    leaving.tell()
    in_order = server.should_exit, server.force_exit
    now += HURRY_AFTER_S
    leaving.tell()

    assert in_order == (True, False)
    assert server.force_exit

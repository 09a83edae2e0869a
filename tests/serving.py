"""Servers for a moment: real HTTP on loopback, answered by a function of the test's own."""

import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable

from aiohttp import web

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def running(
    answer: Answer, host: str = "127.0.0.1", *, secured: ssl.SSLContext | None = None
) -> AsyncGenerator[int]:
    """The port, a free one, of a server that is gone with the block."""
    listener = socket.create_server((host, 0))
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=secured).start()
    try:
        yield listener.getsockname()[1]
    finally:
        await runner.cleanup()

"""A websocket proxy of bad manners between clients and nodes: it repeats, reorders and cuts.

A cut loses the end of the stream, as a network does, and never something from its middle: what was
delayed is delivered before the connection goes. Losing more than the end would be a transport that
lies about its order, which no cursor survives.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web

REPEATED = 0.1
DELAYED = 0.25
DELAY_S_MAX = 0.03
EVENT = "42"


class _Line:
    """One client's connection through the proxy."""

    def __init__(self, down: web.WebSocketResponse, up: aiohttp.ClientWebSocketResponse) -> None:
        self.down = down
        self.up = up
        self.cut = asyncio.Event()
        self.waiting: list[tuple[float, int, str]] = []
        self.news = asyncio.Event()


class Proxy:
    """Give clients `url`; `upstream` says at each new connection which node takes it."""

    def __init__(self, upstream: Callable[[], str], *, seed: int) -> None:
        self.url = ""
        self.repeated = 0
        self.delayed = 0
        self.cuts = 0
        self.well_behaved = False
        self.refuses = False
        self._upstream = upstream
        self._choose = random.Random(seed)
        self._numbers = itertools.count()
        self._lines: set[_Line] = set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Proxy"]:
        async with aiohttp.ClientSession() as self._http:
            app = web.Application()
            app.router.add_get("/socket.io/", self._serve)
            runner = web.AppRunner(app, shutdown_timeout=0.2)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield self
            finally:
                self.cut_all()
                await runner.cleanup()

    def cut_one(self) -> None:
        """End one connection, without a word to either side."""
        if self._lines:
            self.cuts += 1
            self._choose.choice(sorted(self._lines, key=id)).cut.set()

    def cut_all(self) -> None:
        for line in self._lines:
            self.cuts += 1
            line.cut.set()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            return web.Response(status=503)
        kept = {name: request.headers[name] for name in ("Origin",) if name in request.headers}
        address = f"{self._upstream()}/socket.io/?{request.query_string}"
        try:
            up = await self._http.ws_connect(address, headers=kept)
        except (aiohttp.ClientError, OSError):
            return web.Response(status=502)
        down = web.WebSocketResponse()
        await down.prepare(request)
        line = _Line(down, up)
        self._lines.add(line)
        pumps = [
            asyncio.create_task(each)
            for each in (self._up(line), self._hear(line), self._down(line), line.cut.wait())
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._lines.discard(line)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            await self._end(request, line)
        return down

    async def _end(self, request: web.Request, line: _Line) -> None:
        """What was delayed is told, then both sides find a dead connection."""
        with suppress(ConnectionError, RuntimeError):
            for _, _, frame in sorted(line.waiting):
                await line.down.send_str(frame)
        if request.transport is not None:
            request.transport.close()
        await line.up.close()

    async def _up(self, line: _Line) -> None:
        async for message in line.down:
            if message.type == aiohttp.WSMsgType.TEXT:
                await line.up.send_str(message.data)

    async def _hear(self, line: _Line) -> None:
        async for message in line.up:
            if message.type == aiohttp.WSMsgType.TEXT:
                self._plan(line, message.data)
        while line.waiting:  # noqa: ASYNC110 - `_down` empties it
            await asyncio.sleep(0.002)

    def _plan(self, line: _Line, frame: str) -> None:
        """Only events are delayed or repeated; what answers a client keeps its place."""
        now = asyncio.get_running_loop().time()
        due = now
        if frame.startswith(EVENT) and not self.well_behaved:
            if self._choose.random() < DELAYED:
                self.delayed += 1
                due += self._choose.random() * DELAY_S_MAX
            if self._choose.random() < REPEATED:
                self.repeated += 1
                again = due + self._choose.random() * DELAY_S_MAX
                heapq.heappush(line.waiting, (again, next(self._numbers), frame))
        heapq.heappush(line.waiting, (due, next(self._numbers), frame))
        line.news.set()

    async def _down(self, line: _Line) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            while line.waiting and line.waiting[0][0] <= clock():
                await line.down.send_str(heapq.heappop(line.waiting)[2])
            line.news.clear()
            wait_s = line.waiting[0][0] - clock() if line.waiting else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await line.news.wait()

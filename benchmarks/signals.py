"""From the INSERT of a signal to the sockets of its topic: 300 sockets, 200 writes a second.

The clock starts before the writer's transaction and stops when a client in another process has read
the frame. Everything shares this machine: Postgres (fsync on), server, writers and clients.
"""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
import click
import msgspec
import uvicorn
import uvloop
from sqlalchemy import text

from benchmarks.report import Metrics, bench_database, percentiles, report
from chatbot.conversations import transcript, wire
from chatbot.database import Database, new_id
from chatbot.errors import NotFound, NotSignedIn
from chatbot.orgs.sites import create_org, create_site
from chatbot.realtime.layer import Realtime
from chatbot.settings import Limits
from chatbot.staff.login import Staff
from chatbot.tokens import Tokens
from chatbot.visitors import sessions
from chatbot.visitors.sessions import Visitor

TOPICS = 60
FAN_OUT = 5
WRITES_PER_S = 200
WARM_UP_S = 1.0
MEASURE_S = 8.0
CONNECTING_AT_ONCE = 20
SETTLE_S = 0.5
BENCHMARK_S_MAX = 60
ORIGIN = "https://www.example.org"
TOKENS = Tokens(["only for a benchmark, so it may be known"])

# supabase.com/docs/guides/realtime/benchmarks, broadcast from the database: k6 on AWS, 80,000
# users, 10,000 inserts a second, 2 to 6 nodes. Published, not measured here; another scale.
SUPABASE: Metrics = {"p50_ms": 46.0, "p95_ms": 132.0, "p99_ms": 159.0}

_SEND = text(
    "select realtime.send(jsonb_build_object("
    "'at_id', cast(:at as text), 'n_id', cast(:n as text)), 'bench.tick', :topic)"
)


class Talk(NamedTuple):
    """One visitor's conversation: what its sockets need to hear it."""

    org_id: UUID
    actor: str
    token: str
    topic: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(as_json: bool) -> None:
    """Signal INSERT to socket, on this machine."""
    metrics = uvloop.run(measure())
    report("signals", metrics, {"supabase (published)": SUPABASE}, as_json=as_json)


async def measure() -> Metrics:
    """Percentiles of the latency, and which share of the deliveries arrived."""
    async with (
        asyncio.timeout(BENCHMARK_S_MAX),
        bench_database() as database,
        serving(database) as url,
    ):
        latencies = await _measure(database, url)
    expected = WRITES_PER_S * MEASURE_S * FAN_OUT
    return {
        **percentiles(latencies),
        "delivered_share": round(len(latencies) / expected, 4),
        "sockets": TOPICS * FAN_OUT,
        "writes_per_s": WRITES_PER_S,
        "fan_out": FAN_OUT,
    }


async def _measure(database: Database, url: str) -> list[float]:
    talks = await _talks(database)
    ours, theirs = multiprocessing.Pipe()
    listener = multiprocessing.get_context("spawn").Process(
        target=listen, args=(url, talks, theirs), daemon=True
    )
    listener.start()
    try:
        await asyncio.to_thread(_next, ours)
        await _write(database, talks, WARM_UP_S, measured=False)
        await _write(database, talks, MEASURE_S, measured=True)
        await asyncio.sleep(SETTLE_S)
        ours.send("enough")
        return await asyncio.to_thread(_next, ours)
    finally:
        listener.kill()


def _next(pipe: Connection) -> list[float]:
    if not pipe.poll(BENCHMARK_S_MAX):
        raise TimeoutError("the listening process says nothing")
    return pipe.recv()


async def _write(database: Database, talks: list[Talk], seconds: float, *, measured: bool) -> None:
    """One transaction every 1/WRITES_PER_S, however long each takes."""
    begin = time.monotonic()
    async with asyncio.TaskGroup() as work:
        for number in range(int(seconds * WRITES_PER_S)):
            await asyncio.sleep(begin + number / WRITES_PER_S - time.monotonic())
            work.create_task(_tick(database, talks[number % TOPICS], number, measured=measured))


async def _tick(database: Database, talk: Talk, number: int, *, measured: bool) -> None:
    at = str(time.monotonic_ns()) if measured else "0"
    async with database.transaction(talk.org_id, actor=talk.actor) as db:
        await db.execute(_SEND, {"at": at, "n": str(number), "topic": talk.topic})


async def _talks(database: Database) -> list[Talk]:
    org = await create_org(database, "Benchmark")
    talks: list[Talk] = []
    async with database.transaction(org.id, actor="system") as db:
        site = await create_site(db, org.id, name="Site", allowed_origins=[ORIGIN])
    for _ in range(TOPICS):
        async with database.transaction(org.id, actor="system") as db:
            _, _, token = await sessions.issue(db, TOKENS, site, origin=ORIGIN, locale=None)
        visitor = await sessions.authenticate(database, TOKENS, token, ORIGIN)
        async with database.transaction(org.id, actor=visitor.actor) as db:
            talk, _ = await transcript.begin(db, visitor, new_id().hex, most=1)
        talks.append(Talk(org.id, visitor.actor, token, f"conversation:{talk.id}:messages"))
    return talks


@asynccontextmanager
async def serving(database: Database) -> AsyncGenerator[str]:
    """The real-time layer alone behind uvicorn on a free port; gives its address."""

    async def visitor(token: str, origin: str | None) -> Visitor:
        return await sessions.authenticate(database, TOKENS, token, origin)

    async def staff(token: str) -> tuple[Staff, Any]:
        raise NotSignedIn

    realtime = Realtime(
        database=database,
        visitors=visitor,
        staff=staff,
        public_url="http://localhost",
        limits=Limits(),
    )
    config = uvicorn.Config(
        realtime.asgi(_nothing_else, _Silent()),
        port=0,
        lifespan="off",
        log_config=None,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        loop="none",
    )
    server = uvicorn.Server(config)
    await realtime.start()
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        await realtime.stop()
        server.should_exit = True
        await running


class _Silent:
    """Nobody asks anything here."""

    async def send(self, visitor: Visitor, **_: object) -> tuple[wire.Message, bool]:
        raise NotFound

    async def stop(self, visitor: Visitor, mid: UUID) -> None:
        raise NotFound

    async def retry(self, visitor: Visitor, mid: UUID, *, block: str) -> None:
        raise NotFound


async def _nothing_else(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("only sockets are served here")


# The clients, in a process of their own


def listen(url: str, talks: list[Talk], pipe: Connection) -> None:
    """FAN_OUT sockets for each talk; one reply when all subscribed, one with all latencies (s)."""
    uvloop.run(_listen(url, talks, pipe))


async def _listen(url: str, talks: list[Talk], pipe: Connection) -> None:
    latencies: list[float] = []
    turns = asyncio.Semaphore(CONNECTING_AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        address = f"{url}/socket.io/?EIO=4&transport=websocket"
        connect = partial(http.ws_connect, address, headers={"Origin": ORIGIN})
        ready = [asyncio.Event() for _ in range(len(talks) * FAN_OUT)]
        hearing = [
            asyncio.create_task(_hear(connect, talks[n % len(talks)], turns, event, latencies))
            for n, event in enumerate(ready)
        ]
        for event in ready:
            await event.wait()
        pipe.send(latencies)
        await asyncio.to_thread(pipe.recv)
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)
    pipe.send(latencies)


async def _hear(
    connect: Callable[[], Any],
    talk: Talk,
    turns: asyncio.Semaphore,
    ready: asyncio.Event,
    latencies: list[float],
) -> None:
    await turns.acquire()
    async with connect() as ws:
        await ws.receive_str()
        await ws.send_str("40/visitor," + msgspec.json.encode({"token": talk.token}).decode())
        await ws.receive_str()
        asked = ["subscribe", {"topics": [talk.topic]}]
        await ws.send_str("42/visitor,1" + msgspec.json.encode(asked).decode())
        if '"ok"' not in await ws.receive_str():
            raise RuntimeError("the subscription was refused")
        turns.release()
        ready.set()
        async for message in ws:
            await _note(ws, message.data, latencies)


async def _note(ws: aiohttp.ClientWebSocketResponse, data: str, latencies: list[float]) -> None:
    if data == "2":
        await ws.send_str("3")
    if not data.startswith("42"):
        return
    _, signal = msgspec.json.decode(data.partition(",")[2])
    sent_at = int(signal["ids"]["at_id"])
    if sent_at:
        latencies.append((time.monotonic_ns() - sent_at) / 1e9)


if __name__ == "__main__":
    main()

"""From the INSERT of a signal to the sockets of its topic, and how many a second are too many.

The clock starts before the writer's transaction and stops when a client in another process has read
the frame. Everything shares this machine: Postgres (fsync on), server, writers and clients.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import click
import uvicorn
import uvloop
from sqlalchemy import text

from benchmarks.child import Child, child
from benchmarks.ears import Seat, listen
from benchmarks.report import Metrics, bench_database, percentiles, report
from benchmarks.writing import Rate, write
from chatbot.conversations import transcript, wire
from chatbot.database import Database, new_id
from chatbot.errors import NotFound, NotSignedIn
from chatbot.orgs.sites import create_org, create_site
from chatbot.realtime.layer import Realtime
from chatbot.serving import keep_for_good
from chatbot.settings import Limits
from chatbot.staff.login import Staff
from chatbot.tokens import Tokens
from chatbot.visitors import sessions
from chatbot.visitors.seen import Seen
from chatbot.visitors.sessions import Sessions, Visitor

FAN_OUT = 5
SOCKETS_MAX = 10_000
TALKS_EACH = 4  # conversations of one visitor: a person has at most 20 sockets
WARM_UP_S = 1.0
SETTLE_S = 0.5
START_S_MAX = 30
KNEE_S = 4.0
KNEE_SOCKETS = 1_000
KNEE_STEPS = (500, 750, 1_000, 1_250, 1_500, 2_000, 2_500)
KNEE_P99_MS = 60.0
KNEE_SHARE = 0.95  # of the transactions that were meant to be written, and of their deliveries
LIMITS = Limits(  # all come from one address here, and as fast as they can
    sockets_per_block=SOCKETS_MAX, connects_per_second_process=SOCKETS_MAX
)
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
@click.option("--sockets", type=click.IntRange(5, SOCKETS_MAX), default=1_000, show_default=True)
@click.option("--writes", type=click.IntRange(1, 5_000), default=200, help="transactions a second")
@click.option("--seconds", type=click.FloatRange(1, 600), default=8.0, show_default=True)
@click.option("--apart", is_flag=True, help="the writers are another process, as a second node")
@click.option("--knee", is_flag=True, help="then raise the writes until p99 is over 60 ms")
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(
    *, sockets: int, writes: int, seconds: float, apart: bool, knee: bool, as_json: bool
) -> None:
    """Signal INSERT to socket, on this machine."""
    metrics = uvloop.run(measure(sockets, writes, seconds, apart=apart, knee=knee))
    report("signals", metrics, {"supabase (published)": SUPABASE}, as_json=as_json)


async def measure(sockets: int, writes: int, seconds: float, *, apart: bool, knee: bool) -> Metrics:
    """Percentiles of the latency, which share of the deliveries arrived, and with `knee` how many
    transactions a second another process may write before p99 is over KNEE_P99_MS.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(bench_database())
        url = await stack.enter_async_context(serving(database))
        talks = await begin_talks(database, sockets // FAN_OUT)
        seats = [Seat(each.token, ORIGIN, each.topic) for each in talks * FAN_OUT]
        ears = await stack.enter_async_context(child(listen, url, seats))
        write_here = partial(_write_here, database, ears, talks)
        write_apart = partial(_write_apart, database, ears)
        if apart:
            await write_apart(talks, writes, WARM_UP_S)
            late, share = await write_apart(talks, writes, seconds)
        else:
            await write_here(writes, WARM_UP_S)
            late, share = await write_here(writes, seconds)
        found: dict[str, float | int | str] = {
            **percentiles(late),
            "delivered_share": round(share, 4),
            "sockets": len(seats),
            "writes_per_s": writes,
            "writers": "another process" if apart else "the service's own process",
            "fan_out": FAN_OUT,
        }
        if knee:
            found |= await _knee(partial(write_apart, talks[: KNEE_SOCKETS // FAN_OUT]))
        return found


async def _knee(
    write: Callable[[int, float], Awaitable[tuple[list[float], float]]],
) -> dict[str, float | int | str]:
    """Raise the writes of another process step by step until it is too much."""
    found: dict[str, float | int | str] = {"knee_writes_per_s": f"below {KNEE_STEPS[0]}"}
    for rate in KNEE_STEPS:
        late, share = await write(rate, KNEE_S)
        p99_ms = percentiles(late)["p99_ms"] if late else 0.0
        found[f"{rate}_writes_per_s"] = f"p99 {p99_ms} ms, {share:.1%} written and delivered"
        if p99_ms > KNEE_P99_MS or share < KNEE_SHARE:
            return found
        found["knee_writes_per_s"] = rate
    return found | {"knee_writes_per_s": f"not reached at {KNEE_STEPS[-1]}"}


async def _write_apart(
    database: Database, ears: Child, talks: Sequence[Talk], rate: int, seconds: float
) -> tuple[list[float], float]:
    """How late each delivery was (s), and which share was written and delivered.

    The writers are another process, which wakes this one as every node does: NOTIFY, at most every
    few milliseconds.
    """
    async with child(
        write, database.url, talks[0].org_id, [each.topic for each in talks], rate
    ) as writer:
        await ears.ask("late")
        await writer.ask("begin")
        await asyncio.sleep(seconds)
        done: Rate = await writer.ask("stop")
        await asyncio.sleep(SETTLE_S)
        late = [each / 1e9 for each in await ears.ask("late")]
    return late, min(done.share, len(late) / max(1, done.written * FAN_OUT))


async def _write_here(
    database: Database, ears: Child, talks: Sequence[Talk], rate: int, seconds: float
) -> tuple[list[float], float]:
    """The same by the service's own process: one transaction every 1/rate s, however long each
    takes.
    """
    await ears.ask("late")
    begin, amount = time.monotonic(), int(seconds * rate)
    async with asyncio.TaskGroup() as work:
        for number in range(amount):
            await asyncio.sleep(begin + number / rate - time.monotonic())
            work.create_task(_tick(database, talks[number % len(talks)], number))
    await asyncio.sleep(SETTLE_S)
    late = [each / 1e9 for each in await ears.ask("late")]
    return late, len(late) / (amount * FAN_OUT)


async def _tick(database: Database, talk: Talk, number: int) -> None:
    at = str(time.monotonic_ns())
    async with database.transaction(talk.org_id, actor=talk.actor) as db:
        await db.execute(_SEND, {"at": at, "n": str(number), "topic": talk.topic})


def sessions_of(database: Database) -> Sessions:
    return Sessions(database, TOKENS, Seen(database))


async def begin_talks(database: Database, amount: int, *, each: int = TALKS_EACH) -> list[Talk]:
    """Conversations in a new organisation, `each` of them the same visitor's."""
    org = await create_org(database, "Benchmark")
    talks: list[Talk] = []
    async with database.transaction(org.id, actor="system") as db:
        site = await create_site(db, org.id, name="Site", allowed_origins=[ORIGIN])
    while len(talks) < amount:
        async with database.transaction(org.id, actor="system") as db:
            _, _, token = await sessions.issue(db, TOKENS, site, origin=ORIGIN, locale=None)
        visitor = await sessions_of(database).authenticate(token, ORIGIN)
        async with database.transaction(org.id, actor=visitor.actor) as db:
            for _ in range(min(each, amount - len(talks))):
                talk, _ = await transcript.begin(db, visitor, new_id().hex, most=each)
                topic = f"conversation:{talk.id}:messages"
                talks.append(Talk(org.id, visitor.actor, token, topic))
    return talks


@asynccontextmanager
async def serving(database: Database, limits: Limits = LIMITS) -> AsyncGenerator[str]:
    """The real-time layer alone behind uvicorn on a free port; gives its address."""

    async def staff(token: str) -> tuple[Staff, Any]:
        raise NotSignedIn

    realtime = Realtime(
        database=database,
        visitors=sessions_of(database).authenticate,
        staff=staff,
        public_url="http://localhost",
        limits=limits,
    )
    config = uvicorn.Config(
        realtime.asgi(_nothing_else, _Silent()),
        port=0,
        lifespan="off",
        log_config=None,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        loop="none",
        backlog=4096,
    )
    server = uvicorn.Server(config)
    keep_for_good()
    await realtime.start()
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(START_S_MAX):
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


if __name__ == "__main__":
    main()

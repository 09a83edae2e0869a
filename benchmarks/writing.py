"""Writers in a process of their own: signals at a steady rate, announced as a second node would."""

import asyncio
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import msgspec
import psycopg
import uvloop

from benchmarks.child import until_closed
from chatbot.database import Database
from chatbot.realtime.following.relay import Relay

CONNECTIONS = 16
_SEND = (
    "select realtime.send(jsonb_build_object('at_id', %s::text, 'n_id', %s::text),"
    " 'bench.tick', %s)"
)


class Rate(msgspec.Struct):
    """How many transactions were committed, and as a share of those that were due."""

    written: int
    share: float


def write(pipe: Connection, database_url: str, topics: Sequence[str], rate: int) -> None:
    """Write `rate` transactions a second from the word `begin` on; answer `stop` with a Rate, and
    leave when the pipe is closed.
    """
    uvloop.run(_write(pipe, database_url, topics, rate))


async def _write(pipe: Connection, url: str, topics: Sequence[str], rate: int) -> None:
    database = Database(url, connections=2)
    relay = Relay(database)  # announces what this process committed
    await relay.start()
    links = [
        await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(CONNECTIONS)
    ]
    free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
    for link in links:
        free.put_nowait(link)
    due, written = 0, 0

    async def tick(number: int, at: int) -> None:
        nonlocal written
        link = await free.get()
        await link.execute(_SEND, (str(at), str(number), topics[number % len(topics)]))
        free.put_nowait(link)
        relay.wake()
        written += 1

    async def pace() -> None:
        nonlocal due
        await begun.wait()
        begin = time.monotonic()
        async with asyncio.TaskGroup() as work:
            while not stopped.is_set():
                await asyncio.sleep(begin + due / rate - time.monotonic())
                work.create_task(tick(due, time.monotonic_ns()))
                due += 1

    def obey(word: str) -> Rate:
        (begun if word == "begin" else stopped).set()
        return Rate(written, written / max(1, due))

    begun, stopped = asyncio.Event(), asyncio.Event()
    writing = asyncio.create_task(pace())
    closed = until_closed(pipe, obey)
    pipe.send("ready")
    await closed.wait()
    begun.set()
    stopped.set()
    await writing
    await relay.stop()
    for link in links:
        await link.close()
    await database.close()

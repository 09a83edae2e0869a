"""Writers in a process of their own: signals at a steady rate, announced as a second node would."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from uuid import UUID

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


def write(
    pipe: Connection, database_url: str, org_id: UUID, topics: Sequence[str], rate: int
) -> None:
    """Write `rate` transactions a second from the word `begin` on; answer `stop` with a Rate, and
    leave when the pipe is closed.
    """
    uvloop.run(_write(pipe, scoped(database_url, org_id), topics, rate))


def scoped(database_url: str, org_id: UUID) -> str:
    """The same database in the scope of one organisation, as long as a connection stands."""
    return f"{database_url}&options=-capp.org%3D{org_id}"


async def _write(pipe: Connection, url: str, topics: Sequence[str], rate: int) -> None:
    database = Database(url, connections=2)
    relay = Relay(database)
    await relay.start()
    async with AsyncExitStack() as stack:
        writers = Writers(relay, topics, rate)
        for _ in range(CONNECTIONS):
            link = await psycopg.AsyncConnection.connect(url, autocommit=True)
            writers.free.put_nowait(await stack.enter_async_context(link))
        writing = asyncio.create_task(writers.run())
        closed = until_closed(pipe, writers.obey)
        pipe.send("ready")
        await closed.wait()
        writers.obey("begin")
        writers.obey("stop")
        await writing
    await relay.stop()
    await database.close()


class Writers:
    """So many transactions a second on the connections that are `free`, whatever each takes. The
    relay announces them.
    """

    def __init__(self, relay: Relay, topics: Sequence[str], rate: int) -> None:
        self.free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
        self._relay = relay
        self._topics = topics
        self._rate = rate
        self._begun = asyncio.Event()
        self._stopped = asyncio.Event()
        self._due = 0
        self._written = 0

    def obey(self, word: str) -> Rate:
        """`begin` or `stop`; what was written until then."""
        (self._begun if word == "begin" else self._stopped).set()
        return Rate(self._written, self._written / max(1, self._due))

    async def run(self) -> None:
        """Write from `begin` to `stop`, and end what has begun."""
        await self._begun.wait()
        begin = time.monotonic()
        async with asyncio.TaskGroup() as work:
            while not self._stopped.is_set():
                await asyncio.sleep(begin + self._due / self._rate - time.monotonic())
                work.create_task(self._tick(self._due, time.monotonic_ns()))
                self._due += 1

    async def _tick(self, number: int, at: int) -> None:
        link = await self.free.get()
        topic = self._topics[number % len(self._topics)]
        await link.execute(_SEND, (str(at), str(number), topic))
        self.free.put_nowait(link)
        self._relay.wake()
        self._written += 1

"""The whole service in a process of its own, as `chatbot serve` has it, and a watch on its loop."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec
import psutil
import psycopg
import psycopg.sql
import uvloop

from benchmarks.child import until_closed
from chatbot import logs
from chatbot.app import Service
from chatbot.serving import WebServer, bind, keep_for_good
from chatbot.settings import Limits, Settings

SECRET: Final = "only for a benchmark: it may be known to all"
TICK_S: Final = 0.005
_WITHOUT_END: Final = 1_000_000_000


class Look(msgspec.Struct):
    """The process at one moment, and since the look before: connections, memory (bytes), the
    longest time that the loop did not come round (ms; and how much of it this process really
    worked, while others had the processor too), statements and ways to the database.
    """

    sockets: int
    rss: int
    block_ms: float
    block_cpu_ms: float
    statements: int
    ways: int


More = Callable[[Service], Callable[[str], object]]
"""From the service to what is done about words other than `look`."""


def serve(
    pipe: Connection,
    database_url: str,
    limits: dict[str, int],
    more: More = lambda _service: lambda _word: None,
) -> None:
    """Say the address, answer `look` with a Look, and leave when the pipe is closed."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # its log is no part of the figures
    logs.set_up("error")
    uvloop.run(_serve(pipe, database_url, limits, more))


async def _serve(pipe: Connection, database_url: str, limits: dict[str, int], more: More) -> None:
    with bind("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        often = {each.name: _WITHOUT_END for each in fields(Limits) if "_per_" in each.name}
        settings = Settings(
            database_url=database_url,
            secret_keys=(SECRET,),
            public_url=url,
            limits=Limits(**(often | {"topics_per_socket": 20, "events_per_second": 10} | limits)),
        )
        service = Service(settings, run_jobs=False)
        watch = Watch(service)
        server = WebServer(service.asgi, crowd=service.realtime)
        keep_for_good()
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            if running.done():
                raise RuntimeError("the service did not start")
            await asyncio.sleep(0.01)
        watch.tick()
        pipe.send(url)
        do = more(service)
        closed = until_closed(pipe, lambda word: watch.look() if word == "look" else do(word))
        await closed.wait()
        server.should_exit = True
        await running


class Watch:
    """Counts what the process asks of the database and how long its loop is blocked."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process = psutil.Process()
        self._due = 0.0
        self._block_s = 0.0
        self._worked_until = 0.0
        self._block_cpu_s = 0.0
        self._statements = 0
        self._ways = 0
        self._count_statements()

    def tick(self) -> None:
        loop = asyncio.get_running_loop()
        now, worked = loop.time(), time.thread_time()
        if self._due:
            self._block_s = max(self._block_s, now - self._due)
            self._block_cpu_s = max(self._block_cpu_s, worked - self._worked_until)
        self._worked_until = worked
        self._due = now + TICK_S
        loop.call_at(self._due, self.tick)

    def look(self) -> Look:
        """What was seen since the last look."""
        found = Look(
            len(self._service.realtime.server.eio.sockets),
            self._process.memory_info().rss,
            round(self._block_s * 1e3, 1),
            round(self._block_cpu_s * 1e3, 1),
            self._statements,
            self._ways,
        )
        self._block_s = self._block_cpu_s = 0.0
        self._statements = self._ways = 0
        return found

    def _count_statements(self) -> None:
        """A statement that asks or changes something; a way is there and back, `begin` and `commit`
        too.
        """
        execute, commit = psycopg.AsyncCursor.execute, psycopg.AsyncConnection.commit
        watch = self

        async def executed(cursor: Any, query: Any, *args: Any, **more: Any) -> Any:
            watch._ways += 1
            watch._statements += not (isinstance(query, psycopg.sql.Composable))
            return await execute(cursor, query, *args, **more)

        async def committed(link: Any) -> None:
            watch._ways += 1
            await commit(link)

        psycopg.AsyncCursor.execute = executed  # type: ignore[method-assign]
        psycopg.AsyncConnection.commit = committed  # type: ignore[method-assign]

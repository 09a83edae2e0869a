"""The whole service in a process of its own, and a watch on its pool of database connections."""

import asyncio
import os
import sys
import time
from dataclasses import fields
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec
import uvloop
from sqlalchemy import event

from benchmarks.child import until_closed
from benchmarks.streaming_endpoint import MODEL
from chatbot import logs
from chatbot.app import Service
from chatbot.database import Database
from chatbot.serving import WebServer, bind, keep_for_good
from chatbot.settings import Limits, Settings

SECRET: Final = "only for a benchmark: it may be known to all"
_WITHOUT_END: Final = 1_000_000_000


class Held(msgspec.Struct):
    """Connections that were out of the pool since the last look: at most, on average, and how
    long one was at most (seconds).
    """

    most: int = 0
    mean: float = 0.0
    longest_s: float = 0.0


def serve(pipe: Connection, database_url: str, endpoint_url: str) -> None:
    """Say the address, answer `held` with a Held, and leave when the pipe is closed."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # its log is no part of the figures
    logs.set_up("error")
    uvloop.run(_serve(pipe, database_url, endpoint_url))


async def _serve(pipe: Connection, database_url: str, endpoint_url: str) -> None:
    with bind("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        service = Service(settings(database_url, endpoint_url, url), run_jobs=False)
        watch = _Watch(service.database)
        server = WebServer(service.asgi, crowd=service.realtime)
        keep_for_good()
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            if running.done():
                raise RuntimeError("the service did not start")
            await asyncio.sleep(0.01)
        pipe.send(url)
        await until_closed(pipe, lambda _: watch.look()).wait()
        server.should_exit = True
        await running


def settings(database_url: str, endpoint_url: str, url: str) -> Settings:
    """The service's own defaults, but nobody is told to ask less."""
    often = {each.name: _WITHOUT_END for each in fields(Limits) if "_per_" in each.name}
    return Settings(
        database_url=database_url,
        secret_keys=(SECRET,),
        public_url=url,
        model=MODEL,
        openai_api_key="bench",
        openai_base_url=endpoint_url,
        limits=Limits(**often),
    )


class _Watch:
    """Hears every checkout and checkin of the pool."""

    def __init__(self, database: Database) -> None:
        self._since = time.perf_counter()
        self._out: dict[int, float] = {}
        self._held_s = 0.0
        self._found = Held()
        event.listen(database.engine.sync_engine, "checkout", self._leaves)
        event.listen(database.engine.sync_engine, "checkin", self._returns)

    def look(self) -> Held:
        """What was seen since the last look; whatever is still out counts up to now."""
        now, found = time.perf_counter(), self._found
        for since in self._out.values():
            self._note(since, now)
        found.mean = self._held_s / (now - self._since)
        self._since, self._held_s, self._found = now, 0.0, Held(most=len(self._out))
        return found

    def _leaves(self, _link: Any, record: Any, _proxy: Any) -> None:
        self._out[id(record)] = time.perf_counter()
        self._found.most = max(self._found.most, len(self._out))

    def _returns(self, _link: Any, record: Any) -> None:
        since = self._out.pop(id(record), None)
        if since is not None:
            self._note(since, time.perf_counter())

    def _note(self, since: float, until: float) -> None:
        self._held_s += until - max(since, self._since)
        self._found.longest_s = max(self._found.longest_s, until - since)

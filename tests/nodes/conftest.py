"""Two nodes in processes of their own on the database of the running service, Redis between
them, and a company whose handbook they know.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests import live
from tests.journeys.texts import HANDBOOK, upload
from tests.nodes import redis
from tests.nodes.redis import Redis

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 60.0
LEAVE_WITHIN_S = 30.0


class Node:
    """One process on a port of its own, which is kept while the process is not there."""

    def __init__(self, number: int, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.mother: subprocess.Popen[bytes] | None = None
        self._number = number
        self._pid: int | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._pid is None:
            self._pid = self._ask("start")

    async def ready(self) -> None:
        async with (
            asyncio.timeout(START_WITHIN_S),
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/health/ready") as reply,  # waits in the queue of the listener
        ):
            assert reply.status == 200

    def lose_patience(self) -> None:
        """Let it believe after a second that another node is dead."""
        assert self._pid is not None
        os.kill(self._pid, signal.SIGUSR1)

    async def end(self, how: signal.Signals) -> int:
        """Signal it; how it left."""
        assert self._pid is not None
        os.kill(self._pid, how)
        async with asyncio.timeout(LEAVE_WITHIN_S):
            code = await asyncio.to_thread(self._ask, "wait")
        self._pid = None
        return code

    def _ask(self, verb: str) -> int:
        assert self.mother is not None
        assert self.mother.stdin is not None
        assert self.mother.stdout is not None
        self.mother.stdin.write(f"{verb} {self._number}\n".encode())
        self.mother.stdin.flush()
        return int(self.mother.stdout.readline())


Nodes = tuple[Node, Node]


@pytest.fixture(scope="package")
def one_redis() -> Iterator[Redis]:
    with redis.running() as server:
        yield server


@pytest.fixture(scope="package")
def processes(live_service: live.Live, one_redis: Redis) -> Iterator[Nodes]:
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
            for _ in range(2)
        ]
        descriptors = [each.fileno() for each in listeners]
        words = (live_service.database.url, one_redis.url, *map(str, descriptors))
        mother = subprocess.Popen(
            [sys.executable, "-m", "tests.nodes.node", *words],
            cwd=ROOT,
            pass_fds=descriptors,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        nodes = [Node(number, listener) for number, listener in enumerate(listeners)]
        for node in nodes:
            node.mother = mother
        yield nodes[0], nodes[1]
        mother.communicate(timeout=LEAVE_WITHIN_S)  # the end of its input is the end of all


@pytest.fixture
async def two_nodes(processes: Nodes) -> Nodes:
    """Both serve, whatever was done to them before; they know each other by the database and Redis
    alone.
    """
    for node in processes:
        node.start()
    await asyncio.gather(*(node.ready() for node in processes))
    return processes


@pytest.fixture(scope="package")
async def shop(live_service: live.Live) -> live.Company:
    """A company with its handbook, told to the service that runs the jobs."""
    company = await live.company(live_service, "alder")
    await upload(live_service, company, "handbook.md", HANDBOOK)
    return company


def at(node: Node, running: live.Live) -> live.Live:
    """The service as it is reached at `node`."""
    return replace(running, url=node.url)

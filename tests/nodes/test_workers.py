"""`serve --workers`: children that die come back, those that cannot start end it, all leave
together.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Collection
from pathlib import Path

import aiohttp
import psutil
import pytest

from chatbot import workers
from chatbot.errors import StartupError
from chatbot.serving import reserve
from chatbot.settings import Limits, Settings, environment
from tests import live
from tests.conftest import Cluster, copy_of
from tests.nodes.windows import until

# What a child does with its pipe, without all the rest: python -c CHILD WAY --worker-of NAME PIPE
CHILD = """
import os, signal, sys, time
way, name, pipe = sys.argv[1], sys.argv[3], int(sys.argv[4])
if way == "fails": sys.exit(3)
if way == "stays": signal.signal(signal.SIGTERM, signal.SIG_IGN)
if way == "leaves": signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
os.write(pipe, b"1")
with open(os.environ["NOTES"], "a") as notes: notes.write(f"{name} {os.getpid()}\\n")
if way == "orphan": os.read(pipe, 1), open(os.environ["NOTES"], "a").write("left alone\\n")
time.sleep(60)
"""


class Notes:
    """What the children wrote down."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "notes"
        self.path.touch()

    @property
    def pids(self) -> dict[str, int]:
        """The last process of each name."""
        lines = (line.rpartition(" ") for line in self.path.read_text().splitlines())
        return {name: int(pid) for name, _, pid in lines if pid.isdecimal()}

    async def all(self, count: int, *, but: Collection[int] = ()) -> dict[str, int]:
        """The processes, once there are so many, none of them among `but`."""
        await until(lambda: len(self.pids) == count and not set(but) & set(self.pids.values()))
        return self.pids


@contextlib.asynccontextmanager
async def supervised(**ways: str) -> AsyncGenerator[tuple[Notes, "asyncio.Task[int]"]]:
    """Children by name, each with its way to behave; they are gone with the block."""
    with tempfile.TemporaryDirectory(prefix="workers-") as folder:
        notes = Notes(folder)
        commands = {name: (sys.executable, "-c", CHILD, way) for name, way in ways.items()}
        environ = {**os.environ, "NOTES": str(notes.path)}
        task = asyncio.create_task(workers.supervise(commands, environ, sharing_metrics=["a"]))
        try:
            yield notes, task
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait([task])
            for name in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().remove_signal_handler(name)
            for pid in notes.pids.values():
                with pytest.raises(ProcessLookupError):
                    os.kill(pid, 0)


async def test_a_child_that_dies_comes_back_and_all_leave_together() -> None:
    async with supervised(a="leaves", b="leaves") as (notes, task):
        first = await notes.all(2)

        os.kill(first["a"], signal.SIGKILL)
        later = await notes.all(2, but=[first["a"]])
        assert later["b"] == first["b"]
        os.kill(os.getpid(), signal.SIGTERM)

        assert await task == 0


async def test_one_that_cannot_start_ends_all_of_them() -> None:
    async with supervised(a="leaves", b="fails") as (_, task):
        with pytest.raises(StartupError, match="worker_failed: b ended with 3"):
            await task


async def test_one_that_does_not_leave_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LEAVE_WITHIN_S", 0.3)
    async with supervised(a="leaves", b="stays") as (notes, task):
        await notes.all(2)

        os.kill(os.getpid(), signal.SIGTERM)

        assert await task == 1


async def test_one_that_dies_again_and_again_is_started_ever_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    real = asyncio.timeout

    def noted(seconds: float | None) -> asyncio.Timeout:
        if seconds in (0.01, 0.02, 0.04):
            pauses.append(seconds)
        return real(seconds)

    monkeypatch.setattr(workers, "RESTART_S", (0.01, 0.04))
    monkeypatch.setattr(workers.asyncio, "timeout", noted)
    async with supervised(a="leaves") as (notes, _):
        lives = [(await notes.all(1))["a"]]
        for _ in range(4):
            os.kill(lives[-1], signal.SIGKILL)
            lives.append((await notes.all(1, but=lives))["a"])

    assert pauses == [0.01, 0.02, 0.04, 0.04]


def test_a_port_that_others_share_is_taken() -> None:
    with (
        socket.create_server(("127.0.0.1", 0), reuse_port=True) as other,
        pytest.raises(StartupError, match="port_taken"),
    ):
        reserve("127.0.0.1", other.getsockname()[1])


def test_another_process_finds_the_same_settings() -> None:
    settings = Settings(
        database_url="postgresql://somebody@localhost/here",
        secret_keys=(live.KEY, live.KEY[::-1]),
        redis_url="redis://localhost/0",
        trusted_proxies=("10.0.0.1", "10.0.0.2"),
        limits=Limits(events_per_second=77),
    )

    assert Settings.from_env(environment(settings)) == settings


def test_the_embedded_servers_connections_are_divided() -> None:
    def each(processes: int, connections: int = 20) -> int:
        settings = Settings(limits=Limits(database_connections=connections))
        found = workers._sharing_connections(settings, processes)  # pyright: ignore[reportPrivateUsage]
        return found.limits.database_connections

    assert each(3) == 20
    assert each(3, connections=8) == 8
    assert each(9) == 6
    assert each(workers.WORKERS_MAX + 1) == workers.CONNECTIONS_MIN


async def test_two_workers_share_a_port_and_outlive_each_other(cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with copy_of(cluster) as urls, tempfile.NamedTemporaryFile() as out:
        process = await asyncio.create_subprocess_exec(
            *(*workers.PROGRAM, "serve", "--workers", "2", "--port", str(port), "--no-jobs"),
            env={
                "PATH": os.environ["PATH"],
                "CHATBOT_DATABASE_URL": urls.app,
                "CHATBOT_SECRET_KEYS": live.KEY,
            },
            cwd=Path(__file__).parents[2],
            stdout=out,
        )

        def logged(event: str) -> set[str]:
            lines = map(json.loads, Path(out.name).read_text().splitlines())
            return {each["name"] for each in lines if each["event"] == event}

        try:
            await until(lambda: logged("worker_ready") == {"web 1", "web 2"}, 60)
            one, _ = psutil.Process(process.pid).children()
            one.kill()
            await until(lambda: logged("worker_died"))
            answers = [(await asked(port, "health/ready"))[0] for _ in range(20)]
            _, numbers = await asked(port, "metrics")
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                code = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # its workers leave by themselves

    assert answers == [200] * 20
    assert "rt_slow_consumer_total" in numbers
    assert "python_info" not in numbers, "numbers of one process, not of all"
    assert code == 0


async def asked(port: int, path: str) -> tuple[int, str]:
    """Status and body of one call on a connection of its own."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}/{path}") as reply,
    ):
        return reply.status, await reply.text()

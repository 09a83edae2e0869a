"""What drills break: a database server of their own, and the service as an operator runs it; and
the story of what was seen.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from chatbot import embedded
from chatbot.settings import Settings, environment
from migrations import run

# pyright: reportPrivateUsage=false

ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 60.0
_OURS: Final = {
    "listen_addresses": "'127.0.0.1'",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "hot_standby": "on",
    "log_min_messages": "warning",
}


class Story:
    """What was seen, with seconds since the drill began; the same thing is told once, counted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts: dict[str, Any] = {}
        self._began = time.monotonic()
        self._seen: dict[str, list[float]] = defaultdict(list)

    def note(self, what: str) -> None:
        self._seen[what].append(round(time.monotonic() - self._began, 2))

    def times(self, what: str) -> int:
        """How often that was seen."""
        return len(self._seen[what])

    def told(self) -> dict[str, Any]:
        """The drill's name, what was seen in the order it began, and the facts."""
        seen = [
            {"what": what, "times": len(at), "from_s": at[0], "to_s": at[-1]}
            for what, at in sorted(self._seen.items(), key=lambda each: each[1][0])
        ]
        return {"drill": self.name, "seen": seen, "facts": self.facts}


class Cluster:
    """A Postgres of the drill's own, from the embedded binaries, on a port of this machine."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self.port = folder, port
        self._user = embedded._unprivileged(folder.parent)

    def make(self, **settings: str) -> None:
        """An empty cluster, started, with the service's roles and schema."""
        self._program("initdb", "-D", str(self._folder), "-U", "postgres", "-A", "trust", "-N")
        self._configure(_OURS | settings)
        self.start()
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as link:
            link.execute("create database chatbot")
        with psycopg.connect(self.url("postgres")) as link:
            link.execute(embedded.BOOTSTRAP_SQL.read_bytes())
            link.execute("create role migrator login in role chatbot_owner")
            link.execute("create role web login in role chatbot_app")
        run.upgrade(self.url("migrator"))

    def follow(self, other: "Cluster") -> None:
        """Become a streaming standby of the other one, and start."""
        where = ("-h", "127.0.0.1", "-p", str(other.port), "-U", "postgres")
        self._program("pg_basebackup", *where, "-D", str(self._folder), "-R", "-c", "fast")
        self.start()

    def url(self, role: str, database: str = "chatbot", port: int = 0) -> str:
        return f"postgresql://{role}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        self._configure({"port": str(self.port), "unix_socket_directories": "''"})
        self._control("start", "-w", "-l", str(self._folder / "server.log"))

    def stop(self, mode: str) -> None:
        self._control("stop", "-m", mode)

    def promote(self) -> None:
        self._control("promote", "-w")

    def ask(self, statement: str, role: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of one statement, as that role."""
        with psycopg.connect(self.url(role), autocommit=True) as link:
            found = link.execute(statement.encode())
            return found.fetchall() if found.description else []

    def _configure(self, settings: Mapping[str, str]) -> None:
        with (self._folder / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def _control(self, *words: str) -> None:
        self._program("pg_ctl", "-D", str(self._folder), *words)

    def _program(self, name: str, *words: str) -> None:
        embedded._run(self._user, [str(embedded._binaries() / name), *words])


class Node:
    """`chatbot serve`, as an operator starts it; its log and metrics are read as one reads them."""

    def __init__(self, folder: Path, port: int, settings: Settings, *words: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.settings, self._words, self._port = settings, words, port
        self.log = folder / f"node-{port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chatbot", "serve", "--port", str(self._port), *self._words],
                env=environment(self.settings),
                cwd=ROOT,
                stdout=out,
                stderr=out,
            )

    async def ready(self) -> float:
        """Seconds until it said that it is ready."""
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as http:
            while (await self.status(http, "/health/ready")) != 200:
                assert self.process is not None
                if self.process.poll() is not None:
                    raise RuntimeError(self.log.read_text()[-500:])
                await asyncio.sleep(0.05)
        return round(time.monotonic() - began, 2)

    async def status(self, http: aiohttp.ClientSession, path: str) -> int:
        """The status of one call, 0 when nobody answers."""
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with asyncio.timeout(10), http.get(self.url + path) as reply:
                return reply.status
        return 0

    async def leave(self) -> int:
        """Tell it to leave; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, PATIENCE_S)

    async def restart(self, settings: Settings | None = None) -> None:
        await self.leave()
        self.settings = settings or self.settings
        self.start()
        await self.ready()

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children()

    def logged(self) -> Counter[str]:
        """How often each event stands in the log."""
        lines = self.log.read_text().splitlines()
        return Counter(str(json.loads(line)["event"]) for line in lines if line.startswith("{"))

    async def metrics(self) -> dict[str, float]:
        """Every sample by `name{label=value,…}`."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as reply:
            text = await reply.text()
        return {
            f"{each.name}{{{','.join(f'{k}={v}' for k, v in sorted(each.labels.items()))}}}": (
                each.value
            )
            for family in text_string_to_metric_families(text)
            for each in family.samples
        }


def end(node: Node) -> None:
    """Whatever is left of it goes."""
    if node.process is not None and node.process.poll() is None:
        node.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            node.process.wait(30)
        node.process.kill()


def pass_on(
    target: list[int],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """One address for the database, whichever server is behind it."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", target[0])
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # the drill is over
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    return handle

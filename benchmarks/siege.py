"""Questions while hostile files are being read: what becomes of the files, of the answers' time and
of the server's memory.

    python -m benchmarks.siege [--data DIR] [--json]

The service runs as it does in production, jobs included, in a process of its own. Generated bombs
(zip, nested zip, entities, deep nesting, giant sheets, endless page trees) and, with a folder, its
files are uploaded; until the last has ended in a named state, questions are asked one after the
other. Times are from the question to the first frame of its answer; beside them those of the same
questions before the siege.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import click
import httpx2
import psutil
from sqlalchemy import select

from benchmarks.answer import ORIGIN, SECRET, Client, visiting
from benchmarks.corpus import Writer
from benchmarks.filling import fill
from benchmarks.report import Metrics, bench_database, percentiles, report
from chatbot.database import Database
from chatbot.errors import ChatbotError
from chatbot.jobs import Jobs
from chatbot.library import ingest
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from chatbot.serving import bind
from chatbot.settings import Limits
from knowledge.tables import Document, Status
from tests.knowledge import bombs

_PASSAGES: Final = 10_000
_ALONE: Final = 150
_WARM_UP: Final = 20
_SIEGE_S_MAX: Final = 1_200
_START_S_MAX: Final = 30
_MIB: Final = 2**20
_LIMITS: Final = Limits()


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(data: Path | None, as_json: bool) -> None:
    """Answers during a siege, beside answers in peace."""
    metrics, peers = asyncio.run(_measure(data))
    report("siege", metrics, peers, as_json=as_json)


async def _measure(data: Path | None) -> tuple[Metrics, dict[str, Metrics]]:
    writer = Writer()
    async with asyncio.timeout(_SIEGE_S_MAX), bench_database() as database:
        org = await sites.create_org(database, "Bench", slug="bench")
        async with database.transaction(org.id, actor="system") as db:
            site = await sites.create_site(db, org.id, name="Site", allowed_origins=[ORIGIN])
        await fill(database, org.id, writer, _PASSAGES)
        asked = [writer.question(topic) for topic in range(_ALONE)]
        # Made before the clock runs: it is their reading that is measured, not their making.
        with tempfile.TemporaryDirectory(prefix="siege-") as folder:
            paths = [*_bombs(Path(folder)), *_files(data)]
            siege = _Siege(database, org)
            with _served(database.url) as (url, process):
                async with visiting(url, site.key) as client:
                    alone = [(await client.time(question))[0] for question in asked][_WARM_UP:]
                    await siege.hold(client, asked, paths, process)
    metrics: Metrics = {
        "files": sum(siege.states.values()),
        **{f"ended_{state}": count for state, count in sorted(siege.states.items())},
        "slowest_file_s": round(siege.slowest_s, 1),
        "questions": len(siege.firsts),
        "server_grew_mib": round(siege.grew_bytes / _MIB, 1),
        **percentiles(siege.firsts),
    }
    return metrics, {"alone": percentiles(alone)}


class _Siege:
    """Files on their way in at one side, questions at the other."""

    def __init__(self, database: Database, org: Org) -> None:
        self.states: Counter[str] = Counter()
        self.firsts: list[float] = []
        self.slowest_s = 0.0
        self.grew_bytes = 0
        self._database = database
        self._org = org
        self._jobs = Jobs(database.url)

    async def hold(
        self, client: Client, asked: list[str], paths: list[Path], process: psutil.Process
    ) -> None:
        """Upload one file after the other, and ask until the last has ended."""
        before = process.memory_info().rss
        uploads = asyncio.create_task(self._upload(paths))
        while not uploads.done():
            for question in asked:
                self.firsts.append((await client.time(question))[0])
                grown = process.memory_info().rss - before
                self.grew_bytes = max(self.grew_bytes, grown)
                if uploads.done():
                    break
        await uploads

    async def _upload(self, paths: list[Path]) -> None:
        for path in paths:
            begun = time.monotonic()
            self.states[await self._ended(path.name, path.read_bytes())] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)

    async def _ended(self, name: str, body: bytes) -> str:
        try:
            async with self._database.transaction(self._org.id, actor="system") as db:
                document = await ingest.add(
                    db, self._jobs, self._org.id, name=name, body=body, limits=_LIMITS
                )
        except ChatbotError as error:
            return f"refused_{error.code}"
        while True:
            await asyncio.sleep(0.1)
            query = select(Document.status, Document.error_code).where(
                Document.org_id == self._org.id, Document.id == document.id
            )
            async with self._database.transaction(self._org.id) as db:
                status, code = (await db.execute(query)).one()
            if status in (Status.READY, Status.FAILED):
                return code or status


@contextmanager
def _served(database_url: str) -> Generator[tuple[str, psutil.Process]]:
    """The service on a free port; its address and its process."""
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {
        "CHATBOT_DATABASE_URL": database_url,
        "CHATBOT_SECRET_KEYS": SECRET,
        "CHATBOT_PUBLIC_URL": url,
        "CHATBOT_LOG_LEVEL": "error",
        "CHATBOT_LIMIT_MESSAGES_PER_MINUTE": "100000",
        "CHATBOT_LIMIT_EVENTS_PER_SECOND": "1000",
    }
    command = [sys.executable, "-m", "chatbot", "serve", "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, **settings}) as process:
        try:
            _until_ready(url)
            yield url, psutil.Process(process.pid)
        finally:
            process.terminate()


def _until_ready(url: str) -> None:
    until = time.monotonic() + _START_S_MAX
    while time.monotonic() < until:
        with suppress(httpx2.HTTPError):
            if httpx2.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        time.sleep(0.2)
    raise click.ClickException("the service did not come up")


def _bombs(folder: Path) -> Iterator[Path]:
    kinds = (
        bombs.archives, bombs.xml_traps, bombs.sheets, bombs.pdfs, bombs.texts, bombs.books,
    )  # fmt: skip
    for kind in kinds:
        for name, body, *_ in kind():
            (folder / name).write_bytes(body)
            yield folder / name


def _files(data: Path | None) -> list[Path]:
    return [path for path in sorted(data.iterdir()) if path.is_file()] if data else []


if __name__ == "__main__":
    main()

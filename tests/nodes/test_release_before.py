"""The release before runs on beside this one: its nodes on the new schema while the database is
brought up to date, and what its clients send and read.

Its code is taken from the history: the last commit before the newest migration. Where the history
is not there (a shallow clone), those tests say that they were left out; the statements of its
relay are recorded here and always tried.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psycopg
import pytest
from alembic.script import ScriptDirectory

from chatbot.app import openapi_schema
from chatbot.embedded import BOOTSTRAP_SQL, Urls
from migrations import run
from tests import live
from tests.conftest import Cluster

ROOT = Path(__file__).parents[2]
MIGRATIONS = "migrations/versions"
SCHEMA = "schema.json"

# What clients send; all else is sent to them.
SENT = {"Auth", "Subscribe", "Unsubscribe", "Send", "Resume", "Stop", "RetryAnswer", "SetTyping"}

# As a relay of 2026-11-21 says them, and the columns that it counts on.
INBOX = "array['org:01990000-0000-7000-8000-000000000001:inbox']"
STATEMENTS = {
    "select life, epoch, started_at, floor, cur from realtime.position()": (
        "life epoch started_at floor cur"
    ),
    "select * from realtime.read(pg_current_snapshot()::text, null, '0', -1, 1000)": (
        "cur xid id org_id topic event payload inserted_at"
    ),
    f"select * from realtime.missed({INBOX}, 'x', '1:1:', 300)": (
        "reset id topic event payload inserted_at"
    ),
    f"select * from realtime.may_join({INBOX})": "topic allowed",
    "select realtime.maintain()": "maintain",
    "select * from lookup.stale_answers(now())": "org_id answer_id",
    "select * from lookup.open_questions(now(), now())": "org_id conversation_id",
}


# What a process of that release does first: it writes down its schema, then it obeys.
DRIVER = """
import json, sys
from chatbot import app, cli
with open(sys.argv.pop(1), "w") as file: json.dump(app.openapi_schema(), file)
cli.main()
"""


class Old(msgspec.Struct):
    """A running node of the release before, and what its clients know."""

    url: str
    urls: Urls
    schema: dict[str, Any]


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def before() -> Iterator[Path]:
    """The code of the release before, unpacked."""
    try:
        is_new = bool(git("status", "--porcelain", "--", MIGRATIONS))
        last = git("log", "-1", "--format=%H", "--", MIGRATIONS).decode().strip()
        commit = "HEAD" if is_new else f"{last}~1"
        packed = git("archive", commit, "chatbot", "knowledge", "migrations")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("left out: the history of this repository is not here")
    with tempfile.TemporaryDirectory(prefix="before-") as folder:
        with tarfile.open(fileobj=BytesIO(packed)) as files:
            files.extractall(folder, filter="data")
        where = "import chatbot, migrations; print(chatbot.__file__, migrations.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", where], cwd=folder, capture_output=True, check=True
        ).stdout.decode()
        assert found.count(folder) == 2, "its own code would not be used"
        yield Path(folder)


@contextmanager
def at_schema(cluster: Cluster, revision: str) -> Generator[Urls]:
    """A database of its own that no newer migration has reached."""
    urls = cluster.of("release_before")
    with psycopg.connect(cluster.of("postgres").superuser, autocommit=True) as link:
        link.execute("create database release_before template template0")
    with psycopg.connect(urls.superuser, autocommit=True) as link:
        link.execute(BOOTSTRAP_SQL.read_text().encode())
    run.upgrade(urls.owner, revision)
    yield urls


@pytest.fixture(scope="module")
async def old(cluster: Cluster, before: Path) -> AsyncIterator[Old]:
    """It has started on the schema that it knows."""
    head = ScriptDirectory(str(before / "migrations")).get_current_head()
    assert head is not None
    with at_schema(cluster, head) as urls:
        async with old_node(before, urls) as url:
            schema = msgspec.json.decode((before / SCHEMA).read_bytes())
            yield Old(url, urls, schema)


@asynccontextmanager
async def old_node(before: Path, urls: Urls) -> AsyncGenerator[str]:
    """Where a node of the release before serves, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DRIVER, SCHEMA, "serve", "--no-jobs", "--port", str(port)),
        cwd=before,
        env={
            "PATH": os.environ["PATH"],
            "CHATBOT_DATABASE_URL": urls.app,
            "CHATBOT_SECRET_KEYS": live.KEY,
            "CHATBOT_PUBLIC_URL": url,
        },
    )
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            while not await is_ready(http, url):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield url
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/health/ready") as reply:
            return reply.status == 200
    except aiohttp.ClientError:
        return False


async def test_an_old_node_goes_on_while_the_schema_is_renewed_and_a_new_node_comes(
    old: Old,
) -> None:
    await asyncio.to_thread(run.upgrade, old.urls.owner)

    async with live.running(old.urls.app, run_jobs=False) as new:
        company = await live.company(new, "alder")
        there = replace(new, url=old.url)
        await talk_across(there, new, company)
        await talk_across(new, there, company)


async def talk_across(visitors: live.Live, colleagues: live.Live, company: live.Company) -> None:
    """A visitor at one node, a colleague at the other: asked, answered, handed over, replied."""
    async with (
        live.visitor(visitors, company) as visitor,
        live.colleague(colleagues, company) as ana,
    ):
        talk = await visitor.begin()
        await ana.subscribe(f"conversation:{talk}:messages")
        asked = await visitor.emit("send", live.question("Is anybody there?", talk))
        await ana.hear("signal", message_id=asked["id"])
        text, end = await visitor.answer()
        await ana.hear("signal", message_id=end["mid"])

        await visitor.post(f"/visitor/conversations/{talk}/handoff", {"reason": None})
        await ana.hear("signal", event="handoff.requested", conversation_id=talk)
        await ana.post(f"/conversations/{talk}/handoff/take")
        await visitor.hear("signal", event="handoff.taken")
        body = {"client_id": f"{talk}-reply", "text": "I am."}
        said = await ana.post(f"/conversations/{talk}/messages", body)
        await visitor.hear("signal", message_id=said["id"])
        page = await visitor.get(f"/visitor/conversations/{talk}/messages?after=0")
        again = await visitor.emit("subscribe", {"topics": [f"conversation:{talk}:messages"]})
        twice = [each for _, each in visitor.heard if said["id"] in each.get("ids", {}).values()]

    assert end["status"] == "complete"
    assert text
    assert "I am." in [each["text"] for each in page["items"]]
    assert (again["reset"], twice) == (False, [])


def test_the_statements_of_an_old_relay_are_answered_as_it_expects(cluster: Cluster) -> None:
    with psycopg.connect(cluster.app, autocommit=True) as link:
        for statement, columns in STATEMENTS.items():
            found = link.execute(statement.encode())
            assert found.description is not None
            assert [each.name for each in found.description] == columns.split(), statement


async def test_what_old_clients_send_and_read_is_still_there(old: Old) -> None:
    new = openapi_schema()

    assert missing(old.schema, new) == []

    less = msgspec.json.decode(msgspec.json.encode(new))
    del less["components"]["schemas"]["Signal"]["properties"]["epoch"]
    less["components"]["schemas"]["Send"]["required"].append("more")
    assert missing(old.schema, less) == ["Send.more", "Signal.epoch"]


def missing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What a client that knows only `old` would look for in vain, or not know to send."""
    found = [
        f"{verb.upper()} {path}"
        for path, verbs in old["paths"].items()
        for verb in verbs
        if verb not in new["paths"].get(path, {})
    ]
    schemas = new["components"]["schemas"]
    asked = SENT | set(bodies(old))
    for name, schema in old["components"]["schemas"].items():
        if name not in schemas:
            found.append(name)
            continue
        now = schemas[name]
        gone = set(schema.get("properties", {})) - set(now.get("properties", {}))
        wanted, given = set(schema.get("required", ())), set(now.get("required", ()))
        unknown = given - wanted if name in asked else wanted - given
        found += [f"{name}.{field}" for field in sorted(gone | unknown)]
    return sorted(found)


def bodies(schema: dict[str, Any]) -> Iterator[str]:
    """The shapes that clients send over HTTP."""
    for verbs in schema["paths"].values():
        for verb in verbs.values():
            for content in verb.get("requestBody", {}).get("content", {}).values():
                yield content["schema"].get("$ref", "").rpartition("/")[2]

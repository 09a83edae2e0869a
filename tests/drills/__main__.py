"""Drills: break one thing of a running service on purpose, and see what clients, log and metrics
say.

`python -m tests.drills [NAME …]` prints what was seen as JSON; docs/operations/drills.md tells it.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp

from tests import live
from tests.drills.clients import busy, late, lost
from tests.drills.server import Cluster, Story, end, pass_on
from tests.drills.stage import (
    KEYS,
    MAIN_PORT,
    REDIS_PORT,
    STANDBY_PORT,
    SWITCH_PORT,
    Stage,
    staged,
    stop,
    until,
)

_END_RELAYS: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where application_name = 'chatbot relay'"
)
_END_ALL: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where usename = 'web' and application_name <> 'drill'"
)

# ── The drills ────────────────────────────────────────────────────────────────────────────────────


async def rotation() -> Story:
    """A second key comes, the first one goes."""
    async with staged("rotation") as stage:
        story, node = stage.story, stage.node
        ears = [*(await stage.colleagues(2)), *(await stage.visitors(3))]
        old = ears[-1].person
        for label, keys in (("second key added", KEYS), ("first key dropped", KEYS[1:])):
            story.note(label)
            await node.restart(replace(node.settings, secret_keys=keys))
            status, _ = await old.call("GET", "/visitor/availability")
            story.note(f"the visitor's HTTP call right after: {status}")
            await until(lambda: all(each.joined.is_set() for each in ears))
            story.note("all are back")
        await stage.facts("rt_connects_total", "rt_errors_total")
        return story


async def lost_relay() -> Story:
    """The relay's connection is ended, then every connection, then none is allowed for 5 s."""
    async with staged("lost relay") as stage:
        story, cluster = stage.story, stage.cluster
        ears = await stage.colleagues(5)
        writer = stage.writer()
        async with busy(writer.run(50)):
            await asyncio.sleep(2)
            began = time.monotonic()
            for _ in range(3):
                found = await asyncio.to_thread(cluster.ask, _END_RELAYS)
                story.note(f"relay's connection ended ({len(found)})")
                await asyncio.sleep(1.5)
            story.facts["relay ended"] = late(writer, ears, began)
            found = await asyncio.to_thread(cluster.ask, _END_ALL)
            story.note("every connection of the service ended")
            story.facts["connections ended"] = len(found)
            await asyncio.sleep(1.5)
            began = time.monotonic()
            await asyncio.to_thread(cluster.ask, "alter role web nologin")
            await asyncio.to_thread(cluster.ask, _END_ALL)
            story.note("the service may not log in")
            await asyncio.sleep(1)
            asked = await ears[0].emit("subscribe", {"topics": [stage.topic()]})
            story.note(f"subscribe meanwhile: {asked.get('error', asked)}")
            async with aiohttp.ClientSession() as http:
                story.note(f"/health/ready: {await stage.node.status(http, '/health/ready')}")
            await asyncio.sleep(4)
            await asyncio.to_thread(cluster.ask, "alter role web login")
            story.note("it may again")
            await asyncio.sleep(4)
            story.facts["no log-in for 5 s"] = late(writer, ears, began)
        await asyncio.sleep(1)
        story.facts["written"], story.facts["lost"] = len(writer.sent), lost(writer, ears)
        await stage.facts("rt_relay_lost_total", "rt_gaps_total", "rt_errors_total")
        return story


async def noisy() -> Story:
    """One organisation writes 500 signals a second; its kind is paused, and resumed."""
    async with staged("noisy organisation and kill switch") as stage:
        story, cluster = stage.story, stage.cluster
        loud, quiet = await stage.colleagues(10), await stage.colleagues(5, 1)
        flood, calm = stage.writer(), stage.writer(1)
        async with busy(calm.run(10)):
            await asyncio.sleep(5)
            story.facts["neighbour before"] = late(calm, quiet)
            async with busy(flood.run(50, at_once=10)):
                began = time.monotonic()
                await asyncio.sleep(10)
                story.facts["written/s"] = round(len(flood.sent) / (time.monotonic() - began))
                story.facts["neighbour during"] = late(calm, quiet, began)
                story.facts["the noisy one itself"] = late(flood, loud, began)
                await stage.facts(
                    "rt_relay_lag_rows",
                    "rt_queue_depth_max",
                    "rt_loop_lag_max_ms",
                    "rt_signal_latency_ms_bucket{kind=org:dashboard",
                )
                cluster.ask("select realtime.pause('org', 'dashboard')", "migrator")
                story.note("realtime.pause('org', 'dashboard')")
                paused_at = time.monotonic()
                await asyncio.sleep(2)
                told = [ear.heard[n] - paused_at for ear in loud for n in ear.heard]
                story.facts["last signal after pause, ms"] = round(max(told) * 1000)
                story.note(f"subscribe while paused: {await loud[0].subscribe()}")
            cluster.ask("select realtime.resume('org', 'dashboard')", "migrator")
            story.note("realtime.resume('org', 'dashboard')")
            await asyncio.sleep(1)
            for ear in (*loud, *quiet):
                await ear.subscribe(anew=True)
            began = time.monotonic()
            await asyncio.sleep(3)
            story.facts["neighbour after"] = late(calm, quiet, began)
        await asyncio.sleep(0.5)
        story.facts["lost"] = lost(calm, quiet) + lost(flood, loud)
        paused = await stage.node.metrics()
        story.facts["kept back"] = {
            name: value for name, value in paused.items() if value and "paused" in name
        }
        return story


async def redis_gone() -> Story:
    """Two workers, a colleague at each; Redis is killed and comes back."""
    folder = tempfile.mkdtemp(prefix="drill-redis-")
    words = ("--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--dir", folder)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)

    redis, url = start(), f"redis://127.0.0.1:{REDIS_PORT}/0"
    try:
        async with staged("Redis gone", "--workers", "2", redis_url=url) as stage:
            story = stage.story
            ears = await stage.colleagues(8)
            writer = stage.writer()

            async def call(label: str) -> None:
                before = {id(ear): ear for ear in ears}
                for ear in before.values():
                    ear.story = Story("broadcast")
                reply = await ears[0].emit(
                    "broadcast", {"topic": stage.topic(), "event": "drill", "payload": {}}
                )
                await asyncio.sleep(0.5)
                heard = sum(ear.story.times("event: broadcast") > 0 for ear in ears)
                for ear in ears:
                    ear.story = story
                story.note(f"{label}: a broadcast reached {heard} of 7, {reply}")

            async with busy(writer.run(20)):
                await call("before")
                redis.kill()
                story.note("Redis killed")
                await asyncio.sleep(3)
                await call("without Redis")
                samples = await stage.node.metrics()
                story.note(f"rt_bus_up {samples.get('rt_bus_up{}')}")
                redis.wait()
                redis = start()
                story.note("Redis started")
                up = time.monotonic()
                while (await stage.node.metrics()).get("rt_bus_up{}") != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                story.note(f"rt_bus_up 1 after {time.monotonic() - up:.1f} s")
                await call("after")
            await asyncio.sleep(0.5)
            story.facts["signals"] = late(writer, ears)
            story.facts["lost"] = lost(writer, ears)
            await stage.facts("rt_bus", "rt_errors_total")
            return story
    finally:
        redis.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def killed_worker() -> Story:
    """kill -9 of one of two workers, with clients at both."""
    async with staged("kill -9 of a worker", "--workers", "2") as stage:
        story = stage.story
        ears = await stage.colleagues(10)
        writer = stage.writer()
        async with busy(writer.run(50)):
            await asyncio.sleep(2)
            stage.node.children()[0].kill()
            story.note("worker killed")
            began = time.monotonic()
            await asyncio.sleep(0.2)
            await until(lambda: all(each.joined.is_set() for each in ears))
            story.note("all are back")
            await until(lambda: stage.node.logged()["worker_ready"] == 3)
            story.note("the worker is back")
            await asyncio.sleep(1)
            story.facts["signals since"] = late(writer, ears, began)
        await asyncio.sleep(1)
        story.facts["written"], story.facts["lost"] = len(writer.sent), lost(writer, ears)
        await stage.facts("rt_connections", "rt_catchup_total", "rt_connects_total")
        return story


async def drained() -> Story:
    """SIGTERM, then the service is started again."""
    async with staged("SIGTERM") as stage:
        story, node = stage.story, stage.node
        ears = [*(await stage.colleagues(10)), *(await stage.visitors(10))]
        writer = stage.writer()
        async with busy(writer.run(50)):
            await asyncio.sleep(2)
            story.note("SIGTERM")
            story.note(f"exit code {await node.leave()}")
            node.start()
            await node.ready()
            story.note("ready again")
            await until(lambda: all(each.joined.is_set() for each in ears))
            story.note("all are back")
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        story.facts["written"], story.facts["lost"] = len(writer.sent), lost(writer, ears[:10])
        await stage.facts("rt_connects_total", "rt_catchup_total")
        return story


async def full_disk() -> Story:
    """The disk of the database has no room left; then it has again."""
    place = await asyncio.to_thread(_small_disk)
    tempfile.tempdir = str(place)
    try:
        async with staged("full disk") as stage:
            story, cluster = stage.story, stage.cluster
            ears = await stage.colleagues(5)
            writer = stage.writer()
            async with busy(writer.run(20)):
                await asyncio.sleep(2)
                story.facts["before"] = late(writer, ears)
                with suppress(OSError), (place / "ballast").open("wb") as ballast:
                    while True:
                        ballast.write(bytes(1 << 16))
                        ballast.flush()
                story.note("disk full")
                await _fill(stage)
                await asyncio.sleep(2)
                await _look(stage, "full")
                with suppress(Exception):  # what is written goes to the log's next file, at last
                    for _ in range(5):
                        await asyncio.to_thread(cluster.ask, "select pg_switch_wal()")
                        await asyncio.sleep(0.2)
                story.note("no room for the log of the database either")
                await asyncio.sleep(4)
                await _look(stage, "no log")
                (place / "ballast").unlink()
                story.note("room again")
                freed = time.monotonic()
                await asyncio.sleep(5)
                if not [at for at in writer.sent.values() if at > freed]:
                    story.note("Postgres does not come back by itself: started by hand")
                    await asyncio.to_thread(cluster.start)
                await until(lambda: any(at > freed for at in writer.sent.values()))
                story.note("writes work again")
                await asyncio.sleep(4)
                await _look(stage, "after")
                story.facts["after"] = late(writer, ears, time.monotonic() - 2)
            await asyncio.sleep(1)
            story.facts["written"], story.facts["lost"] = len(writer.sent), lost(writer, ears)
            await stage.facts("rt_relay_lost_total", "rt_gaps_total", "rt_errors_total")
            story.facts["server log"] = (stage.folder / "main/server.log").read_text()[-2500:]
            return story
    finally:
        tempfile.tempdir = None
        await asyncio.to_thread(_end_disk, place)


def _small_disk() -> Path:
    place = Path(tempfile.mkdtemp(prefix="drill-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "drill", place], check=True)
    return place


def _end_disk(place: Path) -> None:
    subprocess.run(["umount", "-l", place], check=False)
    place.rmdir()


async def _fill(stage: Stage) -> None:
    """Write until the database refuses."""
    with suppress(Exception):
        await asyncio.to_thread(
            stage.cluster.ask,
            "create table ballast as select md5(i::text) from generate_series(1, 3000000) i",
        )


async def _look(stage: Stage, when: str) -> None:
    """What HTTP and the database say at this moment."""
    async with aiohttp.ClientSession() as http:
        story, node = stage.story, stage.node
        story.note(f"{when}: /health/ready {await node.status(http, '/health/ready')}")
        here = live.Person(http, node.url, "/visitor", {"Origin": live.ORIGIN}, "")
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            path = f"/sites/{stage.companies[0].key}/session"
            status, body = await here.call("POST", path, {})
            code = (body or {}).get("error", {}).get("code", "")
            story.note(f"{when}: a new session: {status} {code}")


async def fail_over() -> Story:
    """The primary dies with transactions that the standby had not got; the standby is promoted."""
    async with staged("fail-over", database_port=SWITCH_PORT) as stage:
        story, node, main = stage.story, stage.node, stage.cluster
        standby = Cluster(stage.folder / "standby", STANDBY_PORT)
        await asyncio.to_thread(standby.follow, main)
        stage.stack.callback(stop, standby)
        target = [MAIN_PORT]
        switch = await asyncio.start_server(pass_on(target), "127.0.0.1", SWITCH_PORT)
        stage.stack.callback(switch.close)
        node.start()
        stage.stack.callback(end, node)
        await node.ready()
        ears = await stage.colleagues(5)
        writer = stage.writer(port=SWITCH_PORT)
        async with busy(writer.run(50)):
            await asyncio.sleep(3)
            standby.ask("alter system set primary_conninfo = ''")
            standby.ask("select pg_reload_conf()")
            behind = time.monotonic()
            await asyncio.sleep(1)
            story.note("primary killed; the standby is a second behind")
            main.stop("immediate")
            died = time.monotonic()
            await asyncio.sleep(1)
            target[0] = STANDBY_PORT
            story.note("the switch leads to the standby, which is not promoted yet")
            await asyncio.sleep(3)
            await asyncio.to_thread(standby.promote)
            story.note("standby promoted")
            await until(lambda: any(at > died + 4 for at in writer.sent.values()))
            story.note("writes work again")
            await asyncio.sleep(4)
            story.facts["after"] = late(writer, ears, time.monotonic() - 3)
        await asyncio.sleep(1)
        kept = {
            row[0]
            for row in standby.ask("select payload ->> 'n_id' from realtime.messages where id > 0")
        }
        gone = [n for n in writer.sent if n not in kept]
        story.facts["told, then gone with the primary"] = len(gone)
        heard = {n for ear in ears for n in ear.heard}
        story.facts["of these shown by clients"] = len(set(gone) & heard)
        story.facts["clients that read everything anew after it"] = sum(
            ear.refetched_at > behind for ear in ears
        )
        story.facts["written"], story.facts["lost"] = len(writer.sent), lost(writer, ears)
        await stage.facts("rt_gaps_total", "rt_relay_lost_total", "rt_catchup_total")
        return story


DRILLS: Final = {
    each.__name__.replace("_", "-"): each
    for each in (
        rotation,
        lost_relay,
        noisy,
        redis_gone,
        killed_worker,
        drained,
        full_disk,
        fail_over,
    )
}


def main() -> None:
    for name in sys.argv[1:] or DRILLS:
        print(json.dumps(asyncio.run(DRILLS[name]()).told(), indent=1), flush=True)


if __name__ == "__main__":
    main()

"""The database goes away under the relay, and comes back the same or another."""

# pyright: reportPrivateUsage=false

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.following.relay import Relay
from migrations import run
from tests.conftest import copy_of
from tests.realtime.conftest import build_house, until
from tests.realtime.hearing import Notes, missed, send_from_outside

TORTURE_S = 3.0
WRITERS = 8


async def _spend_ids(url: str, amount: int) -> None:
    """Transactions that end without waiting for the disk: after a crash their ids come again."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as link:
        await link.execute("set synchronous_commit = off")
        for _ in range(amount):
            await link.execute("select pg_current_xact_id()")


async def test_a_crash_of_the_database_loses_no_signal() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as folder,
        embedded.running(Path(folder), durable=False) as urls,
    ):
        run.upgrade(urls.owner)
        database = Database(urls.app, connections=2)
        house, relay = await build_house(database), Relay(database)
        await relay.start()
        notes, topic = Notes(relay, house.org_id), f"org:{house.org_id}:dashboard"
        outside = f"{urls.app}&options=-csynchronous_commit%3Don"
        await send_from_outside(outside, topic, ["1"])
        await notes.until(lambda: "1" in notes.numbers())
        old = relay.cursor

        await _spend_ids(urls.app, 300)
        await asyncio.sleep(0.12)  # until the relay has seen these ids, but not the disk
        server = embedded._Server(Path(folder), durable=False)
        server._pg_ctl(embedded._unprivileged(Path(folder)), "stop", "-m", "immediate")
        server.start()
        await send_from_outside(outside, topic, [str(each) for each in range(2, 12)])

        await notes.until(lambda: len(notes.numbers()) == 11, 10.0)
        await asyncio.sleep(0.3)
        assert notes.numbers() == Counter(str(each) for each in range(1, 12))
        assert relay.cursor.epoch != old.epoch
        await database.engine.dispose()  # its connections died with the server
        assert (await missed(database, house.org_id, [topic], old)).reset
        await relay.stop()
        await database.close()


async def test_a_second_crash_before_all_was_read_repeats_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as folder,
        embedded.running(Path(folder), durable=True) as urls,
    ):
        run.upgrade(urls.owner)
        database = Database(urls.app, connections=2)
        house, relay = await build_house(database), Relay(database)
        await relay.start()
        notes, topic = Notes(relay, house.org_id), f"org:{house.org_id}:dashboard"
        await send_from_outside(urls.app, topic, [str(each) for each in range(20)])
        await notes.until(lambda: len(notes.numbers()) == 20)
        server = embedded._Server(Path(folder), durable=True)

        with monkeypatch.context() as busy:
            busy.setattr(relay, "_read", _never)
            for number in (20, 21):
                epoch = relay.cursor.epoch
                server._pg_ctl(embedded._unprivileged(Path(folder)), "stop", "-m", "immediate")
                server.start()
                await send_from_outside(urls.app, topic, [str(number)])
                await until(lambda epoch=epoch: relay.cursor.epoch != epoch, 10.0)

        await notes.until(lambda: len(notes.numbers()) == 22, 10.0)
        await asyncio.sleep(0.3)
        assert notes.numbers() == Counter(str(each) for each in range(22))
        await relay.stop()
        await database.close()


async def _never(_link: object) -> None:
    """A read that does not come to its end."""
    await asyncio.sleep(0.05)
    raise OSError("cut off")


async def test_a_replaced_database_is_told_as_a_gap(cluster: embedded.Urls) -> None:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=2)
        relay, gaps = Relay(database), asyncio.Event()
        relay.listen_for_gaps(gaps.set)
        await relay.start()
        before = relay.cursor
        with psycopg.connect(urls.owner, autocommit=True) as link:
            link.execute("set role chatbot_owner")
            link.execute("select realtime.renew_epoch()")
        with psycopg.connect(urls.superuser, autocommit=True) as link:
            link.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )

        async with asyncio.timeout(5):
            await gaps.wait()

        assert relay.cursor.epoch != before.epoch
        await relay.stop()
        await database.close()

"""The relay: every committed signal exactly once, and no other."""

# pyright: reportPrivateUsage=false

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.following.relay import PAGE_ROWS, Relay
from chatbot.realtime.signals import Signal
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, say
from tests.realtime.hearing import Notes, connect_outside, send_from_outside

TORTURE_S = 3.0
WRITERS = 8


@pytest.fixture
async def quiet_relay(database: Database) -> AsyncIterator[Relay]:
    """A relay that polls so seldom that only a wake-up can explain what it hears."""
    relay = Relay(database, poll_s=60)
    await relay.start()
    yield relay
    await relay.stop()


async def test_a_commit_of_this_process_is_heard_without_a_poll(
    database: Database, quiet_relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(quiet_relay, ours.org_id)

    await say(database, ours, "hello")

    await notes.until(lambda: any(each.event == "message.changed" for each in notes.signals), 1.0)


async def test_a_commit_of_another_node_is_heard_without_a_poll(
    database: Database, quiet_relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(quiet_relay, ours.org_id)
    other = Database(database.url, connections=2)
    other_relay = Relay(other, poll_s=60)
    await other_relay.start()
    await asyncio.sleep(0.2)  # until the first has its LISTEN

    await say(other, ours, "hello")

    await notes.until(lambda: any(each.event == "message.changed" for each in notes.signals), 1.0)
    await other_relay.stop()
    await other.close()


async def test_a_commit_of_any_other_program_is_heard_at_the_next_poll(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(relay, ours.org_id)

    await send_from_outside(database.url, f"org:{ours.org_id}:dashboard", ["1"])

    await notes.until(lambda: notes.numbers() == {"1": 1}, 1.0)


async def test_business_transactions_carry_no_notify(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as link:
        await link.execute("listen chatbot_realtime")

        await say(database, ours, "no relay runs in this process")

        heard = [each async for each in link.notifies(timeout=0.3)]
    assert heard == []


async def _write(url: str, topic: str, name: str, until: float, committed: set[str]) -> None:
    """Random transactions: several signals, savepoints kept and undone, commits, pauses."""
    choose = random.Random(name)
    statement = "select realtime.send(jsonb_build_object('n_id', %s::text), 'n.changed', %s)"
    loop, count = asyncio.get_running_loop(), 0
    async with await connect_outside(url, topic) as link:
        while loop.time() < until:
            kept: set[str] = set()
            for _ in range(choose.randint(1, 4)):
                count += 1
                number = f"{name}-{count}"
                await link.execute("savepoint s")
                await link.execute(statement, (number, topic))
                if choose.random() < 0.2:
                    await link.execute("rollback to savepoint s")
                else:
                    kept.add(number)
                    if choose.random() < 0.5:
                        await link.execute("release savepoint s")
            await asyncio.sleep(choose.choice((0, 0, 0.001, 0.01)))
            if choose.random() < 0.2:
                await link.rollback()
            else:
                await link.commit()
                committed |= kept


async def _hold_open(url: str, topic: str, committed: set[str]) -> None:
    """One transaction that has its id early and commits late, while all others go on."""
    async with await connect_outside(url, topic) as link:
        await link.execute(
            "select realtime.send(jsonb_build_object('n_id', 'held'), 'n.changed', %s)", (topic,)
        )
        await asyncio.sleep(TORTURE_S * 0.6)
        await link.commit()
        committed.add("held")


async def _cut_relays(url: str, times: int, cut: list[int]) -> None:
    """End the relays' own connections, as a restarting database does; notes whose."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as link:
        for _ in range(times):
            await asyncio.sleep(TORTURE_S / (times + 1))
            found = await link.execute(
                "select pid from pg_stat_activity, pg_terminate_backend(pid)"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and application_name = 'chatbot relay'"
            )
            cut += [pid for (pid,) in await found.fetchall()]


async def test_torture_every_committed_signal_once_and_no_other(cluster: embedded.Urls) -> None:
    with copy_of(cluster) as urls:
        nodes = [Database(urls.app, connections=2) for _ in range(2)]
        house = await build_house(nodes[0])
        topic = f"org:{house.org_id}:dashboard"
        relays = [Relay(each) for each in nodes]
        notes = [Notes(each) for each in relays]
        for each in relays:
            await each.start()
        committed: set[str] = set()
        cut: list[int] = []
        until = asyncio.get_running_loop().time() + TORTURE_S

        async with asyncio.TaskGroup() as work:
            for number in range(WRITERS):
                work.create_task(_write(urls.app, topic, f"w{number}", until, committed))
            work.create_task(_hold_open(urls.app, topic, committed))
            work.create_task(_cut_relays(urls.superuser, times=3, cut=cut))

        try:
            for each in notes:
                await each.until(lambda each=each: len(each.numbers()) >= len(committed), 5.0)
            await asyncio.sleep(0.3)  # anything told twice would come now
        finally:
            for relay, database in zip(relays, nodes, strict=True):
                await relay.stop()
                await database.close()
        assert len(committed) > 500
        assert len(set(cut)) >= 2
        for each in notes:
            assert each.numbers() == Counter(committed)


async def test_a_flood_larger_than_a_page_is_heard_whole(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(relay, ours.org_id)
    amount = 2 * PAGE_ROWS + 17
    statement = text(
        "select realtime.send(jsonb_build_object('n_id', n::text), 'n.changed', :topic)"
        " from generate_series(1, :amount) n"
    )

    async with database.transaction(ours.org_id) as db:
        await db.execute(statement, {"topic": f"org:{ours.org_id}:inbox", "amount": amount})

    await notes.until(lambda: len(notes.numbers()) == amount)
    assert set(notes.numbers().values()) == {1}


async def test_a_listener_that_fails_costs_the_others_nothing(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses

    def fail(org_id: UUID, signal: Signal) -> None:
        raise RuntimeError("not today")

    relay.listen(fail)
    notes = Notes(relay, ours.org_id)

    await say(database, ours, "hello")

    await notes.until(lambda: len(notes.signals) == 4)

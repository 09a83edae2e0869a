"""The relay: every committed signal exactly once, no other, and an honest answer after a gap."""

# pyright: reportPrivateUsage=false

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.relay import MISSED_MAX, PAGE_ROWS, Relay
from chatbot.realtime.signals import Cursor, Signal
from migrations import run
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, say

TORTURE_S = 3.0
WRITERS = 8


class Notes:
    """What one relay told, and a way to wait for more."""

    def __init__(self, relay: Relay, org_id: UUID | None = None) -> None:
        self.signals: list[Signal] = []
        self._org_id = org_id
        self._news = asyncio.Event()
        relay.listen(self._note)

    def numbers(self) -> Counter[str]:
        return Counter(each.ids["n_id"] for each in self.signals if "n_id" in each.ids)

    async def until(self, done: Callable[[], bool], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                self._news.clear()
                await self._news.wait()

    def _note(self, org_id: UUID, signal: Signal) -> None:
        if self._org_id in (None, org_id):
            self.signals.append(signal)
            self._news.set()


@pytest.fixture
async def quiet_relay(database: Database) -> AsyncIterator[Relay]:
    """A relay that polls so seldom that only a wake-up can explain what it hears."""
    relay = Relay(database, poll_s=60)
    await relay.start()
    yield relay
    await relay.stop()


async def send_from_outside(url: str, topic: str, numbers: Sequence[str]) -> None:
    """Signals written by a program that is none of ours."""
    statement = "select realtime.send(jsonb_build_object('n_id', %s::text), 'n.changed', %s)"
    async with await psycopg.AsyncConnection.connect(url) as link:
        for number in numbers:
            await link.execute(statement, (number, topic))


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
    async with await psycopg.AsyncConnection.connect(url) as link:
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
    async with await psycopg.AsyncConnection.connect(url) as link:
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
                " and (query like '%realtime.read(%' or query like '%pg_notify%')"
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


# Catch-up


async def test_what_was_missed_is_told_after_the_cursor(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    names = [f"conversation:{ours.conversation_id}:messages", f"org:{ours.org_id}:inbox"]
    await say(database, ours, "before")
    await asyncio.sleep(0.3)
    cursor = relay.cursor

    message = await say(database, ours, "after")
    await say(database, theirs, "elsewhere")

    missed = await relay.missed(ours.org_id, names[:1], cursor)
    assert not missed.reset
    assert [(each.topic, each.ids["message_id"]) for each in missed.signals] == [
        (names[0], str(message.id))
    ]
    assert len((await relay.missed(ours.org_id, names, cursor)).signals) == 2
    assert (await relay.missed(ours.org_id, [], cursor)).signals == []


async def test_catch_up_never_leaves_the_organisation(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    cursor = relay.cursor
    await say(database, theirs, "theirs")

    missed = await relay.missed(ours.org_id, theirs.topics(), cursor)

    assert missed.signals == []


async def test_a_signal_carries_a_cursor_from_which_it_is_told_again(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(relay, ours.org_id)
    await say(database, ours, "hello")
    await notes.until(lambda: len(notes.signals) >= 4)
    [heard] = [each for each in notes.signals if each.event == "message.changed"]

    again = await relay.missed(ours.org_id, [heard.topic], Cursor(heard.epoch, heard.cur))

    assert [each.id for each in again.signals] == [heard.id]


async def test_a_transaction_open_at_the_cursor_is_not_missed(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = f"org:{ours.org_id}:dashboard"
    async with await psycopg.AsyncConnection.connect(database.url) as early:
        await early.execute(
            "select realtime.send(jsonb_build_object('n_id', 'early'), 'n.changed', %s)", (topic,)
        )
        await send_from_outside(database.url, topic, ["late"])
        await asyncio.sleep(0.3)
        cursor = relay.cursor
        await early.commit()

    missed = await relay.missed(ours.org_id, [topic], cursor)

    assert [each.ids for each in missed.signals] == [{"n_id": "early"}]


@pytest.mark.parametrize("amount", [MISSED_MAX, MISSED_MAX + 1])
async def test_more_than_can_be_told_is_a_reset_and_never_a_part(
    database: Database, relay: Relay, two_houses: tuple[House, House], amount: int
) -> None:
    ours, _ = two_houses
    topic = f"org:{ours.org_id}:inbox"
    cursor = relay.cursor

    await send_from_outside(database.url, topic, [str(each) for each in range(amount)])

    missed = await relay.missed(ours.org_id, [topic], cursor)
    assert missed.reset == (amount > MISSED_MAX)
    assert len(missed.signals) == (0 if missed.reset else amount)


async def test_a_cursor_that_cannot_be_trusted_is_a_reset(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic, here = f"org:{ours.org_id}:inbox", relay.cursor
    ahead = 10**15
    for cursor in (
        Cursor("another life", here.cur),
        Cursor(here.epoch, f"{ahead}:{ahead}:"),
        Cursor(here.epoch, "nonsense"),
        Cursor(here.epoch, "9:5:"),
        Cursor(here.epoch, "5:9:8,7"),
        Cursor(here.epoch, "0:0:"),
        Cursor(here.epoch, "1:99999999999999999999:"),
    ):
        assert (await relay.missed(ours.org_id, [topic], cursor)).reset, cursor
    assert not (await relay.missed(ours.org_id, [topic], here)).reset


async def test_a_cursor_older_than_what_is_kept_is_a_reset(cluster: embedded.Urls) -> None:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=2)
        house, relay = await build_house(database), Relay(database)
        await relay.start()
        old = relay.cursor
        with psycopg.connect(urls.owner, autocommit=True) as link:
            link.execute("set role chatbot_owner")
            link.execute(
                "create table realtime.messages_20200101 partition of realtime.messages"
                " for values from ('2020-01-01 00:00Z') to ('2020-01-02 00:00Z')"
            )
        with psycopg.connect(urls.superuser, autocommit=True) as link:
            link.execute(
                "insert into realtime.messages (org_id, topic, event, payload, inserted_at) values"
                " (gen_random_uuid(), concat_ws(':', 'org', gen_random_uuid(), 'inbox'), 'e', '{}',"
                " '2020-01-01 12:00Z')"
            )
        topic = [f"org:{house.org_id}:inbox"]
        assert not (await relay.missed(house.org_id, topic, old)).reset

        async with database.transaction() as db:
            await db.execute(text("select realtime.maintain()"))

        assert (await relay.missed(house.org_id, topic, old)).reset
        await asyncio.sleep(0.3)
        assert not (await relay.missed(house.org_id, topic, relay.cursor)).reset
        await relay.stop()
        await database.close()


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
        assert (await relay.missed(house.org_id, [topic], old)).reset
        await relay.stop()
        await database.close()


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

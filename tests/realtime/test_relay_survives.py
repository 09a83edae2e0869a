"""What a relay must live through: lost connections, transactions that stay open, a new day, missing
partitions, and more signals than a page holds.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.following.relay import PAGE_ROWS, Relay
from tests.conftest import copy_of
from tests.realtime.conftest import House, as_owner, build_house
from tests.realtime.hearing import Notes, connect_outside, send_from_outside

NEVER_S = 60  # a poll so seldom that only something else can explain what is heard
SEND = "select realtime.send(jsonb_build_object('n_id', %s::text), 'n.changed', %s)"
YOUNG_IDS = 100  # as in realtime.news


class Place:
    """A database of one's own with one organisation, and a relay that follows it."""

    def __init__(self, urls: embedded.Urls, database: Database, house: House) -> None:
        self.urls = urls
        self.database = database
        self.topic = f"org:{house.org_id}:dashboard"
        self.relay = Relay(database)
        self.notes = Notes(self.relay, house.org_id)

    async def send(self, *numbers: int) -> None:
        await send_from_outside(self.urls.app, self.topic, [str(each) for each in numbers])

    async def heard(self, *numbers: int) -> None:
        """Wait until these and no others were told, each once."""
        await self.notes.until(lambda: len(self.notes.numbers()) >= len(numbers), 10.0)
        assert self.notes.numbers() == Counter(str(each) for each in numbers)

    async def end_connection(self) -> None:
        """End the relay's own connection from the other side."""
        async with await psycopg.AsyncConnection.connect(self.urls.superuser) as link:
            ended = await link.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = 'chatbot relay'"
            )
            assert await ended.fetchone() == (True,)


@pytest.fixture
async def place(cluster: embedded.Urls) -> AsyncIterator[Place]:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=2)
        place = Place(urls, database, await build_house(database))
        yield place
        await place.relay.stop()
        await database.close()


async def test_a_connection_lost_between_two_pages_tells_none_of_them_twice(place: Place) -> None:
    place.relay = Relay(place.database, read_every_s=0.3)  # and so it rests between pages
    place.notes = Notes(place.relay)
    await place.relay.start()
    many = range(2 * PAGE_ROWS)

    await place.send(*many)
    await place.notes.until(lambda: len(place.notes.numbers()) >= PAGE_ROWS, 10.0)
    await place.end_connection()

    await place.heard(*many)


async def test_a_connection_lost_at_rest_is_noticed_and_nothing_is_lost(place: Place) -> None:
    place.relay = Relay(place.database, poll_s=NEVER_S)
    place.notes = Notes(place.relay)
    await place.relay.start()
    await place.send(1)

    await place.end_connection()
    await place.send(2)

    await place.heard(1, 2)


async def test_a_new_connection_hears_other_nodes_again(place: Place) -> None:
    place.relay = Relay(place.database, poll_s=NEVER_S)
    place.notes = Notes(place.relay)
    await place.relay.start()
    other = Database(place.urls.app, connections=1)
    neighbour = Relay(other, poll_s=NEVER_S)
    await neighbour.start()
    back = asyncio.Event()
    place.relay.listen_for_kinds(lambda _before, _now: back.set())
    await place.end_connection()  # of both
    async with asyncio.timeout(10):
        await back.wait()
    await asyncio.sleep(0.3)  # until both have said that they are there

    org_id = UUID(place.topic.split(":")[1])
    async with other.transaction(org_id) as db:
        link = await db.connection()
        await link.exec_driver_sql(SEND, ("1", place.topic))
    neighbour.wake()

    await place.heard(1)
    await neighbour.stop()
    await other.close()


async def test_an_open_transaction_delays_only_itself(place: Place) -> None:
    await place.relay.start()
    many = range(2, YOUNG_IDS + 50)
    async with await connect_outside(place.urls.app, place.topic) as held:
        await held.execute(SEND, ("1", place.topic))
        await place.send(*many[:5])
        await place.heard(*many[:5])
        async with await connect_outside(place.urls.app, place.topic, autocommit=True) as link:
            for number in many[5:]:  # by now the open one is old
                await link.execute(SEND, (str(number), place.topic))

        await place.heard(*many)

        await held.commit()
    await place.heard(1, *many)


async def test_the_day_ends_while_signals_are_written(place: Place) -> None:
    await place.relay.start()
    today = datetime.now(UTC).date()
    border = datetime.now(UTC) + timedelta(seconds=0.7)
    part = f"realtime.messages_{today:%Y%m%d}"
    both = "(like realtime.messages including defaults including constraints)"
    await as_owner(
        place.urls,
        f"alter table realtime.messages detach partition {part}",
        f"create table realtime.old_day {both}",
        f"create table realtime.new_day {both}",
        f"alter table realtime.messages attach partition realtime.old_day"
        f" for values from ('{today}') to ('{border.isoformat()}')",
        f"alter table realtime.messages attach partition realtime.new_day"
        f" for values from ('{border.isoformat()}') to ('{today + timedelta(days=1)}')",
    )
    written = 0

    async with await connect_outside(place.urls.app, place.topic, autocommit=True) as link:
        while datetime.now(UTC) < border + timedelta(seconds=0.2):
            written += 1
            await link.execute(SEND, (str(written), place.topic))
            await asyncio.sleep(0.002)

    await place.heard(*range(1, written + 1))
    with psycopg.connect(place.urls.superuser) as link:
        for day in ("old_day", "new_day"):
            rows = link.execute(f"select count(*) from realtime.{day}".encode()).fetchone()
            assert rows is not None
            assert rows[0] > 0


async def test_signals_of_a_day_without_a_partition_are_heard_too(place: Place) -> None:
    await place.relay.start()
    part = f"realtime.messages_{datetime.now(UTC):%Y%m%d}"
    await as_owner(place.urls, f"alter table realtime.messages detach partition {part}")

    await place.send(1, 2)

    await place.heard(1, 2)


async def test_a_long_gap_is_read_page_by_page_at_one_snapshot(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.realtime.following.relay.PAGE_ROWS", 7)
    place.relay = Relay(place.database, poll_s=NEVER_S)
    place.notes = Notes(place.relay)
    await place.relay.start()
    before = place.relay.cursor
    async with await connect_outside(place.urls.app, place.topic) as old:
        await old.execute(
            "select realtime.send('{\"n_id\": \"0\"}', 'n.changed', %s)", (place.topic,)
        )
        await place.send(*range(1, 60))
        await old.commit()
    during = asyncio.create_task(place.send(*range(60, 80)))

    place.relay.wake()
    await during
    place.relay.wake()

    await place.heard(*range(80))
    epochs = {(each.epoch, each.cur) for each in place.notes.signals[:5]}
    assert epochs == {(before.epoch, before.cur)}


async def test_equal_signals_of_one_read_are_told_once(place: Place) -> None:
    place.relay = Relay(place.database, poll_s=NEVER_S)
    place.notes = Notes(place.relay)
    await place.relay.start()
    async with await connect_outside(place.urls.app, place.topic) as link:
        for version in (3, 5, 4):
            await link.execute(
                "select realtime.send(jsonb_build_object('n_id', '1', 'version', %s::int),"
                " 'n.changed', %s)",
                (version, place.topic),
            )

    place.relay.wake()

    await place.heard(1)
    assert place.notes.signals[0].version == 5


async def test_a_read_costs_the_same_however_much_was_written_today(place: Place) -> None:
    def pages() -> int:
        """Pages that Postgres looked at for one read of one signal."""
        with psycopg.connect(place.urls.superuser, autocommit=True) as link:
            link.execute("set plan_cache_mode = force_generic_plan")
            seen = link.execute("select pg_current_snapshot()::text").fetchone()
            assert seen is not None
            link.execute(SEND, ("1", place.topic))
            read = "select * from realtime.news(%s, null, '0', -1, 1000)"
            link.execute(read, seen, prepare=True)  # planned
            plan = link.execute(f"explain (analyze, buffers, format json) {read}", seen).fetchone()
            assert plan is not None
            [found] = plan[0] if isinstance(plan[0], list) else json.loads(plan[0])
            return found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"]

    few = pages()
    async with await connect_outside(place.urls.app, place.topic) as link:
        await link.execute(
            "select realtime.send('{}', 'n.changed', %s) from generate_series(1, 5000)",
            (place.topic,),
        )

    many = pages()

    assert many <= few + 8

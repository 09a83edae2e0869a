"""What a relay passes on: what somebody here waits for, and nothing of a kind that is paused."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime import metrics, topics
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.signals import Signal
from tests.conftest import copy_of
from tests.realtime.conftest import House, as_owner, build_house
from tests.realtime.hearing import Notes, connect_outside, missed, send_from_outside


@pytest.fixture(scope="module")
async def urls(cluster: embedded.Urls) -> AsyncIterator[embedded.Urls]:
    with copy_of(cluster) as urls:
        yield urls


@pytest.fixture(scope="module")
async def database(urls: embedded.Urls) -> AsyncIterator[Database]:
    """A database of its own: a paused kind is paused for everybody."""
    database = Database(urls.app, connections=3)
    yield database
    await database.close()


@pytest.fixture
async def house(database: Database) -> House:
    return await build_house(database)


async def test_what_nobody_waits_for_is_passed_over(
    urls: embedded.Urls, house: House, relay: Relay
) -> None:
    ours, foreign = f"org:{house.org_id}:dashboard", f"org:{house.org_id}:knowledge"
    heard: list[str] = []
    last = asyncio.Event()

    def hear(_org_id: UUID, signal: Signal) -> None:
        heard.append(signal.topic)
        if signal.ids.get("n_id") == "last":
            last.set()

    relay.listen(hear, lambda topic, event: topic == ours and event == "n.changed")
    before = metrics.totals()

    await send_from_outside(urls.app, foreign, ["1", "2"])
    await send_from_outside(urls.app, ours, ["3", "last"])

    async with asyncio.timeout(5):
        await last.wait()
    after = metrics.totals()
    assert heard == [ours, ours]
    passed_over = "rt_signals_passed_over_total"
    assert after[passed_over] - before.get(passed_over, 0) == 2


async def test_a_listener_of_everything_hears_what_another_does_not_want(
    urls: embedded.Urls, house: House, relay: Relay
) -> None:
    relay.listen(lambda _org_id, _signal: None, lambda _topic, _event: False)
    notes = Notes(relay)

    await send_from_outside(urls.app, f"org:{house.org_id}:knowledge", ["1"])

    await notes.until(lambda: notes.numbers() == {"1": 1})


async def test_a_paused_kind_is_told_to_nobody_until_it_is_resumed(
    urls: embedded.Urls, database: Database, house: House, relay: Relay
) -> None:
    paused, other = f"org:{house.org_id}:dashboard", f"org:{house.org_id}:knowledge"
    notes = Notes(relay)
    changes: list[tuple[int, int]] = []

    def note(before: topics.Catalogue, now: topics.Catalogue) -> None:
        changes.append((len(before.paused()), len(now.paused())))

    relay.listen_for_kinds(note)
    start = relay.cursor

    await as_owner(urls, "select realtime.pause('org', 'dashboard')")
    await send_from_outside(urls.app, paused, ["1"])
    await send_from_outside(urls.app, other, ["2"])
    await notes.until(lambda: "2" in notes.numbers())
    is_paused = relay.catalogue.paused()
    await as_owner(urls, "select realtime.resume('org', 'dashboard')")
    await send_from_outside(urls.app, paused, ["3"])
    await notes.until(lambda: "3" in notes.numbers())

    found = await missed(database, house.org_id, [paused], start)
    assert set(notes.numbers()) == {"2", "3"}
    assert is_paused == {("org", "dashboard")}
    assert changes == [(0, 1), (1, 0)]
    assert [each.ids["n_id"] for each in found.signals] == ["1", "3"]


async def test_a_relay_that_starts_knows_what_is_paused(
    urls: embedded.Urls, database: Database, house: House
) -> None:
    await as_owner(urls, "select realtime.pause('org', 'knowledge')")
    relay = Relay(database)
    notes = Notes(relay)

    await relay.start()
    await send_from_outside(urls.app, f"org:{house.org_id}:knowledge", ["1"])
    await send_from_outside(urls.app, f"org:{house.org_id}:dashboard", ["2"])

    await notes.until(lambda: "2" in notes.numbers())
    assert set(notes.numbers()) == {"2"}
    await relay.stop()
    await as_owner(urls, "select realtime.resume('org', 'knowledge')")


@pytest.mark.parametrize("worst", [f"1{'0' * 400}.5", "[" * 990 + "]" * 990])
async def test_a_payload_that_no_reader_takes_is_told_all_the_same(
    urls: embedded.Urls, database: Database, house: House, relay: Relay, worst: str
) -> None:
    notes, start = Notes(relay), relay.cursor
    topic = f"org:{house.org_id}:dashboard"
    async with await connect_outside(urls.app, topic) as link:
        payload = f'{{"n_id": "1", "worst": {worst}}}'
        await link.execute("select realtime.send(%s::jsonb, 'n.changed', %s)", (payload, topic))

    await notes.until(lambda: len(notes.signals) == 1)
    found = await missed(database, house.org_id, [topic], start)

    assert [each.topic for each in (*notes.signals, *found.signals)] == [topic, topic]


async def test_many_wakes_at_once_share_a_read(
    urls: embedded.Urls, house: House, relay: Relay
) -> None:
    notes = Notes(relay)
    before = metrics.totals()
    await send_from_outside(urls.app, f"org:{house.org_id}:dashboard", ["1"])

    for _ in range(500):
        relay.wake()

    await notes.until(lambda: notes.numbers() == {"1": 1})
    local = "rt_relay_reads_total{wake=local}"
    assert metrics.totals()[local] - before.get(local, 0) <= 2

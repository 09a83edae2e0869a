"""Who hears when a node says that it committed; a node alone says nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import psycopg
import pytest

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.following.neighbours import FORGET_AFTER_S, SAY_EVERY_S, Neighbours
from chatbot.realtime.following.oldest import Oldest
from chatbot.realtime.following.relay import CHANNEL, Relay
from tests.conftest import copy_of
from tests.realtime.clock import Clock


def test_a_node_says_that_it_is_there_when_it_comes_and_now_and_then() -> None:
    clock = Clock()
    neighbours = Neighbours(clock)

    said = [neighbours.must_say(), neighbours.must_say()]
    clock.now += SAY_EVERY_S

    assert [*said, neighbours.must_say()] == [True, False, True]


def test_a_new_node_is_answered_once() -> None:
    neighbours = Neighbours(Clock())
    neighbours.must_say()

    heard = [neighbours.hear(7), neighbours.hear(7)]

    assert heard == [True, False]
    assert neighbours.must_say()
    assert not neighbours.must_say()


def test_a_node_that_is_silent_for_long_is_forgotten() -> None:
    clock = Clock()
    neighbours = Neighbours(clock)
    alone = neighbours.are_there()
    neighbours.hear(7)

    clock.now += FORGET_AFTER_S - 1
    assert (alone, neighbours.are_there()) == (False, True)
    clock.now += 2
    assert not neighbours.are_there()


def test_the_oldest_open_transaction_counts_from_when_it_was_first_seen() -> None:
    oldest = Oldest()

    ages = [
        oldest.age("10:10:", 0.0),
        oldest.age("10:14:10,12", 1.0),
        oldest.age("10:20:10,12,19", 5.0),
        oldest.age("12:25:12,19", 6.0),
        oldest.age("30:30:", 7.0),
    ]

    assert ages == [0.0, 0.0, 4.0, 5.0, 0.0]


@pytest.fixture
async def databases(cluster: embedded.Urls) -> AsyncIterator[list[Database]]:
    with copy_of(cluster) as urls:
        databases = [Database(urls.app, connections=1) for _ in range(2)]
        yield databases
        for each in databases:
            await each.close()


async def _said(url: str, work: Awaitable[None]) -> list[str]:
    """What was said on the channel until `work` was done, and shortly after."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as link:
        await link.execute(f"listen {CHANNEL}".encode())
        await work
        return [each.payload async for each in link.notifies(timeout=0.3)]


async def _commit(database: Database, relay: Relay) -> None:
    relay.wake()
    await asyncio.sleep(0.1)


async def test_a_node_alone_never_says_that_it_committed(databases: list[Database]) -> None:
    database, _ = databases
    relay = Relay(database)
    await relay.start()
    await asyncio.sleep(0.1)  # until it has said that it is there

    said = await _said(database.url, _commit(database, relay))

    assert said == []
    await relay.stop()


async def test_two_nodes_that_never_read_by_themselves_know_each_other(
    databases: list[Database],
) -> None:
    relays = [Relay(each, poll_s=60) for each in databases]
    for each in relays:
        await each.start()
    await asyncio.sleep(0.3)  # until both have answered

    said = await _said(databases[0].url, _commit(databases[0], relays[0]))

    assert said == [""]
    for each in relays:
        await each.stop()

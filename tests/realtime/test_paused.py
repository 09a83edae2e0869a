"""The switch for a kind of topic: rows that every node reads, and a signal that tells it to."""

from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime import topics
from chatbot.realtime.following.relay import Relay
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, say
from tests.realtime.hearing import Found, Notes, kinds, noting

Operator = Callable[[str], object]


@pytest.fixture(scope="module")
def urls(cluster: embedded.Urls) -> Iterator[embedded.Urls]:
    """A database of its own: a paused kind is paused for everybody."""
    with copy_of(cluster) as urls:
        yield urls


@pytest.fixture(scope="module")
async def database(urls: embedded.Urls) -> AsyncIterator[Database]:
    database = Database(urls.app, connections=4)
    yield database
    await database.close()


@pytest.fixture(scope="module")
def operator(urls: embedded.Urls) -> Iterator[Operator]:
    """Runs a statement as who keeps the database, each in a transaction of its own."""
    with psycopg.connect(urls.owner, autocommit=True) as link:

        def run(statement: str) -> object:
            row = link.execute(statement.encode()).fetchone()
            return row[0] if row else None

        yield run


async def catalogue(database: Database) -> topics.Catalogue:
    """The kinds as a node reads them."""
    async with database.transaction() as db:
        rows = await db.execute(text("select * from realtime.catalogue()"))
        return topics.Catalogue(topics.Row(*row) for row in rows)


async def test_pausing_and_resuming_a_kind_is_told_to_every_node(
    database: Database, operator: Operator
) -> None:
    nodes = [Relay(database), Relay(database)]
    notes = [Notes(node) for node in nodes]
    for node in nodes:
        await node.start()

    assert operator("select realtime.pause('org', 'inbox')") is True
    for each in notes:
        await each.until(lambda each=each: len(each.signals) == 1)
    paused = await catalogue(database)
    assert operator("select realtime.resume('org', 'inbox')") is True
    for each in notes:
        await each.until(lambda each=each: len(each.signals) == 2)
    resumed = await catalogue(database)
    for node in nodes:
        await node.stop()

    told = (topics.KINDS_TOPIC, topics.KINDS_CHANGED, {"scope": "org", "feature": "inbox"})
    for each in notes:
        assert [(s.topic, s.event, s.ids) for s in each.signals] == [told, told]
    assert paused.paused() == {("org", "inbox")}
    assert resumed.paused() == set()


async def test_pausing_twice_and_resuming_what_runs_changes_and_tells_nothing(
    database: Database, operator: Operator
) -> None:
    count = "select count(*) from realtime.messages where topic like 'service:%'"
    operator("select realtime.pause('site', 'inbox')")
    before = operator(count)

    again = operator("select realtime.pause('site', 'inbox')")
    operator("select realtime.resume('site', 'inbox')")
    never = operator("select realtime.resume('site', 'inbox')")

    assert (again, never) == (False, False)
    assert isinstance(before, int)
    assert operator(count) == before + 1


async def test_what_no_client_hears_cannot_be_paused(operator: Operator) -> None:
    for kind in (
        "'staff', 'access'",
        "'conversation', 'answers'",
        "'service', 'kinds'",
        "'x', 'y'",
    ):
        with pytest.raises(psycopg.errors.NoDataFound, match="nobody subscribes"):
            operator(f"select realtime.pause({kind})")


async def test_signals_of_a_paused_kind_are_kept_for_those_who_come_back(
    database: Database, operator: Operator
) -> None:
    house = await build_house(database)
    found: Found = []
    operator("select realtime.pause('conversation', 'messages')")

    async with noting(database, house, found):
        await say(database, house, "hello")
    operator("select realtime.resume('conversation', 'messages')")

    assert ("conversation_messages", "message.changed") in kinds(found)


async def test_only_who_keeps_the_database_may_pause_register_or_admit(database: Database) -> None:
    house: House = await build_house(database)
    for statement in (
        "select realtime.pause('org', 'inbox')",
        "select realtime.resume('org', 'inbox')",
        "select realtime.kind_changed('org', 'inbox')",
        "select realtime.admit('postgres')",
        "select realtime.expel('postgres')",
        "select realtime.forget('org', 'inbox')",
        "select realtime.register('x', 'y', 'postgres', '{staff}')",
        "insert into realtime.paused_kinds values ('org', 'inbox')",
        "update realtime.kinds set listeners = '{visitor}'",
        "insert into realtime.programs values ('chatbot_web')",
        "select realtime.org_of('org:00000000-0000-0000-0000-000000000000:inbox')",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction(house.org_id, actor=house.staff.actor) as db:
                await db.execute(text(statement))


async def test_nobody_can_subscribe_the_signal_that_a_kind_changed(
    database: Database, operator: Operator
) -> None:
    house = await build_house(database)
    operator("select realtime.pause('org', 'public')")
    operator("select realtime.resume('org', 'public')")

    async with database.transaction(house.org_id, actor=house.staff.actor) as db:
        join = text("select allowed from realtime.may_join(:topics)")
        allowed = await db.scalar(join, {"topics": [topics.KINDS_TOPIC]})
        await db.execute(text(f"select set_config('realtime.topic', '{topics.KINDS_TOPIC}', true)"))
        seen = await db.scalar(text("select count(*) from realtime.messages where id > 0"))

    assert allowed is False
    assert seen == 0
    assert not topics.OURS.may_ask(topics.KINDS_TOPIC, "staff")

"""What is told after a gap: all that was missed, or an honest reset."""

# pyright: reportPrivateUsage=false

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.following.catchup import MISSED_MAX
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.signals import Cursor
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, say
from tests.realtime.hearing import Notes, connect_outside, missed, send_from_outside

TORTURE_S = 3.0
WRITERS = 8


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

    found = await missed(database, ours.org_id, names[:1], cursor)
    assert not found.reset
    assert [(each.topic, each.ids["message_id"]) for each in found.signals] == [
        (names[0], str(message.id))
    ]
    assert len((await missed(database, ours.org_id, names, cursor)).signals) == 2
    assert (await missed(database, ours.org_id, [], cursor)).signals == []


async def test_catch_up_never_leaves_the_organisation(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    cursor = relay.cursor
    await say(database, theirs, "theirs")

    found = await missed(database, ours.org_id, theirs.topics(), cursor)

    assert found.signals == []


async def test_a_signal_carries_a_cursor_from_which_it_is_told_again(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(relay, ours.org_id)
    await say(database, ours, "hello")
    await notes.until(lambda: len(notes.signals) >= 4)
    [heard] = [each for each in notes.signals if each.event == "message.changed"]

    again = await missed(database, ours.org_id, [heard.topic], Cursor(heard.epoch, heard.cur))

    assert [each.id for each in again.signals] == [heard.id]


async def test_a_transaction_open_at_the_cursor_is_not_missed(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = f"org:{ours.org_id}:dashboard"
    async with await connect_outside(database.url, topic) as early:
        await early.execute(
            "select realtime.send(jsonb_build_object('n_id', 'early'), 'n.changed', %s)", (topic,)
        )
        await send_from_outside(database.url, topic, ["late"])
        await asyncio.sleep(0.3)
        cursor = relay.cursor
        await early.commit()

    found = await missed(database, ours.org_id, [topic], cursor)

    assert [each.ids for each in found.signals] == [{"n_id": "early"}]


@pytest.mark.parametrize("amount", [MISSED_MAX, MISSED_MAX + 1])
async def test_more_than_can_be_told_is_a_reset_and_never_a_part(
    database: Database, relay: Relay, two_houses: tuple[House, House], amount: int
) -> None:
    ours, _ = two_houses
    topic = f"org:{ours.org_id}:inbox"
    cursor = relay.cursor

    await send_from_outside(database.url, topic, [str(each) for each in range(amount)])

    found = await missed(database, ours.org_id, [topic], cursor)
    assert found.reset == (amount > MISSED_MAX)
    assert len(found.signals) == (0 if found.reset else amount)


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
        assert (await missed(database, ours.org_id, [topic], cursor)).reset, cursor
    assert not (await missed(database, ours.org_id, [topic], here)).reset


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
        assert not (await missed(database, house.org_id, topic, old)).reset

        async with database.transaction() as db:
            await db.execute(text("select realtime.maintain()"))

        assert (await missed(database, house.org_id, topic, old)).reset
        await asyncio.sleep(0.3)
        assert not (await missed(database, house.org_id, topic, relay.cursor)).reset
        await relay.stop()
        await database.close()

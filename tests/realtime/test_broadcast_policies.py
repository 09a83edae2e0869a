"""Who may broadcast and who may show themselves on a topic, as the database decides it; and that
no policy of one answers for another.
"""

from collections.abc import Sequence
from typing import Literal

import psycopg
import pytest
from sqlalchemy import text

from chatbot import embedded
from chatbot.database import Database, new_id
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, disable, say

Asked = Literal["may_join", "may_broadcast", "may_announce"]
ALL: tuple[Asked, ...] = ("may_join", "may_broadcast", "may_announce")


async def granted(
    database: Database, house: House, actor: str, names: Sequence[str], asked: Asked
) -> set[str]:
    """Those of `names` that are allowed in the house's organisation."""
    async with database.transaction(house.org_id, actor=actor) as db:
        statement = text(f"select * from realtime.{asked}(:names)")
        rows = await db.execute(statement, {"names": list(names)})
        return {row.topic for row in rows if row.allowed}


async def test_staff_broadcast_to_colleagues_and_a_visitor_to_nobody(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses

    by_staff = await granted(database, ours, ours.staff.actor, ours.topics(), "may_broadcast")
    by_visitor = await granted(database, ours, ours.visitor.actor, ours.topics(), "may_broadcast")

    assert by_staff == {
        f"conversation:{ours.conversation_id}:staff",
        f"org:{ours.org_id}:inbox",
        f"org:{ours.org_id}:dashboard",
        f"site:{ours.site_id}:dashboard",
    }
    assert by_visitor == set()


async def test_a_visitor_shows_up_in_their_conversation_and_staff_where_only_staff_see_it(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses

    staff = await granted(database, ours, ours.staff.actor, ours.topics(), "may_announce")
    visitor = await granted(database, ours, ours.visitor.actor, ours.topics(), "may_announce")

    assert staff == {
        f"conversation:{ours.conversation_id}:staff",
        f"org:{ours.org_id}:inbox",
        f"site:{ours.site_id}:inbox",
    }
    assert visitor == {f"conversation:{ours.conversation_id}:messages"}


async def test_a_stranger_shows_up_nowhere_and_says_nothing(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses

    for stranger in (f"visitor:{new_id()}", f"staff:{new_id()}", "system", ""):
        for asked in ALL:
            assert await granted(database, ours, stranger, ours.topics(), asked) == set()


@pytest.mark.parametrize("asked", ["may_broadcast", "may_announce"])
async def test_nobody_does_anything_on_a_topic_of_another_organisation(
    database: Database, two_houses: tuple[House, House], asked: Asked
) -> None:
    ours, theirs = two_houses

    for actor in (ours.visitor.actor, ours.staff.actor, theirs.staff.actor, "system", ""):
        assert await granted(database, ours, actor, theirs.topics(), asked) == set()


@pytest.mark.parametrize("asked", ["may_broadcast", "may_announce"])
async def test_a_disabled_colleague_does_nothing(
    database: Database, two_houses: tuple[House, House], asked: Asked
) -> None:
    ours, _ = two_houses
    await disable(database, ours.staff)

    assert await granted(database, ours, ours.staff.actor, ours.topics(), asked) == set()


async def test_who_may_broadcast_on_a_topic_cannot_read_its_log_by_it(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    await say(database, ours, "hello")
    inbox = f"org:{ours.org_id}:inbox"

    async with database.transaction(ours.org_id, actor=ours.staff.actor) as db:
        ask = text("select set_config(:setting, :topic, true)")
        count = text("select count(*) from realtime.messages where id > 0")
        await db.execute(ask, {"setting": "realtime.broadcast_topic", "topic": inbox})
        broadcasting = await db.scalar(count)
        await db.execute(ask, {"setting": "realtime.topic", "topic": inbox})
        both = await db.scalar(count)
        await db.execute(ask, {"setting": "realtime.broadcast_topic", "topic": ""})
        listening = await db.scalar(count)

    assert (broadcasting, both) == (0, 0)
    assert listening


async def test_what_was_asked_before_does_not_count(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    inbox, knowledge = f"org:{ours.org_id}:inbox", f"org:{ours.org_id}:knowledge"

    async with database.transaction(ours.org_id, actor=ours.staff.actor) as db:
        for setting in ("topic", "broadcast_topic", "announce_topic"):
            await db.execute(text(f"select set_config('realtime.{setting}', '{inbox}', true)"))
        rows = await db.execute(
            text("select * from realtime.may_broadcast(:t)"), {"t": [knowledge]}
        )
        found = [(row.topic, row.allowed) for row in rows]

    assert found == [(knowledge, False)]


async def test_too_many_topics_at_once_are_refused(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses

    for asked in ALL:
        with pytest.raises(Exception, match="at most 100 topics"):
            await granted(database, ours, ours.staff.actor, ours.topics() * 11, asked)


# Policies of other programs

POLICIES = (
    "realtime.topic_id('org', 'heard') is not null",
    "realtime.broadcast_topic_id('org', 'spoken') is not null",
    "realtime.announce_topic_id('org', 'shown') is not null",
    "realtime.topic() like 'org:%:heard'",
    "current_setting('realtime.topic', true) like 'org:%:heard'",
)


async def test_a_policy_of_another_program_answers_for_what_it_names_alone(
    cluster: embedded.Urls,
) -> None:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=2)
        ours, theirs = await build_house(database), await build_house(database)
        add_policies(urls, POLICIES)
        names = [f"org:{ours.org_id}:{feature}" for feature in ("heard", "spoken", "shown")]

        found = [await granted(database, ours, ours.visitor.actor, names, asked) for asked in ALL]

        assert found == [{name} for name in names]

        add_policies(urls, ["true"])  # even that opens no other organisation
        for asked in ALL:
            own = await granted(database, ours, ours.visitor.actor, ours.topics(), asked)
            foreign = await granted(database, ours, ours.visitor.actor, theirs.topics(), asked)
            assert own == set(ours.topics())
            assert foreign == set()
        await database.close()


def add_policies(urls: embedded.Urls, conditions: Sequence[str]) -> None:
    with psycopg.connect(urls.owner) as link:
        link.execute("set role chatbot_owner")
        for condition in conditions:
            link.execute(
                f'create policy "{condition}" on realtime.messages for select to chatbot_app'
                f" using ({condition})".encode()
            )

"""A topic of another program on which, by its own policies, visitors and colleagues see and hear
each other: what the service keeps from visitors on its own topics is the program's to give on its
own.
"""

from collections.abc import AsyncIterator

import psycopg
import pytest

from chatbot.database import Database
from tests.conftest import Cluster, copy_of
from tests.realtime.conftest import Service, build_house, serving
from tests.realtime.people import LIMITS, hearing, key

POLICIES = """
    create policy org_lounge on realtime.messages for select to chatbot_app using (
      realtime.topic_id('org', 'lounge') = current_setting('app.org')::uuid);
    create policy org_lounge_announce on realtime.messages for select to chatbot_app using (
      realtime.announce_topic_id('org', 'lounge') = current_setting('app.org')::uuid);
    create policy org_lounge_broadcast on realtime.messages for select to chatbot_app using (
      realtime.broadcast_topic_id('org', 'lounge') = current_setting('app.org')::uuid
      and realtime.actor('visitor') is not null);
"""
REGISTER = """
    select realtime.admit('lounge');
    select realtime.register('org', 'lounge', 'lounge', listeners => '{visitor,staff}',
      present => '{visitor,staff}', broadcasters => '{visitor}');
"""


@pytest.fixture
async def lounge(cluster: Cluster) -> AsyncIterator[tuple[Service, Database]]:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=4)
        with psycopg.connect(urls.superuser, autocommit=True) as link:
            link.execute("create role lounge")
            link.execute(POLICIES.encode())
        with psycopg.connect(urls.owner, autocommit=True) as link:
            link.execute("set role chatbot_owner")
            link.execute(REGISTER.encode())
        async with serving(database, LIMITS) as service:
            yield service, database
        await database.close()
        with psycopg.connect(urls.superuser, autocommit=True) as link:
            link.execute("drop owned by lounge")
            link.execute("drop role lounge")


async def test_visitors_and_colleagues_meet_where_the_policies_of_a_program_let_them(
    lounge: tuple[Service, Database],
) -> None:
    service, database = lounge
    house, other = await build_house(database), await build_house(database)
    topic = f"org:{house.org_id}:lounge"
    visitor_key = f"visitor:{house.visitor.visitor_id}"
    async with (
        hearing(service, house, topic) as staff,
        hearing(service, house, topic, "/visitor") as visitor,
        hearing(service, other, f"org:{other.org_id}:lounge", "/visitor") as stranger,
    ):
        await staff.ask("presence", {"topic": topic, "state": {}})
        came = await visitor.hear("presence")
        both = await visitor.ask("presence", {"topic": topic, "state": {}})
        said = {"topic": topic, "event": "waved", "payload": {}}
        refused = await staff.ask("broadcast", said)
        await visitor.ask("broadcast", said)
        heard = await staff.hear("broadcast")
        foreign = await stranger.ask("broadcast", said)

    assert [each["key"] for each in came["joined"]] == [key(house)]
    assert [each["key"] for each in both["members"]] == [key(house), visitor_key]
    assert refused["error"]["code"] == "forbidden"
    assert heard["from"]["key"] == visitor_key
    assert foreign["error"]["code"] == "not_found"
    assert stranger.heard == []

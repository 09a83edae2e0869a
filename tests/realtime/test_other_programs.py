"""Another program on the same database, with a role of its own: the example in docs/channels.md run
word for word, and what such a program may not do.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from chatbot import embedded
from chatbot.database import Database, new_id
from chatbot.realtime import topics
from chatbot.settings import Limits
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, connected, serving, until
from tests.realtime.shop import ORDER, Shop, example
from tests.realtime.test_broadcast_policies import granted


@pytest.fixture(scope="module")
def urls(cluster: embedded.Urls) -> Iterator[embedded.Urls]:
    with copy_of(cluster) as urls:
        yield urls
        with psycopg.connect(urls.superuser, autocommit=True) as link:
            link.execute("drop owned by shop; drop role shop")


@pytest.fixture(scope="module")
async def shop(urls: embedded.Urls) -> AsyncIterator[Shop]:
    """The example, as far as the program's first own row."""
    database = Database(urls.app, connections=4)
    ours, theirs = await build_house(database), await build_house(database)
    shop = Shop(urls, database, ours, theirs, example(ours))
    with psycopg.connect(urls.superuser) as link:  # a copy has no rights of the original
        link.execute(f"grant create on database {link.info.dbname} to chatbot_owner".encode())
    shop.run(urls.superuser, "role")
    shop.run(urls.owner, "admit", "kind")
    yield shop
    await database.close()


@pytest.fixture(autouse=True)
async def order(shop: Shop) -> AsyncIterator[str]:
    """The topic of the order; without the order afterwards."""
    shop.run(shop.program, "rows")
    yield f"order:{ORDER}:status"
    shop.as_owner("delete from shop.orders")


async def test_the_example_signals_where_it_says(shop: Shop, order: str) -> None:
    shop.run(shop.program, "send")

    assert (await shop.log(f"org:{shop.ours.org_id}:dashboard"))[-1] == (
        "lead.changed",
        {"lead_id": "7", "version": 3},
    )
    assert (await shop.log(order))[-1] == (
        "order.changed",
        {"id": str(ORDER), "table": "shop.orders", "version": 2, "operation": "UPDATE"},
    )


async def test_who_may_hear_of_an_order_is_said_by_its_policy(shop: Shop, order: str) -> None:
    ours, theirs = shop.ours, shop.theirs
    unknown = f"order:{new_id()}:status"

    async def hears(house: House, actor: str) -> bool:
        heard = await granted(shop.database, house, actor, [order, unknown], "may_join")
        return heard == {order}

    assert await hears(ours, ours.visitor.actor)
    assert await hears(ours, ours.staff.actor)
    assert not await hears(ours, f"visitor:{new_id()}")
    assert not await hears(theirs, theirs.staff.actor)
    assert not await hears(theirs, ours.visitor.actor)


async def test_a_client_subscribes_the_order_hears_it_move_and_loses_it(
    shop: Shop, order: str
) -> None:
    catalogue = await shop.catalogue()
    assert catalogue.may_ask(order, "visitor")

    async with (
        serving(shop.database, Limits()) as service,
        connected(service, "/visitor", shop.ours.visitor_token) as ear,
    ):
        joined = await ear.ask("subscribe", {"topics": [order]})
        shop.as_program(f"update shop.orders set status = 'here', rev = 3 where id = '{ORDER}'")
        heard = await ear.hear("signal")
        shop.run(shop.program, "lost")
        told = await ear.hear("system")

    assert joined["topics"] == {order: "ok"}
    assert (heard["topic"], heard["event"], heard["version"]) == (order, "order.changed", 3)
    assert (told["code"], told["retry"]) == ("access_changed", "refetch")
    assert heard["ids"] == {"id": str(ORDER), "operation": "UPDATE", "table": "shop.orders"}


async def test_a_program_sends_nothing_on_topics_of_the_service(shop: Shop, order: str) -> None:
    ours = shop.ours
    for topic in (
        f"conversation:{ours.conversation_id}:messages",
        f"conversation:{ours.conversation_id}:answers",
        f"org:{ours.org_id}:inbox",
        f"org:{ours.org_id}:anything",
        f"staff:{ours.staff.staff_id}:access",
        topics.KINDS_TOPIC,
        f"order:{ORDER}:other",
    ):
        with pytest.raises(psycopg.errors.NoDataFound, match="no such topic"):
            shop.send(topic)
    with pytest.raises(psycopg.errors.NoDataFound, match="no such topic"):
        shop.send(order, shop.theirs.org_id)


async def test_rights_are_lost_by_people_alone(shop: Shop) -> None:
    for who in (f"'org', '{shop.ours.org_id}'", f"'visitor', '{new_id()}'", "'order', null"):
        with pytest.raises(psycopg.errors.NoDataFound, match="no such visitor or staff"):
            shop.as_program(f"select realtime.access_changed({who})")


async def test_not_even_the_service_sends_a_command_by_hand(shop: Shop) -> None:
    for topic in (
        f"conversation:{shop.ours.conversation_id}:answers",
        f"staff:{shop.ours.staff.staff_id}:access",
    ):
        with psycopg.connect(shop.urls.app) as link, pytest.raises(psycopg.errors.NoDataFound):
            link.execute("select realtime.send('{}', 'a.b', %s)", (topic,))


async def test_a_program_reads_nothing_of_the_service(shop: Shop) -> None:
    for statement in (
        "select * from realtime.messages",
        "select * from realtime.kinds",
        "select * from realtime.programs",
        "select * from orgs",
        "select * from conversations",
        "select * from realtime.missed('{}', '', '', 1)",
        "select realtime.read('1:1:', null, '0', -1, 1)",
        "select realtime.may_join('{}')",
        "select realtime.admit('shop')",
        "select realtime.pause('org', 'inbox')",
        "create policy mine on realtime.messages for select to chatbot_app using (true)",
        "select realtime.write(gen_random_uuid(), '{}', 'a.b', 'c')",
        "select realtime.org_of('c')",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege,)):
            shop.as_program(statement)


async def test_a_program_of_one_organisation_sends_to_no_other(shop: Shop) -> None:
    shop.as_owner(f"select realtime.admit('shop', '{shop.ours.org_id}')")

    shop.send(f"org:{shop.ours.org_id}:dashboard")
    theirs = f"'visitor', '{shop.theirs.visitor.visitor_id}'"
    with pytest.raises(psycopg.errors.NoDataFound, match="no such topic"):
        shop.send(f"org:{shop.theirs.org_id}:dashboard")
    with pytest.raises(psycopg.errors.NoDataFound, match="no such visitor or staff"):
        shop.as_program(f"select realtime.access_changed({theirs})")
    shop.as_owner("select realtime.admit('shop')")
    shop.as_program(f"select realtime.access_changed({theirs})")
    shop.send(f"org:{shop.theirs.org_id}:dashboard")


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ("'org', 'inbox', 'shop', '{visitor}'", "org:inbox is taken"),
        ("'org', 'access', 'shop', '{visitor}'", "kept for the service"),
        ("'service', 'orders', 'shop', '{visitor}'", "kept for the service"),
        ("'org', 'orders', 'stranger', '{visitor}'", "first realtime.admit('stranger')"),
        ("'org', 'orders', 'shop', '{}'", "has a scope, a feature, a program and listeners"),
        ("'org', null, 'shop', '{staff}'", "has a scope, a feature, a program and listeners"),
        ("'org', 'orders', 'shop', '{staff}'", "first create the policy org_orders"),
        ("'order', 'new', 'shop', '{staff}'", "name the function org_of"),
        ("'org', 'orders', 'shop', '{staff}', org_of => 'shop.org_of_order(uuid)'", "leave org_of"),
        (
            "'order', 'status', 'shop', '{staff}', '{staff}', org_of => 'shop.org_of_order(uuid)'",
            "first create the policy order_status_broadcast",
        ),
        (
            "'order', 'status', 'shop', '{staff}', '{}', '{staff}',"
            " org_of => 'shop.org_of_order(uuid)'",
            "first create the policy order_status_announce",
        ),
        (
            "'order', 'status', 'shop', '{staff}', org_of => 'pg_catalog.gen_random_uuid()'",
            "cannot say whose an id is",
        ),
        ("'order', 'status', 'shop', '{world}', org_of => 'shop.org_of_order(uuid)'", "check"),
    ],
)
async def test_a_kind_that_would_open_too_much_is_refused(
    shop: Shop, asked: str, refused: str
) -> None:
    before = (await shop.catalogue()).parse(f"order:{ORDER}:status")

    with pytest.raises(psycopg.Error, match=re.escape(refused)):
        shop.as_owner(f"select realtime.register({asked})")

    assert (await shop.catalogue()).parse(f"order:{ORDER}:status") == before


@pytest.mark.parametrize(
    ("take", "give"),
    [
        ("revoke select on shop.orders from chatbot_app", "grant select on shop.orders to"),
        ("revoke usage on schema shop from chatbot_app", "grant usage on schema shop to"),
    ],
)
async def test_a_kind_whose_policy_would_fail_the_joins_of_all_is_refused(
    shop: Shop, take: str, give: str
) -> None:
    register = "select realtime.register" + shop.blocks["kind"].split("realtime.register")[1]

    with pytest.raises(psycopg.Error, match=r"order_status reads shop\.orders, which chatbot_app"):
        shop.as_owner(f"{take}; {register.split(';')[0]}")

    shop.as_owner(f"{give} chatbot_app; {register.split(';')[0]}")


async def test_a_kind_is_opened_for_broadcasts_and_presence_by_its_policies(
    shop: Shop, order: str
) -> None:
    asked = ("may_broadcast", "may_announce")
    for name, setting in (("broadcast", "broadcast_topic_id"), ("announce", "announce_topic_id")):
        shop.as_owner(
            f"create policy order_status_{name} on realtime.messages for select to chatbot_app"
            f" using (realtime.{setting}('order', 'status') is not null and realtime.is_staff())"
        )
    register = "realtime.register('order', 'status', 'shop', '{visitor,staff}', %s)"
    known = "org_of => 'shop.org_of_order(uuid)'"

    shop.as_owner("select " + register % f"'{{staff}}', '{{staff}}', {known}")
    opened = (await shop.catalogue()).parse(order)
    people = shop.ours.staff.actor, shop.ours.visitor.actor
    may = [
        [await granted(shop.database, shop.ours, actor, [order], deed) for deed in asked]
        for actor in people
    ]
    shop.as_owner("select " + register % known)
    shop.as_owner("drop policy order_status_broadcast on realtime.messages")
    shop.as_owner("drop policy order_status_announce on realtime.messages")

    assert opened is not None
    assert (opened.kind.broadcasters, opened.kind.present) == ({"staff"}, {"staff"})
    assert may == [[{order}, {order}], [set(), set()]]


async def test_who_was_not_named_at_registration_does_nothing_whatever_the_policies_say(
    shop: Shop, order: str
) -> None:
    """The kind names nobody but listeners; a policy that is wider stands there all the same."""
    for name, setting in (("broadcast", "broadcast_topic_id"), ("announce", "announce_topic_id")):
        shop.as_owner(
            f"create policy order_status_{name} on realtime.messages for select to chatbot_app"
            f" using (realtime.{setting}('order', 'status') is not null)"
        )
    say = {"topic": order, "event": "a.b", "payload": {}}
    try:
        async with (
            serving(shop.database, Limits()) as service,
            connected(service, "/visitor", shop.ours.visitor_token) as ear,
        ):
            await ear.ask("subscribe", {"topics": [order]})
            refused = [
                await ear.ask("broadcast", say),
                await ear.ask("presence", {"topic": order, "state": {}}),
            ]
    finally:
        shop.as_owner("drop policy order_status_broadcast on realtime.messages")
        shop.as_owner("drop policy order_status_announce on realtime.messages")

    assert [each["error"]["code"] for each in refused] == ["forbidden"] * 2


@pytest.mark.parametrize("taken_back", ["forgotten", "for staff alone"])
async def test_who_joined_before_a_kind_was_taken_back_leaves_it(
    shop: Shop, order: str, taken_back: str
) -> None:
    register = "select realtime.register" + shop.blocks["kind"].split("realtime.register")[1]
    register = register.split(";")[0]
    narrow = register.replace("{visitor,staff}", "{staff}")
    forget = "select realtime.forget('order', 'status')"
    async with (
        serving(shop.database, Limits()) as service,
        connected(service, "/visitor", shop.ours.visitor_token) as visitor,
        connected(service, "/staff", shop.ours.staff_token()) as staff,
    ):
        for ear in (visitor, staff):
            joined = await ear.ask("subscribe", {"topics": [order]})
            assert joined["topics"] == {order: "ok"}

        shop.as_owner(narrow if taken_back == "for staff alone" else forget)
        told = await visitor.hear("system")
        shop.as_owner(narrow)
        await until(lambda: service.realtime.relay.catalogue.may_ask(order, "staff"))
        await staff.ask("subscribe", {"topics": [order]})
        shop.as_program(f"update shop.orders set status = 'back', rev = 9 where id = '{ORDER}'")
        await staff.hear("signal")
        await asyncio.sleep(0.1)
        shop.as_owner(register)

    assert (told["code"], told["retry"]) == ("access_changed", "refetch")
    assert visitor.heard == []


async def test_a_function_that_the_program_could_change_says_nothing_of_organisations(
    shop: Shop,
) -> None:
    with psycopg.connect(shop.urls.superuser, autocommit=True) as link:
        link.execute("create schema loose authorization shop")
    shop.as_program(
        "create function loose.org_of(id uuid) returns uuid language sql stable security definer"
        " set search_path = pg_catalog, pg_temp return id; grant usage on schema loose to public"
    )

    with pytest.raises(psycopg.Error, match="cannot say whose an id is"):
        shop.as_owner(
            "select realtime.register('order', 'status', 'shop', '{staff}',"
            " org_of => 'loose.org_of(uuid)')"
        )


async def test_a_topic_whose_owner_cannot_be_told_is_nobodys(shop: Shop, order: str) -> None:
    shop.as_owner("alter function shop.org_of_order(uuid) rename to gone")
    try:
        with pytest.raises(psycopg.errors.NoDataFound, match="no such topic"):
            shop.send(order)
        allowed = await granted(
            shop.database, shop.ours, shop.ours.staff.actor, [order], "may_join"
        )
    finally:
        shop.as_owner("alter function shop.gone(uuid) rename to org_of_order")

    assert allowed == set()


async def test_a_kind_that_is_forgotten_is_no_topic_until_it_is_registered_again(
    shop: Shop, order: str
) -> None:
    shop.as_owner("select realtime.forget('order', 'status')")
    gone = (await shop.catalogue()).parse(order)
    with pytest.raises(psycopg.errors.NoDataFound, match="no such topic"):
        shop.send(order)
    shop.as_owner("select realtime.forget('org', 'inbox')")
    ours = (await shop.catalogue()).parse(f"org:{shop.ours.org_id}:inbox")
    register = "select realtime.register" + shop.blocks["kind"].split("realtime.register")[1]
    shop.as_owner(register.split(";")[0])

    assert gone is None
    assert ours is not None
    assert (await shop.catalogue()).may_ask(order, "visitor")
    told = [payload for _, payload in await shop.log(topics.KINDS_TOPIC)]
    assert told[-2:] == [{"scope": "order", "feature": "status"}] * 2


async def test_a_program_that_is_expelled_sends_nothing_and_its_kinds_are_gone(
    shop: Shop, order: str
) -> None:
    with psycopg.connect(shop.urls.owner) as link:
        link.execute("set role chatbot_owner")
        link.execute("select realtime.expel('shop')")
        link.execute("set local role none")
        left = link.execute("select count(*) from realtime.kinds where program = 'shop'").fetchone()
        rights = link.execute(
            "select has_schema_privilege('shop', 'realtime', 'usage'),"
            " has_function_privilege('shop', 'realtime.send(jsonb,text,text,boolean)', 'execute')"
        ).fetchone()
        link.rollback()

    assert left == (0,)
    assert rights == (False, False)


async def test_nobody_is_let_in_twice(shop: Shop) -> None:
    for role, why in (("nobody_at_all", "there is no role"), ("chatbot_web", "has the rights")):
        with pytest.raises(psycopg.Error, match=why):
            shop.as_owner(f"select realtime.admit('{role}')")


async def test_a_bulk_change_signals_once_as_the_page_says(shop: Shop) -> None:
    topic = f"org:{shop.ours.org_id}:knowledge"
    with psycopg.connect(shop.urls.app, autocommit=True) as link:
        link.execute("select set_config('app.org', %s, false)", (str(shop.ours.org_id),))
        link.execute(
            "insert into documents (org_id, id, name, media_type, size_bytes, sha256, status)"
            " select %s, gen_random_uuid(), 'n' || n, 'text/plain', 1, '', 'queued'"
            " from generate_series(1, 50) n",
            (shop.ours.org_id,),
        )
        before = len(await shop.log(topic))

        link.execute(shop.blocks["quiet"].encode())
        closed = await shop.log(topic)
        link.execute("update documents set progress = 0.5")
        after = await shop.log(topic)

    assert closed[before:] == [("document.changed", {})]
    assert len(after) == len(closed) + 50


async def test_a_kind_is_paused_as_the_page_says(shop: Shop) -> None:
    shop.run(shop.urls.owner, "pause")
    paused = await shop.catalogue()
    shop.as_owner("select realtime.resume('org', 'inbox')")

    assert paused.paused() == {("org", "inbox")}

"""Who may hear a topic, and who may write to it, as the database decides it."""

from collections.abc import Sequence
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chatbot import embedded
from chatbot.database import Database, new_id
from chatbot.realtime import topics
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, disable, say
from tests.realtime.hearing import Found, kinds, noting


async def allowed(database: Database, org_id: UUID, actor: str, names: Sequence[str]) -> set[str]:
    async with database.transaction(org_id, actor=actor) as db:
        rows = await db.execute(text("select * from realtime.may_join(:t)"), {"t": list(names)})
        return {row.topic for row in rows if row.allowed}


async def test_a_visitor_may_hear_their_own_and_what_is_public(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses

    found = await allowed(database, ours.org_id, ours.visitor.actor, ours.topics())

    assert found == {
        f"visitor:{ours.visitor.visitor_id}:conversations",
        f"conversation:{ours.conversation_id}:messages",
        f"org:{ours.org_id}:public",
    }


async def test_staff_may_hear_everything_of_their_organisation_but_the_visitors_own(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses

    found = await allowed(database, ours.org_id, ours.staff.actor, ours.topics())

    assert found == set(ours.topics()) - {f"visitor:{ours.visitor.visitor_id}:conversations"}


async def test_nobody_hears_another_organisation(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses

    for actor in (ours.visitor.actor, ours.staff.actor, theirs.staff.actor, "system", ""):
        assert await allowed(database, ours.org_id, actor, theirs.topics()) == set()


async def test_a_second_visitor_of_the_same_site_hears_nothing_of_the_first(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    stranger = f"visitor:{new_id()}"

    assert await allowed(database, ours.org_id, stranger, ours.topics()) == set()


async def test_a_disabled_colleague_hears_nothing(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    await disable(database, ours.staff)

    assert await allowed(database, ours.org_id, ours.staff.actor, ours.topics()) == set()


async def test_no_policy_lets_anyone_hear_what_is_for_the_service_alone(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    internal = [
        f"conversation:{ours.conversation_id}:answers",
        f"conversation:{ours.conversation_id}:access",
        f"staff:{ours.staff.staff_id}:access",
    ]

    assert await allowed(database, ours.org_id, ours.staff.actor, internal) == set()


async def test_each_kind_has_a_policy_for_each_thing_it_allows_and_there_is_no_other(
    database: Database,
) -> None:
    async with database.transaction() as db:
        statement = text(
            "select policyname from pg_policies where schemaname = 'realtime' and tablename ="
            " 'messages' and permissive = 'PERMISSIVE' and 'chatbot_app' = any(roles)"
        )
        found = set((await db.scalars(statement)).all())

    assert found == {policy for kind in topics.KINDS for policy in kind.policies}


async def test_the_database_knows_the_same_kinds_as_the_code(database: Database) -> None:
    async with database.transaction() as db:
        found = (await db.execute(text("select * from realtime.catalogue()"))).all()

    rows = {(row.scope, row.feature): row for row in found if not row.registered}
    assert {
        name: (set(row.listeners), set(row.present), set(row.broadcasters))
        for name, row in rows.items()
    } == {
        (kind.scope, kind.feature): (kind.listeners, kind.present, kind.broadcasters)
        for kind in topics.KINDS
    }


async def test_the_log_itself_shows_only_the_topic_asked_for(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    await say(database, ours, "hello")
    await say(database, theirs, "hello")

    async with database.transaction(ours.org_id, actor=ours.staff.actor) as db:
        await db.execute(
            text("select set_config('realtime.topic', :t, true)"),
            {"t": f"org:{ours.org_id}:inbox"},
        )
        seen = set(await db.scalars(text("select topic from realtime.messages where id > 0")))

    assert seen == {f"org:{ours.org_id}:inbox"}


async def test_partitions_cannot_be_read_or_written_directly(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    for statement in (
        "select * from realtime.messages_default",
        "select * from realtime.epoch",
        "select * from realtime.programs",
        "insert into realtime.messages (org_id, topic, event, payload) values"
        f" ('{ours.org_id}', 'org:{ours.org_id}:inbox', 'made.up', '{{}}')",
        f"select realtime.write('{ours.org_id}', '{{}}', 'made.up', 'org:{ours.org_id}:inbox')",
        "delete from realtime.messages",
        "update realtime.messages set event = 'made.up'",
        "select realtime.renew_epoch()",
        "set role chatbot_lookup",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction(ours.org_id, actor=ours.staff.actor) as db:
                await db.execute(text(statement))


GRANTED = {
    ("chatbot_app", "messages", "SELECT"),
    ("chatbot_app", "kinds", "SELECT"),
    ("chatbot_app", "paused_kinds", "SELECT"),
    ("chatbot_lookup", "messages", "SELECT"),
    ("chatbot_lookup", "messages", "INSERT"),
    ("chatbot_lookup", "epoch", "SELECT"),
    ("chatbot_lookup", "kinds", "SELECT"),
    ("chatbot_lookup", "programs", "SELECT"),
}


def test_nobody_but_the_owner_has_more_than_these_rights_on_the_tables(
    cluster: embedded.Urls,
) -> None:
    with psycopg.connect(cluster.of("chatbot").superuser) as link:
        found = link.execute(
            "select grantee::text, table_name::text, privilege_type::text"
            " from information_schema.role_table_grants"
            " where table_schema = 'realtime' and grantee <> 'chatbot_owner'"
        ).fetchall()

    assert set(found) == GRANTED


# Who may write


async def send(
    database: Database, org_id: UUID | None, topic: str, *, private: bool = True
) -> None:
    async with database.transaction(org_id, actor="system") as db:
        await db.execute(
            text("select realtime.send('{\"a_id\": \"1\"}', 'thing.changed', :topic, :private)"),
            {"topic": topic, "private": private},
        )


async def test_any_program_may_signal_on_its_own_topics(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []

    async with noting(database, ours, found):
        await send(database, ours.org_id, f"org:{ours.org_id}:dashboard")
        await send(database, ours.org_id, f"site:{ours.site_id}:dashboard")
        await send(database, ours.org_id, f"org:{ours.org_id}:public", private=False)

    assert [payload for _, _, payload in found] == [{"a_id": "1"}] * 3
    assert kinds(found) == [
        ("org_dashboard", "thing.changed"),
        ("org_public", "thing.changed"),
        ("site_dashboard", "thing.changed"),
    ]


async def test_send_raises_when_it_cannot_write(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    foreign, unknown = f"org:{theirs.org_id}:inbox", f"org:{new_id()}:inbox"
    for topic in (foreign, unknown, "org:nonsense:inbox", "", f"planet:{ours.org_id}:inbox"):
        with pytest.raises(DBAPIError, match="no such topic"):
            await send(database, ours.org_id, topic)
    with pytest.raises(DBAPIError, match="no such topic"):
        await send(database, None, f"org:{ours.org_id}:inbox")
    with pytest.raises(DBAPIError, match="private must be"):
        await send(database, ours.org_id, f"org:{ours.org_id}:inbox", private=False)
    with pytest.raises(DBAPIError, match="private must be"):
        await send(database, ours.org_id, f"org:{ours.org_id}:public", private=True)
    with pytest.raises(DBAPIError, match="check constraint"):
        await send(database, ours.org_id, f"org:{ours.org_id}:In Box")


async def test_a_payload_names_what_changed_and_does_not_carry_it(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    statement = text("select realtime.send(cast(:p as jsonb), 'thing.changed', :t)")
    for payload in ('{"text": "' + "x" * 2100 + '"}', '["a"]', '"a"', "null"):
        with pytest.raises(DBAPIError, match="check constraint"):
            async with database.transaction(ours.org_id) as db:
                await db.execute(statement, {"p": payload, "t": f"org:{ours.org_id}:inbox"})


async def test_a_signal_is_as_large_as_the_page_says_and_no_larger(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    statement = text("select realtime.send(jsonb_build_object('t', repeat('x', :n)), :e, :t)")
    room = 2048 - len('{"t": ""}')
    fits = {"n": room, "e": "e" * 60, "t": f"org:{ours.org_id}:{'f' * 20}"}

    async with database.transaction(ours.org_id) as db:
        await db.execute(statement, fits)

    for more in ({"n": room + 1}, {"e": "e" * 61}, {"t": f"org:{ours.org_id}:{'f' * 21}"}):
        with pytest.raises(DBAPIError, match="check constraint"):
            async with database.transaction(ours.org_id) as db:
                await db.execute(statement, fits | more)


def test_a_database_has_one_life_at_a_time(cluster: embedded.Urls) -> None:
    with psycopg.connect(cluster.of("chatbot").superuser) as link:
        for value in ("true", "false"):
            with pytest.raises(psycopg.Error), link.transaction():
                link.execute(f"insert into realtime.epoch (only_row) values ({value})".encode())
        [(lives,)] = link.execute("select count(*) from realtime.epoch").fetchall()

    assert lives == 1


async def test_a_program_signals_its_own_rows_by_a_trigger_of_one_line(
    cluster: embedded.Urls,
) -> None:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=2)
        house = await build_house(database)
        with psycopg.connect(urls.owner) as link:
            link.execute("set role chatbot_owner")
            link.execute("create table public.leads (id uuid, org_id uuid, rev int, name text)")
            link.execute(
                "create function public.on_leads() returns trigger language plpgsql as $$ begin"
                " perform realtime.broadcast_changes(concat_ws(':', 'org',"
                " (coalesce(new, old)).org_id, 'dashboard'), 'lead.changed',"
                " tg_op, tg_table_name, tg_table_schema, new, old);"
                " return null; end $$"
            )
            link.execute(
                "create trigger t after insert or delete on public.leads"
                " for each row execute function public.on_leads()"
            )
        found: Found = []

        async with noting(database, house, found):
            with psycopg.connect(urls.owner) as link:
                link.execute("set role chatbot_owner")
                values = (UUID(int=5), house.org_id, 3, "Robin")
                link.execute("insert into public.leads values (%s, %s, %s, %s)", values)
                link.execute("delete from public.leads")
        await database.close()

    lead = {"id": str(UUID(int=5)), "table": "leads", "version": 3}
    assert [payload for _, _, payload in found] == [
        lead | {"operation": "INSERT"},
        lead | {"operation": "DELETE"},
    ]

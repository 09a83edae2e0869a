"""What the database does by itself: who may write, who may listen, and what signals."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chatbot import embedded
from chatbot.conversations import handoff, transcript
from chatbot.conversations.tables import Visibility
from chatbot.database import Database, new_id
from chatbot.realtime import topics
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, disable, say

Found = list[tuple[str, str, dict[str, Any]]]


@asynccontextmanager
async def noting(database: Database, house: House, sink: Found) -> AsyncGenerator[None]:
    """Puts into `sink` (topic, event, payload) of what the block signals in that organisation."""
    async with database.transaction() as db:
        epoch, cur = (await db.execute(text("select epoch, cur from realtime.position()"))).one()
    yield
    names = [f"{kind.scope}:{{}}:{kind.feature}" for kind in topics.KINDS]
    ids = {
        "org": house.org_id,
        "site": house.site_id,
        "visitor": house.visitor.visitor_id,
        "staff": house.staff.staff_id,
        "conversation": house.conversation_id,
    }
    asked = [name.format(ids[name.partition(":")[0]]) for name in names]
    async with database.transaction(house.org_id) as db:
        statement = text("select * from realtime.missed(:topics, :epoch, :cur, 300)")
        values = {"topics": asked, "epoch": epoch, "cur": cur}
        rows = (await db.execute(statement, values)).all()
    sink += [(row.topic, row.event, row.payload) for row in rows]


def _kinds(found: Found) -> list[tuple[str, str]]:
    parsed = [(topics.parse(topic), event) for topic, event, _ in found]
    return sorted((topic.kind.policy, event) for topic, event in parsed if topic is not None)


async def allowed(database: Database, org_id: UUID, actor: str, names: Sequence[str]) -> set[str]:
    async with database.transaction(org_id, actor=actor) as db:
        rows = await db.execute(text("select * from realtime.may_join(:t)"), {"t": list(names)})
        return {row.topic for row in rows if row.allowed}


# Who may listen


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


async def test_each_kind_that_can_be_heard_has_its_policy_and_no_other_has(
    database: Database,
) -> None:
    async with database.transaction() as db:
        statement = text(
            "select policyname from pg_policies where schemaname = 'realtime' and tablename ="
            " 'messages' and permissive = 'PERMISSIVE' and 'chatbot_app' = any(roles)"
        )
        found = set((await db.scalars(statement)).all())

    assert found == {kind.policy for kind in topics.KINDS if kind.listeners}


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
        await send(database, None, f"site:{ours.site_id}:dashboard")
        await send(database, ours.org_id, f"org:{ours.org_id}:public", private=False)

    assert [payload for _, _, payload in found] == [{"a_id": "1"}] * 3
    assert _kinds(found) == [
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


# What signals by itself


async def test_a_message_signals_its_conversation_and_the_inboxes(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    found: Found = []
    foreign: Found = []

    async with noting(database, theirs, foreign), noting(database, ours, found):
        message = await say(database, ours, "hello")

    assert _kinds(found) == [
        ("conversation_messages", "message.changed"),
        ("org_inbox", "conversation.changed"),
        ("site_inbox", "conversation.changed"),
        ("visitor_conversations", "conversation.changed"),
    ]
    [payload] = [payload for _, event, payload in found if event == "message.changed"]
    assert payload == {
        "conversation_id": str(ours.conversation_id),
        "message_id": str(message.id),
        "version": message.rev,
    }
    assert foreign == []
    assert "hello" not in str(found)


async def test_an_internal_note_is_heard_by_staff_alone(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []

    async with noting(database, ours, found):
        await say(database, ours, "careful", visibility=Visibility.INTERNAL)

    assert _kinds(found) == [
        ("conversation_staff", "message.changed"),
        ("org_inbox", "conversation.changed"),
        ("site_inbox", "conversation.changed"),
    ]


async def test_a_handoff_signals_each_of_its_steps(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []

    async with noting(database, ours, found):
        async with database.transaction(ours.org_id, actor=ours.visitor.actor) as db:
            talk = await transcript.lock(db, ours.org_id, ours.conversation_id)
            await handoff.request(db, talk, by=ours.visitor.actor, reason="a person please")
        async with database.transaction(ours.org_id, actor=ours.staff.actor) as db:
            talk = await transcript.lock(db, ours.org_id, ours.conversation_id)
            await handoff.take(db, talk, ours.staff)
        async with database.transaction(ours.org_id, actor=ours.staff.actor) as db:
            talk = await transcript.lock(db, ours.org_id, ours.conversation_id)
            await handoff.release(db, talk, ours.staff)

    steps = [step for step in _kinds(found) if step[1].startswith("handoff.")]
    assert steps == sorted(
        (kind, f"handoff.{step}")
        for kind in ("conversation_messages", "org_inbox", "site_inbox")
        for step in ("requested", "taken", "ended")
    )
    assert "a person please" not in str(found)


async def test_a_stop_is_signalled_to_the_process_that_answers(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []
    answer_id = new_id()
    insert = text(
        "insert into answers (org_id, id, conversation_id, question_rev, attempt, status, model,"
        " partial_text, frame_seq, heartbeat_at, started_at)"
        " values (:org, :id, :talk, 1, 2, 'running', 'm', '', 0, now(), now())"
    )
    async with database.transaction(ours.org_id) as db:
        values = {"org": ours.org_id, "id": answer_id, "talk": ours.conversation_id}
        await db.execute(insert, values)

    async with noting(database, ours, found):
        for _ in range(2):
            async with database.transaction(ours.org_id) as db:
                await db.execute(text("set local realtime.quiet = on"))
                await db.execute(text("update answers set stop_requested_at = now()"))

    name = f"conversation:{ours.conversation_id}:answers"
    ids = {"conversation_id": str(ours.conversation_id), "answer_id": str(answer_id)}
    assert found == [(name, "answer.stop", ids | {"version": 2})]


async def test_a_bulk_writer_may_be_quiet_and_signal_once(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []
    insert = text(
        "insert into documents (org_id, id, name, media_type, size_bytes, sha256, status)"
        " select :org, gen_random_uuid(), 'n' || n, 'text/plain', 1, '', 'queued'"
        " from generate_series(1, 50) n"
    )

    async with noting(database, ours, found), database.transaction(ours.org_id) as db:
        await db.execute(text("set local realtime.quiet = on"))
        await db.execute(insert, {"org": ours.org_id})
        await db.execute(
            text("select realtime.send('{}', 'document.changed', :topic)"),
            {"topic": f"org:{ours.org_id}:knowledge"},
        )

    assert found == [(f"org:{ours.org_id}:knowledge", "document.changed", {})]


async def test_documents_signal_when_they_come_change_and_go(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []
    document_id = new_id()
    insert = text(
        "insert into documents (org_id, id, name, media_type, size_bytes, sha256, status)"
        " values (:org, :id, 'n', 'text/plain', 1, '', 'queued')"
    )

    async with noting(database, ours, found):
        async with database.transaction(ours.org_id) as db:
            await db.execute(insert, {"org": ours.org_id, "id": document_id})
        async with database.transaction(ours.org_id) as db:
            await db.execute(text("update documents set progress = 0.5"))
        async with database.transaction(ours.org_id) as db:
            await db.execute(text("delete from documents"))

    signal = (f"org:{ours.org_id}:knowledge", "document.changed", {"document_id": str(document_id)})
    assert found == [signal] * 3


async def test_what_is_rolled_back_to_a_savepoint_signals_nothing(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []

    async with noting(database, ours, found), database.transaction(ours.org_id) as db:
        inner = await db.begin_nested()
        await db.execute(text("update conversations set rev = rev + 1"))
        await inner.rollback()

    assert found == []


# Upkeep


async def test_rows_of_a_day_without_a_partition_move_when_it_is_made(
    cluster: embedded.Urls,
) -> None:
    with copy_of(cluster) as urls, psycopg.connect(urls.superuser, autocommit=True) as link:
        link.execute("set timezone = 'UTC'")
        link.execute(
            "do $$ begin execute 'drop table realtime.messages_' || to_char(now(), 'YYYYMMDD');"
            " end $$"
        )
        insert = (
            "insert into realtime.messages (org_id, topic, event, payload) select"
            " gen_random_uuid(), concat_ws(':', 'org', gen_random_uuid(), 'inbox'), 'e', '{}'"
            " from generate_series(1, 5)"
        )
        where = (
            "select tableoid::regclass::text ~ '_default$', count(*) from realtime.messages"
            " where id > 0 group by 1"
        )
        link.execute(insert)
        assert link.execute(where).fetchall() == [(True, 5)]

        assert link.execute("select realtime.maintain()").fetchone() == (0,)

        link.execute(insert)
        assert link.execute(where).fetchall() == [(False, 10)]


async def test_upkeep_never_waits_for_a_writer(cluster: embedded.Urls) -> None:
    with (
        copy_of(cluster) as urls,
        psycopg.connect(urls.superuser) as writer,
        psycopg.connect(urls.owner, autocommit=True) as link,
    ):
        link.execute("set role chatbot_owner")
        link.execute(
            "create table realtime.messages_20200101 partition of realtime.messages"
            " for values from ('2020-01-01 00:00Z') to ('2020-01-02 00:00Z')"
        )
        writer.execute("lock table realtime.messages in row exclusive mode")

        assert link.execute("select realtime.maintain()").fetchone() == (1,)
        writer.rollback()
        assert link.execute("select realtime.maintain()").fetchone() == (0,)
        gone = link.execute("select to_regclass('realtime.messages_20200101')").fetchone()
        assert gone == (None,)


async def test_a_restored_database_begins_a_new_life(cluster: embedded.Urls) -> None:
    with copy_of(cluster) as urls, psycopg.connect(urls.superuser, autocommit=True) as link:
        before = link.execute("select life, epoch from realtime.position()").fetchone()
        link.execute(
            "insert into realtime.messages (xid, org_id, topic, event, payload) values"
            " ('900000000000', gen_random_uuid(),"
            " concat_ws(':', 'org', gen_random_uuid(), 'inbox'), 'e', '{}')"
        )

        link.execute("select realtime.maintain()")

        after = link.execute("select life, epoch from realtime.position()").fetchone()
        rows = link.execute("select count(*) from realtime.messages where id > 0").fetchone()
        assert rows == (0,)
        assert before
        assert after
        assert set(before).isdisjoint(after)

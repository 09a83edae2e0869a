"""What signals by itself when rows change, and what never does."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chatbot import embedded
from chatbot.conversations import handoff, transcript
from chatbot.conversations.tables import Visibility
from chatbot.database import Database, new_id
from tests.conftest import copy_of
from tests.realtime.conftest import House, build_house, say
from tests.realtime.hearing import Found, kinds, noting


async def test_a_message_signals_its_conversation_and_the_inboxes(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    found: Found = []
    foreign: Found = []

    async with noting(database, theirs, foreign), noting(database, ours, found):
        message = await say(database, ours, "hello")

    assert kinds(found) == [
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

    assert kinds(found) == [
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

    steps = [step for step in kinds(found) if step[1].startswith("handoff.")]
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


async def test_a_signal_that_cannot_be_written_fails_what_it_is_about(
    cluster: embedded.Urls,
) -> None:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=2)
        house = await build_house(database)
        with psycopg.connect(urls.owner) as link:
            link.execute("set role chatbot_owner")
            link.execute(
                "alter table realtime.messages add check (event <> 'message.changed') not valid"
            )

        with pytest.raises(DBAPIError, match="check constraint"):
            await say(database, house, "hello")

        async with database.transaction(house.org_id) as db:
            said = await db.scalar(text("select count(*) from messages"))
            rev = await db.scalar(text("select max(rev) from conversations"))
        await database.close()
    assert (said, rev) == (0, 0)


# For each table that signals when it is updated: what nobody is told, what somebody is told, and as
# which signals.
UPDATES = {
    "conversations": (
        "set client_id = client_id || '-again', episode_seq = episode_seq + 1",
        "set closed_at = now()",
        ["org_inbox", "site_inbox", "visitor_conversations"],
    ),
    "messages": (
        "set text = text",
        "set text = 'better' where rev = 1",
        ["conversation_messages"],
    ),
    "handoffs": (
        "set reason = 'another'",
        "set ended_at = now(), outcome = 'released'",
        ["conversation_messages", "org_inbox", "site_inbox", "visitor_conversations"],
    ),
    "documents": (
        "set leased_until = now(), attempts = attempts + 1, started_at = now(), updated_at = now()",
        "set progress = 0.5",
        ["org_knowledge"],
    ),
    "crawls": ("set leased_until = now()", "set updated_at = now()", ["org_knowledge"]),
    "answers": (
        "set heartbeat_at = now(), partial_text = 'Kettles', frame_seq = frame_seq + 1",
        "set stop_requested_at = now()",
        ["conversation_answers"],
    ),
    "staff_members": ("set created_at = now()", "set role = 'admin'", ["staff_access"]),
    "visitor_sessions": (
        "set last_seen_at = now()",
        "set revoked_at = now()",
        ["visitor_access"],
    ),
    "staff_sessions": ("set last_seen_at = now()", "set revoked_at = now()", ["staff_access"]),
    "attendance": (
        "set until = until + interval '1 minute'",
        "set until = now() - interval '1 minute'",
        ["org_public"],
    ),
}


async def furnish(database: Database, house: House) -> None:
    """A row in every table that signals."""
    message = await say(database, house, "hello")
    values = {"org": house.org_id, "talk": house.conversation_id, "id": message.id}
    async with database.transaction(house.org_id, actor=house.visitor.actor) as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        await handoff.request(db, talk, by=house.visitor.actor, reason="a person please")
        for statement in (
            "insert into documents (org_id, id, name, media_type, size_bytes, sha256, status)"
            " values (:org, :id, 'n', 'text/plain', 1, '', 'queued')",
            "insert into crawls (org_id, id, url, kind, depth, pages_max, delay_ms, schedule,"
            " status) values (:org, :id, 'https://x.example', 'page', 1, 1, 1, 'never', 'queued')",
            "insert into answers (org_id, id, conversation_id, question_rev, attempt, status,"
            " model, partial_text, frame_seq, heartbeat_at, started_at)"
            " values (:org, :id, :talk, 1, 1, 'running', 'm', '', 0, now(), now())",
        ):
            await db.execute(text(statement), values)
        await db.execute(
            text(
                "insert into attendance (org_id, staff_id, node, until)"
                " values (:org, :staff, 'n', now() + interval '1 hour')"
            ),
            {"org": house.org_id, "staff": house.staff.staff_id},
        )


async def update(database: Database, house: House, table: str, changes: str) -> Found:
    """What an update of all rows of the house's table signals."""
    found: Found = []
    account_id = house.staff.account_id
    async with (
        noting(database, house, found),
        database.transaction(house.org_id, account_id=account_id) as db,
    ):
        changed = await db.execute(text(f"update {table} {changes} returning 1"))
        assert changed.all()
    return found


@pytest.mark.parametrize("table", UPDATES)
async def test_only_what_is_shown_is_signalled(
    database: Database, two_houses: tuple[House, House], table: str
) -> None:
    ours, _ = two_houses
    await furnish(database, ours)
    silent, loud, told = UPDATES[table]

    unseen = await update(database, ours, table, silent)
    seen = await update(database, ours, table, loud)
    again = await update(database, ours, table, silent)

    assert unseen == []
    assert [kind for kind, _ in kinds(seen)] == told
    assert again == []


async def test_every_table_that_signals_is_tried(database: Database) -> None:
    async with database.transaction() as db:
        statement = text(
            "select distinct c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
            " join pg_proc p on p.oid = t.tgfoid where t.tgname = 'signal_update'"
            " and p.pronamespace = 'realtime'::regnamespace"
        )
        assert set((await db.scalars(statement)).all()) == set(UPDATES)


@pytest.mark.parametrize(
    ("table", "told"), [("visitor_sessions", "visitor_access"), ("staff_sessions", "staff_access")]
)
async def test_a_session_that_had_ended_is_deleted_in_silence(
    database: Database, two_houses: tuple[House, House], table: str, told: str
) -> None:
    ours, theirs = two_houses
    await update(database, ours, table, "set revoked_at = now()")
    ended: Found = []
    live: Found = []

    for house, sink in ((ours, ended), (theirs, live)):
        async with (
            noting(database, house, sink),
            database.transaction(house.org_id, account_id=house.staff.account_id) as db,
        ):
            await db.execute(text(f"delete from {table}"))

    assert ended == []
    assert kinds(live) == [(told, "access.changed")]


async def test_of_many_rows_those_that_changed_are_signalled_once_each(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    for number in range(4):
        await say(database, ours, f"message {number}")

    found = await update(
        database, ours, "messages", "set text = case when rev > 2 then 'better' else text end"
    )

    assert sorted(payload["version"] for _, _, payload in found) == [3, 4]

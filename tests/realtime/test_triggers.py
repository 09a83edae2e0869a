"""What signals by itself when rows change, and what never does."""

from sqlalchemy import text

from chatbot.conversations import handoff, transcript
from chatbot.conversations.tables import Visibility
from chatbot.database import Database, new_id
from tests.realtime.conftest import House, say
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

"""Writers of many rows are quiet and close with one signal; commands and lost rights never are."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chatbot.conversations import transcript
from chatbot.database import Database, new_id
from chatbot.library import faqtable
from knowledge.embed import LocalEmbedder
from knowledge.models import Models
from tests.realtime.conftest import House, say
from tests.realtime.hearing import Found, kinds, noting

QUIET = text("set local realtime.quiet = on")
CLOSE = text("select realtime.close_quiet(:topic, :event)")
INSERT = text(
    "insert into documents (org_id, id, name, media_type, size_bytes, sha256, status)"
    " select :org, gen_random_uuid(), 'n' || n, 'text/plain', 1, '', 'queued'"
    " from generate_series(1, 50) n"
)


async def test_many_rows_are_closed_with_one_signal_and_what_follows_is_loud_again(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []
    topic = f"org:{ours.org_id}:knowledge"

    async with noting(database, ours, found), database.transaction(ours.org_id) as db:
        await db.execute(QUIET)
        await db.execute(INSERT, {"org": ours.org_id})
        await db.execute(CLOSE, {"topic": topic, "event": "document.changed"})
        await db.execute(text("delete from documents where name = 'n7'"))

    assert found[0] == (topic, "document.changed", {})
    assert len(found) == 2


async def test_quiet_ends_with_its_transaction(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []

    async with noting(database, ours, found):
        async with database.transaction(ours.org_id) as db:
            await db.execute(QUIET)
            await db.execute(INSERT, {"org": ours.org_id})
        async with database.transaction(ours.org_id) as db:
            await db.execute(text("delete from documents where name <> 'n7'"))

    assert len(found) == 49


async def test_the_closing_signal_of_a_public_topic_is_a_public_one(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    found: Found = []

    async with noting(database, ours, found), database.transaction(ours.org_id) as db:
        topic = f"org:{ours.org_id}:public"
        await db.execute(CLOSE, {"topic": topic, "event": "prices.changed"})

    assert kinds(found) == [("org_public", "prices.changed")]


async def test_a_closing_signal_that_cannot_be_sent_undoes_the_rows(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    foreign = {"topic": f"org:{theirs.org_id}:knowledge", "event": "document.changed"}

    async def write() -> None:
        async with database.transaction(ours.org_id) as db:
            await db.execute(QUIET)
            await db.execute(INSERT, {"org": ours.org_id})
            await db.execute(CLOSE, foreign)

    with pytest.raises(DBAPIError, match="no such topic"):
        await write()

    async with database.transaction(ours.org_id) as db:
        assert await db.scalar(text("select count(*) from documents")) == 0


async def test_a_table_of_questions_signals_once_for_each_transaction_that_wrote(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    rows = [f"Where is shelf {number}?,In hall {number}." for number in range(51)]
    table = "\n".join(["question,answer", *rows]).encode()
    models = Models(LocalEmbedder())
    tried: Found = []
    taken: Found = []

    for sink, dry_run in ((tried, True), (taken, False)):
        async with noting(database, ours, sink):
            report = await faqtable.take_in(
                database, models, ours.staff, table, dry_run=dry_run, most=100
            )
            assert report.added == 51

    closed = (f"org:{ours.org_id}:knowledge", "document.changed", {})
    assert tried == []
    assert taken == [closed] * 2  # fifty rows a transaction


async def test_commands_and_lost_rights_are_never_quiet(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    message = await say(database, ours, "hello")
    found: Found = []
    async with database.transaction(ours.org_id, actor=ours.visitor.actor) as db:
        other, _ = await transcript.begin(db, ours.visitor, new_id().hex, most=10)
        await db.execute(
            text(
                "insert into answers (org_id, id, conversation_id, question_rev, attempt, status,"
                " model, partial_text, frame_seq, heartbeat_at, started_at)"
                " values (:org, :id, :talk, 1, 1, 'running', 'm', '', 0, now(), now())"
            ),
            {"org": ours.org_id, "id": message.id, "talk": ours.conversation_id},
        )

    async with (
        noting(database, ours, found),
        database.transaction(ours.org_id, account_id=ours.staff.account_id) as db,
    ):
        await db.execute(QUIET)
        for statement in (
            "update answers set stop_requested_at = now()",
            "update conversations set visitor_id = null where id = :talk",
            "update staff_members set disabled_at = now()",
            "update staff_sessions set revoked_at = now()",
            "update visitor_sessions set revoked_at = now()",
            "update messages set text = 'better'",
        ):
            given = {"talk": ours.conversation_id} if ":talk" in statement else {}
            await db.execute(text(statement), given)

    assert kinds(found) == [
        ("conversation_access", "access.changed"),
        ("conversation_answers", "answer.stop"),
        ("staff_access", "access.changed"),
        ("staff_access", "access.changed"),
        ("visitor_access", "access.changed"),
    ]
    assert other.visitor_id == ours.visitor.visitor_id

"""Each migration on a database that is in use: what was there before is there after, and found."""

import json
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from chatbot.answering import trace
from chatbot.answering.repair import notices
from chatbot.conversations import transcript, wire
from chatbot.database import Database
from chatbot.embedded import BOOTSTRAP_SQL, Urls
from chatbot.orgs import sites
from chatbot.staff import attendance
from knowledge import index, preferences, search
from knowledge.embed import LocalEmbedder
from knowledge.tables import Document
from migrations import run
from tests.conftest import Cluster
from tests.knowledge import shelves

ORG = "01990000-0000-7000-8000-000000000001"
DOCUMENT = "01990000-0000-7000-8000-000000000002"
PASSAGE = "01990000-0000-7000-8000-000000000003"
OTHER_PASSAGE = "01990000-0000-7000-8000-000000000004"
VECTOR = "[" + ",".join(["0.0625"] * 256) + "]"

# As the first schema had them: an organisation with a site and one document that is found.
FIRST = f"""
    insert into orgs (id, slug, name, created_at) values ('{ORG}', 'alder', 'Alder', now());
    insert into sites (org_id, id, key, name, allowed_origins, greeting, starters, side, created_at)
        values ('{ORG}', '{DOCUMENT}', 'pk_x', 'Site', '{{}}', 'Hello', '{{}}', 'end', now());
    insert into documents (org_id, id, name, media_type, size_bytes, sha256, status, version,
            live_version, passages, progress)
        values ('{ORG}', '{DOCUMENT}', 'kettles.txt', 'text/plain', 3, '\\x01', 'ready', 1,
            1, 1, 1);
    insert into document_versions (org_id, document_id, version, sha256, size_bytes, media_type)
        values ('{ORG}', '{DOCUMENT}', 1, '\\x01', 3, 'text/plain');
    insert into passages (org_id, id, document_id, version, ord, text, tokens, cfg, lexemes, n_lex)
        values ('{ORG}', '{PASSAGE}', '{DOCUMENT}', 1, 0, 'Kettles boil, kettles sing.', 8,
            'english', to_tsvector('english', 'kettles boil kettles sing'), 4);
    insert into postings (org_id, lexeme, passage_no, tf, n_lex)
        select org_id, lexeme, no, cardinality(positions), 4 from passages, unnest(lexemes);
    insert into embeddings (org_id, passage_no, model, vector)
        select org_id, no, '{LocalEmbedder.model}', '{VECTOR}' from passages;
    insert into knowledge_stats (org_id, cfg, passages, lexemes) values ('{ORG}', 'english', 1, 4);
"""

VISITORS = [f"01990000-0000-7000-8000-0000000001{n:02}" for n in (1, 2)]
TALKS = [f"01990000-0000-7000-8000-0000000002{n:02}" for n in (1, 2)]
QUESTIONS = [f"01990000-0000-7000-8000-0000000003{n:02}" for n in (1, 2)]
ANSWERS = [f"01990000-0000-7000-8000-0000000004{n:02}" for n in (1, 2)]


def source(n: int, passage: str, **more: int) -> dict[str, object]:
    """As answers keep them; those from before documents had versions name none."""
    named = {"passage_id": passage, "document_id": DOCUMENT, "title": "Kettles"}
    return {"n": n, "heading": None, "url": None, "page": None, "quote": "Boil.", **named, **more}


SOURCES = (
    json.dumps([source(1, PASSAGE)]),
    json.dumps([source(1, OTHER_PASSAGE, version=1), source(3, PASSAGE, version=1)]),
)

COLLEAGUE = "01990000-0000-7000-8000-000000000501"

# A colleague who could log in before anybody asked who is there.
STAFFED = f"""
    insert into accounts (id, email, created_at)
        values ('{COLLEAGUE}', 'ana@alder.example', now());
    insert into staff_members (org_id, id, account_id, name, role, created_at)
        values ('{ORG}', '{COLLEAGUE}', '{COLLEAGUE}', 'Ana', 'owner', now());
"""

# As the library's schema had them: two visitors, each with a question and an answer, one ended.
TALKED = "".join(
    f"""
    insert into visitors (org_id, id, site_id, created_at)
        values ('{ORG}', '{visitor}', '{DOCUMENT}', now());
    insert into conversations (org_id, id, kind, site_id, visitor_id, client_id, seq, rev,
            closed_at, last_message_at, created_at, updated_at)
        values ('{ORG}', '{talk}', 'website', '{DOCUMENT}', '{visitor}', 'c', 2, 3,
            {closed_at}, now(), now(), now());
    insert into messages (org_id, id, conversation_id, seq, after_seq, rev, version, author_kind,
            author_id, author_name, text, visibility, status, sources, confidence, created_at)
        values
        ('{ORG}', '{question}', '{talk}', 1, null, 1, 1, 'visitor', '{visitor}', 'Visitor',
            'Do kettles boil?', 'public', 'complete', '[]', null, now()),
        ('{ORG}', '{answer}', '{talk}', 2, null, 2, 1, 'assistant', null, 'Assistant',
            'They do [1].', 'public', 'complete', '{sources}', 'answered', now()),
        ('{ORG}', gen_random_uuid(), '{talk}', null, 2, 3, 1, 'staff', null, 'Ana',
            'A note.', 'internal', 'complete', '[]', null, now());
    insert into answers (org_id, id, conversation_id, question_rev, attempt, status, model,
            partial_text, frame_seq, heartbeat_at, started_at, ended_at, usage)
        values ('{ORG}', '{answer}', '{talk}', 1, 1, 'complete', 'extractive', 'They do [1].', 3,
            now(), now(), now(), 'null');
    insert into handoffs (org_id, id, conversation_id, requested_by, requested_at, ended_at)
        values ('{ORG}', '{talk}', '{talk}', 'visitor:{visitor}', now(), now());
    """
    for visitor, talk, question, answer, sources, closed_at in zip(
        VISITORS, TALKS, QUESTIONS, ANSWERS, SOURCES, ("null", "now()"), strict=True
    )
)


@pytest.fixture
def empty(cluster: Cluster) -> Urls:
    """A database with roles and extension, and nothing else."""
    with psycopg.connect(cluster.of("postgres").superuser, autocommit=True) as link:
        link.execute("drop database if exists before")
        link.execute("create database before template template0")
    urls = cluster.of("before")
    with psycopg.connect(urls.superuser) as link:
        link.execute(BOOTSTRAP_SQL.read_bytes())
    return urls


async def test_a_filled_first_schema_becomes_a_library_that_finds_the_same(empty: Urls) -> None:
    run.upgrade(empty.owner, "2026_11_21_first")
    with psycopg.connect(empty.superuser) as link:
        link.execute(FIRST.encode())

    run.upgrade(empty.owner)

    run.check(empty.owner)
    database = Database(empty.app, connections=2)
    [org] = await sites.list_orgs(database)
    assert await shelves.miscounted(database, org) == []
    async with database.transaction(org.id) as db:
        [document] = await index.documents(db, org.id)
        assert (document.kind, document.labels, document.title) == ("file", [], None)
        assert (await preferences.get(db, org.id)).model == LocalEmbedder.model
        [site] = await sites.sites(db, org.id)
        assert site.labels == []
        found = await search.passages(db, org.id, "singing kettle", None, model="")
        assert [str(hit.passage.id) for hit in found.hits] == [PASSAGE]
        removed = await index.delete(db, org.id, document.id)
        assert (removed.passages, removed.postings, removed.vectors) == (1, 3, 1)
        assert await db.get(Document, (org.id, document.id)) is None
    await database.close()


async def test_answers_given_before_are_in_their_first_episode_and_known_by_what_they_cite(
    empty: Urls,
) -> None:
    run.upgrade(empty.owner, "2026_11_21_first")
    with psycopg.connect(empty.superuser) as link:
        link.execute(FIRST.encode())
    run.upgrade(empty.owner, "2026_11_21_library")
    with psycopg.connect(empty.superuser) as link:
        link.execute(TALKED.encode())

    run.upgrade(empty.owner)

    run.check(empty.owner)
    with psycopg.connect(empty.superuser) as link:
        cited = link.execute(
            "select message_id::text, n, document_id::text, passage_id::text, version"
            " from citations order by message_id, n"
        ).fetchall()
        talks = link.execute("select episode, episode_seq from conversations").fetchall()
        handoffs = link.execute("select episode from handoffs").fetchall()
    assert cited == [
        (ANSWERS[0], 1, DOCUMENT, PASSAGE, None),
        (ANSWERS[1], 1, DOCUMENT, OTHER_PASSAGE, 1),
        (ANSWERS[1], 3, DOCUMENT, PASSAGE, 1),
    ]
    assert talks == [(1, 0), (1, 0)]
    assert handoffs == [(1,), (1,)]
    database = Database(empty.app, connections=2)
    [org] = await sites.list_orgs(database)
    first, second = map(UUID, ANSWERS)
    async with database.transaction(org.id) as db:
        page = await notices.affected(db, org.id, first, None)
        looked = await trace.read(db, org.id, second)
        talk = await transcript.lock(db, org.id, UUID(TALKS[0]))
        rows = await transcript.since(db, talk, 0, internal=True)
        seen = [wire.message(row) for row in rows]
    assert [(each.message_id, each.asked, each.told) for each in page.items] == [
        (second, "Do kettles boil?", False)
    ]
    assert (looked.status, looked.trace, looked.feedback, looked.reviews) == (
        "complete",
        None,
        None,
        [],
    )
    assert [(each.feedback, each.review, each.suggestions, each.corrects) for each in seen] == [
        (None, None, [], None)
    ] * 3
    await database.close()


async def test_signals_and_rights_from_before_hold_after_the_update_of_the_real_time_layer(
    empty: Urls,
) -> None:
    run.upgrade(empty.owner, "2026_11_22_answers")
    with psycopg.connect(empty.app) as link:
        place = link.execute("select epoch, cur from realtime.position()").fetchone()
    with psycopg.connect(empty.superuser) as link:
        link.execute(FIRST.encode())
        link.execute(TALKED.encode())

    run.upgrade(empty.owner)

    run.check(empty.owner)
    own = f"conversation:{TALKS[0]}:messages"
    asked = [own, f"conversation:{TALKS[1]}:messages", f"org:{ORG}:inbox", f"org:{ORG}:public"]
    joined = text("select topic from realtime.may_join(:asked) where allowed")
    missed = text("select topic, event from realtime.missed(:asked, :epoch, :cur, 300)")
    assert place
    database = Database(empty.app, connections=2)
    async with database.transaction(UUID(ORG), actor=f"visitor:{VISITORS[0]}") as db:
        heard = set(await db.scalars(joined, {"asked": asked}))
        values = {"asked": [own], "epoch": place[0], "cur": place[1]}
        before = (await db.execute(missed, values)).all()
    async with database.transaction(UUID(ORG)) as db:
        await db.execute(text("update messages set text = text"))
        await db.execute(
            text("update messages set text = 'They do.' where id = :id"), {"id": ANSWERS[0]}
        )
        after = (await db.execute(missed, values)).all()
    await database.close()
    assert heard == {own, f"org:{ORG}:public"}
    said = [(own, "handoff.requested")] + [(own, "message.changed")] * 2
    assert sorted(map(tuple, before)) == said
    assert sorted(map(tuple, after)) == [*said, (own, "message.changed")]


async def test_colleagues_from_before_can_attend_and_that_is_told(empty: Urls) -> None:
    run.upgrade(empty.owner, "2026_11_23_relay")
    with psycopg.connect(empty.superuser) as link:
        link.execute(FIRST.encode())
        link.execute(STAFFED.encode())
    with psycopg.connect(empty.app) as link:
        place = link.execute("select epoch, cur from realtime.position()").fetchone()

    run.upgrade(empty.owner)

    run.check(empty.owner)
    assert place
    database = Database(empty.app, connections=2)
    values = {"asked": [f"org:{ORG}:public"], "epoch": place[0], "cur": place[1]}
    missed = text("select event, payload from realtime.missed(:asked, :epoch, :cur, 300)")
    async with database.transaction(UUID(ORG)) as db:
        before = await attendance.is_staffed(db, UUID(ORG))
        staff, lasts = [UUID(COLLEAGUE)], timedelta(minutes=1)
        await attendance.attend(db, UUID(ORG), staff, node="n", lasts=lasts)
        after = await attendance.is_staffed(db, UUID(ORG))
    async with database.transaction(UUID(ORG)) as db:
        told = (await db.execute(missed, values)).all()
    await database.close()
    assert (before, after) == (False, True)
    assert list(map(tuple, told)) == [("availability.changed", {"org_id": ORG})]


def test_row_level_security_is_forced_again_after_the_data_was_moved(empty: Urls) -> None:
    run.upgrade(empty.owner)

    with psycopg.connect(empty.superuser) as link:
        unforced = link.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind"
            " in ('r', 'p') and not relforcerowsecurity and relname <> 'alembic_version'"
        ).fetchall()
    assert unforced == []

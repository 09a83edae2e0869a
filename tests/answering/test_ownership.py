"""Whose turn it is: an attempt that lost its row, or was talked over elsewhere, falls silent; news
that come late silence nobody.
"""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from chatbot.answering import answers, recovery, turns
from chatbot.answering.tables import Answer
from chatbot.conversations.tables import AuthorKind, Message
from chatbot.database import new_id, utc_now
from chatbot.realtime import topics
from chatbot.realtime.signals import Signal
from tests import live
from tests.answering import shop
from tests.answering.script import Script
from tests.answering.test_turns import LONG_AGO, until
from tests.conftest import Cluster, copy_of
from tests.journeys.texts import HANDBOOK, upload

QUESTION = "How long is the warranty on a kettle?"
LONG = [f"word{n} " for n in range(400)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "CHECKPOINT_S", 0.1)


async def test_an_attempt_that_lost_its_row_falls_silent(cluster: Cluster) -> None:
    async with (
        shop.running(cluster, model=Script(*LONG)) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        await visitor.hear("answer.delta")

        async with running.database.transaction(alder.org_id) as db:
            await db.execute(update(Answer).values(status="interrupted", ended_at=utc_now()))
        end = await visitor.hear("answer.end")

    assert (end["status"], end["version"]) == ("interrupted", None)


async def test_a_conversation_closed_elsewhere_is_silent_here(cluster: Cluster) -> None:
    model = Script(*LONG)
    with copy_of(cluster) as urls:
        async with (
            live.running(urls.app, model=model) as here,
            live.running(urls.app, run_jobs=False) as elsewhere,
        ):
            alder = await live.company(here, "alder")
            await upload(here, alder, "handbook.md", HANDBOOK)
            async with (
                live.visitor(here, alder) as visitor,
                live.colleague(elsewhere, alder) as ana,
            ):
                talk = await visitor.begin()
                await visitor.emit("send", live.question(QUESTION, talk))
                start = await visitor.hear("answer.start")
                await visitor.hear("answer.delta")
                await ana.post(f"/conversations/{talk}/close")
                end = await visitor.hear("answer.end")
                async with here.database.transaction(alder.org_id) as db:
                    answer = await db.get_one(Answer, (alder.org_id, UUID(start["mid"])))

    assert (end["status"], answer.status) == ("withdrawn", "withdrawn")
    assert len(answer.partial_text) < len("".join(LONG))


async def test_a_takeover_that_is_over_withdraws_nothing(cluster: Cluster) -> None:
    async with (
        shop.running(cluster, model=Script(*LONG[:60])) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        await visitor.hear("answer.delta")

        ids = {"conversation_id": talk, "handoff_id": str(new_id())}
        late = Signal(
            id="late",
            topic=topics.messages(UUID(talk)),
            event=topics.HANDOFF_TAKEN,
            ids=ids,
            version=None,
            at=utc_now(),
            epoch="e",
            cur="c",
        )
        running.service._heard(alder.org_id, late)  # pyright: ignore[reportPrivateUsage]
        end = await visitor.hear("answer.end")

    assert end["status"] == "complete"


async def test_a_question_during_a_retry_is_answered_after_it(cluster: Cluster) -> None:
    model = Script("It lasts 36 months [1].")
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        _, first = await visitor.answer()
        async with running.database.transaction(alder.org_id) as db:
            await db.execute(update(Answer).values(status="failed"))

        model.may_speak.clear()
        await visitor.emit("retry", {"mid": first["mid"]})
        await until(lambda: len(model.asked) == 2)
        await visitor.emit("send", live.question("How do I descale the kettle?", talk))
        model.may_speak.set()
        ends = [await visitor.hear("answer.end") for _ in range(2)]
        found = await visitor.get(f"/visitor/conversations/{talk}/messages")

    said = sorted(found["items"], key=lambda item: item["seq"])
    assert [item["author"]["kind"] for item in said] == ["visitor", "assistant"] * 2
    assert ends[0]["mid"] == first["mid"] == said[1]["id"]
    assert ends[1]["mid"] == said[3]["id"]


async def test_who_watches_hears_an_end_when_a_turn_cannot_start_over(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_given: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(turns, "begin_again", break_down)
    model = Script()
    model.may_speak.clear()
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        await until(lambda: len(model.asked) == 1)
        await visitor.emit("send", live.question("And on its lid?", talk))
        end = await visitor.hear("answer.end")
        model.may_speak.set()
        async with running.database.transaction(alder.org_id) as db:
            replies = (
                await db.scalars(select(Message).where(Message.author_kind == AuthorKind.ASSISTANT))
            ).all()

    assert end["status"] == "failed"
    assert [(each.status, each.confidence) for each in replies][:1] == [("failed", "unknown")]


async def test_one_turn_that_cannot_be_ended_holds_up_no_other(cluster: Cluster) -> None:
    async with shop.running(cluster) as (running, alder):
        database = running.database
        async with live.visitor(running, alder) as visitor:
            talks = [await visitor.begin() for _ in range(2)]
        async with database.transaction(alder.org_id) as db:
            for talk in talks:
                db.add(
                    Answer(
                        org_id=alder.org_id,
                        id=new_id(),
                        conversation_id=UUID(talk),
                        question_rev=0,
                        model="dead",
                        partial_text="It lasts",
                        heartbeat_at=utc_now() - LONG_AGO,
                    )
                )
            await db.flush()
            await running.service.answers.close()
        lock = text("select from conversations where org_id = :org and id = :id for update")
        async with database.transaction(alder.org_id) as held:
            await held.execute(lock, {"org": alder.org_id, "id": UUID(talks[0])})
            async with asyncio.timeout(20):
                await recovery.interrupt_stale(database)
            async with database.transaction(alder.org_id) as db:
                rows = (await db.scalars(select(Answer))).all()

    status = {str(each.conversation_id): each.status for each in rows}
    assert status == {talks[0]: "running", talks[1]: "interrupted"}

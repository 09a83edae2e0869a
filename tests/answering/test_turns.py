"""Turns end exactly once, and no question is lost, whatever dies or breaks meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from chatbot.answering import answers, recovery, rewrite
from chatbot.answering.models.failures import ModelFailed
from chatbot.answering.models.model import Usage
from chatbot.answering.tables import Answer
from chatbot.answering.voice.prompt import Prompt
from chatbot.conversations import transcript
from chatbot.conversations.tables import AuthorKind, Conversation
from chatbot.conversations.transcript import Said
from chatbot.database import new_id, utc_now
from tests import live
from tests.answering import shop
from tests.answering.script import Script
from tests.answering.shop import QUESTION
from tests.conftest import Cluster

LONG_AGO = timedelta(seconds=30)


async def said(
    running: live.Live,
    company: live.Company,
    visitor: live.Person,
    text: str,
    talk: str | None = None,
) -> str:
    """A stored question whose process died before it began: nobody was told of it."""
    talk = talk or await visitor.begin()
    async with running.database.transaction(company.org_id) as db:
        conversation = await transcript.lock(db, company.org_id, UUID(talk))
        message = Said(AuthorKind.VISITOR, text, "Visitor", author_id=UUID(visitor.id))
        await transcript.say(db, conversation, message)
        conversation.last_message_at = utc_now() - LONG_AGO
    return talk


async def leave_running(running: live.Live, company: live.Company, talk: str, text: str) -> None:
    """The row of a turn whose process was killed."""
    async with running.database.transaction(company.org_id) as db:
        conversation = await transcript.lock(db, company.org_id, UUID(talk))
        answer = Answer(
            org_id=company.org_id,
            id=new_id(),
            conversation_id=conversation.id,
            question_rev=conversation.rev,
            model="dead",
            partial_text=text,
            heartbeat_at=utc_now() - LONG_AGO,
        )
        db.add(answer)


@pytest.fixture
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SWEEP_S", 0.1)


@pytest.mark.usefixtures("quick_sweeps")
async def test_a_question_that_nobody_took_up_is_answered(cluster: Cluster) -> None:
    async with (
        shop.running(cluster) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        await said(running, alder, visitor, QUESTION)
        text, end = await visitor.answer()

    assert end["status"] == "complete"
    assert "36 months" in text


async def test_what_was_asked_longer_ago_is_found_only_by_who_looks_so_far(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SWEEP_S", 60.0)
    async with (
        shop.running(cluster) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = UUID(await said(running, alder, visitor, QUESTION))
        near = await recovery.overlooked(running.database, age_max=LONG_AGO / 2)
        far = await recovery.overlooked(running.database)

    assert near == []
    assert far == [(alder.org_id, talk)]


@pytest.mark.usefixtures("quick_sweeps")
@pytest.mark.parametrize("partial", ["", "It lasts"])
async def test_the_turn_of_a_dead_process_ends_and_the_next_question_is_answered(
    cluster: Cluster, partial: str
) -> None:
    async with (
        shop.running(cluster) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await said(running, alder, visitor, "Who made it?")
        await leave_running(running, alder, talk, partial)
        await visitor.emit("send", live.question(QUESTION, talk))
        await make_old(running, alder)
        text, _ = await visitor.answer()
        found = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert "36 months" in text
    statuses = [item["status"] for item in found["items"] if item["author"]["kind"] == "assistant"]
    assert statuses == (["interrupted", "complete"] if partial else ["complete"])


async def make_old(running: live.Live, company: live.Company) -> None:
    async with running.database.transaction(company.org_id) as db:
        await db.execute(update(Conversation).values(last_message_at=utc_now() - LONG_AGO))


async def test_a_stop_that_names_an_older_answer_stops_nothing(cluster: Cluster) -> None:
    model = Script(*["word "] * 40)
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        _, first = await visitor.answer()
        await visitor.emit("send", live.question(QUESTION, talk))
        await visitor.hear("answer.delta")
        stopped = await visitor.emit("stop", {"mid": first["mid"]})
        second = await visitor.hear("answer.end")

    assert stopped == {}
    assert second["status"] == "complete"


async def test_what_a_person_answered_is_not_asked_of_the_bot_again(cluster: Cluster) -> None:
    model = Script()
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
        live.colleague(running, alder) as ana,
    ):
        talk = await visitor.begin()
        await visitor.post(f"/visitor/conversations/{talk}/handoff", {})
        await ana.post(f"/conversations/{talk}/handoff/take")
        await visitor.emit("send", live.question("Can you call me?", talk))
        reply = {"client_id": new_id().hex, "text": "I will.", "visibility": "public"}
        await ana.post(f"/conversations/{talk}/messages", reply)
        await ana.post(f"/conversations/{talk}/handoff/release")
        await visitor.emit("send", live.question(QUESTION, talk))
        await visitor.answer()

    (prompt,) = [each for each in model.asked if each.instructions != rewrite.INSTRUCTIONS]
    assert prompt.question == QUESTION
    assert [turn.text for turn in prompt.history] == ["Can you call me?", "I will."]


async def test_a_closed_conversation_gets_no_more_words_of_the_bot(cluster: Cluster) -> None:
    model = Script(*["word "] * 200)
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
        live.colleague(running, alder) as ana,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        await visitor.hear("answer.delta")
        await ana.post(f"/conversations/{talk}/close")
        end = await visitor.hear("answer.end")
        found = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert end["status"] == "withdrawn"
    assert [item["author"]["kind"] for item in found["items"]] == ["visitor", "system"]


async def test_what_cannot_be_stored_is_left_out_of_an_answer(cluster: Cluster) -> None:
    model = Script("It lasts\0 ", "36 months [1].")
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        text, end = await visitor.answer()

    assert (text, end["status"]) == ("It lasts 36 months [1].", "complete")


async def test_one_failed_checkpoint_does_not_end_an_answer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[str] = []

    async def break_once(*given: object) -> None:
        broken.append("checkpoint")
        raise ConnectionError

    monkeypatch.setattr(answers, "CHECKPOINT_S", 0.05)
    monkeypatch.setattr(recovery, "checkpoint", break_once)
    model = Script(*["word "] * 60)
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        text, end = await visitor.answer()

    assert len(broken) > 1
    assert end["status"] == "complete"
    assert text == "word " * 60


async def test_a_question_before_the_first_word_is_answered_together_with_the_first(
    cluster: Cluster,
) -> None:
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
        await until(lambda: len(model.asked) == 2)
        model.may_speak.set()
        end = await visitor.hear("answer.end")
        found = await visitor.get(f"/visitor/conversations/{talk}/messages")
        async with running.database.transaction(alder.org_id) as db:
            rows = (await db.scalars(select(Answer))).all()

    assert model.asked[1].question == f"{QUESTION}\nAnd on its lid?"
    assert (end["attempt"], end["status"]) == (2, "complete")
    assert [item["author"]["kind"] for item in found["items"]] == ["visitor"] * 2 + ["assistant"]
    assert [row.attempt for row in rows] == [2]


async def test_what_another_process_stored_meanwhile_is_answered_next(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SWEEP_S", 600.0)  # so that only the end of a turn can find it
    model = Script()
    model.may_speak.clear()
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        await until(lambda: len(model.asked) == 1)

        await said(running, alder, visitor, QUESTION, talk)
        model.may_speak.set()
        ends = [(await visitor.answer())[1]["status"] for _ in range(2)]

    assert ends == ["complete", "complete"]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - a model has no event for being asked
            await asyncio.sleep(0.01)


class HalfAMarker(Script):
    """Fails when it has said what nobody may see yet."""

    async def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        async for word in super().stream(prompt):
            yield word
        raise ModelFailed("ended_early")


async def test_what_a_failed_model_had_begun_is_no_beginning_of_the_quotes(
    cluster: Cluster,
) -> None:
    async with (
        shop.running(cluster, model=HalfAMarker("[1")) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        text, end = await visitor.answer()

    assert end["status"] == "complete"
    assert "36 months" in text
    assert "[1The" not in text
    assert text.count("[1]") == text.count("[")

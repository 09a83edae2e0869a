"""An answer that broke off can be tried again: the same answer, a new attempt."""

from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy import select

from chatbot.answering.models.model import ModelFailed, Usage
from chatbot.answering.tables import Answer, Spending
from chatbot.answering.voice.prompt import Prompt
from tests import live
from tests.answering import shop
from tests.answering.script import Script
from tests.answering.shop import QUESTION
from tests.conftest import Cluster

WHOLE = "It lasts 36 months [1]."


class Breaking(Script):
    """Breaks off after its first word until it is mended."""

    broken = True

    async def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        async for word in super().stream(prompt):
            yield word
            if self.broken:
                raise ModelFailed("ended_early")


async def test_a_broken_answer_is_written_again_in_its_place(cluster: Cluster) -> None:
    model = Breaking()
    async with shop.running(cluster, model=model) as (running, alder):
        async with live.visitor(running, alder) as visitor:
            talk = await visitor.begin()
            await visitor.emit("send", live.question(QUESTION, talk))
            broken, failed = await visitor.answer()
            before = await visitor.get(f"/visitor/conversations/{talk}/messages")

            model.broken = False
            acked = await visitor.emit("retry", {"mid": failed["mid"]})
            start = await visitor.hear("answer.start")
            ended = await visitor.hear("answer.end")
            after = await visitor.get(
                f"/visitor/conversations/{talk}/messages?after={before['cursor']}"
            )
        async with running.database.transaction(alder.org_id) as db:
            (answer,) = (await db.scalars(select(Answer))).all()
            spent = (await db.scalars(select(Spending).where(Spending.scope == "org"))).one()

    assert (broken, failed["status"], acked) == ("It lasts ", "failed", {})
    assert (start["mid"], start["attempt"]) == (failed["mid"], 2)
    assert (ended["mid"], ended["status"], ended["version"]) == (failed["mid"], "complete", 2)
    (message,) = after["items"]
    first = before["items"][-1]
    assert (message["text"], message["status"], message["version"]) == (WHOLE, "complete", 2)
    assert (message["id"], message["seq"]) == (first["id"], first["seq"])
    assert [source["n"] for source in message["sources"]] == [1]
    assert (answer.attempt, answer.status, answer.reserved_tokens) == (2, "complete", 0)
    assert spent.answers == 2
    assert spent.tokens > 0


async def test_what_cannot_be_tried_again_is_refused_in_words(cluster: Cluster) -> None:
    model = Breaking()
    async with shop.running(cluster, model=model) as (running, alder):
        birch = await live.company(running, "birch")
        async with (
            live.visitor(running, alder) as visitor,
            live.visitor(running, alder) as other,
            live.visitor(running, birch) as foreign,
        ):
            talk = await visitor.begin()
            await visitor.emit("send", live.question(QUESTION, talk))
            _, failed = await visitor.answer()
            path = f"/visitor/messages/{failed['mid']}/retry"
            theirs = [(await each.call("POST", path)) for each in (other, foreign)]

            model.broken = False
            await visitor.emit("send", live.question(QUESTION, talk))
            _, whole = await visitor.answer()
            overtaken = await visitor.call("POST", path)
            complete = await visitor.emit("retry", {"mid": whole["mid"]})

    assert [status for status, _ in theirs] == [404, 404]
    assert overtaken[0] == 409
    assert overtaken[1]["error"]["code"] == "not_to_retry"
    assert complete["error"]["code"] == "not_to_retry"


async def test_nothing_is_tried_again_once_a_person_has_it(cluster: Cluster) -> None:
    async with (
        shop.running(cluster, model=Breaking()) as (running, alder),
        live.visitor(running, alder) as visitor,
        live.colleague(running, alder) as ana,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        _, failed = await visitor.answer()
        await ana.post(f"/conversations/{talk}/handoff/take")

        refused = await visitor.emit("retry", {"mid": failed["mid"]})

        row = await _answer(running, alder, failed["mid"])

    assert refused["error"]["code"] == "not_to_retry"
    assert (row.status, row.attempt) == ("failed", 1)


async def _answer(running: live.Live, company: live.Company, mid: str) -> Answer:
    async with running.database.transaction(company.org_id) as db:
        return await db.get_one(Answer, (company.org_id, UUID(mid)))

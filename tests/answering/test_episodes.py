"""Who comes back begins a new episode: the old one is summed up, and triggers nothing again."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update

from chatbot.answering import rewrite
from chatbot.conversations.tables import Conversation, Episode, Handoff
from chatbot.database import utc_now
from tests import live
from tests.answering import shop
from tests.answering.script import Script
from tests.answering.shop import QUESTION
from tests.conftest import Cluster

DESCALE = "How do I descale the kettle?"


async def test_after_the_end_comes_a_new_episode_with_a_summary(cluster: Cluster) -> None:
    model = Script()
    async with shop.running(cluster, model=model) as (running, alder):
        async with (
            live.visitor(running, alder) as visitor,
            live.colleague(running, alder) as ana,
        ):
            talk = await visitor.begin()
            await visitor.emit("send", live.question(QUESTION, talk))
            await visitor.answer()
            await visitor.post(f"/visitor/conversations/{talk}/handoff", {})
            await ana.post(f"/conversations/{talk}/handoff/take")
            await ana.post(f"/conversations/{talk}/close")

            await visitor.emit("send", live.question(DESCALE, talk))
            await visitor.answer()
            view = await ana.get(f"/conversations/{talk}")
        (episode,) = await _episodes(running, alder)
        (handoff,) = await _handoffs(running, alder)

    (prompt,) = [
        each
        for each in model.asked
        if each.instructions != rewrite.INSTRUCTIONS and each.question == DESCALE
    ]
    assert prompt.history == ()
    assert prompt.summary == episode.summary == view["earlier_summary"]
    assert QUESTION in episode.summary
    assert "36 months" in episode.summary
    assert (view["episode"], view["state"], view["handoff"]) == (2, "bot", None)
    assert (episode.number, episode.first_seq) == (1, 1)
    assert (handoff.episode, handoff.outcome) == (1, "closed")


async def test_a_day_of_silence_ends_an_episode(cluster: Cluster) -> None:
    async with shop.running(cluster, model=Script()) as (running, alder):
        async with live.visitor(running, alder) as visitor:
            talk = await visitor.begin()
            await visitor.emit("send", live.question(QUESTION, talk))
            await visitor.answer()
            await visitor.emit("send", live.question(DESCALE, talk))
            await visitor.answer()
            together = await _episodes(running, alder)

            await _grow_old(running, alder, talk)
            await visitor.emit("send", live.question(DESCALE, talk))
            await visitor.answer()

        apart = await _episodes(running, alder)

    assert together == []
    assert [each.number for each in apart] == [1]
    assert apart[0].last_seq == 4


async def test_who_waits_for_a_person_keeps_their_place(cluster: Cluster) -> None:
    async with shop.running(cluster, model=Script()) as (running, alder):
        async with live.visitor(running, alder) as visitor:
            talk = await visitor.begin()
            await visitor.emit("send", live.question(QUESTION, talk))
            await visitor.answer()
            await visitor.post(f"/visitor/conversations/{talk}/handoff", {})
            await _grow_old(running, alder, talk)

            await visitor.emit("send", live.question(DESCALE, talk))
            await visitor.answer()
            found = await visitor.get(f"/visitor/conversations/{talk}/messages")

        episodes = await _episodes(running, alder)

    assert found["state"] == "waiting"
    assert episodes == []


async def _episodes(running: live.Live, company: live.Company) -> list[Episode]:
    async with running.database.transaction(company.org_id) as db:
        return list(await db.scalars(select(Episode).order_by(Episode.number)))


async def _handoffs(running: live.Live, company: live.Company) -> list[Handoff]:
    async with running.database.transaction(company.org_id) as db:
        return list(await db.scalars(select(Handoff)))


async def _grow_old(running: live.Live, company: live.Company, talk: str) -> None:
    async with running.database.transaction(company.org_id) as db:
        await db.execute(
            update(Conversation)
            .where(Conversation.org_id == company.org_id, Conversation.id == UUID(talk))
            .values(last_message_at=utc_now() - timedelta(hours=25))
        )

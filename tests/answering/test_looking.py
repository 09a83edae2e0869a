"""What staff find of answers afterwards: those that were disliked, and how one came to be."""

from uuid import UUID

import msgspec
import pytest

from chatbot.answering import trace
from chatbot.answering.tables import Answer
from chatbot.conversations import inbox, wire
from chatbot.database import Database, new_id, utc_now
from tests.answering import given
from tests.answering.given import Houses


async def test_disliked_answers_are_found_until_somebody_looked(
    database: Database, houses: Houses
) -> None:
    house, foreign = houses
    liked = await given.another_visitor(database, house)
    mid = await given.answer(database, house)
    await given.rate(database, liked, await given.answer(database, liked), 1)
    await given.rate(database, foreign, await given.answer(database, foreign), -1)

    async def disliked() -> list[UUID]:
        async with database.transaction(house.org_id, actor=house.staff.actor) as db:
            page = await inbox.conversations(db, house.staff, inbox.View.DISLIKED, None)
        return [each.id for each in page.items]

    before = await disliked()
    await given.rate(database, house, mid, -1)
    rated = await disliked()
    await given.check(database, house.staff, mid)
    checked = await disliked()
    await given.withdraw(database, house.staff, mid)
    withdrawn = await disliked()
    await given.rate(database, house, mid, 0)
    taken_back = await disliked()

    assert (before, rated, checked) == ([], [house.conversation_id], [])
    assert (withdrawn, taken_back) == ([house.conversation_id], [])


async def test_staff_read_how_an_answer_came_to_be(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid = await given.answer(database, house, status="failed")
    told = trace.Trace(
        route="quotes",
        attempt=2,
        query="warranty kettle",
        degraded=("model_unreachable",),
        timings=trace.Timings(first_text=120, whole=400),
    )
    async with database.transaction(house.org_id, actor="system") as db:
        answer = await db.get_one(Answer, (house.org_id, mid))
        answer.trace, answer.attempt = msgspec.to_builtins(told), 2
        answer.error_code, answer.ended_at = "not_stored", utc_now()
    await given.rate(database, house, mid, -1, "wrong")
    await given.correct(database, house.staff, mid, "12 months.")

    async with database.transaction(house.org_id) as db:
        found = await trace.read(db, house.org_id, mid)

    assert found.trace == told
    assert (found.status, found.attempt, found.model) == ("failed", 2, "extractive")
    assert (found.error_code, found.conversation_id) == ("not_stored", house.conversation_id)
    assert found.first_text_at is not None
    assert found.ended_at is not None
    assert (found.ended_at - found.first_text_at).total_seconds() == pytest.approx(0.28)
    assert found.feedback == wire.Feedback(-1, "wrong")
    assert found.review is not None
    assert [(each.kind, each.by, each.text) for each in found.reviews] == [
        ("corrected", "Robin", "12 months.")
    ]


async def test_an_answer_older_than_traces_has_none(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid = await given.answer(database, house)

    async with database.transaction(house.org_id) as db:
        found = await trace.read(db, house.org_id, mid)

    assert (found.trace, found.first_text_at, found.reviews) == (None, None, [])


async def test_an_answer_that_said_nothing_yet_can_be_looked_into(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    mid, question = new_id(), await given.ask(database, house)
    async with database.transaction(house.org_id, actor="system") as db:
        db.add(
            Answer(
                org_id=house.org_id,
                id=mid,
                conversation_id=house.conversation_id,
                question_rev=question.rev,
                model="extractive",
            )
        )

    async with database.transaction(house.org_id) as db:
        found = await trace.read(db, house.org_id, mid)

    assert (found.status, found.feedback, found.review) == ("running", None, None)

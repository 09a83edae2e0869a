"""What happens to conversations and answers, a story for each verb."""

from collections.abc import AsyncGenerator

from sqlalchemy import text

from chatbot.answering import recovery, turns
from chatbot.answering.repair import feedback, notices, reviews
from chatbot.answering.turns import Outcome
from chatbot.conversations import episodes, handoff, transcript
from chatbot.conversations.tables import AuthorKind, Message, Visibility
from chatbot.conversations.transcript import Said
from chatbot.database import new_id
from tests.answering import given
from tests.realtime.world import World


async def begin(world: World) -> AsyncGenerator[None]:
    yield
    async with world.as_visitor() as db:
        await transcript.begin(db, world.house.visitor, new_id().hex, most=10)


async def visitor_says(world: World) -> AsyncGenerator[None]:
    yield
    await given.ask(world.database, world.house)


async def first_question(world: World) -> AsyncGenerator[None]:
    yield
    house = await given.another_conversation(world.database, world.house)
    await given.ask(world.database, house)


async def staff_says(world: World) -> AsyncGenerator[None]:
    await world.taken()
    yield
    async with world.as_staff() as db:
        said = Said(AuthorKind.STAFF, "Good morning.", "Robin", world.house.staff.staff_id)
        await handoff.say(db, await world.lock(db), world.house.staff, said)


async def staff_notes(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_staff() as db:
        hidden = Visibility.INTERNAL
        said = Said(AuthorKind.STAFF, "Hm.", "Robin", world.house.staff.staff_id, visibility=hidden)
        await handoff.say(db, await world.lock(db), world.house.staff, said)


async def note(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_staff() as db:
        await transcript.note(db, await world.lock(db), "Robin is looking.")


async def revise(world: World) -> AsyncGenerator[None]:
    said = await given.ask(world.database, world.house)
    yield
    async with world.as_staff() as db:
        talk = await world.lock(db)
        message = await db.get_one(Message, (world.house.org_id, said.id))
        message.text = "Other words."
        await transcript.revise(db, talk, message)


async def request(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_visitor() as db:
        by = world.house.visitor.actor
        await handoff.request(db, await world.lock(db), by=by, reason="It leaks.")


async def take(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    async with world.as_visitor() as db:
        by = world.house.visitor.actor
        await handoff.request(db, await world.lock(db), by=by, reason=None)
    yield
    async with world.as_staff() as db:
        await handoff.take(db, await world.lock(db), world.house.staff)


async def step_in(world: World) -> AsyncGenerator[None]:
    yield
    async with world.as_staff() as db:
        await handoff.take(db, await world.lock(db), world.house.staff)


async def release(world: World) -> AsyncGenerator[None]:
    await world.taken()
    yield
    async with world.as_staff() as db:
        await handoff.release(db, await world.lock(db), world.house.staff)


async def close(world: World) -> AsyncGenerator[None]:
    await world.taken()
    yield
    async with world.as_staff() as db:
        await handoff.close(db, await world.lock(db), world.house.staff)


async def come_back(world: World) -> AsyncGenerator[None]:
    async for _ in close(world):
        pass
    yield
    async with world.as_visitor() as db:
        talk = await world.lock(db)
        before = talk.last_message_at
        said = Said(AuthorKind.VISITOR, "Me again.", "", world.house.visitor.visitor_id)
        message, _ = await transcript.say(db, talk, said)
        assert await episodes.come_back(db, talk, message, before)


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────


async def turn_begins(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_visitor() as db:
        assert await turns.begin(db, world.house.org_id, world.house.conversation_id)


async def turn_begins_again(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    await given.ask(world.database, world.house, "And the lid?")
    yield
    async with world.as_visitor() as db:
        assert await turns.begin_again(db, asked)


async def turn_finishes(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        outcome = Outcome(status="complete", text="Two years.", confidence="answered")
        await turns.finish(db, asked, outcome)


async def turn_fails_and_calls_nobody(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        talk = await world.lock(db)
        answer = await turns.find_running(db, talk)
        assert answer is not None
        assert answer.id == asked.mid
        await turns.end(db, talk, answer, Outcome(status="failed", text="Two", error_code="x"))


async def turn_calls_a_person(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        outcome = Outcome(status="complete", text="I call somebody.", calls_person=True)
        await turns.finish(db, asked, outcome)


async def turn_is_tried_again(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    async with world.as_visitor() as db:
        await turns.finish(db, asked, Outcome(status="failed", text="Two", error_code="x"))
    yield
    async with world.as_visitor() as db:
        again = await turns.retry(db, await world.lock(db), asked.mid)
    async with world.as_visitor() as db:
        await turns.finish(db, again, Outcome(status="complete", text="Two years."))


async def stop_is_asked(world: World) -> AsyncGenerator[None]:
    await world.asked()
    yield
    async with world.as_visitor() as db:
        assert await turns.request_stop(db, await world.lock(db))


async def checkpoint(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        far = [(asked.mid, asked.attempt, "Two", 1)]
        assert await recovery.checkpoint(db, world.house.org_id, far) == {asked.mid: None}


async def process_dies(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    async with world.as_visitor() as db:
        values = {"org": world.house.org_id, "id": asked.mid}
        statement = (
            "update answers set partial_text = 'Two', heartbeat_at = now() - interval '1 hour'"
            " where org_id = :org and id = :id"
        )
        await db.execute(text(statement), values)
    yield
    await recovery.interrupt_stale(world.database)


async def thumbs_down(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    yield
    async with world.as_visitor() as db:
        await feedback.give(db, world.house.visitor, mid, -1, "That is wrong.")


async def answer_is_checked(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    yield
    async with world.as_staff() as db:
        await reviews.check(db, world.house.staff, mid)


async def answer_is_corrected(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    yield
    async with world.as_staff() as db:
        await reviews.correct(db, world.house.staff, mid, "Three years.")


async def correction_is_taken_back(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    async with world.as_staff() as db:
        await reviews.correct(db, world.house.staff, mid, "Three years.")
    yield
    async with world.as_staff() as db:
        await reviews.withdraw(db, world.house.staff, mid)


async def others_are_told(world: World) -> AsyncGenerator[None]:
    cited = [given.passage()]
    mid = await given.answer(world.database, world.house, cited)
    other = await given.another_conversation(world.database, world.house)
    theirs = await given.answer(world.database, other, cited)
    yield
    staff = world.house.staff
    await notices.tell(world.database, staff, mid, [theirs], "We were wrong.")

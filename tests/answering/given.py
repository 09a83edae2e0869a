"""Answers that were given, written as the bot's turns leave them, for what happens afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chatbot.answering.repair import feedback, reviews
from chatbot.answering.repair.feedback import Value
from chatbot.answering.tables import RUNNING, Answer, Citation
from chatbot.conversations import handoff, transcript, wire
from chatbot.conversations.tables import AuthorKind, Conversation, Message
from chatbot.conversations.transcript import Said
from chatbot.database import Database, new_id
from chatbot.orgs.tables import Site
from chatbot.staff.login import Staff
from chatbot.visitors import sessions
from tests.realtime.conftest import SITE_ORIGIN, TOKENS, House, sessions_of

Houses = tuple[House, House]

QUESTION = "How long is the warranty?"
TEXT = "It lasts 36 months [1]. So does the lid [2]."


@dataclass(frozen=True)
class Passage:
    """A place in a document."""

    document_id: UUID
    passage_id: UUID


def passage() -> Passage:
    return Passage(new_id(), new_id())


async def another_visitor(database: Database, house: House) -> House:
    """The same organisation as somebody else finds it: with a conversation of their own."""
    async with database.transaction(house.org_id, actor="system") as db:
        site = await db.get_one(Site, (house.org_id, house.site_id))
        _, _, token = await sessions.issue(db, TOKENS, site, origin=SITE_ORIGIN, locale=None)
    visitor = await sessions_of(database).authenticate(token, SITE_ORIGIN)
    return await another_conversation(database, replace(house, visitor=visitor))


async def another_conversation(database: Database, house: House) -> House:
    """The same visitor in a new conversation."""
    async with database.transaction(house.org_id, actor=house.visitor.actor) as db:
        talk, _ = await transcript.begin(db, house.visitor, new_id().hex, most=10)
    return replace(house, conversation_id=talk.id)


async def ask(database: Database, house: House, text: str = QUESTION) -> wire.Message:
    """What the house's visitor says."""
    said = Said(AuthorKind.VISITOR, text, "Visitor", author_id=house.visitor.visitor_id)
    async with database.transaction(house.org_id, actor=house.visitor.actor) as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        message, _ = await transcript.say(db, talk, said)
    return wire.message(message)


async def answer(
    database: Database,
    house: House,
    passages: Sequence[Passage] = (),
    *,
    text: str = TEXT,
    question: str = QUESTION,
    status: str = "complete",
) -> UUID:
    """A question and its answer; the answer's id."""
    asked = await ask(database, house, question)
    mid = new_id()
    said = Said(
        AuthorKind.ASSISTANT,
        text,
        transcript.ASSISTANT_NAME,
        id=mid,
        status=status,
        sources=[_source(n, each) for n, each in enumerate(passages, 1)],
        confidence="answered",
    )
    async with database.transaction(house.org_id, actor="system") as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        db.add(
            Answer(
                org_id=house.org_id,
                id=mid,
                conversation_id=talk.id,
                question_rev=asked.rev,
                model="extractive",
                status=status,
            )
        )
        await transcript.say(db, talk, said)
        for n, each in enumerate(passages, 1):
            where = {"document_id": each.document_id, "passage_id": each.passage_id}
            db.add(Citation(org_id=house.org_id, message_id=mid, n=n, version=1, **where))
    return mid


async def write_again(database: Database, house: House, mid: UUID) -> None:
    """As a retry leaves the answer while it runs."""
    async with database.transaction(house.org_id, actor="system") as db:
        (await db.get_one(Answer, (house.org_id, mid))).status = RUNNING


async def message(database: Database, house: House, mid: UUID) -> wire.Message:
    """The message as it is stored now."""
    async with database.transaction(house.org_id) as db:
        return wire.message(await db.get_one(Message, (house.org_id, mid)))


async def talk(database: Database, house: House) -> Conversation:
    """The house's conversation as it is stored now."""
    async with database.transaction(house.org_id) as db:
        return await transcript.get(db, house.org_id, house.conversation_id)


async def said(database: Database, house: House) -> list[wire.Message]:
    """All that was said in the house's conversation, in order of change."""
    async with database.transaction(house.org_id) as db:
        conversation = await transcript.get(db, house.org_id, house.conversation_id)
        rows = await transcript.since(db, conversation, 0, internal=True)
        return [wire.message(row) for row in rows]


async def take(database: Database, house: House) -> None:
    """The house's colleague takes its conversation over."""
    async with database.transaction(house.org_id, actor=house.staff.actor) as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        await handoff.take(db, talk, house.staff)


async def release(database: Database, house: House) -> None:
    async with database.transaction(house.org_id, actor=house.staff.actor) as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        await handoff.release(db, talk, house.staff)


async def close(database: Database, house: House) -> None:
    async with database.transaction(house.org_id, actor=house.staff.actor) as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        await handoff.close(db, talk, house.staff)


async def rate(
    database: Database, house: House, mid: UUID, value: Value, reason: str | None = None
) -> wire.Message:
    async with database.transaction(house.org_id, actor=house.visitor.actor) as db:
        return wire.message(await feedback.give(db, house.visitor, mid, value, reason))


async def check(database: Database, staff: Staff, mid: UUID) -> wire.Message:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return wire.message(await reviews.check(db, staff, mid))


async def correct(database: Database, staff: Staff, mid: UUID, text: str) -> wire.Message:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return wire.message(await reviews.correct(db, staff, mid, text))


async def withdraw(database: Database, staff: Staff, mid: UUID) -> wire.Message:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return wire.message(await reviews.withdraw(db, staff, mid))


def _source(n: int, where: Passage) -> wire.Source:
    return wire.Source(
        n=n,
        passage_id=where.passage_id,
        document_id=where.document_id,
        title="Handbook",
        heading=None,
        url=None,
        page=None,
        quote="36 months",
        version=1,
    )

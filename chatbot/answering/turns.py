"""The record of the bot's turns: begun, checkpointed, ended, each under the conversation's lock."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import and_, func, not_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.prompt import Turn
from chatbot.answering.tables import RUNNING, Answer, Ending
from chatbot.conversations import handoff, transcript
from chatbot.conversations.tables import AuthorKind, Conversation, Handoff, Message
from chatbot.conversations.wire import Confidence, LiveAnswer, Source
from chatbot.database import Database, new_id, utc_now
from chatbot.errors import NotFound
from chatbot.orgs.tables import Site

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
HISTORY_MESSAGES_MAX = 20
OVERLOOKED_AGE_MIN = timedelta(seconds=5)
OVERLOOKED_AGE_MAX = timedelta(hours=1)


class Asked(msgspec.Struct, frozen=True):
    """What is to be answered: the visitor's open questions as one, and what was said before
    them. `labels` are those of the site; None asks all documents.
    """

    org_id: UUID
    conversation_id: UUID
    mid: UUID
    attempt: int
    question: str
    earlier_questions: tuple[str, ...]
    history: tuple[Turn, ...]
    labels: tuple[str, ...] | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How a turn ended, and what it left to say."""

    status: Ending
    text: str = ""
    sources: Sequence[Source] = ()
    confidence: Confidence | None = None
    error_code: str | None = None
    usage: dict[str, Any] | None = None


async def begin(db: AsyncSession, org_id: UUID, conversation_id: UUID, model: str) -> Asked | None:
    """Open a turn for what the visitor asked since the last one.

    None when nothing is open, a turn is running, the conversation has ended, or a person has it.
    """
    conversation = await transcript.lock(db, org_id, conversation_id)
    if conversation.closed_at is not None or await handoff.is_with_staff(db, conversation):
        return None
    if await find_running(db, conversation) is not None:
        return None
    answered = await _answered_rev(db, conversation)
    asked = await _asked(db, conversation, new_id(), answered, attempt=1)
    if asked is None:
        return None
    db.add(
        Answer(
            org_id=org_id,
            id=asked.mid,
            conversation_id=conversation_id,
            question_rev=conversation.rev,
            model=model,
        )
    )
    return asked


async def begin_again(db: AsyncSession, asked: Asked) -> Asked | None:
    """Another attempt of a turn that has said nothing yet, now with the newer question as well."""
    conversation = await transcript.lock(db, asked.org_id, asked.conversation_id)
    answer = await find_running(db, conversation)
    if answer is None or answer.id != asked.mid or answer.stop_requested_at is not None:
        return None
    answered = await _answered_rev(db, conversation, but=answer.id)
    answer.attempt, answer.question_rev = answer.attempt + 1, conversation.rev
    return await _asked(db, conversation, answer.id, answered, attempt=answer.attempt)


async def checkpoint(db: AsyncSession, asked: Asked, text_so_far: str, frame_seq: int) -> None:
    """Note a sign of life and how far the text has come."""
    await db.execute(
        update(Answer)
        .where(*_running(asked.org_id, asked.mid))
        .values(partial_text=text_so_far, frame_seq=frame_seq, heartbeat_at=utc_now())
    )


async def finish(db: AsyncSession, asked: Asked, outcome: Outcome) -> tuple[Ending, int | None]:
    """End the turn once; how it really ended, and the version of the stored message if there is
    one.

    A person who took over meanwhile silences it: whatever the outcome was, it is withdrawn.
    """
    conversation = await transcript.lock(db, asked.org_id, asked.conversation_id)
    answer = await find_running(db, conversation)
    if answer is None or answer.id != asked.mid:
        return "interrupted", None
    if conversation.closed_at is not None or await handoff.is_with_staff(db, conversation):
        outcome = Outcome("withdrawn", error_code=outcome.error_code)
    return outcome.status, await _end(db, conversation, answer, outcome)


async def request_stop(
    db: AsyncSession, conversation: Conversation, *, mid: UUID | None = None
) -> None:
    """Ask whoever runs the conversation's answer (or only `mid`) to stop it: the trigger on answers
    tells them.
    """
    answer = await find_running(db, conversation)
    if answer is not None and mid in (None, answer.id):
        answer.stop_requested_at = answer.stop_requested_at or utc_now()


async def find_running(db: AsyncSession, conversation: Conversation) -> Answer | None:
    return await db.scalar(
        select(Answer).where(
            Answer.org_id == conversation.org_id,
            Answer.conversation_id == conversation.id,
            Answer.status == RUNNING,
        )
    )


async def conversation_of(db: AsyncSession, org_id: UUID, mid: UUID) -> UUID:
    """The conversation that an answer belongs to, or NotFound."""
    found = await db.scalar(
        select(Answer.conversation_id).where(Answer.org_id == org_id, Answer.id == mid)
    )
    if found is None:
        raise NotFound
    return found


async def live(db: AsyncSession, conversation: Conversation) -> LiveAnswer | None:
    """The running answer as last checkpointed; frames after `seq` come by `resume`."""
    answer = await find_running(db, conversation)
    if answer is None:
        return None
    return LiveAnswer(answer.id, answer.attempt, answer.frame_seq, answer.partial_text)


async def overlooked(database: Database) -> list[tuple[UUID, UUID]]:
    """(organisation, conversation) of questions that nobody answers: the process that stored one
    died before it began, or could not begin. Nothing older than an hour.
    """
    now = utc_now()
    times = {"since": now - OVERLOOKED_AGE_MAX, "before": now - OVERLOOKED_AGE_MIN}
    async with database.transaction() as db:
        query = text("select * from lookup.open_questions(:since, :before)")
        return [(row.org_id, row.conversation_id) for row in await db.execute(query, times)]


async def interrupt_stale(database: Database) -> None:
    """End every turn whose process gave no sign of life for ten seconds, keeping its partial
    text.
    """
    async with database.transaction() as db:
        query = text("select * from lookup.stale_answers(:older_than)")
        stale = (await db.execute(query, {"older_than": utc_now() - HEARTBEAT_TIMEOUT})).all()
    for row in stale:
        async with database.transaction(row.org_id, actor="system") as db:
            await _interrupt(db, row.org_id, row.answer_id)


async def _interrupt(db: AsyncSession, org_id: UUID, answer_id: UUID) -> None:
    found = await db.scalar(select(Answer).where(*_running(org_id, answer_id)))
    if found is None:
        return
    conversation = await transcript.lock(db, org_id, found.conversation_id)
    await db.refresh(found)
    if found.status == RUNNING and found.heartbeat_at < utc_now() - HEARTBEAT_TIMEOUT:
        outcome = Outcome("interrupted", text=found.partial_text)
        await _end(db, conversation, found, outcome)


async def _end(
    db: AsyncSession, conversation: Conversation, answer: Answer, outcome: Outcome
) -> int | None:
    answer.status, answer.ended_at = outcome.status, utc_now()
    answer.error_code, answer.usage = outcome.error_code, outcome.usage
    answer.partial_text = outcome.text
    if not outcome.text.strip() or outcome.status == "withdrawn":
        return None
    said = transcript.Said(
        AuthorKind.ASSISTANT,
        outcome.text,
        transcript.ASSISTANT_NAME,
        id=answer.id,
        status=outcome.status,
        sources=outcome.sources,
        confidence=outcome.confidence,
    )
    message, _ = await transcript.say(db, conversation, said)
    return message.version


async def _answered_rev(
    db: AsyncSession, conversation: Conversation, *, but: UUID | None = None
) -> int:
    """Up to which revision questions are settled: by a turn of the bot that said or ended
    something, or by a person who had the conversation until then. `lookup.open_questions` says
    the same.
    """
    here = Answer.org_id == conversation.org_id, Answer.conversation_id == conversation.id
    silent = and_(Answer.status == "interrupted", Answer.partial_text == "")
    by_bot = select(func.max(Answer.question_rev)).where(*here, not_(silent))
    if but is not None:
        by_bot = by_bot.where(Answer.id != but)
    person_left = (
        select(func.max(Handoff.ended_at))
        .where(
            Handoff.org_id == conversation.org_id,
            Handoff.conversation_id == conversation.id,
            Handoff.taken_at.is_not(None),
        )
        .scalar_subquery()
    )
    by_person = select(func.max(Message.rev)).where(
        Message.org_id == conversation.org_id,
        Message.conversation_id == conversation.id,
        Message.created_at <= person_left,
    )
    return max(await db.scalar(by_bot) or 0, await db.scalar(by_person) or 0)


async def _asked(
    db: AsyncSession, conversation: Conversation, mid: UUID, answered: int, *, attempt: int
) -> Asked | None:
    said = await transcript.recent(db, conversation, HISTORY_MESSAGES_MAX)
    open_questions = [each for each in said if _is_question(each) and each.rev > answered]
    if not open_questions:
        return None
    before = [each for each in said if each.rev < open_questions[0].rev]
    return Asked(
        org_id=conversation.org_id,
        conversation_id=conversation.id,
        mid=mid,
        attempt=attempt,
        question="\n".join(each.text for each in open_questions),
        earlier_questions=tuple(each.text for each in before if _is_question(each)),
        history=tuple(
            Turn("user" if _is_question(each) else "assistant", each.text) for each in before
        ),
        labels=await _labels(db, conversation),
    )


async def _labels(db: AsyncSession, conversation: Conversation) -> tuple[str, ...]:
    query = select(Site.labels).where(
        Site.org_id == conversation.org_id, Site.id == conversation.site_id
    )
    return tuple(await db.scalar(query) or ())


def _is_question(message: Message) -> bool:
    return message.author_kind == AuthorKind.VISITOR


def _running(org_id: UUID, mid: UUID) -> tuple[Any, ...]:
    return Answer.org_id == org_id, Answer.id == mid, Answer.status == RUNNING

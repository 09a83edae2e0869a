"""The record of the bot's turns: begun, checkpointed, retried, ended, each under the conversation's
lock.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering import standing
from chatbot.answering.spending import budget
from chatbot.answering.spending.budget import Bill
from chatbot.answering.tables import (
    RUNNING,
    Answer,
    AnswerModel,
    Citation,
    Ending,
)
from chatbot.answering.trace import Trace
from chatbot.answering.voice import persona as personas
from chatbot.answering.voice import phrases
from chatbot.answering.voice.persona import Persona
from chatbot.answering.voice.prompt import Turn
from chatbot.conversations import episodes, handoff, transcript
from chatbot.conversations.tables import AuthorKind, Conversation, Handoff, Message
from chatbot.conversations.wire import Confidence, LiveAnswer, Source
from chatbot.database import new_id, utc_now
from chatbot.errors import Conflict, NotFound

HISTORY_MESSAGES_MAX = 20
MAY_BE_RETRIED: frozenset[str] = frozenset({"failed", "interrupted", "stopped"})
_RUNNING = select(Answer).where(
    Answer.org_id == bindparam("org"),
    Answer.conversation_id == bindparam("id"),
    Answer.status == RUNNING,
)
# The turn that ends, locked, and whether a person has the conversation.
_ENDING = _RUNNING.add_columns(
    exists()
    .where(
        Handoff.org_id == bindparam("org"),
        Handoff.conversation_id == bindparam("id"),
        Handoff.ended_at.is_(None),
        Handoff.taken_at.is_not(None),
    )
    .label("taken")
).with_for_update(of=Answer)
_CITE = text(
    """
    insert into citations (org_id, message_id, n, document_id, passage_id, version)
    select :org, :message, cited.n, cited.document_id, cited.passage_id, cited.version
    from unnest(
      cast(:ns as int[]), cast(:document_ids as uuid[]), cast(:passage_ids as uuid[]),
      cast(:versions as int[])
    ) as cited(n, document_id, passage_id, version)
    """
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be answered: the visitor's open questions as one, what was said before them in
    this episode, and how the organisation lets its bot speak. `labels` are those of the site; None
    asks all documents.
    """

    org_id: UUID
    conversation_id: UUID
    mid: UUID
    attempt: int = 1
    question: str
    earlier_questions: tuple[str, ...] = ()
    history: tuple[Turn, ...] = ()
    summary: str | None = None
    offered: bool = False
    labels: tuple[str, ...] | None = None
    locale: str = ""
    own_origins: tuple[str, ...] = ()
    persona: Persona = personas.DEFAULT
    models: tuple[AnswerModel, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended, what it left to say, and what it cost."""

    status: Ending
    name: str = transcript.ASSISTANT_NAME
    text: str = ""
    sources: Sequence[Source] = ()
    confidence: Confidence | None = None
    suggestions: tuple[str, ...] = ()
    error_code: str | None = None
    model: str | None = None
    trace: Trace | None = None
    calls_person: bool = False


async def begin(db: AsyncSession, org_id: UUID, conversation_id: UUID) -> Asked | None:
    """Open a turn for what the visitor asked since the last one.

    None when nothing is open, a turn is running, the conversation has ended, or a person has it.
    """
    conversation = await transcript.lock(db, org_id, conversation_id)
    here = await standing.look(db, conversation)
    if here.silenced or here.running:
        return None
    asked = await _asked(db, conversation, new_id(), here.answered)
    if asked is None:
        return None
    db.add(
        Answer(
            org_id=org_id,
            id=asked.mid,
            conversation_id=conversation_id,
            question_rev=conversation.rev,
            model="",  # known in the end
            persona_version=asked.persona.version,
            episode=conversation.episode,
            heartbeat_at=func.clock_timestamp(),
        )
    )
    return asked


async def begin_again(db: AsyncSession, asked: Asked) -> Asked | None:
    """Another attempt of a turn that has said nothing yet, now with the newer question as well."""
    conversation = await transcript.lock(db, asked.org_id, asked.conversation_id)
    answer = await find_running(db, conversation)
    if answer is None or not _is_at(answer, asked) or answer.stop_requested_at is not None:
        return None
    here = await standing.look(db, conversation, but=answer.id)
    answer.attempt, answer.question_rev = answer.attempt + 1, conversation.rev
    return await _asked(db, conversation, answer.id, here.answered, attempt=answer.attempt)


async def retry(db: AsyncSession, conversation: Conversation, mid: UUID) -> Asked:
    """Open the locked conversation's last turn again, as a new attempt at the same answer.

    Conflict `not_to_retry` unless it failed, was interrupted or stopped, and is still the last
    word.
    """
    answer = await db.get(Answer, (conversation.org_id, mid))
    if answer is None or answer.conversation_id != conversation.id:
        raise NotFound
    refused = Conflict("not_to_retry", "This answer cannot be tried again. Ask once more instead.")
    here = await standing.look(db, conversation, but=mid)
    if answer.status not in MAY_BE_RETRIED or here.silenced or here.running:
        raise refused
    if answer.question_rev < here.asked:
        raise refused
    message = await db.get(Message, (conversation.org_id, mid))
    if message is not None and message.review is not None:
        raise refused  # a colleague vouches for what stands there
    asked = await _asked(db, conversation, mid, here.answered, attempt=answer.attempt + 1)
    if asked is None:
        raise refused
    answer.status, answer.attempt = RUNNING, asked.attempt
    answer.heartbeat_at = func.clock_timestamp()
    answer.partial_text, answer.frame_seq, answer.error_code = "", 0, None
    answer.stop_requested_at = answer.ended_at = None
    answer.persona_version = asked.persona.version
    return asked


class Finished(NamedTuple):
    """How a turn really ended, the version of the stored message if there is one, and whether
    anything was said in the conversation since the turn took up its questions.
    """

    status: Ending
    version: int | None
    more: bool


async def finish(db: AsyncSession, asked: Asked, outcome: Outcome) -> Finished:
    """End the turn once.

    A person who took over meanwhile silences it: whatever the outcome was, it is withdrawn.
    """
    conversation = await transcript.lock(db, asked.org_id, asked.conversation_id)
    here = {"org": asked.org_id, "id": asked.conversation_id}
    found = (await db.execute(_ENDING, here)).one_or_none()
    if found is None or not _is_at(found.Answer, asked):
        return Finished("interrupted", None, more=True)
    answer: Answer = found.Answer
    more = conversation.rev != answer.question_rev
    if conversation.closed_at is not None or found.taken:
        outcome = msgspec.structs.replace(outcome, status="withdrawn", text="", sources=())
    return Finished(outcome.status, await end(db, conversation, answer, outcome), more)


async def end(
    db: AsyncSession, conversation: Conversation, answer: Answer, outcome: Outcome
) -> int | None:
    """Write how a running turn ended, store its text as a message and settle what it cost; the
    message's version, None when nothing was stored.
    """
    answer.status, answer.ended_at = outcome.status, utc_now()
    answer.error_code, answer.model = outcome.error_code, outcome.model or answer.model
    answer.partial_text = outcome.text
    # Before anything is stored: the row is written once.
    bill = _close(conversation, answer, outcome.trace)
    version = None
    if outcome.calls_person and outcome.status == "complete":
        by = f"visitor:{conversation.visitor_id}"
        await handoff.request(db, conversation, by=by, reason=None)
    if outcome.text.strip() and outcome.status != "withdrawn":
        version = await _store(db, conversation, answer, outcome)
    if bill is not None:
        await budget.settle(db, bill)
    return version


async def _store(
    db: AsyncSession, conversation: Conversation, answer: Answer, outcome: Outcome
) -> int:
    """Say it, in the place of an earlier attempt's text if there is one."""
    message = None
    if answer.attempt > 1:
        message = await db.get(Message, (answer.org_id, answer.id))
    if message is None:
        said = transcript.Said(
            AuthorKind.ASSISTANT,
            outcome.text,
            outcome.name,
            id=answer.id,
            status=outcome.status,
            sources=outcome.sources,
            confidence=outcome.confidence,
            suggestions=outcome.suggestions,
        )
        message, _ = await transcript.say(db, conversation, said)
    else:
        await _say_again(db, conversation, message, outcome)
    await _cite(db, message, outcome.sources)
    return message.version


async def request_stop(
    db: AsyncSession, conversation: Conversation, *, mid: UUID | None = None
) -> UUID | None:
    """Ask whoever runs the conversation's answer (or only `mid`) to stop it: the trigger on answers
    tells them. The answer that is to stop, None when nothing runs.
    """
    answer = await find_running(db, conversation)
    if answer is None or mid not in (None, answer.id):
        return None
    answer.stop_requested_at = answer.stop_requested_at or utc_now()
    return answer.id


async def find_running(db: AsyncSession, conversation: Conversation) -> Answer | None:
    return await db.scalar(_RUNNING, {"org": conversation.org_id, "id": conversation.id})


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


async def _say_again(
    db: AsyncSession, conversation: Conversation, message: Message, outcome: Outcome
) -> None:
    """Replace what an earlier attempt said; what people thought of that goes with it."""
    message.text, message.status = outcome.text, outcome.status
    message.sources = [msgspec.to_builtins(source) for source in outcome.sources]
    message.confidence, message.suggestions = outcome.confidence, list(outcome.suggestions)
    message.feedback_value = message.feedback_reason = message.feedback_at = None
    message.review = None
    await transcript.revise(db, conversation, message)


async def _cite(db: AsyncSession, message: Message, sources: Sequence[Source]) -> None:
    own = Citation.org_id == message.org_id, Citation.message_id == message.id
    if message.version > 1:
        await db.execute(delete(Citation).where(*own))
    if not sources:
        return
    columns = ("n", "document_id", "passage_id", "version")
    given = {f"{name}s": [getattr(each, name) for each in sources] for name in columns}
    await db.execute(_CITE, given | {"org": message.org_id, "message": message.id})


def _close(conversation: Conversation, answer: Answer, trace: Trace | None) -> Bill | None:
    """Note what was really spent, which takes the place of what was reserved. Of a turn whose
    process died nobody knows it: then the reservation stands.
    """
    spent: int | None = None
    cost: float | None = None
    if trace is not None:
        spent, cost = trace.prompt_tokens + trace.completion_tokens, trace.cost
        answer.trace = msgspec.to_builtins(trace)
        answer.usage = {
            "prompt_tokens": trace.prompt_tokens,
            "completion_tokens": trace.completion_tokens,
        }
    return budget.bill(
        answer,
        site_id=conversation.site_id,
        visitor_id=conversation.visitor_id,
        tokens_used=spent,
        cost=cost,
    )


def _is_at(answer: Answer, asked: Asked) -> bool:
    """An attempt that another one has overtaken has nothing more to say."""
    return (answer.id, answer.attempt) == (asked.mid, asked.attempt)


async def _asked(
    db: AsyncSession, conversation: Conversation, mid: UUID, answered: int, *, attempt: int = 1
) -> Asked | None:
    said = await transcript.recent(db, conversation, HISTORY_MESSAGES_MAX)
    open_questions = [each for each in said if _is_question(each) and each.rev > answered]
    if not open_questions:
        return None
    # By `seq`: a correction gives what was said long ago a new `rev`.
    first = open_questions[0].seq or 0
    before = [each for each in said if (each.seq or 0) < first]
    org_id = conversation.org_id
    summaries: dict[UUID, str] = {}
    if conversation.episode > 1:
        summaries = await episodes.earlier(db, org_id, [conversation.id])
    around = await standing.around(db, conversation)
    return Asked(
        org_id=org_id,
        conversation_id=conversation.id,
        mid=mid,
        attempt=attempt,
        question="\n".join(each.text for each in open_questions),
        earlier_questions=tuple(each.text for each in before if _is_question(each)),
        history=tuple(
            Turn("user" if _is_question(each) else "assistant", each.text) for each in before
        ),
        summary=summaries.get(conversation.id),
        offered=bool(before) and phrases.offers_person(before[-1].text),
        labels=around.labels,
        locale=around.locale,
        own_origins=around.origins,
        persona=around.persona,
        models=around.models,
    )


def _is_question(message: Message) -> bool:
    return message.author_kind == AuthorKind.VISITOR

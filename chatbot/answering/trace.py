"""How an answer came to be: what was searched, found and asked of which model, in what time and at
what cost. Kept with the answer's row and shown to staff.
"""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.models.ladder import Step
from chatbot.answering.repair import reviews
from chatbot.answering.tables import Answer
from chatbot.conversations import wire
from chatbot.conversations.tables import Message
from chatbot.errors import NotFound

Status = Literal["running", "complete", "stopped", "failed", "withdrawn", "interrupted"]


Route = Literal["courtesy", "person", "curated", "model", "quotes", "unknown", "unavailable"]
"""Who wrote the text; a person: one was called."""


class TracedPassage(msgspec.Struct, frozen=True):
    """A passage that was considered, as it stood in that version of its document. `score` is the
    fused one (0 to 1); `cited` whether the answer names it.
    """

    n: int
    passage_id: UUID
    document_id: UUID
    version: int
    title: str
    heading: str | None
    page: int | None
    score: float
    lexical: float
    vector: float
    cited: bool


class Timings(msgspec.Struct, frozen=True):
    """Milliseconds from the beginning of the attempt; None for what did not happen."""

    rewritten: int | None = None
    found: int | None = None
    first_text: int | None = None
    whole: int = 0


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """`degraded` says why it was not the best that is set up, in the
    order in which it happened: `over_budget_…`, `too_fast`, `model_…`, `search_…`, `cut_…`.
    """

    route: Route
    attempt: int = 1
    language: str = "en"
    query: str | None = None
    band: str | None = None
    support: float | None = None
    passages: tuple[TracedPassage, ...] = ()
    persona_version: int | None = None
    steps: tuple[Step, ...] = ()
    degraded: tuple[str, ...] = ()
    timings: Timings = msgspec.field(default_factory=Timings)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None


class AnswerTrace(msgspec.Struct, frozen=True):
    """An answer as staff look into it: how its last attempt went, what the visitor thought of it
    and what colleagues made of it. `trace` is None for answers older than traces, and while the
    first attempt runs.
    """

    message_id: UUID
    conversation_id: UUID
    status: Status
    attempt: int
    model: str
    error_code: str | None
    started_at: datetime
    first_text_at: datetime | None
    ended_at: datetime | None
    trace: Trace | None
    feedback: wire.Feedback | None
    review: wire.Review | None
    reviews: list[reviews.Entry]


async def read(db: AsyncSession, org_id: UUID, mid: UUID) -> AnswerTrace:
    """How an answer came to be and what became of it; NotFound when there is no such answer."""
    answer = await db.scalar(select(Answer).where(Answer.org_id == org_id, Answer.id == mid))
    if answer is None:
        raise NotFound
    row = await db.scalar(select(Message).where(Message.org_id == org_id, Message.id == mid))
    message = wire.message(row) if row is not None else None
    trace = msgspec.convert(answer.trace, Trace | None)
    return AnswerTrace(
        message_id=mid,
        conversation_id=answer.conversation_id,
        status=msgspec.convert(answer.status, Status),
        attempt=answer.attempt,
        model=answer.model,
        error_code=answer.error_code,
        started_at=answer.started_at,
        first_text_at=_first_text_at(answer, trace),
        ended_at=answer.ended_at,
        trace=trace,
        feedback=message.feedback if message is not None else None,
        review=message.review if message is not None else None,
        reviews=await reviews.history(db, org_id, mid),
    )


def _first_text_at(answer: Answer, trace: Trace | None) -> datetime | None:
    """Counted back from the end: the trace's times are those of the last attempt."""
    if trace is None or answer.ended_at is None or trace.timings.first_text is None:
        return None
    written = trace.timings.whole - trace.timings.first_text
    return answer.ended_at - timedelta(milliseconds=written)

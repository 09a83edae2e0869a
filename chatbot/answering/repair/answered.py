"""An answer that was given: the assistant's message, found to be rated, checked or corrected."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.tables import RUNNING, Answer
from chatbot.conversations import transcript
from chatbot.conversations.tables import AuthorKind, Conversation, Message
from chatbot.errors import Conflict, NotFound


async def get(db: AsyncSession, org_id: UUID, mid: UUID) -> Message:
    """The answer to read; NotFound when there is none, Conflict `not_an_answer` for what a person
    said.
    """
    message = await db.scalar(select(Message).where(Message.org_id == org_id, Message.id == mid))
    if message is None:
        raise NotFound
    _refuse_other_authors(message)
    return message


async def lock(
    db: AsyncSession, org_id: UUID, mid: UUID, *, visitor_id: UUID | None = None
) -> tuple[Conversation, Message]:
    """The answer to change, and its conversation, locked. As `get`; and Conflict `answer_running`
    while it is being written again.
    """
    conversation, message = await transcript.lock_message(db, org_id, mid, visitor_id=visitor_id)
    _refuse_other_authors(message)
    running = Answer.org_id == org_id, Answer.id == mid, Answer.status == RUNNING
    if await db.scalar(select(Answer.id).where(*running)) is not None:
        raise Conflict(
            "answer_running",
            "This answer is being written again. Wait until it has ended.",
            retry="backoff",
        )
    return conversation, message


def _refuse_other_authors(message: Message) -> None:
    if message.author_kind != AuthorKind.ASSISTANT:
        raise Conflict(
            "not_an_answer",
            "This is no answer of the assistant. Choose one of those.",
            retry="never",
        )

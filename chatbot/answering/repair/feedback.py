"""What visitors think of an answer: thumbs up or down, and why."""

from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.repair import answered
from chatbot.conversations import transcript
from chatbot.conversations.tables import Message
from chatbot.database import utc_now
from chatbot.visitors.sessions import Visitor

REASON_CHARS_MAX: Final = 500

Value = Literal[1, -1, 0]
"""Up, down, or taken back."""


async def give(
    db: AsyncSession, visitor: Visitor, mid: UUID, value: Value, reason: str | None
) -> Message:
    """Rate an answer in the visitor's own conversation; the message as it is now.

    The same value again changes nothing, unless it comes with another reason. NotFound when the
    message is not theirs, Conflict when it is no answer or is being written again.
    """
    reason = _checked_reason(reason)
    own = visitor.visitor_id
    conversation, message = await answered.lock(db, visitor.org_id, mid, visitor_id=own)
    if value == (message.feedback_value or 0) and (
        value == 0 or reason in (None, message.feedback_reason)
    ):
        return message
    message.feedback_value = value or None
    message.feedback_reason = reason if value else None
    message.feedback_at = utc_now() if value else None
    await transcript.revise(db, conversation, message)
    return message


def _checked_reason(reason: str | None) -> str | None:
    """Trimmed, None when nothing is left; Invalid when too long or not storable."""
    if reason is None or not reason.strip():
        return None
    return transcript.checked_text(reason.strip(), REASON_CHARS_MAX)

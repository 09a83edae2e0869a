"""A conversation in parts: who comes back to an ended or long silent talk begins a new episode,
with a summary of the one before.

An episode bounds what the bot remembers and which handoff counts: what was asked for in an old one
cannot trigger again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.conversations import handoff
from chatbot.conversations.tables import AuthorKind, Conversation, Episode, Message
from chatbot.conversations.wire import plain
from chatbot.database import utc_now

SILENT_AFTER: Final = timedelta(hours=24)
QUESTIONS_MAX: Final = 4
QUESTION_CHARS_MAX: Final = 160
ANSWER_CHARS_MAX: Final = 240
MESSAGES_READ_MAX: Final = 200


async def come_back(
    db: AsyncSession, conversation: Conversation, said: Message, last_said_at: datetime | None
) -> bool:
    """The visitor has `said` something new, which reopens the locked conversation; whether it
    begins a new episode. `last_said_at` is when anybody spoke before.
    """
    closed = conversation.closed_at is not None
    conversation.closed_at = conversation.closed_by_id = None
    if last_said_at is None or said.seq is None:
        return False
    if not closed and not await _fell_silent(db, conversation, last_said_at):
        return False
    await _end(db, conversation, said.seq - 1)
    return True


async def earlier(
    db: AsyncSession, org_id: UUID, conversation_ids: Sequence[UUID]
) -> dict[UUID, str]:
    """What the last ended episode of each conversation was about; none where there is none."""
    of = and_(
        Conversation.org_id == Episode.org_id,
        Conversation.id == Episode.conversation_id,
        Conversation.episode == Episode.number + 1,
    )
    rows = await db.execute(
        select(Episode.conversation_id, Episode.summary)
        .join(Conversation, of)
        .where(Episode.org_id == org_id, Episode.conversation_id.in_(conversation_ids))
    )
    return {row.conversation_id: row.summary for row in rows}


def summary(said: Sequence[Message]) -> str:
    """What was asked, what was answered last, and by whom, in the words that were said. Pure."""
    asked = [each for each in said if each.author_kind == AuthorKind.VISITOR]
    replied = [
        each for each in said if each.author_kind in {AuthorKind.ASSISTANT, AuthorKind.STAFF}
    ]
    shown = asked[:1] + asked[1:][-(QUESTIONS_MAX - 1) :]
    lines = [f"Asked: {_short(each.text, QUESTION_CHARS_MAX)}" for each in shown]
    if len(asked) > len(shown):
        lines.insert(1, f"… and {len(asked) - len(shown)} more")
    if replied:
        last = replied[-1]
        by = last.author_name or "Assistant"
        lines.append(f"Last reply ({by}): {_short(plain(last.text), ANSWER_CHARS_MAX)}")
    return "\n".join(lines)


async def _fell_silent(
    db: AsyncSession, conversation: Conversation, last_said_at: datetime
) -> bool:
    """Nobody said anything for a day, and nobody waits for a person or talks to one."""
    if utc_now() - last_said_at < SILENT_AFTER:
        return False
    return await handoff.find_open(db, conversation) is None


async def _end(db: AsyncSession, conversation: Conversation, last_seq: int) -> None:
    own = Message.org_id == conversation.org_id, Message.conversation_id == conversation.id
    said = await db.scalars(
        select(Message)
        .where(*own, Message.seq > conversation.episode_seq, Message.seq <= last_seq)
        .order_by(Message.seq.desc())
        .limit(MESSAGES_READ_MAX)
    )
    db.add(
        Episode(
            org_id=conversation.org_id,
            conversation_id=conversation.id,
            number=conversation.episode,
            first_seq=conversation.episode_seq + 1,
            last_seq=last_seq,
            summary=summary(said.all()[::-1]),
        )
    )
    conversation.episode += 1
    conversation.episode_seq = last_seq


def _short(text: str, chars_max: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= chars_max else line[: chars_max - 1].rstrip() + "…"

"""What the database knows of running answers: where their processes have written to, a second ago
at most.
"""

from collections.abc import Collection
from uuid import UUID

import msgspec
from sqlalchemy import and_, select, text

from chatbot.answering.tables import RUNNING, Answer
from chatbot.conversations.tables import Message
from chatbot.database import Database
from chatbot.realtime.frames import End, Frame, Snap, Start, Status

# Signs of life are older than the end of time: all answers that run.
_RUNNING = text("select org_id, answer_id from lookup.stale_answers('infinity')")


async def running(database: Database) -> dict[UUID, UUID]:
    """Every answer that some process is writing, and its organisation."""
    async with database.transaction(signals=False) as db:
        return {row.answer_id: row.org_id for row in await db.execute(_RUNNING)}


async def conversations(
    database: Database, org_id: UUID, mids: Collection[UUID]
) -> dict[UUID, UUID]:
    """The conversation of each of these answers."""
    query = select(Answer.id, Answer.conversation_id).where(
        Answer.org_id == org_id, Answer.id.in_(mids)
    )
    async with database.transaction(org_id, actor="system") as db:
        return {row.id: row.conversation_id for row in await db.execute(query)}


async def frames(
    database: Database, org_id: UUID, mids: Collection[UUID]
) -> list[tuple[UUID, Frame]]:
    """(conversation, frame): how far these answers have come, or that they ended."""
    query = (
        select(
            Answer.id,
            Answer.conversation_id,
            Answer.attempt,
            Answer.status,
            Answer.frame_seq,
            Answer.partial_text,
            Message.version,
        )
        .outerjoin(Message, and_(Message.org_id == Answer.org_id, Message.id == Answer.id))
        .where(Answer.org_id == org_id, Answer.id.in_(mids))
    )
    found: list[tuple[UUID, Frame]] = []
    async with database.transaction(org_id, actor="system") as db:
        for mid, talk, attempt, status, seq, body, version in await db.execute(query):
            if status == RUNNING:
                found.append((talk, Start(talk, mid, attempt)))
                found.append((talk, Snap(mid, attempt, seq, body)))
            else:  # what it says is in the message
                ending = msgspec.convert(status, Status)
                found.append((talk, End(mid, attempt, seq + 1, ending, version)))
    return found

"""What colleagues say of an answer afterwards: that it is right, or how it reads rightly.

A correction replaces the text in place, and the visitor sees it at once; the history keeps every
wording.
"""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.repair import answered
from chatbot.answering.tables import Review
from chatbot.conversations import transcript
from chatbot.conversations.tables import Conversation, Message
from chatbot.database import new_id, utc_now
from chatbot.errors import Conflict, Invalid
from chatbot.staff.login import Staff

CORRECTION_CHARS_MAX: Final = 24_000
HISTORY_MAX: Final = 50
_MARKER: Final = re.compile(r"[ \t]?\[(\d{1,3}(?:[ \t]*,[ \t]*\d{1,3})*)\]")

Kind = Literal["checked", "corrected", "withdrawn"]


class Entry(msgspec.Struct, frozen=True):
    """One step of an answer's history: `original_text` is what the assistant wrote, `text` how the
    answer reads since.
    """

    kind: Kind
    by: str
    at: datetime
    original_text: str
    text: str


async def check(db: AsyncSession, staff: Staff, mid: UUID) -> Message:
    """Say that an answer is right as it stands. Who said so first is named; again changes nothing.

    Conflict `already_corrected` when a colleague changed its text: then it is theirs.
    """
    conversation, message = await answered.lock(db, staff.org_id, mid)
    match _kind(message):
        case "checked":
            return message
        case "corrected":
            raise Conflict(
                "already_corrected",
                "A colleague corrected this answer. Correct it again, or take the correction back.",
            )
        case _:
            await _note(db, conversation, message, staff, "checked", original=message.text)
            return message


async def correct(db: AsyncSession, staff: Staff, mid: UUID, text: str) -> Message:
    """Put `text` in the place of what the answer said; markers that name none of its sources are
    left out. A second correction replaces the first.

    Invalid `unchanged` when that is what the assistant wrote.
    """
    conversation, message = await answered.lock(db, staff.org_id, mid)
    known = {int(source["n"]) for source in message.sources}
    text = transcript.checked_text(only_known(text, known).strip(), CORRECTION_CHARS_MAX)
    if text == message.text and _kind(message) == "corrected":
        return message
    original = await _original(db, message)
    if text == original:
        raise Invalid(
            "unchanged",
            "This is what the assistant wrote. Mark the answer as checked, or take the correction"
            " back.",
        )
    message.text = text
    await _note(db, conversation, message, staff, "corrected", original=original)
    return message


async def withdraw(db: AsyncSession, staff: Staff, mid: UUID) -> Message:
    """Take the check or correction back: the answer reads as the assistant wrote it. Nothing to
    take back changes nothing.
    """
    conversation, message = await answered.lock(db, staff.org_id, mid)
    if message.review is None:
        return message
    message.text = await _original(db, message)
    await _note(db, conversation, message, staff, "withdrawn", original=message.text)
    return message


async def history(db: AsyncSession, org_id: UUID, mid: UUID) -> list[Entry]:
    """What colleagues did with an answer, the latest first, at most fifty steps."""
    rows: Sequence[Review] = (
        await db.scalars(
            select(Review)
            .where(Review.org_id == org_id, Review.message_id == mid)
            .order_by(Review.created_at.desc(), Review.id.desc())
            .limit(HISTORY_MAX)
        )
    ).all()
    return [
        Entry(
            kind=msgspec.convert(row.kind, Kind),
            by=row.staff_name,
            at=row.created_at,
            original_text=row.original_text,
            text=row.text,
        )
        for row in rows
    ]


def only_known(text: str, known: Collection[int]) -> str:
    """The text without markers `[n]` that name none of `known`; `[1, 9]` becomes `[1]`. Pure."""

    def checked(marker: re.Match[str]) -> str:
        kept = [number for number in map(int, marker.group(1).split(",")) if number in known]
        if not kept:
            return ""
        space = marker.group()[: marker.group().index("[")]
        return space + "".join(f"[{number}]" for number in kept)

    return _MARKER.sub(checked, text)


def _kind(message: Message) -> str | None:
    return None if message.review is None else message.review["kind"]


async def _original(db: AsyncSession, message: Message) -> str:
    """What the assistant wrote."""
    if message.review is None or message.review["kind"] != "corrected":
        return message.text
    original = await db.scalar(
        select(Review.original_text).where(
            Review.org_id == message.org_id, Review.id == UUID(message.review["id"])
        )
    )
    return message.text if original is None else original


async def _note(
    db: AsyncSession,
    conversation: Conversation,
    message: Message,
    staff: Staff,
    kind: Kind,
    *,
    original: str,
) -> None:
    """Write the step into the history and onto the message."""
    review = Review(
        org_id=message.org_id,
        id=new_id(),
        message_id=message.id,
        kind=kind,
        staff_id=staff.staff_id,
        staff_name=staff.name,
        original_text=original,
        text=message.text,
        created_at=utc_now(),
    )
    db.add(review)
    by, at = review.staff_name, review.created_at.isoformat()
    shown = {"kind": kind, "by": by, "at": at, "id": str(review.id)}
    message.review = None if kind == "withdrawn" else shown
    await transcript.revise(db, conversation, message)

"""From the bot to a person and back. One handoff is open at a time; the first to take it has it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.conversations import transcript
from chatbot.conversations.tables import Conversation, Handoff, Message, Visibility
from chatbot.conversations.transcript import Said
from chatbot.database import utc_now
from chatbot.errors import Conflict, Forbidden
from chatbot.staff.login import Staff, staff_names

REASON_CHARS_MAX = 500


async def request(
    db: AsyncSession, conversation: Conversation, *, by: str, reason: str | None
) -> tuple[Handoff, bool]:
    """Ask for a person in the locked conversation; the open handoff, and whether it is new.

    Conflict `conversation_closed` when it has ended.
    """
    _refuse_closed(conversation)
    handoff = await find_open(db, conversation)
    if handoff is not None:
        return handoff, False
    handoff = Handoff(
        org_id=conversation.org_id,
        conversation_id=conversation.id,
        episode=conversation.episode,
        requested_by=by,
        reason=(reason or "").strip()[:REASON_CHARS_MAX] or None,
    )
    db.add(handoff)
    await transcript.note(db, conversation, "The visitor asked for a person.")
    return handoff, True


async def take(db: AsyncSession, conversation: Conversation, staff: Staff) -> Handoff:
    """Give the locked conversation to `staff`; the first gets it (Conflict `already_taken` for the
    rest).

    Nobody need have asked: staff may step in. The trigger on handoffs signals in this transaction,
    and whoever runs the bot's answer hears it and withdraws.
    """
    _refuse_closed(conversation)
    handoff = await find_open(db, conversation)
    if handoff is None:
        handoff = Handoff(
            org_id=conversation.org_id,
            conversation_id=conversation.id,
            episode=conversation.episode,
            requested_by=staff.actor,
        )
        db.add(handoff)
    if handoff.taken_by_id == staff.staff_id:
        return handoff
    if handoff.taken_by_id is not None:
        raise Conflict("already_taken", f"{await _holder(db, handoff)} already took it.")
    handoff.taken_by_id, handoff.taken_at = staff.staff_id, utc_now()
    await transcript.note(db, conversation, f"{staff.name} joined the conversation.")
    return handoff


async def release(db: AsyncSession, conversation: Conversation, staff: Staff) -> None:
    """End the open handoff and give the locked conversation back to the bot.

    Conflict `not_taken` when there is none; Forbidden when somebody else holds it.
    """
    handoff = await _held(db, conversation, staff)
    handoff.ended_at, handoff.outcome = utc_now(), "released"
    text = f"{staff.name} handed the conversation back to the assistant."
    await transcript.note(db, conversation, text)


async def close(db: AsyncSession, conversation: Conversation, staff: Staff) -> None:
    """End the locked conversation, and its handoff with it. Closing twice changes nothing."""
    if conversation.closed_at is not None:
        return
    handoff = await find_open(db, conversation)
    if handoff is not None:
        _refuse_anothers(handoff, staff)
        handoff.ended_at, handoff.outcome = utc_now(), "closed"
    await transcript.note(db, conversation, f"{staff.name} closed the conversation.")
    conversation.closed_at, conversation.closed_by_id = utc_now(), staff.staff_id


async def say(
    db: AsyncSession, conversation: Conversation, staff: Staff, said: Said
) -> tuple[Message, bool]:
    """What `staff` writes into the locked conversation: a note at any time, a reply once they
    hold it.
    """
    if said.visibility == Visibility.PUBLIC:
        await _check_may_reply(db, conversation, staff)
    return await transcript.say(db, conversation, said)


async def _check_may_reply(db: AsyncSession, conversation: Conversation, staff: Staff) -> None:
    """Conflict unless `staff` holds the conversation: who writes to a visitor has taken over
    first.
    """
    _refuse_closed(conversation)
    handoff = await find_open(db, conversation)
    if handoff is None or handoff.taken_by_id is None:
        raise Conflict("not_taken", "Take the conversation over before you reply.")
    _refuse_anothers(handoff, staff)


async def is_with_staff(db: AsyncSession, conversation: Conversation) -> bool:
    """Whether a person has taken over: then the bot is silent."""
    handoff = await find_open(db, conversation)
    return handoff is not None and handoff.taken_at is not None


async def find_open(db: AsyncSession, conversation: Conversation) -> Handoff | None:
    return (await open_handoffs(db, conversation.org_id, [conversation.id])).get(conversation.id)


async def open_handoffs(
    db: AsyncSession, org_id: UUID, conversation_ids: Sequence[UUID]
) -> dict[UUID, Handoff]:
    """The open handoffs of these conversations, by conversation."""
    rows = await db.scalars(
        select(Handoff).where(
            Handoff.org_id == org_id,
            Handoff.conversation_id.in_(conversation_ids),
            Handoff.ended_at.is_(None),
        )
    )
    return {row.conversation_id: row for row in rows}


async def _holder(db: AsyncSession, handoff: Handoff) -> str:
    ids = [handoff.taken_by_id] if handoff.taken_by_id else []
    return next(iter((await staff_names(db, handoff.org_id, ids)).values()), "A colleague")


async def _held(db: AsyncSession, conversation: Conversation, staff: Staff) -> Handoff:
    handoff = await find_open(db, conversation)
    if handoff is None:
        raise Conflict("not_taken", "Nobody has this conversation; the assistant answers already.")
    _refuse_anothers(handoff, staff)
    return handoff


def _refuse_anothers(handoff: Handoff, staff: Staff) -> None:
    if handoff.taken_by_id not in (None, staff.staff_id):
        raise Forbidden("held_by_another", "A colleague holds this conversation.")


def _refuse_closed(conversation: Conversation) -> None:
    if conversation.closed_at is not None:
        raise Conflict("conversation_closed", "This conversation has ended. Start a new one.")

"""Lists of conversations as they are seen: by staff, with who waits, and by the visitor whose they
are.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from chatbot.conversations import episodes, wire
from chatbot.conversations.handoff import open_handoffs
from chatbot.conversations.tables import AuthorKind, Conversation, Handoff, Message
from chatbot.conversations.transcript import public_revs
from chatbot.errors import Invalid, NotFound
from chatbot.orgs.tables import Site
from chatbot.staff.login import Staff, staff_names
from chatbot.visitors.tables import VisitorRecord

PAGE = 50


class _Found(msgspec.Struct, frozen=True):
    conversation: Conversation
    handoff: Handoff | None
    site_name: str | None
    visitor_name: str | None
    last: Message | None


class View(StrEnum):
    WAITING = "waiting"
    MINE = "mine"
    BOT = "bot"
    ALL = "all"
    CLOSED = "closed"
    DISLIKED = "disliked"


async def conversations(
    db: AsyncSession, staff: Staff, view: View, after: str | None
) -> wire.ConversationPage:
    """A page of conversations of a view, the latest change first; `next` asks for the one after."""
    worth_seeing = or_(Conversation.last_message_at.is_not(None), Handoff.id.is_not(None))
    where = [*_in_view(view, staff), worth_seeing]
    if after is not None:
        at, last_id = _cursor(after)
        where.append(tuple_(Conversation.updated_at, Conversation.id) < tuple_(at, last_id))
    rows = await _rows(db, staff.org_id, where, PAGE + 1)
    items = await _shaped(db, staff.org_id, rows[:PAGE])
    last = rows[PAGE - 1].conversation if len(rows) > PAGE else None
    return wire.ConversationPage(
        items, f"{last.updated_at.isoformat()}~{last.id}" if last else None
    )


async def conversation(db: AsyncSession, org_id: UUID, wanted: UUID) -> wire.StaffConversation:
    """One conversation of the organisation, or NotFound."""
    rows = await _rows(db, org_id, [Conversation.id == wanted], 1)
    if not rows:
        raise NotFound
    return (await _shaped(db, org_id, rows))[0]


async def visitor_conversations(
    db: AsyncSession, org_id: UUID, visitor_id: UUID
) -> list[wire.VisitorConversation]:
    """The visitor's own conversations, the last spoken in first, at most a page."""
    rows = await db.scalars(
        select(Conversation)
        .where(Conversation.org_id == org_id, Conversation.visitor_id == visitor_id)
        .order_by(Conversation.last_message_at.desc().nulls_last(), Conversation.id.desc())
        .limit(PAGE)
    )
    return await _seen_by_visitor(db, org_id, rows.all())


async def visitor_conversation(
    db: AsyncSession, conversation: Conversation
) -> wire.VisitorConversation:
    """One conversation as its visitor sees it."""
    return (await _seen_by_visitor(db, conversation.org_id, [conversation]))[0]


async def _seen_by_visitor(
    db: AsyncSession, org_id: UUID, rows: Sequence[Conversation]
) -> list[wire.VisitorConversation]:
    ids = [row.id for row in rows]
    handoffs = await open_handoffs(db, org_id, ids)
    takers = [each.taken_by_id for each in handoffs.values() if each.taken_by_id is not None]
    names = await staff_names(db, org_id, takers)
    revs = await public_revs(db, org_id, ids)
    return [
        wire.visitor_conversation(row, revs.get(row.id, 0), handoffs.get(row.id), names)
        for row in rows
    ]


def _in_view(view: View, staff: Staff) -> list[ColumnElement[bool]]:
    live = Conversation.closed_at.is_(None)
    match view:
        case View.WAITING:
            return [live, Handoff.id.is_not(None), Handoff.taken_at.is_(None)]
        case View.MINE:
            return [live, Handoff.taken_by_id == staff.staff_id]
        case View.BOT:
            return [live, Handoff.id.is_(None)]
        case View.CLOSED:
            return [Conversation.closed_at.is_not(None)]
        case View.DISLIKED:
            return [Conversation.id.in_(_with_disliked_answers(staff.org_id))]
        case View.ALL:
            return []


def _with_disliked_answers(org_id: UUID) -> Select[UUID]:
    """Conversations with an answer that its visitor disliked and no colleague has looked at."""
    return select(Message.conversation_id).where(
        Message.org_id == org_id, Message.feedback_value == -1, Message.review.is_(None)
    )


async def _rows(
    db: AsyncSession, org_id: UUID, where: Sequence[ColumnElement[bool]], most: int
) -> Sequence[_Found]:
    last = aliased(Message)
    newest = (
        select(Message.id)
        .where(
            Message.org_id == Conversation.org_id,
            Message.conversation_id == Conversation.id,
            Message.seq.is_not(None),
            Message.author_kind != AuthorKind.SYSTEM,
        )
        .order_by(Message.seq.desc())
        .limit(1)
        .correlate(Conversation)
        .scalar_subquery()
    )
    open_handoff = and_(
        Handoff.org_id == Conversation.org_id,
        Handoff.conversation_id == Conversation.id,
        Handoff.ended_at.is_(None),
    )
    site = and_(Site.org_id == Conversation.org_id, Site.id == Conversation.site_id)
    visitor = and_(
        VisitorRecord.org_id == Conversation.org_id, VisitorRecord.id == Conversation.visitor_id
    )
    query = (
        select(Conversation, Handoff, Site.name, VisitorRecord.name, last)
        .outerjoin(Handoff, open_handoff)
        .outerjoin(Site, site)
        .outerjoin(VisitorRecord, visitor)
        .outerjoin(last, and_(last.org_id == Conversation.org_id, last.id == newest))
        .where(Conversation.org_id == org_id, *where)
        .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
        .limit(most)
    )
    return [_Found(*row) for row in (await db.execute(query)).all()]


async def _shaped(
    db: AsyncSession, org_id: UUID, rows: Sequence[_Found]
) -> list[wire.StaffConversation]:
    handoffs = [row.handoff for row in rows if row.handoff is not None]
    takers = [each.taken_by_id for each in handoffs if each.taken_by_id is not None]
    names = await staff_names(db, org_id, takers)
    returned = [row.conversation.id for row in rows if row.conversation.episode > 1]
    summaries = await episodes.earlier(db, org_id, returned) if returned else {}
    return [_shape(row, names, summaries) for row in rows]


def _shape(
    row: _Found, names: dict[UUID, str], summaries: dict[UUID, str]
) -> wire.StaffConversation:
    found = row.conversation
    return wire.StaffConversation(
        id=found.id,
        kind="website",
        site=wire.Named(found.site_id, row.site_name) if found.site_id else None,
        visitor=wire.Named(found.visitor_id, row.visitor_name) if found.visitor_id else None,
        state=wire.state_of(found, row.handoff),
        handoff=wire.handoff_view(row.handoff, names),
        last_message=wire.last_message(row.last),
        created_at=found.created_at,
        updated_at=found.updated_at,
        rev=found.rev,
        episode=found.episode,
        earlier_summary=summaries.get(found.id),
    )


def _cursor(after: str) -> tuple[datetime, UUID]:
    at, _, last_id = after.partition("~")
    try:
        return datetime.fromisoformat(at), UUID(last_id)
    except ValueError as error:
        raise Invalid("bad_cursor", "This page no longer exists. Load the list again.") from error

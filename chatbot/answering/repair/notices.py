"""Correction notices: who else was answered from the same passage, and telling them once.

An answer that turns out wrong was seldom given once. The citations say who got it too; a notice is
a message of the colleague's in their conversation, naming the answer that it corrects. It has
citations of its own: the passages that it is about.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

import msgspec
from sqlalchemy import ColumnElement, Select, and_, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from chatbot.answering.repair import answered
from chatbot.answering.tables import Citation
from chatbot.conversations import transcript
from chatbot.conversations.tables import AuthorKind, Conversation, Message
from chatbot.conversations.wire import SNIPPET_CHARS_MAX, Named
from chatbot.database import Database
from chatbot.errors import NotFound
from chatbot.staff.login import Staff
from chatbot.visitors.tables import VisitorRecord

PAGE: Final = 50
NAMED_MAX: Final = 100


Answers = Select[Message, UUID | None, str | None, str | None, bool]
"""Of answers: the message, its visitor's id and name, the question before it, whether told."""


class Affected(msgspec.Struct, frozen=True):
    """Another answer that cites one of the same passages. `asked` is the beginning of the question
    before it; `told` whether notices about all of these passages came after it.
    """

    message_id: UUID
    conversation_id: UUID
    visitor: Named | None
    asked: str | None
    created_at: datetime
    told: bool


class AffectedPage(msgspec.Struct, frozen=True):
    items: list[Affected]
    next: str | None


class Told(msgspec.Struct, frozen=True):
    """How many notices were sent, and how many of the named answers needed none."""

    sent: int
    skipped: int


async def affected(db: AsyncSession, org_id: UUID, mid: UUID, after: UUID | None) -> AffectedPage:
    """A page of the answers in other conversations that cite what `mid` cites, the newest first;
    those older than `after`. NotFound when there is no such answer.
    """
    wrong = await answered.get(db, org_id, mid)
    query = _affected(wrong).order_by(Message.id.desc()).limit(PAGE + 1)
    if after is not None:
        query = query.where(Message.id < after)
    rows = (await db.execute(query)).all()
    items = [_shape(*row) for row in rows[:PAGE]]
    return AffectedPage(items, str(items[-1].message_id) if len(rows) > PAGE else None)


async def tell(
    database: Database, staff: Staff, mid: UUID, message_ids: Sequence[UUID], text: str
) -> Told:
    """Say `text` as `staff` in the conversations of these affected answers, once in each, closed
    and taken ones too.

    Whoever was told of a passage stays told: a second press, by whomever, sends nothing twice, and
    after a failure halfway it sends the rest. NotFound `not_affected` when another answer is named;
    then nobody is told.
    """
    named = set(message_ids)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        wrong = await answered.get(db, staff.org_id, mid)
        found = (await db.execute(_affected(wrong).where(Message.id.in_(named)))).all()
    by_conversation: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in found:
        by_conversation[row[0].conversation_id].append(row[0].id)
    if len(found) < len(named):
        raise NotFound(
            "not_affected", "Not all of these answers cite the same passage. Load the list again."
        )
    sent = 0
    for conversation_id, answers in sorted(by_conversation.items()):
        async with database.transaction(staff.org_id, actor=staff.actor) as db:
            try:
                conversation = await transcript.lock(db, staff.org_id, conversation_id)
            except NotFound:
                continue  # it is gone meanwhile
            sent += await _tell(db, staff, conversation, (wrong, answers), text)
    return Told(sent, len(named) - sent)


async def _tell(
    db: AsyncSession,
    staff: Staff,
    conversation: Conversation,
    wronged: tuple[Message, Sequence[UUID]],
    text: str,
) -> int:
    """How many notices that were for the wrong answer and those of the locked conversation that it
    affects: none when a colleague was quicker.
    """
    wrong, ids = wronged
    answers = _affected(wrong).where(Message.id.in_(ids))
    untold = [row[0].id for row in (await db.execute(answers)).all() if not row[-1]]
    if not untold:
        return 0
    corrected = max(untold)
    passages = await _shared(db, wrong, untold)
    said = transcript.Said(
        AuthorKind.STAFF,
        text,
        staff.name,
        author_id=staff.staff_id,
        client_id=str(uuid5(corrected, f"notice of {sorted(map(str, passages))}")),
        corrects=corrected,
    )
    message, _ = await transcript.say(db, conversation, said)
    db.add_all(
        Citation(
            org_id=wrong.org_id,
            message_id=message.id,
            n=n,
            document_id=document_id,
            passage_id=passage_id,
            version=version,
        )
        for n, (document_id, passage_id, version) in enumerate(passages, start=1)
    )
    return 1


async def _shared(
    db: AsyncSession, wrong: Message, answers: Sequence[UUID]
) -> list[tuple[UUID, UUID, int | None]]:
    """Which passages of `wrong` these answers cite: document, passage and version of each."""
    query = select(Citation.document_id, Citation.passage_id, func.max(Citation.version)).where(
        Citation.org_id == wrong.org_id,
        Citation.message_id.in_(answers),
        _cites_the_same(Citation, wrong),
    )
    rows = await db.execute(query.group_by(Citation.document_id, Citation.passage_id))
    return [(document_id, passage_id, version) for document_id, passage_id, version in rows]


def _affected(wrong: Message) -> Answers:
    """Answers of other conversations that cite a passage of `wrong`."""
    cites_it = (
        select(Citation.message_id)
        .where(Citation.org_id == wrong.org_id, _cites_the_same(Citation, wrong))
        .scalar_subquery()
    )
    talk = and_(Conversation.org_id == Message.org_id, Conversation.id == Message.conversation_id)
    visitor = and_(
        VisitorRecord.org_id == Conversation.org_id, VisitorRecord.id == Conversation.visitor_id
    )
    return (
        select(Message, Conversation.visitor_id, VisitorRecord.name, _asked(), _told(wrong))
        .join(Conversation, talk)
        .outerjoin(VisitorRecord, visitor)
        .where(
            Message.org_id == wrong.org_id,
            Message.author_kind == AuthorKind.ASSISTANT,
            Message.conversation_id != wrong.conversation_id,
            Message.id.in_(cites_it),
        )
    )


def _asked() -> ColumnElement[str | None]:
    question = aliased(Message)
    return (
        select(func.left(question.text, SNIPPET_CHARS_MAX))
        .where(
            question.org_id == Message.org_id,
            question.conversation_id == Message.conversation_id,
            question.author_kind == AuthorKind.VISITOR,
            question.seq < Message.seq,
        )
        .order_by(question.seq.desc())
        .limit(1)
        .correlate(Message)
        .scalar_subquery()
    )


def _told(wrong: Message) -> ColumnElement[bool]:
    """Whether notices about each of these passages that the answer cites came after it."""
    cited, notice, about = aliased(Citation), aliased(Message), aliased(Citation)
    noticed = (
        exists()
        .where(
            notice.org_id == Message.org_id,
            notice.conversation_id == Message.conversation_id,
            notice.seq > Message.seq,
            notice.corrects.is_not(None),
            about.org_id == notice.org_id,
            about.message_id == notice.id,
            about.document_id == cited.document_id,
            about.passage_id == cited.passage_id,
        )
        .correlate(Message, cited)
    )
    untold = exists().where(
        cited.org_id == Message.org_id,
        cited.message_id == Message.id,
        _cites_the_same(cited, wrong),
        ~noticed,
    )
    return ~untold.correlate(Message)


def _cites_the_same(citation: type[Citation], wrong: Message) -> ColumnElement[bool]:
    own = aliased(Citation)
    passages = select(own.document_id, own.passage_id).where(
        own.org_id == wrong.org_id, own.message_id == wrong.id
    )
    return tuple_(citation.document_id, citation.passage_id).in_(passages)


def _shape(
    message: Message, visitor_id: UUID | None, name: str | None, asked: str | None, told: bool
) -> Affected:
    return Affected(
        message_id=message.id,
        conversation_id=message.conversation_id,
        visitor=Named(visitor_id, name) if visitor_id is not None else None,
        asked=asked,
        created_at=message.created_at,
        told=told,
    )

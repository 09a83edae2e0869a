"""How a conversation stands when a turn begins: who has the word, what is settled, and what the
turn needs to know around it. Few statements, because every question waits for them.
"""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import and_, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.tables import AnswerModel, PersonaVersion
from chatbot.answering.voice import persona as personas
from chatbot.answering.voice.persona import Persona
from chatbot.conversations.tables import Conversation
from chatbot.orgs.tables import Site
from chatbot.visitors.tables import VisitorRecord

# Questions are settled by a turn of the bot that said or ended something, or by a person who had
# the conversation until then. `lookup.open_questions` says the same of all conversations.
_STANDING = text(
    """
    select
      exists (
        select from handoffs
        where org_id = :org and conversation_id = :id and ended_at is null and taken_at is not null
      ) as taken,
      exists (
        select from answers where org_id = :org and conversation_id = :id and status = 'running'
      ) as running,
      greatest(
        (select max(question_rev) from answers
         where org_id = :org and conversation_id = :id and id is distinct from :but
           and not (status = 'interrupted' and partial_text = '')),
        (select max(rev) from messages
         where org_id = :org and conversation_id = :id and author_kind = 'visitor'
           and created_at <= (
             select max(ended_at) from handoffs
             where org_id = :org and conversation_id = :id and taken_at is not null)),
        0
      ) as answered,
      (select max(rev) from messages
       where org_id = :org and conversation_id = :id and author_kind = 'visitor') as asked
    """
)


# Put together once: that costs as much as to run it.
_ORG: Any = bindparam("org")
_AROUND = (
    select(Site.labels, Site.allowed_origins, VisitorRecord.locale, PersonaVersion, AnswerModel)
    .outerjoin(
        VisitorRecord,
        and_(VisitorRecord.org_id == Site.org_id, VisitorRecord.id == bindparam("visitor")),
    )
    .outerjoin(
        PersonaVersion,
        and_(
            PersonaVersion.org_id == Site.org_id,
            PersonaVersion.version == personas.live_version(_ORG),
        ),
    )
    .outerjoin(AnswerModel, AnswerModel.org_id == Site.org_id)
    .where(Site.org_id == _ORG, Site.id == bindparam("site"))
    .order_by(AnswerModel.rank)
)


class Standing(msgspec.Struct, frozen=True):
    """Whether the bot has no word here (the conversation has ended, or a person has it); whether a
    turn runs; up to which revision questions are settled; the last question's revision.
    """

    silenced: bool
    running: bool
    answered: int
    asked: int


async def look(
    db: AsyncSession, conversation: Conversation, *, but: UUID | None = None
) -> Standing:
    """How the locked conversation stands; `but` is a turn that does not count as settling."""
    given = {"org": conversation.org_id, "id": conversation.id, "but": but}
    row = (await db.execute(_STANDING, given)).one()
    silenced = conversation.closed_at is not None or row.taken
    return Standing(silenced, row.running, row.answered, row.asked or 0)


class Around(msgspec.Struct, frozen=True):
    """What a turn needs to know of its site, its visitor and how the organisation lets it speak."""

    labels: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    locale: str = ""
    persona: Persona = personas.DEFAULT
    models: tuple[AnswerModel, ...] = ()


async def spoken(db: AsyncSession, org_id: UUID) -> Around:
    """How the organisation lets its bot speak, whatever the site."""
    models = await db.scalars(
        select(AnswerModel).where(AnswerModel.org_id == org_id).order_by(AnswerModel.rank)
    )
    return Around(persona=await personas.published(db, org_id), models=tuple(models))


async def around(db: AsyncSession, conversation: Conversation) -> Around:
    """All of it in one statement; a row for each model of the organisation's own."""
    given = {
        "org": conversation.org_id,
        "site": conversation.site_id,
        "visitor": conversation.visitor_id,
    }
    rows = (await db.execute(_AROUND, given)).all()
    if not rows:
        return await spoken(db, conversation.org_id)
    first = rows[0]
    return Around(
        labels=tuple(first.labels),
        origins=tuple(first.allowed_origins),
        locale=first.locale or "",
        persona=personas.of(first.PersonaVersion),
        models=tuple(row.AnswerModel for row in rows if row.AnswerModel is not None),
    )

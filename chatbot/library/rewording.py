"""A person's change of one passage: other words, off, on, or back to what was read."""

from uuid import UUID

import msgspec

from chatbot.database import Database
from chatbot.staff.login import Staff
from knowledge import index, overrides, postings, preferences
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.overrides import Decision
from knowledge.tables import Document, Passage

_TRIES_MAX = 3


class Edit(msgspec.Struct, frozen=True):
    """UNSET text and None leave things as they are; text None puts back what was read."""

    text: str | msgspec.UnsetType | None = msgspec.UNSET
    disabled: bool | None = None


async def change(
    database: Database, models: Models, staff: Staff, passage_id: UUID, edit: Edit
) -> Passage:
    """The passage as it is now. KnowledgeError `not_found`, `bad_passage`, `embedding_failed` or
    `passage_busy`.
    """
    for _ in range(_TRIES_MAX):
        async with database.transaction(staff.org_id, actor=staff.actor) as db:
            document, passage = await overrides.get_passage(db, staff.org_id, passage_id)
            chosen = await preferences.get(db, staff.org_id)
        seen = _state(passage)
        decision = _decision(passage, edit)
        embedder = models.named(chosen.model)
        [vector] = await embedder.embed([_searched(document, passage, decision)])
        async with database.transaction(staff.org_id, actor=staff.actor) as db:
            _, now = await overrides.get_passage(db, staff.org_id, passage_id, lock=True)
            settled = await preferences.settled(db, staff.org_id, embedder.model)
            if settled.model == embedder.model and _state(now) == seen:
                return await overrides.decide(
                    db,
                    staff.org_id,
                    passage_id,
                    decision,
                    by=staff.actor,
                    model=embedder.model,
                    vector=vector,
                )
    raise KnowledgeError("passage_busy")


def _state(passage: Passage) -> tuple[str, str | None, bool]:
    """What a change is made to: whoever changes it meanwhile goes first."""
    return passage.text, passage.original, passage.disabled


def _decision(passage: Passage, edit: Edit) -> Decision:
    text = passage.text if passage.original is not None else None
    if edit.text is not msgspec.UNSET:
        text = edit.text if edit.text is None else overrides.checked_text(edit.text)
    read = passage.read_text
    disabled = passage.disabled if edit.disabled is None else edit.disabled
    return Decision(None if text == read else text, disabled)


def _searched(document: Document, passage: Passage, decision: Decision) -> str:
    title = index.searched_title(document)
    return postings.searchable(title, passage.heading, decision.text or passage.read_text)

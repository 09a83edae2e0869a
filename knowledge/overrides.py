"""What people decided about single passages: switched off, or with other words, whatever the
document's next version brings.

A decision is tied to the text that was read in the document. It holds for every passage that says
exactly that, in this version and in later ones.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import index, postings, tokens
from knowledge.embed import Vectors
from knowledge.errors import OVERRIDES_MAX, PASSAGE_CHARS_MAX, KnowledgeError
from knowledge.reading.split import TOKENS_MAX, Piece
from knowledge.reading.tokenestimate import estimate
from knowledge.tables import Document, Passage, PassageKind, PassageOverride


class Decision(msgspec.Struct, frozen=True):
    """`text` None leaves the words as they were read."""

    text: str | None
    disabled: bool


Decisions = Mapping[bytes, Decision]


def anchor(text: str) -> bytes:
    """By what a text that was read in a document is known again."""
    return hashlib.sha256(text.encode()).digest()


def apply(pieces: Iterable[Piece], decisions: Decisions) -> list[Piece]:
    """The pieces as people want them."""
    return [_decided(piece, decisions.get(anchor(piece.text))) for piece in pieces]


def checked_text(text: str) -> str:
    """A passage's new words. KnowledgeError `bad_passage`."""
    clean = text.strip()
    if not any(map(str.isalnum, clean)) or len(clean) > PASSAGE_CHARS_MAX or "\x00" in clean:
        raise KnowledgeError("bad_passage")
    if tokens.count(clean) > TOKENS_MAX:
        raise KnowledgeError("bad_passage", f"A passage has at most {TOKENS_MAX} tokens.")
    return clean


async def decisions(db: AsyncSession, org_id: UUID, document_id: UUID) -> dict[bytes, Decision]:
    """All that was decided about the document's passages."""
    return {
        row.anchor: Decision(row.text, row.disabled)
        for row in await db.scalars(_of(org_id, document_id).limit(OVERRIDES_MAX))
    }


async def get_passage(
    db: AsyncSession, org_id: UUID, passage_id: UUID, *, lock: bool = False
) -> tuple[Document, Passage]:
    """A live passage and its document, both locked when asked. KnowledgeError `not_found`, also for
    a passage of a FAQ, which is changed as a FAQ.
    """
    query = (
        select(Document, Passage)
        .join(
            Passage,
            (Passage.org_id == Document.org_id)
            & (Passage.document_id == Document.id)
            & (Passage.version == Document.live_version),
        )
        .where(Passage.org_id == org_id, Passage.id == passage_id)
        .where(Passage.kind == PassageKind.DOCUMENT)
        .execution_options(populate_existing=True)
    )
    row = (await db.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise KnowledgeError("not_found")
    return row[0], row[1]


async def decide(
    db: AsyncSession,
    org_id: UUID,
    passage_id: UUID,
    decision: Decision,
    *,
    by: str,
    model: str,
    vector: Vectors,
) -> Passage:
    """Change every live passage of the document that was read with the same words as this one.

    `vector` is of the words as they will be, in the space of `model`. Returns the passage as it is
    now. KnowledgeError `not_found` or `too_many_overrides`.
    """
    document, passage = await get_passage(db, org_id, passage_id, lock=True)
    read = passage.read_text
    await _record(db, document, read, decision, by)
    same = (
        await db.scalars(
            select(Passage)
            .where(Passage.org_id == org_id, Passage.document_id == document.id)
            .where(Passage.version == document.live_version)
            .where(func.coalesce(Passage.original, Passage.text) == read)
            .with_for_update()
        )
    ).all()
    for each in same:
        await _change(db, each, read, decision, document=document, model=model, vector=vector)
    document.updated_at = func.now()
    await db.flush()
    await db.refresh(passage)
    return passage


async def listed(db: AsyncSession, document: Document) -> Sequence[tuple[PassageOverride, bool]]:
    """What was decided about the document, and whether a live passage still says that."""
    rows = (await db.scalars(_of(document.org_id, document.id).limit(OVERRIDES_MAX))).all()
    live = await db.execute(
        select(Passage.text, Passage.original)
        .where(Passage.org_id == document.org_id, Passage.document_id == document.id)
        .where(Passage.version == document.live_version)
    )
    said = {anchor(text if original is None else original) for text, original in live}
    return [(row, row.anchor in said) for row in rows]


async def forget(db: AsyncSession, org_id: UUID, document_id: UUID, wanted: bytes) -> None:
    """Drop a decision that no live passage obeys any more. KnowledgeError `not_found`, or
    `override_in_use` when one does: put that passage back instead.
    """
    document = await index.get(db, org_id, document_id)
    for row, applies in await listed(db, document):
        if row.anchor == wanted:
            if applies:
                raise KnowledgeError("override_in_use")
            await db.delete(row)
            await db.flush()
            return
    raise KnowledgeError("not_found")


def _of(org_id: UUID, document_id: UUID) -> Select[PassageOverride]:
    return (
        select(PassageOverride)
        .where(PassageOverride.org_id == org_id, PassageOverride.document_id == document_id)
        .order_by(PassageOverride.updated_at, PassageOverride.anchor)
    )


def _decided(piece: Piece, decision: Decision | None) -> Piece:
    if decision is None:
        return piece
    if decision.text is None:
        return msgspec.structs.replace(piece, disabled=decision.disabled)
    return msgspec.structs.replace(
        piece,
        text=decision.text,
        original=piece.text,
        tokens=estimate(decision.text),
        disabled=decision.disabled,
    )


async def _record(
    db: AsyncSession, document: Document, read: str, decision: Decision, by: str
) -> None:
    key = {"org_id": document.org_id, "document_id": document.id, "anchor": anchor(read)}
    if decision == Decision(None, False):
        await db.execute(
            delete(PassageOverride).where(
                *(getattr(PassageOverride, name) == value for name, value in key.items())
            )
        )
        return
    values = {"text": decision.text, "disabled": decision.disabled, "updated_by": by}
    await db.execute(
        insert(PassageOverride)
        .values(**key, original=read, **values)
        .on_conflict_do_update(
            index_elements=["org_id", "document_id", "anchor"],
            set_=values | {"updated_at": func.now()},
        )
    )
    count = await db.scalar(
        select(func.count()).where(
            PassageOverride.org_id == document.org_id, PassageOverride.document_id == document.id
        )
    )
    if (count or 0) > OVERRIDES_MAX:
        raise KnowledgeError("too_many_overrides")


async def _change(
    db: AsyncSession,
    passage: Passage,
    read: str,
    decision: Decision,
    *,
    document: Document,
    model: str,
    vector: Vectors,
) -> None:
    if not passage.disabled:
        await postings.hide(db, passage)
    passage.text = read if decision.text is None else decision.text
    passage.original = None if decision.text is None else read
    passage.tokens = estimate(passage.text)
    passage.disabled = decision.disabled
    await db.flush()
    if not decision.disabled:
        title = index.searched_title(document)
        await postings.show(db, passage, title=title, model=model, vector=vector)

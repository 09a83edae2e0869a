"""Moving an organisation to another embedding model: beside the old vectors, then cut over, with a
way back.

Until the last passage has its new vector, everything is searched with the old ones. The old ones
stay for a week after the switch, so that going back costs only what came since.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Integer, Row, Text, Uuid, column, func, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import index, postings, preferences
from knowledge.embed import BATCH_TEXTS_MAX, Vectors
from knowledge.errors import KnowledgeError
from knowledge.preferences import Preferences
from knowledge.tables import DocumentKind

KEPT: Final = timedelta(days=7)

_LACKING: Final = text("""
    SELECT passages.no, documents.id AS document_id, passages.version, passages.ord,
        documents.kind, documents.name, documents.title, passages.heading, passages.text
    FROM passages JOIN documents ON documents.org_id = passages.org_id
        AND documents.id = passages.document_id AND documents.live_version = passages.version
    WHERE passages.org_id = :org AND passages.no > :after AND NOT passages.disabled
        AND NOT EXISTS (SELECT FROM embeddings WHERE embeddings.org_id = :org
            AND embeddings.passage_no = passages.no AND embeddings.model = :model)
    ORDER BY passages.no LIMIT :most
""").columns(
    column("no", Integer), column("document_id", Uuid), column("version", Integer),
    column("ord", Integer), column("kind", Text), column("name", Text), column("title", Text),
    column("heading", Text), column("text", Text),
)  # fmt: skip
_COUNT: Final = text("""
    SELECT (SELECT coalesce(sum(passages), 0) FROM knowledge_stats WHERE org_id = :org),
        (SELECT count(*) FROM embeddings WHERE org_id = :org AND model = :model)
""")
_DROP: Final = text("DELETE FROM embeddings WHERE org_id = :org AND model = :model")


class Lacking(msgspec.Struct, frozen=True):
    """A live passage without a vector of some model, and what is embedded for it."""

    no: int
    document_id: UUID
    version: int
    ord: int
    searched: str


class Progress(msgspec.Struct, frozen=True):
    """How many of the organisation's passages have a vector of the model."""

    passages: int
    embedded: int

    @property
    def share(self) -> float:
        return min(1.0, self.embedded / self.passages) if self.passages else 1.0


def target(chosen: Preferences, current: str) -> str | None:
    """The model to move to: what was begun, or the install's own if nobody refused it; None when
    all is as it should be.
    """
    if chosen.model is None:
        return None
    begun = chosen.next_model
    if begun is not None and begun in (current, chosen.previous_model):
        return begun
    # Whatever else was begun is a model that the install has been set to and is no more.
    return None if current in (chosen.model, chosen.refused_model) else current


async def begin(db: AsyncSession, org_id: UUID, current: str) -> str | None:
    """Note that vectors of the target are being made, and drop those of one that was given up; the
    target, None when there is none.
    """
    row = await preferences.row(db, org_id, lock=True)
    model = target(await preferences.get(db, org_id), current)
    given_up = row.next_model
    if given_up not in (None, model, row.model, row.previous_model):
        await db.execute(_DROP, {"org": org_id, "model": given_up})
    row.next_model = model
    await db.flush()
    return model


async def lacking(
    db: AsyncSession, org_id: UUID, model: str, *, after: int = 0
) -> Sequence[Lacking]:
    """The next batch of passages without a vector of `model`, in order of their number."""
    given = {"org": org_id, "model": model, "after": after, "most": BATCH_TEXTS_MAX}
    return [
        Lacking(
            row.no,
            row.document_id,
            row.version,
            row.ord,
            _embedded(row),
        )
        for row in await db.execute(_LACKING, given)
    ]


def _embedded(row: Row[Any]) -> str:
    """Of a way to ask, the wording alone (`faqs.py` says why)."""
    if row.kind == DocumentKind.FAQ:
        return row.heading or ""
    return postings.searchable(index.title(row.kind, row.name, row.title), row.heading, row.text)


async def add(
    db: AsyncSession, org_id: UUID, model: str, batch: Sequence[Lacking], vectors: Vectors
) -> bool:
    """Store a batch's vectors; one of zeros is left out, and passages gone meanwhile. False when
    something else has been begun.
    """
    if (await preferences.row(db, org_id, lock=True)).next_model != model:
        return False
    for each, vector in zip(batch, vectors, strict=True):
        await postings.add_vectors(
            db,
            org_id,
            each.document_id,
            each.version,
            each.ord,
            model=model,
            vectors=vector.reshape(1, -1),
        )
    return True


async def cut_over(db: AsyncSession, org_id: UUID, model: str, *, without: set[int]) -> bool:
    """Search with `model` from now on; False while passages lack its vectors (but for those
    numbered in `without`, in whose words it knows nothing), or when something else was begun.
    """
    row = await preferences.row(db, org_id, lock=True)
    if row.next_model != model:
        return False
    after = 0
    while batch := await lacking(db, org_id, model, after=after):
        if any(each.no not in without for each in batch):
            return False
        after = batch[-1].no
    if row.previous_model not in (None, model):
        await db.execute(_DROP, {"org": org_id, "model": row.previous_model})
    row.previous_model, row.model, row.next_model = row.model, model, None
    row.switched_at = func.now()
    if row.refused_model == model:
        row.refused_model = None
    await db.flush()
    return True


async def roll_back(db: AsyncSession, org_id: UUID) -> None:
    """Give up the model that is being moved to, or go back to the one before. KnowledgeError
    `no_way_back`.
    """
    row = await preferences.row(db, org_id, lock=True)
    if row.next_model is not None and row.next_model == row.previous_model:
        return  # on the way back already
    if row.next_model is not None:
        row.refused_model, row.next_model = row.next_model, None
        await db.execute(_DROP, {"org": org_id, "model": row.refused_model})
    elif row.previous_model is not None:
        row.refused_model, row.next_model = row.model, row.previous_model
    else:
        raise KnowledgeError("no_way_back")
    await db.flush()


async def accept(db: AsyncSession, org_id: UUID) -> None:
    """Forget that a model was refused."""
    row = await preferences.row(db, org_id, lock=True)
    row.refused_model = None
    await db.flush()


async def drop_previous(db: AsyncSession, org_id: UUID) -> None:
    """Drop the vectors of the model before, once a week has passed since the switch."""
    row = await preferences.row(db, org_id, lock=True)
    now = await db.scalar(func.now())
    if row.previous_model is None or row.switched_at is None or now is None:
        return
    if row.next_model is None and now - row.switched_at > KEPT:
        await db.execute(_DROP, {"org": org_id, "model": row.previous_model})
        row.previous_model = None
        await db.flush()


async def progress(db: AsyncSession, org_id: UUID, model: str) -> Progress:
    """How far the vectors of `model` have come."""
    row = (await db.execute(_COUNT, {"org": org_id, "model": model})).one()
    return Progress(int(row[0]), int(row[1]))

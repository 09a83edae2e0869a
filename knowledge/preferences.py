"""How an organisation is searched: the model of its vectors and what was calibrated for it."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge.bands import Scale
from knowledge.tables import KnowledgeSettings


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What figures were fitted on, and what they then reached."""

    data: tuple[str, ...]
    queries: int
    at: str
    code: str = ""
    figures: dict[str, float] = {}


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the vectors in the fused score, for prose and for short texts, and the scale of
    the bands. It holds for the model whose vectors it was fitted with.
    """

    model: str
    share: float
    faq_share: float
    scale: Scale
    provenance: Provenance


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is None until the first passage; `indexed_dimensions` when its vectors have an
    approximate index.
    """

    model: str | None = None
    next_model: str | None = None
    previous_model: str | None = None
    refused_model: str | None = None
    switched_at: datetime | None = None
    indexed_model: str | None = None
    indexed_dimensions: int | None = None
    calibration: Calibration | None = None

    def calibrated(self, model: str) -> Calibration | None:
        """What was fitted with that model's vectors; cosines mean something else in every other."""
        fitted = self.calibration
        return fitted if fitted is not None and fitted.model == model else None


NOTHING_CHOSEN: Final = Preferences()


async def get(db: AsyncSession, org_id: UUID) -> Preferences:
    """As they are now."""
    row = await db.get(KnowledgeSettings, org_id, populate_existing=True)
    return _preferences(row) if row is not None else NOTHING_CHOSEN


async def settled(db: AsyncSession, org_id: UUID, model: str) -> Preferences:
    """The same, with `model` as the one of an organisation that has none yet; nobody changes the
    model until this transaction ends.
    """
    found = await row(db, org_id)
    if found.model is None:
        found = await row(db, org_id, lock=True)
        found.model = found.model or model
        await db.flush()
        return _preferences(found)
    query = select(KnowledgeSettings).where(KnowledgeSettings.org_id == org_id)
    query = query.with_for_update(read=True).execution_options(populate_existing=True)
    return _preferences((await db.scalars(query)).one())


async def row(db: AsyncSession, org_id: UUID, *, lock: bool = False) -> KnowledgeSettings:
    """The organisation's row, made when there is none; locked for a change when asked."""
    made = insert(KnowledgeSettings).values(org_id=org_id).on_conflict_do_nothing()
    await db.execute(made)
    query = select(KnowledgeSettings).where(KnowledgeSettings.org_id == org_id)
    query = query.with_for_update() if lock else query
    return (await db.scalars(query.execution_options(populate_existing=True))).one()


async def calibrate(db: AsyncSession, org_id: UUID, calibration: Calibration) -> None:
    """Search with these weights and bands from now on."""
    found = await row(db, org_id, lock=True)
    found.calibration = msgspec.to_builtins(calibration)
    await db.flush()


def _preferences(found: KnowledgeSettings) -> Preferences:
    given: dict[str, Any] = {
        name: getattr(found, name)
        for name in Preferences.__struct_fields__
        if name != "calibration"
    }
    if found.calibration is not None:
        given["calibration"] = msgspec.convert(found.calibration, Calibration)
    return Preferences(**given)

"""What a knowledge base needs besides its documents: vectors of the right model, and an index of
them once there are many. One organisation a job, a slice at a time, so that all take turns.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database, utc_now
from chatbot.jobs import UPKEEP, Jobs
from knowledge import nearest, preferences, reembed
from knowledge.models import Models

log = structlog.get_logger()

SLICE_S = 20.0
BUSY_S = 5.0
LOOK_AGAIN_S = 3_600.0


class Upkeep:
    """Runs the job `upkeep`. Without the owner's URL it builds no index: large organisations are
    then searched exactly, and `chatbot doctor` says so.
    """

    def __init__(self, database: Database, jobs: Jobs, models: Models, owner_url: str) -> None:
        self._database = database
        self._jobs = jobs
        self._models = models
        self._owner_url = owner_url
        self._looked_at = -math.inf
        jobs.does(UPKEEP, self.one)

    async def resume(self) -> None:
        """Defer for every organisation that is due, at the start and once an hour."""
        if time.monotonic() - self._looked_at < LOOK_AGAIN_S:
            return
        self._looked_at = time.monotonic()
        async with self._database.transaction() as db:
            org_ids: Sequence[UUID] = (await db.scalars(text("select lookup.orgs_list()"))).all()
        for org_id in org_ids:
            await self.defer_if_due(org_id)

    async def defer_if_due(self, org_id: UUID) -> None:
        """Ask for a turn when there is something to do for the organisation."""
        async with self._database.transaction(org_id, actor="system") as db:
            if await self._is_due(db, org_id):
                await self._jobs.defer(db, UPKEEP, org_id)

    async def one(self, org_id: UUID) -> None:
        """A slice of what is to be done; asks for another turn when there is more."""
        async with self._database.transaction(org_id, actor="system") as db:
            await reembed.drop_previous(db, org_id)
            chosen = await preferences.get(db, org_id)
        begun = chosen.next_model or reembed.target(chosen, self._models.current.model)
        if begun is not None and not await self._move(org_id):
            await self._defer(org_id)
        elif not await self._index(org_id):
            await asyncio.sleep(BUSY_S)
            await self._defer(org_id)

    async def _is_due(self, db: AsyncSession, org_id: UUID) -> bool:
        """Whether the organisation is to move to another model, has old vectors to drop, or is past
        one of the bounds of the index.
        """
        chosen = await preferences.get(db, org_id)
        if chosen.next_model or reembed.target(chosen, self._models.current.model):
            return True
        if chosen.switched_at is not None and utc_now() - chosen.switched_at > reembed.KEPT:
            return chosen.previous_model is not None
        wanted = await nearest.wanted(db, org_id) if self._owner_url else None
        return bool(self._owner_url) and (wanted.model if wanted else None) != chosen.indexed_model

    async def _move(self, org_id: UUID) -> bool:
        """Embed for a while; True when there is nothing left to move."""
        until = time.monotonic() + SLICE_S
        async with self._database.transaction(org_id, actor="system") as db:
            model = await reembed.begin(db, org_id, self._models.current.model)
        if model is None:
            return True
        embedder = self._models.named(model)
        if embedder.model != model:
            log.warning("embedding_model_unknown", model=model)
            return True
        after, nothing_known = 0, set[int]()
        while time.monotonic() < until:
            async with self._database.transaction(org_id, actor="system") as db:
                batch = await reembed.lacking(db, org_id, model, after=after)
            if not batch:
                break
            vectors = await embedder.embed([each.searched for each in batch])
            nothing_known |= {
                each.no for each, vector in zip(batch, vectors, strict=True) if not vector.any()
            }
            async with self._database.transaction(org_id, actor="system") as db:
                if not await reembed.add(db, org_id, model, batch, vectors):
                    return False
            after = batch[-1].no
        async with self._database.transaction(org_id, actor="system") as db:
            return await reembed.cut_over(db, org_id, model, without=nothing_known)

    async def _defer(self, org_id: UUID) -> None:
        async with self._database.transaction(org_id, actor="system") as db:
            await self._jobs.defer(db, UPKEEP, org_id)

    async def _index(self, org_id: UUID) -> bool:
        """Make or drop the approximate index; False while that of another is being made."""
        if not self._owner_url:
            return True
        async with self._database.transaction(org_id) as db:
            wanted = await nearest.wanted(db, org_id)
        if wanted is not None and not await nearest.build(self._owner_url, wanted):
            return False
        async with self._database.transaction(org_id, actor="system") as db:
            await nearest.note(db, org_id, wanted)
        # Those who read the choice a moment ago find by an exact scan what they would have found
        # through an index that is gone.
        return await nearest.drop_others(self._owner_url, org_id, wanted)

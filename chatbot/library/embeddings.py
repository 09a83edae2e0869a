"""HTTP for the embedding model of a knowledge base: which one, how far a move has come, the way
back.
"""

from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.jobs import UPKEEP, Jobs
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role
from knowledge import preferences, reembed
from knowledge.models import Models
from knowledge.retrieve import Retriever


class EmbeddingsView(msgspec.Struct, frozen=True):
    """`progress` is of `next_model` while a move is on, else of `model`; `approximate` when the
    vectors have an index of their own.
    """

    model: str
    next_model: str | None
    previous_model: str | None
    refused_model: str | None
    passages: int
    embedded: int
    progress: float
    approximate: bool


@get("/knowledge/embeddings", operation_id="get_embeddings")
async def get_embeddings(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    models: SkipValidation[NamedDependency[Models]],
) -> EmbeddingsView:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await _view(db, staff.org_id, models)


@post("/knowledge/embeddings/rollback", status_code=202, operation_id="roll_back_embeddings")
async def roll_back_embeddings(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    jobs: NamedDependency[Jobs],
    models: SkipValidation[NamedDependency[Models]],
    retriever: SkipValidation[NamedDependency[Retriever]],
) -> EmbeddingsView:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await reembed.roll_back(db, staff.org_id)
        await jobs.defer(db, UPKEEP, staff.org_id)
        view = await _view(db, staff.org_id, models)
    retriever.forget(staff.org_id)
    return view


@post("/knowledge/embeddings/switch", status_code=202, operation_id="switch_embeddings")
async def switch_embeddings(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    jobs: NamedDependency[Jobs],
    models: SkipValidation[NamedDependency[Models]],
) -> EmbeddingsView:
    """Take up the install's own model again."""
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await reembed.accept(db, staff.org_id)
        await jobs.defer(db, UPKEEP, staff.org_id)
        return await _view(db, staff.org_id, models)


HANDLERS = [get_embeddings, roll_back_embeddings, switch_embeddings]


async def _view(db: AsyncSession, org_id: UUID, models: Models) -> EmbeddingsView:
    chosen = await preferences.get(db, org_id)
    model = chosen.model or models.current.model
    done = await reembed.progress(db, org_id, chosen.next_model or model)
    return EmbeddingsView(
        model=model,
        next_model=chosen.next_model,
        previous_model=chosen.previous_model,
        refused_model=chosen.refused_model,
        passages=done.passages,
        embedded=done.embedded,
        progress=done.share,
        approximate=chosen.indexed_model == model,
    )

"""Documents on their way into the knowledge base: one a job, so that organisations take fair
turns.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.errors import ChatbotError, Conflict, Invalid, NotFound, TooLarge, Unavailable
from chatbot.jobs import INGEST, Jobs
from chatbot.library.upkeep import Upkeep
from chatbot.settings import Limits
from knowledge import claims, index, versions
from knowledge.errors import KnowledgeError
from knowledge.ingest import ingest_next
from knowledge.models import Models
from knowledge.tables import Document, Status

_CONFLICTS = frozenset(
    {
        "faq_busy",
        "faq_exists",
        "no_way_back",
        "not_restorable",
        "override_in_use",
        "passage_busy",
    }
)


class Ingestion:
    """Runs the job `ingest`: one document of one organisation, then back to the end of the line."""

    def __init__(self, database: Database, jobs: Jobs, models: Models, upkeep: Upkeep) -> None:
        self._database = database
        self._jobs = jobs
        self._models = models
        self._upkeep = upkeep
        jobs.does(INGEST, self.one)

    async def one(self, org_id: UUID) -> None:
        """Take the oldest waiting document through; ask for another turn when more wait."""
        worked = await ingest_next(self._database.transaction, self._models, org_id)
        if not worked:
            return
        async with self._database.transaction(org_id, actor="system") as db:
            waits = await claims.is_waiting(db, org_id)
            if waits:
                await self._jobs.defer(db, INGEST, org_id)
        if not waits:
            await self._upkeep.defer_if_due(org_id)

    async def resume(self) -> None:
        """Defer for every organisation whose documents wait or were left behind by a dead
        worker.
        """
        async with self._database.transaction() as db:
            org_ids: Sequence[UUID] = (await db.scalars(text("select lookup.orgs_list()"))).all()
        for org_id in org_ids:
            async with self._database.transaction(org_id, actor="system") as db:
                if await claims.is_waiting(db, org_id):
                    await self._jobs.defer(db, INGEST, org_id)


async def add(
    db: AsyncSession,
    jobs: Jobs,
    org_id: UUID,
    *,
    name: str,
    body: bytes,
    limits: Limits,
    labels: Sequence[str] | None = None,
) -> Document:
    """Store a file and queue it, in this transaction. Raises our errors for what cannot be
    taken.
    """
    if len(body) > limits.upload_bytes_max:
        raise TooLarge(message=f"A document has at most {limits.upload_bytes_max:,} bytes.")
    try:
        await index.check_room(db, org_id, limits.documents_max, name=name)
        document = await index.add(db, org_id, name=name, body=body, labels=labels)
    except KnowledgeError as error:
        raise as_ours(error) from error
    return await _queued(db, jobs, document)


async def retry(db: AsyncSession, jobs: Jobs, org_id: UUID, document_id: UUID) -> Document:
    """Queue a failed document again, in this transaction; any other is left as it is."""
    return await _queued(db, jobs, await index.retry(db, org_id, document_id))


async def restore(
    db: AsyncSession, jobs: Jobs, org_id: UUID, document_id: UUID, version: int
) -> Document:
    """Queue an earlier version's bytes as the newest, in this transaction."""
    return await _queued(db, jobs, await versions.restore(db, org_id, document_id, version))


async def _queued(db: AsyncSession, jobs: Jobs, document: Document) -> Document:
    if document.status == Status.QUEUED:
        await jobs.defer(db, INGEST, document.org_id)
    return document


def as_ours(error: KnowledgeError) -> ChatbotError:
    """The library's error as one of the service's, with the same code and sentence."""
    match error.code:
        case "not_found":
            return NotFound()
        case "too_large":
            return TooLarge(error.code, error.message)
        case "embedding_failed":
            return Unavailable(error.code, error.message)
        case code if code in _CONFLICTS:
            return Conflict(error.code, error.message)
        case _:
            return Invalid(error.code, error.message)

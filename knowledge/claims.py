"""The right of one worker's attempt to work on one version of a document. Every verb works in its
caller's transaction.

A claim is a lease, known by the moment it began, and whatever a worker writes later counts only
while that lease is the current one. A worker that was slow, or whose document was uploaded anew
meanwhile, finds its writes refused.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import index, overrides, postings, preferences
from knowledge.embed import Vectors
from knowledge.errors import MESSAGES
from knowledge.overrides import Decisions
from knowledge.reading.split import Piece
from knowledge.tables import (
    CLOCK,
    Document,
    DocumentFile,
    DocumentKind,
    DocumentVersion,
    Status,
)

LEASE_S: Final = 180
ATTEMPTS_MAX: Final = 3
PART_BYTES: Final = 512 * 1024
_WORKING: Final = (Status.EXTRACTING, Status.INDEXING)
_LEASE: Final = CLOCK + timedelta(seconds=LEASE_S)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a document, and the right of one attempt to work on it."""

    org_id: UUID
    document_id: UUID
    version: int
    started_at: datetime
    kind: DocumentKind
    name: str
    title: str
    media_type: str


class Placed(Enum):
    """What became of a worker's passages.

    OUTDATED: something that they were made with has changed; make them again.
    """

    DONE = auto()
    SUPERSEDED = auto()
    OUTDATED = auto()


async def claim(db: AsyncSession, org_id: UUID) -> Claim | None:
    """The oldest document that waits, or that a worker left behind; None when there is nothing to
    do.
    """
    query = (
        select(Document)
        .where(*_waiting(org_id))
        .order_by(Document.created_at, Document.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    while document := await db.scalar(query):
        if document.attempts < ATTEMPTS_MAX:
            return await _lease(db, document)
        _fail(document, "interrupted", MESSAGES["interrupted"])
        await db.flush()
    return None


async def is_waiting(db: AsyncSession, org_id: UUID) -> bool:
    """Whether there is something to claim."""
    return bool(await db.scalar(select(exists().where(*_waiting(org_id)))))


async def body_part(db: AsyncSession, claim: Claim, first: int) -> bytes:
    """The next part of the version's bytes, from `first` on; nothing after the last.

    The whole would be several times its size in memory while it comes out of the database.
    """
    part = func.substring(DocumentFile.body, first + 1, PART_BYTES)
    query = select(part).where(
        DocumentFile.org_id == claim.org_id,
        DocumentFile.document_id == claim.document_id,
        DocumentFile.version == claim.version,
    )
    return await db.scalar(query) or b""


async def progress(db: AsyncSession, claim: Claim, share: float, status: Status) -> bool:
    """Record how far the work has come and prolong the lease; False when the claim is no longer
    good.
    """
    values = {"status": status, "progress": share, "leased_until": _LEASE, "updated_at": func.now()}
    changed = await db.scalar(
        update(Document).where(*_is_current(claim)).values(values).returning(Document.version)
    )
    return changed is not None


async def is_unchanged(db: AsyncSession, claim: Claim, content_sha256: bytes) -> bool:
    """Whether the live version says exactly this; then it stays, and the claim has ended well.

    Other bytes that read the same (a page with a new token in it, a file saved again) need no new
    passages.
    """
    document = await _lock_claimed(db, claim)
    if document is None or document.live_version is None:
        return False
    live_key = (claim.org_id, claim.document_id, document.live_version)
    live = await db.get_one(DocumentVersion, live_key)
    if live.version == claim.version or live.content_sha256 != content_sha256:
        return False
    await db.delete(await db.get_one(DocumentVersion, _key(claim)))
    document.version = live.version
    _shelve(document, live)
    await db.flush()
    return True


async def replace_passages(
    db: AsyncSession,
    claim: Claim,
    *,
    pieces: Sequence[Piece],
    vectors: Vectors,
    model: str,
    cfg: str,
    pages: int | None,
    decisions: Decisions | None = None,
    content_sha256: bytes | None = None,
) -> Placed:
    """Make this version the live one and retire the one before, all at once.

    `pieces` are as `decisions` wants them; nothing is written when those or the organisation's
    model have changed meanwhile.
    """
    document = await _lock_claimed(db, claim)
    if document is None:
        return Placed.SUPERSEDED
    wanted = await preferences.settled(db, claim.org_id, model)
    decided = await overrides.decisions(db, claim.org_id, claim.document_id)
    if wanted.model != model or decided != (decisions or {}):
        return Placed.OUTDATED
    await postings.put(
        db,
        claim.org_id,
        claim.document_id,
        version=claim.version,
        title=claim.title,
        pieces=pieces,
        cfg=cfg,
        model=model,
        vectors=vectors,
    )
    await postings.remove(db, claim.org_id, claim.document_id, except_version=claim.version)
    await index.drop_older_files(db, document)
    version = await db.get_one(DocumentVersion, _key(claim))
    version.cfg, version.pages, version.passages = cfg, pages, len(pieces)
    version.content_sha256 = content_sha256
    _shelve(document, version)
    await db.flush()
    return Placed.DONE


async def fail(db: AsyncSession, claim: Claim, code: str, message: str) -> bool:
    """End this version's work in a named failure; passages of an earlier version stay. False when
    superseded.
    """
    document = await _lock_claimed(db, claim)
    if document is None:
        return False
    _fail(document, code, message)
    await db.flush()
    return True


async def release(db: AsyncSession, claim: Claim, *, counted: bool = False) -> bool:
    """Give the document back to the queue; as if it had not been claimed, unless the attempt is
    `counted`. False when superseded.
    """
    document = await _lock_claimed(db, claim)
    if document is None:
        return False
    attempts = document.attempts
    index.requeue(document)
    document.attempts = attempts if counted else attempts - 1
    await db.flush()
    return True


def _waiting(org_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Queued, or left behind by a worker that died."""
    left_behind = Document.status.in_(_WORKING) & (Document.leased_until < CLOCK)
    return Document.org_id == org_id, or_(Document.status == Status.QUEUED, left_behind)


async def _lease(db: AsyncSession, document: Document) -> Claim:
    document.status, document.progress = Status.EXTRACTING, 0.0
    document.attempts += 1
    document.started_at = CLOCK
    document.leased_until = _LEASE
    document.updated_at = func.now()
    await db.flush()
    await db.refresh(document)
    return Claim(
        org_id=document.org_id,
        document_id=document.id,
        version=document.version,
        started_at=document.started_at or document.created_at,
        kind=DocumentKind(document.kind),
        name=document.name,
        title=index.searched_title(document),
        media_type=document.media_type,
    )


async def _lock_claimed(db: AsyncSession, claim: Claim) -> Document | None:
    query = select(Document).where(*_is_current(claim)).with_for_update()
    return await db.scalar(query.execution_options(populate_existing=True))


def _key(claim: Claim) -> tuple[UUID, UUID, int]:
    return claim.org_id, claim.document_id, claim.version


def _shelve(document: Document, version: DocumentVersion) -> None:
    document.live_version, document.pages = version.version, version.pages
    document.passages = version.passages
    index.settle(document, Status.READY)
    document.progress = 1.0


def _is_current(claim: Claim) -> list[ColumnElement[bool]]:
    return [
        Document.org_id == claim.org_id,
        Document.id == claim.document_id,
        Document.version == claim.version,
        Document.started_at == claim.started_at,
        Document.status.in_(_WORKING),
    ]


def _fail(document: Document, code: str, message: str) -> None:
    index.settle(document, Status.FAILED)
    document.error_code, document.error_message = code, message

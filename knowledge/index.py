"""Documents: taken in, claimed by a worker, put on the shelf, retired. Every verb works in its
caller's transaction.

The table of documents is the queue: a claim is a lease, known by the moment it began, and
whatever a worker writes later counts only while that lease is the current one. A worker that was
slow, or whose document was uploaded anew meanwhile, finds its writes refused.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, DateTime, func, or_, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import filetype, postings
from knowledge.embed import Vectors
from knowledge.errors import BODY_BYTES_MAX, MESSAGES, NAME_CHARS_MAX, KnowledgeError
from knowledge.split import Piece
from knowledge.tables import Document, DocumentFile, DocumentVersion, Passage, Status, new_id

LEASE_S: Final = 180
ATTEMPTS_MAX: Final = 3
PAGE_ROWS_MAX: Final = 200
_WORKING: Final = (Status.EXTRACTING, Status.INDEXING)
_CLOCK: Final = func.clock_timestamp(type_=DateTime(timezone=True))
_LEASE: Final = _CLOCK + timedelta(seconds=LEASE_S)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a document, and the right of one attempt to work on it."""

    org_id: UUID
    document_id: UUID
    version: int
    started_at: datetime
    name: str
    media_type: str
    body: bytes


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    passages: int
    postings: int
    versions: int


async def add(
    db: AsyncSession,
    org_id: UUID,
    *,
    name: str,
    body: bytes,
    media_type: str = "",
    url: str | None = None,
) -> Document:
    """Queue `body` under `name`: a new document, or a new version of the one that has this name.

    The same bytes again change nothing, unless they failed the last time. `media_type` is what
    the sender claims; the content decides. KnowledgeError `bad_name`, `empty`, `too_large`,
    `unsupported_type` or `type_mismatch`.
    """
    if not 1 <= len(name.strip()) <= NAME_CHARS_MAX or "\x00" in name:
        raise KnowledgeError("bad_name")
    if len(body) > BODY_BYTES_MAX:
        raise KnowledgeError("too_large", f"A document has at most {BODY_BYTES_MAX // 2**20} MB.")
    found_type = filetype.detect(name, body, media_type)
    document = await _lock_by_name(db, org_id, name.strip())
    digest = hashlib.sha256(body).digest()
    if document.sha256 == digest and document.version:
        return await retry(db, org_id, document.id)
    document.version += 1
    document.media_type, document.size_bytes, document.sha256 = found_type, len(body), digest
    document.url = url
    _requeue(document)
    await db.flush()
    await _store(db, document, body)
    return document


async def documents(
    db: AsyncSession, org_id: UUID, *, after: UUID | None = None, limit: int = PAGE_ROWS_MAX
) -> Sequence[Document]:
    """Newest first; `after` is the id of the last one already seen."""
    query = select(Document).where(Document.org_id == org_id).order_by(Document.id.desc())
    if after is not None:
        query = query.where(Document.id < after)
    return (await db.scalars(query.limit(min(limit, PAGE_ROWS_MAX)))).all()


async def get(db: AsyncSession, org_id: UUID, document_id: UUID) -> Document:
    """KnowledgeError `not_found` also for another organisation's document."""
    document = await db.get(Document, (org_id, document_id), populate_existing=True)
    if document is None:
        raise KnowledgeError("not_found")
    return document


async def passages(
    db: AsyncSession,
    org_id: UUID,
    document_id: UUID,
    *,
    after_ord: int = -1,
    limit: int = PAGE_ROWS_MAX,
) -> Sequence[Passage]:
    """What was understood of the document: its live passages in order."""
    document = await get(db, org_id, document_id)
    query = (
        select(Passage)
        .where(Passage.org_id == org_id, Passage.document_id == document_id)
        .where(Passage.version == document.live_version, Passage.ord > after_ord)
        .order_by(Passage.ord)
        .limit(min(limit, PAGE_ROWS_MAX))
    )
    return (await db.scalars(query)).all()


async def retry(db: AsyncSession, org_id: UUID, document_id: UUID) -> Document:
    """Queue a failed document again; any other is left as it is."""
    document = await db.get(
        Document, (org_id, document_id), with_for_update=True, populate_existing=True
    )
    if document is None:
        raise KnowledgeError("not_found")
    if document.status == Status.FAILED:
        _requeue(document)
        await db.flush()
    return document


async def delete(db: AsyncSession, org_id: UUID, document_id: UUID) -> Removed:
    """Remove a document with everything that was made of it, and say how much that was."""
    document = await db.get(
        Document, (org_id, document_id), with_for_update=True, populate_existing=True
    )
    if document is None:
        raise KnowledgeError("not_found")
    gone_passages, gone_postings = await postings.remove(db, org_id, document_id)
    # The rest follows by foreign keys.
    await db.delete(document)
    await db.flush()
    return Removed(passages=gone_passages, postings=gone_postings, versions=document.version)


async def claim(db: AsyncSession, org_id: UUID) -> Claim | None:
    """The oldest document that waits, or that a worker left behind; None when there is nothing to
    do.
    """
    waits = Document.status == Status.QUEUED
    left_behind = Document.status.in_(_WORKING) & (Document.leased_until < _CLOCK)
    query = (
        select(Document)
        .where(Document.org_id == org_id, or_(waits, left_behind))
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


async def progress(db: AsyncSession, claim: Claim, share: float, status: Status) -> bool:
    """Record how far the work has come and prolong the lease; False when the claim is no longer
    good.
    """
    values = {"status": status, "progress": share, "leased_until": _LEASE, "updated_at": func.now()}
    changed = await db.scalar(
        update(Document).where(*_is_current(claim)).values(values).returning(Document.version)
    )
    return changed is not None


async def replace_passages(
    db: AsyncSession,
    claim: Claim,
    *,
    pieces: Sequence[Piece],
    vectors: Vectors,
    model: str,
    cfg: str,
    pages: int | None,
) -> bool:
    """Make this version the live one and retire the one before, all at once; False when
    superseded.
    """
    document = await _lock_claimed(db, claim)
    if document is None:
        return False
    await postings.put(
        db,
        claim.org_id,
        claim.document_id,
        version=claim.version,
        title=title_of(claim.name),
        pieces=pieces,
        cfg=cfg,
        model=model,
        vectors=vectors,
    )
    await postings.remove(db, claim.org_id, claim.document_id, except_version=claim.version)
    await _drop_older_files(db, claim)
    version = await db.get_one(DocumentVersion, (claim.org_id, claim.document_id, claim.version))
    version.cfg, version.pages, version.passages = cfg, pages, len(pieces)
    document.live_version, document.pages, document.passages = claim.version, pages, len(pieces)
    _settle(document, Status.READY)
    document.progress = 1.0
    await db.flush()
    return True


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


async def release(db: AsyncSession, claim: Claim) -> bool:
    """Give the document back to the queue as if it had not been claimed; False when superseded."""
    document = await _lock_claimed(db, claim)
    if document is None:
        return False
    attempts = document.attempts
    _requeue(document)
    document.attempts = attempts - 1
    await db.flush()
    return True


def title_of(name: str) -> str:
    """A document's name without its file ending."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and ending.isalnum() and len(ending) <= 5 else name


async def _lock_by_name(db: AsyncSession, org_id: UUID, name: str) -> Document:
    """The document of that name, locked; a new one has version 0 until it gets its first bytes."""
    fresh = {
        "media_type": "",
        "size_bytes": 0,
        "sha256": b"",
        "status": Status.QUEUED,
        "version": 0,
    }
    await db.execute(
        insert(Document)
        .values(org_id=org_id, id=new_id(), name=name, **fresh)
        .on_conflict_do_nothing(index_elements=["org_id", "name"])
    )
    query = select(Document).where(Document.org_id == org_id, Document.name == name)
    return (
        await db.scalars(query.with_for_update().execution_options(populate_existing=True))
    ).one()


async def _store(db: AsyncSession, document: Document, body: bytes) -> None:
    key = {"org_id": document.org_id, "document_id": document.id, "version": document.version}
    db.add(
        DocumentVersion(
            **key,
            sha256=document.sha256,
            size_bytes=document.size_bytes,
            media_type=document.media_type,
        )
    )
    await db.flush()
    # In Core, so that the session does not keep 20 MB.
    await db.execute(insert(DocumentFile).values(**key, body=body))


async def _lease(db: AsyncSession, document: Document) -> Claim:
    document.status, document.progress = Status.EXTRACTING, 0.0
    document.attempts += 1
    document.started_at = _CLOCK
    document.leased_until = _LEASE
    document.updated_at = func.now()
    await db.flush()
    await db.refresh(document)
    body = await db.scalar(
        select(DocumentFile.body).where(
            DocumentFile.org_id == document.org_id,
            DocumentFile.document_id == document.id,
            DocumentFile.version == document.version,
        )
    )
    return Claim(
        org_id=document.org_id,
        document_id=document.id,
        version=document.version,
        started_at=document.started_at or document.created_at,
        name=document.name,
        media_type=document.media_type,
        body=body or b"",
    )


async def _lock_claimed(db: AsyncSession, claim: Claim) -> Document | None:
    query = select(Document).where(*_is_current(claim)).with_for_update()
    return await db.scalar(query.execution_options(populate_existing=True))


async def _drop_older_files(db: AsyncSession, claim: Claim) -> None:
    await db.execute(
        sql_delete(DocumentFile).where(
            DocumentFile.org_id == claim.org_id,
            DocumentFile.document_id == claim.document_id,
            DocumentFile.version < claim.version,
        )
    )


def _is_current(claim: Claim) -> list[ColumnElement[bool]]:
    return [
        Document.org_id == claim.org_id,
        Document.id == claim.document_id,
        Document.version == claim.version,
        Document.started_at == claim.started_at,
        Document.status.in_(_WORKING),
    ]


def _requeue(document: Document) -> None:
    _settle(document, Status.QUEUED)
    document.attempts, document.progress, document.started_at = 0, 0.0, None


def _fail(document: Document, code: str, message: str) -> None:
    _settle(document, Status.FAILED)
    document.error_code, document.error_message = code, message


def _settle(document: Document, status: Status) -> None:
    document.status, document.leased_until, document.updated_at = status, None, func.now()
    document.error_code = document.error_message = None

"""The versions of a document: which there were, what of them is kept, and the way back to one."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import index
from knowledge.errors import KnowledgeError
from knowledge.tables import Document, DocumentFile, DocumentKind, DocumentVersion

FILES_KEPT: Final = 5
LISTED_MAX: Final = 200


class Listed(msgspec.Struct, frozen=True):
    """A version, whether it is the one that is found, and whether its bytes are still there."""

    row: DocumentVersion
    live: bool
    restorable: bool


async def listed(db: AsyncSession, org_id: UUID, document_id: UUID) -> list[Listed]:
    """The newest first. KnowledgeError `not_found`."""
    document = await index.get(db, org_id, document_id)
    rows = await db.scalars(
        select(DocumentVersion)
        .where(DocumentVersion.org_id == org_id, DocumentVersion.document_id == document_id)
        .order_by(DocumentVersion.version.desc())
        .limit(LISTED_MAX)
    )
    kept = set(await _kept(db, document))
    return [
        Listed(
            row,
            live=row.version == document.live_version,
            restorable=row.version in kept and row.version != document.live_version,
        )
        for row in rows
    ]


async def restore(db: AsyncSession, org_id: UUID, document_id: UUID, version: int) -> Document:
    """Queue the bytes of an earlier version as a new one; until that is ready, the live one stays.

    KnowledgeError `not_found`, `not_restorable` when its bytes are gone, or for a FAQ, which has
    none.
    """
    document = await index.lock(db, org_id, document_id)
    old = await db.get(DocumentVersion, (org_id, document_id, version))
    if old is None:
        raise KnowledgeError("not_found")
    body = await db.scalar(
        select(DocumentFile.body).where(
            DocumentFile.org_id == org_id,
            DocumentFile.document_id == document_id,
            DocumentFile.version == version,
        )
    )
    if body is None or document.kind == DocumentKind.FAQ:
        raise KnowledgeError("not_restorable")
    document.version += 1
    document.media_type, document.size_bytes, document.sha256 = (
        old.media_type,
        old.size_bytes,
        old.sha256,
    )
    index.requeue(document)
    await db.flush()
    await index.store(db, document, body, restored_from=version)
    return document


async def drop_older_files(db: AsyncSession, document: Document) -> None:
    """Keep the bytes of the newest few versions only."""
    if dropped := (await _kept(db, document))[FILES_KEPT:]:
        await db.execute(
            delete(DocumentFile).where(
                DocumentFile.org_id == document.org_id,
                DocumentFile.document_id == document.id,
                DocumentFile.version.in_(dropped),
            )
        )


async def _kept(db: AsyncSession, document: Document) -> Sequence[int]:
    query = (
        select(DocumentFile.version)
        .where(DocumentFile.org_id == document.org_id, DocumentFile.document_id == document.id)
        .order_by(DocumentFile.version.desc())
    )
    return (await db.scalars(query)).all()

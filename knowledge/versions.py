"""The versions of a document: which there were, what of them is kept, and the way back to one."""

from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import index
from knowledge.errors import KnowledgeError
from knowledge.tables import Document, DocumentFile, DocumentVersion

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
    kept = set(await index.kept_files(db, document))
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

    KnowledgeError `not_found`, or `not_restorable` when its bytes are gone (a FAQ never has any).
    """
    document = await index.lock(db, org_id, document_id)
    old = await db.get(DocumentVersion, (org_id, document_id, version))
    if old is None:
        raise KnowledgeError("not_found")
    if version not in await index.kept_files(db, document):
        raise KnowledgeError("not_restorable")
    document.media_type, document.size_bytes = old.media_type, old.size_bytes
    document.sha256 = old.sha256
    await index.begin_version(db, document, restored_from=version)
    # From row to row: the bytes need not come here.
    copied = select(
        DocumentFile.org_id,
        DocumentFile.document_id,
        literal(document.version),
        DocumentFile.body,
    ).where(
        DocumentFile.org_id == org_id,
        DocumentFile.document_id == document_id,
        DocumentFile.version == version,
    )
    columns = ["org_id", "document_id", "version", "body"]
    await db.execute(insert(DocumentFile).from_select(columns, copied))
    await index.drop_older_files(db, document)
    return document

"""Documents: taken in, listed, queued again, retired. Every verb works in its caller's
transaction.

The table of documents is the queue of what is to be read; `claims.py` has the worker's side.
"""

import hashlib
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import Select, and_, func, not_, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import audience, postings
from knowledge.errors import (
    BODY_BYTES_MAX,
    NAME_CHARS_MAX,
    URL_CHARS_MAX,
    KnowledgeError,
)
from knowledge.reading import filetype
from knowledge.tables import (
    Document,
    DocumentFile,
    DocumentKind,
    DocumentVersion,
    Passage,
    Status,
    new_id,
)

PAGE_ROWS_MAX: Final = 200
FILES_KEPT: Final = 5
LISTED_KINDS: Final = (DocumentKind.FILE, DocumentKind.PAGE)


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """How much went with a document."""

    passages: int
    postings: int
    vectors: int
    files: int
    versions: int


async def add(
    db: AsyncSession,
    org_id: UUID,
    *,
    name: str,
    body: bytes,
    media_type: str = "",
    url: str | None = None,
    kind: DocumentKind = DocumentKind.FILE,
    title: str | None = None,
    labels: Sequence[str] | None = None,
) -> Document:
    """Queue `body` under `name`: a new document, or a new version of the one that has this name.

    The same bytes again change nothing, unless they failed the last time. `media_type` is what
    the sender claims; the content decides. `labels` None leaves those that are there.
    KnowledgeError `bad_name`, `bad_labels`, `empty`, `too_large`, `unsupported_type` or
    `type_mismatch`.
    """
    longest = NAME_CHARS_MAX if kind is DocumentKind.FILE else URL_CHARS_MAX
    if not 1 <= len(name.strip()) <= longest or "\x00" in name:
        raise KnowledgeError("bad_name")
    if len(body) > BODY_BYTES_MAX:
        raise KnowledgeError("too_large", f"A document has at most {BODY_BYTES_MAX // 2**20} MB.")
    # An address says nothing about what a page is; what the server said does.
    file_name = name if kind is DocumentKind.FILE else ""
    found_type = filetype.detect(file_name, body, media_type)
    document = await lock_by_name(db, org_id, kind, name.strip())
    if labels is not None:
        document.labels = audience.checked(labels)
    document.url, document.title = url, title
    digest = hashlib.sha256(body).digest()
    if document.sha256 == digest and document.version:
        await db.flush()
        return await retry(db, org_id, document.id)
    document.media_type, document.size_bytes, document.sha256 = found_type, len(body), digest
    await begin_version(db, document)
    # In Core, so that the session does not keep 20 MB.
    await db.execute(insert(DocumentFile).values(**_newest(document), body=body))
    await drop_older_files(db, document)
    return document


async def check_room(
    db: AsyncSession, org_id: UUID, documents_max: int, *, name: str | None = None
) -> None:
    """KnowledgeError `too_many_documents` when there may be no more files and pages. A new version
    of the file `name` needs no room; questions have a limit of their own.
    """
    others = select(func.count()).where(Document.org_id == org_id, Document.kind.in_(LISTED_KINDS))
    if name is not None:
        others = others.where(not_(and_(Document.kind == DocumentKind.FILE, Document.name == name)))
    count = await db.scalar(others) or 0
    if count >= documents_max:
        raise KnowledgeError(
            "too_many_documents", f"There are {count} documents already. Delete some first."
        )


async def documents(
    db: AsyncSession,
    org_id: UUID,
    *,
    kinds: Sequence[DocumentKind] = LISTED_KINDS,
    after: UUID | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Sequence[Document]:
    """Newest first; `after` is the id of the last one already seen."""
    query = (
        select(Document)
        .where(Document.org_id == org_id, Document.kind.in_(kinds))
        .order_by(Document.id.desc())
    )
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


async def lock(db: AsyncSession, org_id: UUID, document_id: UUID) -> Document:
    """The document, locked until the transaction ends. KnowledgeError `not_found`."""
    document = await db.get(
        Document, (org_id, document_id), with_for_update=True, populate_existing=True
    )
    if document is None:
        raise KnowledgeError("not_found")
    return document


async def retry(db: AsyncSession, org_id: UUID, document_id: UUID) -> Document:
    """Queue a failed document again; any other is left as it is."""
    document = await lock(db, org_id, document_id)
    if document.status == Status.FAILED:
        requeue(document)
        await db.flush()
    return document


async def label(
    db: AsyncSession, org_id: UUID, document_id: UUID, labels: Sequence[str]
) -> Document:
    """Say who may find the document: everybody when there are no labels. KnowledgeError
    `bad_labels`.
    """
    document = await lock(db, org_id, document_id)
    document.labels = audience.checked(labels)
    document.updated_at = func.now()
    await db.flush()
    await db.refresh(document)
    return document


async def labels(db: AsyncSession, org_id: UUID) -> Sequence[str]:
    """Every label that a document has, in order."""
    each = func.unnest(Document.labels).label("label")
    query = select(each).where(Document.org_id == org_id).distinct().order_by(each)
    return (await db.scalars(query)).all()


async def delete(db: AsyncSession, org_id: UUID, document_id: UUID) -> Removed:
    """Remove a document with everything that was made of it, and say how much that was."""
    document = await lock(db, org_id, document_id)
    taken = await postings.remove(db, org_id, document_id)
    files = await db.scalar(_count_of(DocumentFile, document))
    versions = await db.scalar(_count_of(DocumentVersion, document))
    # The rest follows by foreign keys.
    await db.delete(document)
    await db.flush()
    return Removed(
        passages=taken.passages,
        postings=taken.postings,
        vectors=taken.vectors,
        files=files or 0,
        versions=versions or 0,
    )


def searched_title(document: Document) -> str:
    """By which name its passages are found; "" for a FAQ, whose passages say their question."""
    return title(document.kind, document.name, document.title)


def title(kind: str, name: str, own: str | None) -> str:
    """A page is called what it calls itself, a file by its name without the ending; a FAQ's
    passages say their question themselves.
    """
    match kind:
        case DocumentKind.FILE:
            return own or title_of(name)
        case DocumentKind.PAGE:
            return own or name
        case _:
            return ""


def title_of(name: str) -> str:
    """A document's name without its file ending."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and ending.isalnum() and len(ending) <= 5 else name


async def lock_by_name(db: AsyncSession, org_id: UUID, kind: DocumentKind, name: str) -> Document:
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
        .values(org_id=org_id, id=new_id(), kind=kind, name=name, **fresh)
        .on_conflict_do_nothing(index_elements=["org_id", "kind", "name"])
    )
    query = select(Document).where(
        Document.org_id == org_id, Document.kind == kind, Document.name == name
    )
    return (
        await db.scalars(query.with_for_update().execution_options(populate_existing=True))
    ).one()


async def begin_version(
    db: AsyncSession, document: Document, *, restored_from: int | None = None
) -> None:
    """Queue the locked document, as it is now, under the next number; none is ever used twice."""
    of_document = (
        DocumentVersion.org_id == document.org_id,
        DocumentVersion.document_id == document.id,
    )
    newest = await db.scalar(select(func.max(DocumentVersion.version)).where(*of_document))
    document.version = (newest or 0) + 1
    requeue(document)
    db.add(
        DocumentVersion(
            **_newest(document),
            sha256=document.sha256,
            size_bytes=document.size_bytes,
            media_type=document.media_type,
            restored_from=restored_from,
        )
    )
    await db.flush()


async def drop_older_files(db: AsyncSession, document: Document) -> None:
    """Keep the bytes of the newest few versions only, and those of the one that is found."""
    kept = [number for number in await kept_files(db, document) if number != document.live_version]
    if dropped := kept[FILES_KEPT - 1 :]:
        await db.execute(
            sql_delete(DocumentFile).where(
                DocumentFile.org_id == document.org_id,
                DocumentFile.document_id == document.id,
                DocumentFile.version.in_(dropped),
            )
        )


async def kept_files(db: AsyncSession, document: Document) -> Sequence[int]:
    """The versions whose bytes are still there, the newest first."""
    query = (
        select(DocumentFile.version)
        .where(DocumentFile.org_id == document.org_id, DocumentFile.document_id == document.id)
        .order_by(DocumentFile.version.desc())
    )
    return (await db.scalars(query)).all()


def _newest(document: Document) -> dict[str, object]:
    return {
        "org_id": document.org_id,
        "document_id": document.id,
        "version": document.version,
    }


def requeue(document: Document) -> None:
    """Let the document wait for a worker as if none had ever taken it."""
    settle(document, Status.QUEUED)
    document.attempts, document.progress, document.started_at = 0, 0.0, None


def settle(document: Document, status: Status) -> None:
    """Set its state and forget whatever failed before."""
    document.status, document.leased_until, document.updated_at = status, None, func.now()
    document.error_code = document.error_message = None


def _count_of(table: type[DocumentFile] | type[DocumentVersion], document: Document) -> Select[int]:
    return select(func.count()).where(
        table.org_id == document.org_id, table.document_id == document.id
    )

"""What the knowledge base looks like on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from knowledge import index
from knowledge.tables import Document, DocumentKind, Passage, PassageKind, Status


class DocumentError(msgspec.Struct, frozen=True):
    code: str
    message: str


class DocumentView(msgspec.Struct, frozen=True):
    id: UUID
    kind: Literal["file", "page", "faq"]
    name: str
    title: str
    url: str | None
    labels: list[str]
    media_type: str
    size_bytes: int
    status: Literal["queued", "extracting", "indexing", "ready", "failed"]
    error: DocumentError | None
    progress: float
    pages: int | None
    passages: int
    version: int
    live_version: int | None
    created_at: datetime
    updated_at: datetime


class DocumentPage(msgspec.Struct, frozen=True):
    items: list[DocumentView]
    next: str | None


class PassageView(msgspec.Struct, frozen=True):
    """`original` is what was read in the document, where a person wrote another text."""

    id: UUID
    document_id: UUID
    ord: int
    kind: Literal["document", "faq"]
    heading: str | None
    page: int | None
    text: str
    original: str | None
    disabled: bool
    tokens: int


class PassagePage(msgspec.Struct, frozen=True):
    items: list[PassageView]
    next: str | None


def document(row: Document) -> DocumentView:
    error = DocumentError(row.error_code, row.error_message or "") if row.error_code else None
    return DocumentView(
        id=row.id,
        kind=DocumentKind(row.kind).value,
        name=row.name,
        title=index.searched_title(row) or row.name,
        url=row.url,
        labels=list(row.labels),
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        status=Status(row.status).value,
        error=error,
        progress=row.progress,
        pages=row.pages,
        passages=row.passages,
        version=row.version,
        live_version=row.live_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def passage(row: Passage) -> PassageView:
    return PassageView(
        id=row.id,
        document_id=row.document_id,
        ord=row.ord,
        kind=PassageKind(row.kind).value,
        heading=row.heading,
        page=row.page,
        text=row.text,
        original=row.original,
        disabled=row.disabled,
        tokens=row.tokens,
    )

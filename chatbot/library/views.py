"""What the knowledge base looks like on the wire, wherever more than one door shows it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from knowledge import index
from knowledge.errors import LABEL_CHARS_MAX, LABELS_MAX
from knowledge.tables import Document, DocumentKind, Passage, Status
from knowledge.web.crawltables import Crawl, CrawlPage

Label = Annotated[str, msgspec.Meta(max_length=LABEL_CHARS_MAX)]
Labels = Annotated[list[Label], msgspec.Meta(max_length=LABELS_MAX)]


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
        error=error(row),
        progress=row.progress,
        pages=row.pages,
        passages=row.passages,
        version=row.version,
        live_version=row.live_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def passage(row: Passage) -> PassageView:
    return msgspec.convert(row, PassageView, from_attributes=True)


def error(row: Document | Crawl | CrawlPage) -> DocumentError | None:
    """Why it failed, if it did."""
    return DocumentError(row.error_code, row.error_message or "") if row.error_code else None

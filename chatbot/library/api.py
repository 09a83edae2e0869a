"""HTTP for the knowledge base: documents, what was understood of them, a search to try; and
sites.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import Router, delete, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import (
    FromPath,
    FromQuery,
    JSONBody,
    MultipartBody,
    QueryParameter,
    SkipValidation,
)

from chatbot.database import Database
from chatbot.jobs import Jobs
from chatbot.library import ingest
from chatbot.orgs import sites
from chatbot.settings import Settings
from chatbot.staff.api import has_session
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role
from knowledge import index, search
from knowledge.bands import Band
from knowledge.embed import Embedder
from knowledge.errors import BODY_BYTES_MAX
from knowledge.tables import Document, Passage, Status

FORM_OVERHEAD_BYTES = 65_536
UPLOAD_BYTES_MAX = BODY_BYTES_MAX + FORM_OVERHEAD_BYTES
QUERY_CHARS_MAX = 1000
HITS_MAX = 20
ORD_MAX = 2**31 - 1

AfterOrd = Annotated[int, QueryParameter(name="after", ge=-1, le=ORD_MAX)]


@dataclass(frozen=True)
class Upload:
    """One file, in the form's field `file`."""

    file: UploadFile


class DocumentError(msgspec.Struct, frozen=True):
    code: str
    message: str


class DocumentView(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    media_type: str
    size_bytes: int
    status: Literal["queued", "extracting", "indexing", "ready", "failed"]
    error: DocumentError | None
    progress: float
    pages: int | None
    passages: int
    version: int
    created_at: datetime
    updated_at: datetime


class DocumentPage(msgspec.Struct, frozen=True):
    items: list[DocumentView]
    next: str | None


class PassageView(msgspec.Struct, frozen=True):
    id: UUID
    document_id: UUID
    ord: int
    heading: str | None
    page: int | None
    text: str


class PassagePage(msgspec.Struct, frozen=True):
    items: list[PassageView]
    next: str | None


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    query: Annotated[str, msgspec.Meta(min_length=1, max_length=QUERY_CHARS_MAX)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=HITS_MAX)] = 10


class SearchHit(msgspec.Struct, frozen=True):
    passage: PassageView
    title: str
    lexical: float
    vector: float
    score: float


class SearchReply(msgspec.Struct, frozen=True):
    """Passages with their scores, and what the bot would do with them."""

    items: list[SearchHit]
    band: Band


class SiteDetails(msgspec.Struct, frozen=True):
    id: UUID
    key: str
    name: str
    allowed_origins: list[str]
    greeting: str
    starters: list[str]
    tag: str


class SiteList(msgspec.Struct, frozen=True):
    items: list[SiteDetails]
    next: str | None = None


@post(
    "/knowledge/documents",
    status_code=202,
    guards=[has_session],
    request_max_body_size=UPLOAD_BYTES_MAX,
    operation_id="upload_document",
)
async def upload_document(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    jobs: NamedDependency[Jobs],
    settings: NamedDependency[Settings],
    data: MultipartBody[Upload],
) -> DocumentView:
    require(staff, Role.OWNER, Role.ADMIN)
    body = await data.file.read()
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        document = await ingest.add(
            db,
            jobs,
            staff.org_id,
            name=data.file.filename,
            body=body,
            limits=settings.limits,
        )
        return _document(document)


@get("/knowledge/documents", operation_id="list_documents")
async def list_documents(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    after: FromQuery[UUID | None] = None,
) -> DocumentPage:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await index.documents(db, staff.org_id, after=after)
    full = len(rows) == index.PAGE_ROWS_MAX
    return DocumentPage([_document(row) for row in rows], str(rows[-1].id) if full else None)


@get("/knowledge/documents/{document_id:uuid}", operation_id="get_document")
async def get_document(
    staff: NamedDependency[Staff], database: NamedDependency[Database], document_id: FromPath[UUID]
) -> DocumentView:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return _document(await index.get(db, staff.org_id, document_id))


@delete("/knowledge/documents/{document_id:uuid}", operation_id="delete_document")
async def delete_document(
    staff: NamedDependency[Staff], database: NamedDependency[Database], document_id: FromPath[UUID]
) -> None:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await index.delete(db, staff.org_id, document_id)


@post(
    "/knowledge/documents/{document_id:uuid}/retry", status_code=202, operation_id="retry_document"
)
async def retry_document(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    jobs: NamedDependency[Jobs],
    document_id: FromPath[UUID],
) -> DocumentView:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return _document(await ingest.retry(db, jobs, staff.org_id, document_id))


@get("/knowledge/documents/{document_id:uuid}/passages", operation_id="list_passages")
async def list_passages(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    document_id: FromPath[UUID],
    after: AfterOrd = -1,
) -> PassagePage:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await index.passages(db, staff.org_id, document_id, after_ord=after)
    full = len(rows) == index.PAGE_ROWS_MAX
    return PassagePage([_passage(row) for row in rows], str(rows[-1].ord) if full else None)


@post("/knowledge/search", status_code=200, operation_id="search_knowledge")
async def search_knowledge(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    embedder: SkipValidation[NamedDependency[Embedder]],
    data: JSONBody[SearchQuery],
) -> SearchReply:
    vectors = await embedder.embed([data.query])
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        found = await search.passages(
            db, staff.org_id, data.query, vectors[0], model=embedder.model, limit=data.limit
        )
    return SearchReply([_hit(hit) for hit in found.hits], found.band)


@get("/sites", operation_id="list_sites")
async def list_sites(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> SiteList:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await sites.sites(db, staff.org_id)
    return SiteList(
        [
            SiteDetails(
                id=row.id,
                key=row.key,
                name=row.name,
                allowed_origins=list(row.allowed_origins),
                greeting=row.greeting,
                starters=list(row.starters),
                tag=sites.tag(row, settings.public_url),
            )
            for row in rows
        ]
    )


ROUTES = Router(
    path="/",
    route_handlers=[
        upload_document,
        list_documents,
        get_document,
        delete_document,
        retry_document,
        list_passages,
        search_knowledge,
        list_sites,
    ],
)


def _document(row: Document) -> DocumentView:
    error = DocumentError(row.error_code, row.error_message or "") if row.error_code else None
    return DocumentView(
        id=row.id,
        name=row.name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        status=Status(row.status).value,
        error=error,
        progress=row.progress,
        pages=row.pages,
        passages=row.passages,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _passage(row: Passage) -> PassageView:
    return PassageView(row.id, row.document_id, row.ord, row.heading, row.page, row.text)


def _hit(hit: search.Hit) -> SearchHit:
    found = hit.passage
    passage = PassageView(
        found.id, found.document_id, found.ord, found.heading, found.page, found.text
    )
    return SearchHit(passage, found.title, hit.lexical, hit.vector, hit.score)

"""HTTP for documents: taken in, looked at, labelled, restored, removed; and their passages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import (
    FromPath,
    FromQuery,
    JSONBody,
    MultipartBody,
    PathParameter,
    QueryParameter,
    SkipValidation,
)

from chatbot.database import Database
from chatbot.errors import NotFound
from chatbot.jobs import Jobs
from chatbot.library import ingest, rewording, views
from chatbot.library.views import DocumentPage, DocumentView, Labels, PassagePage, PassageView
from chatbot.settings import Settings
from chatbot.staff.api import has_session
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role
from knowledge import index, overrides, versions
from knowledge.errors import BODY_BYTES_MAX, PASSAGE_CHARS_MAX
from knowledge.models import Models
from knowledge.tables import DocumentKind

FORM_OVERHEAD_BYTES = 65_536
UPLOAD_BYTES_MAX = BODY_BYTES_MAX + FORM_OVERHEAD_BYTES
INT4_MAX = 2**31 - 1

Version = Annotated[int, PathParameter(ge=1, le=INT4_MAX)]
AfterOrd = Annotated[int, QueryParameter(name="after", ge=-1, le=INT4_MAX)]


@dataclass(frozen=True)
class Upload:
    """One file, in the form's field `file`; its labels, if it has any, in one field with commas."""

    file: UploadFile
    labels: str = ""


class DocumentChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    labels: Labels


class Removed(msgspec.Struct, frozen=True):
    """How much went with the document."""

    passages: int
    postings: int
    vectors: int
    files: int
    versions: int


class VersionView(msgspec.Struct, frozen=True):
    version: int
    size_bytes: int
    pages: int | None
    passages: int
    live: bool
    restorable: bool
    restored_from: int | None
    created_at: datetime


class VersionList(msgspec.Struct, frozen=True):
    items: list[VersionView]
    next: str | None = None


class PassageChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is; `text` null puts back what was read in the document."""

    text: Annotated[str, msgspec.Meta(max_length=PASSAGE_CHARS_MAX)] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    disabled: bool | msgspec.UnsetType = msgspec.UNSET


class OverrideView(msgspec.Struct, frozen=True):
    """A change of a passage; it `applies` while the live version says what was changed."""

    anchor: str
    original: str
    text: str | None
    disabled: bool
    applies: bool
    updated_at: datetime


class OverrideList(msgspec.Struct, frozen=True):
    items: list[OverrideView]
    next: str | None = None


class LabelList(msgspec.Struct, frozen=True):
    items: list[str]
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
            labels=data.labels.split(",") if data.labels else None,
        )
        return views.document(document)


@get("/knowledge/documents", operation_id="list_documents")
async def list_documents(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    kind: FromQuery[DocumentKind | None] = None,
    after: FromQuery[UUID | None] = None,
) -> DocumentPage:
    kinds = [kind] if kind is not None else index.LISTED_KINDS
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await index.documents(db, staff.org_id, kinds=kinds, after=after)
    full = len(rows) == index.PAGE_ROWS_MAX
    return DocumentPage(list(map(views.document, rows)), str(rows[-1].id) if full else None)


@get("/knowledge/documents/{document_id:uuid}", operation_id="get_document")
async def get_document(
    staff: NamedDependency[Staff], database: NamedDependency[Database], document_id: FromPath[UUID]
) -> DocumentView:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return views.document(await index.get(db, staff.org_id, document_id))


@patch("/knowledge/documents/{document_id:uuid}", operation_id="change_document")
async def change_document(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    document_id: FromPath[UUID],
    data: JSONBody[DocumentChange],
) -> DocumentView:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return views.document(await index.label(db, staff.org_id, document_id, data.labels))


@delete("/knowledge/documents/{document_id:uuid}", status_code=200, operation_id="delete_document")
async def delete_document(
    staff: NamedDependency[Staff], database: NamedDependency[Database], document_id: FromPath[UUID]
) -> Removed:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        gone = await index.delete(db, staff.org_id, document_id)
    return msgspec.convert(gone, Removed, from_attributes=True)


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
        return views.document(await ingest.retry(db, jobs, staff.org_id, document_id))


@get("/knowledge/documents/{document_id:uuid}/versions", operation_id="list_versions")
async def list_versions(
    staff: NamedDependency[Staff], database: NamedDependency[Database], document_id: FromPath[UUID]
) -> VersionList:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return VersionList(
            [_version(each) for each in await versions.listed(db, staff.org_id, document_id)]
        )


@post(
    "/knowledge/documents/{document_id:uuid}/versions/{version:int}/restore",
    status_code=202,
    operation_id="restore_version",
)
async def restore_version(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    jobs: NamedDependency[Jobs],
    document_id: FromPath[UUID],
    version: Version,
) -> DocumentView:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return views.document(await ingest.restore(db, jobs, staff.org_id, document_id, version))


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
    return PassagePage(list(map(views.passage, rows)), str(rows[-1].ord) if full else None)


@patch("/knowledge/passages/{passage_id:uuid}", operation_id="change_passage")
async def change_passage(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    models: SkipValidation[NamedDependency[Models]],
    passage_id: FromPath[UUID],
    data: JSONBody[PassageChange],
) -> PassageView:
    require(staff, Role.OWNER, Role.ADMIN)
    edit = rewording.Edit(
        text=data.text,
        disabled=None if data.disabled is msgspec.UNSET else data.disabled,
    )
    return views.passage(await rewording.change(database, models, staff, passage_id, edit))


@get("/knowledge/documents/{document_id:uuid}/overrides", operation_id="list_overrides")
async def list_overrides(
    staff: NamedDependency[Staff], database: NamedDependency[Database], document_id: FromPath[UUID]
) -> OverrideList:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        document = await index.get(db, staff.org_id, document_id)
        found = await overrides.listed(db, document)
    return OverrideList(
        [
            OverrideView(
                anchor=row.anchor.hex(),
                original=row.original,
                text=row.text,
                disabled=row.disabled,
                applies=applies,
                updated_at=row.updated_at,
            )
            for row, applies in found
        ]
    )


@delete(
    "/knowledge/documents/{document_id:uuid}/overrides/{anchor:str}",
    operation_id="forget_override",
)
async def forget_override(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    document_id: FromPath[UUID],
    anchor: FromPath[str],
) -> None:
    require(staff, Role.OWNER, Role.ADMIN)
    try:
        wanted = bytes.fromhex(anchor)
    except ValueError as error:
        raise NotFound from error
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await overrides.forget(db, staff.org_id, document_id, wanted)


@get("/knowledge/labels", operation_id="list_labels")
async def list_labels(
    staff: NamedDependency[Staff], database: NamedDependency[Database]
) -> LabelList:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return LabelList(list(await index.labels(db, staff.org_id)))


HANDLERS = [
    upload_document,
    list_documents,
    get_document,
    change_document,
    delete_document,
    retry_document,
    list_versions,
    restore_version,
    list_passages,
    change_passage,
    list_overrides,
    forget_override,
    list_labels,
]


def _version(listed: versions.Listed) -> VersionView:
    row = listed.row
    return VersionView(
        version=row.version,
        size_bytes=row.size_bytes,
        pages=row.pages,
        passages=row.passages,
        live=listed.live,
        restorable=listed.restorable,
        restored_from=row.restored_from,
        created_at=row.created_at,
    )

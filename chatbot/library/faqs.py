"""HTTP for questions with answers: one by one, and as a table taken in or given out."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from litestar import Response, delete, get, post, put
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
from chatbot.library import faqtable
from chatbot.library.views import Labels
from chatbot.settings import Settings
from chatbot.staff.api import has_session
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role
from knowledge import faqcsv, faqs
from knowledge.errors import ANSWER_CHARS_MAX, QUESTION_CHARS_MAX, URL_CHARS_MAX, VARIANTS_MAX
from knowledge.faqs import Draft, Entry
from knowledge.models import Models

BODY_BYTES_MAX: Final = 262_144
IMPORT_BYTES_MAX: Final = faqcsv.BODY_BYTES_MAX + 65_536

Wording = Annotated[str, msgspec.Meta(min_length=1, max_length=QUESTION_CHARS_MAX)]
Sought = Annotated[str, QueryParameter(name="q", max_length=faqs.SOUGHT_CHARS_MAX)]


@dataclass(frozen=True)
class Import:
    """A CSV in the form's field `file`; with `dry_run` nothing is written."""

    file: UploadFile
    dry_run: bool = False


class FaqText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`variants` are other ways to ask; a question that is `word_for_word` may be answered without
    a model.
    """

    question: Wording
    answer: Annotated[str, msgspec.Meta(min_length=1, max_length=ANSWER_CHARS_MAX)]
    variants: Annotated[list[Wording], msgspec.Meta(max_length=VARIANTS_MAX)] = []
    url: Annotated[str, msgspec.Meta(max_length=URL_CHARS_MAX)] | None = None
    labels: Labels = []
    word_for_word: bool = True
    enabled: bool = True


class FaqView(msgspec.Struct, frozen=True):
    id: UUID
    question: str
    variants: list[str]
    answer: str
    url: str | None
    labels: list[str]
    word_for_word: bool
    enabled: bool
    updated_at: datetime


class FaqPage(msgspec.Struct, frozen=True):
    items: list[FaqView]
    next: str | None


class ImportedRow(msgspec.Struct, frozen=True):
    """How a row ended; `row` counts as a spreadsheet does, the columns' names being row 1."""

    row: int
    question: str
    outcome: Literal["added", "changed", "unchanged", "failed"]
    code: str | None
    message: str | None


class ImportReply(msgspec.Struct, frozen=True):
    added: int
    changed: int
    unchanged: int
    failed: int
    dry_run: bool
    rows: list[ImportedRow]


@get("/knowledge/faqs", operation_id="list_faqs")
async def list_faqs(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    after: FromQuery[UUID | None] = None,
    q: Sought = "",
) -> FaqPage:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await faqs.page(db, staff.org_id, after=after, sought=q)
    full = len(rows) == faqs.PAGE_ROWS_MAX
    return FaqPage([_view(row) for row in rows], str(rows[-1].id) if full else None)


@post(
    "/knowledge/faqs",
    guards=[has_session],
    request_max_body_size=BODY_BYTES_MAX,
    operation_id="add_faq",
)
async def add_faq(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    models: SkipValidation[NamedDependency[Models]],
    settings: NamedDependency[Settings],
    data: JSONBody[FaqText],
) -> FaqView:
    require(staff, Role.OWNER, Role.ADMIN)
    transactions = partial(database.transaction, actor=staff.actor)
    most = settings.limits.faqs_max
    return _view(await faqs.save(transactions, models, staff.org_id, _draft(data), most=most))


@get("/knowledge/faqs/{faq_id:uuid}", operation_id="get_faq")
async def get_faq(
    staff: NamedDependency[Staff], database: NamedDependency[Database], faq_id: FromPath[UUID]
) -> FaqView:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return _view(await faqs.get(db, staff.org_id, faq_id))


@put(
    "/knowledge/faqs/{faq_id:uuid}",
    guards=[has_session],
    request_max_body_size=BODY_BYTES_MAX,
    operation_id="change_faq",
)
async def change_faq(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    models: SkipValidation[NamedDependency[Models]],
    faq_id: FromPath[UUID],
    data: JSONBody[FaqText],
) -> FaqView:
    require(staff, Role.OWNER, Role.ADMIN)
    transactions = partial(database.transaction, actor=staff.actor)
    return _view(await faqs.save(transactions, models, staff.org_id, _draft(data), faq_id=faq_id))


@delete("/knowledge/faqs/{faq_id:uuid}", operation_id="delete_faq")
async def delete_faq(
    staff: NamedDependency[Staff], database: NamedDependency[Database], faq_id: FromPath[UUID]
) -> None:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await faqs.delete_one(db, staff.org_id, faq_id)


@post(
    "/knowledge/faqs/import",
    status_code=200,
    guards=[has_session],
    request_max_body_size=IMPORT_BYTES_MAX,
    operation_id="import_faqs",
)
async def import_faqs(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    models: SkipValidation[NamedDependency[Models]],
    settings: NamedDependency[Settings],
    data: MultipartBody[Import],
) -> ImportReply:
    require(staff, Role.OWNER, Role.ADMIN)
    report = await faqtable.take_in(
        database,
        models,
        staff,
        await data.file.read(),
        dry_run=data.dry_run,
        most=settings.limits.faqs_max,
    )
    return msgspec.convert(report, ImportReply, from_attributes=True)


@get("/knowledge/faqs/export", operation_id="export_faqs")
async def export_faqs(
    staff: NamedDependency[Staff], database: NamedDependency[Database]
) -> Response[bytes]:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        drafts = [entry.draft async for entry in faqs.all_of(db, staff.org_id)]
    return Response(
        await asyncio.to_thread(faqcsv.write, drafts),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="questions.csv"'},
    )


HANDLERS = [
    list_faqs,
    add_faq,
    get_faq,
    change_faq,
    delete_faq,
    import_faqs,
    export_faqs,
]


def _draft(data: FaqText) -> Draft:
    return msgspec.convert(data, Draft, from_attributes=True)


def _view(entry: Entry) -> FaqView:
    said = msgspec.structs.asdict(entry.draft)
    return msgspec.convert({"id": entry.id, "updated_at": entry.updated_at, **said}, FaqView)

"""HTTP for administrators: which models the organisation's bot asks. A key goes in and never comes
out.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, SkipValidation

from chatbot.answering.models import orgmodels
from chatbot.answering.models.endpoints import Endpoints
from chatbot.answering.models.orgmodels import Trial, Wanted
from chatbot.answering.tables import AnswerModel
from chatbot.database import Database
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role
from chatbot.throttle import Throttle
from knowledge.web.weburl import URL_BYTES_MAX

TRIALS_PER_MINUTE: Final = 10
PRICE_MAX: Final = 1_000_000

Rank = Annotated[int, PathParameter(ge=1, le=2)]
Price = Annotated[float, msgspec.Meta(ge=0, le=PRICE_MAX)]


class ModelWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`base_url` absent: the install's own endpoint. `key` absent keeps the stored one, empty
    removes it. Prices are per million tokens.
    """

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    base_url: Annotated[str, msgspec.Meta(max_length=URL_BYTES_MAX)] | None = None
    key: Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[\x21-\x7e]*$")] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    input_price: Price | None = None
    output_price: Price | None = None


class ModelView(msgspec.Struct, frozen=True):
    """`key_hint` is the end of the stored key, null where none is stored."""

    rank: int
    model: str
    base_url: str | None
    key_hint: str | None
    temperature: float | None
    input_price: float | None
    output_price: float | None
    updated_at: datetime


class ModelList(msgspec.Struct, frozen=True):
    """`install` is what answers where the organisation has nothing of its own."""

    items: list[ModelView]
    install: str


@get("/org/models", operation_id="list_models")
async def list_models(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    endpoints: SkipValidation[NamedDependency[Endpoints]],
) -> ModelList:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await orgmodels.of_org(db, staff.org_id)
    return ModelList([_view(row) for row in rows], endpoints.own_name)


@put("/org/models/{rank:int}", operation_id="put_model")
async def put_model(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    endpoints: SkipValidation[NamedDependency[Endpoints]],
    rank: Rank,
    data: JSONBody[ModelWanted],
) -> ModelView:
    require(staff, Role.OWNER, Role.ADMIN)
    wanted = Wanted(**msgspec.structs.asdict(data))
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return _view(await orgmodels.put(db, endpoints, staff, rank, wanted))


@delete("/org/models/{rank:int}", operation_id="delete_model")
async def delete_model(
    staff: NamedDependency[Staff], database: NamedDependency[Database], rank: Rank
) -> None:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await orgmodels.remove(db, staff.org_id, rank)


@post("/org/models/{rank:int}/test", status_code=200, operation_id="test_model")
async def test_model(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    endpoints: SkipValidation[NamedDependency[Endpoints]],
    throttle: NamedDependency[Throttle],
    rank: Rank,
) -> Trial:
    """One tiny real call to the stored model."""
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        row = await orgmodels.get_model(db, staff.org_id, rank)
    throttle.spend("model_test", str(staff.org_id), per_minute=TRIALS_PER_MINUTE)
    return await orgmodels.tried(endpoints, row)


ROUTES = Router(
    path="/",
    route_handlers=[list_models, put_model, delete_model, test_model],
)


def _view(row: AnswerModel) -> ModelView:
    return ModelView(
        rank=row.rank,
        model=row.model,
        base_url=row.base_url,
        key_hint=row.key_hint,
        temperature=row.temperature,
        input_price=row.input_price,
        output_price=row.output_price,
        updated_at=row.updated_at,
    )

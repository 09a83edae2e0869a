"""HTTP for an organisation's budget: what its answers may cost a day, and what they have cost."""

from typing import Annotated, Final

import msgspec
from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from chatbot.answering.spending import overview
from chatbot.answering.spending.budget import Scope
from chatbot.answering.spending.overview import Choice, Overview
from chatbot.database import Database
from chatbot.settings import Settings
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role

ANSWERS_A_DAY_MAX: Final = 1_000_000_000
TOKENS_A_DAY_MAX: Final = 1_000_000_000_000
SCOPES: Final = 3


class WantedAllowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Null follows the install's default; zero lets no model answer."""

    scope: Scope
    answers_per_day: Annotated[int, msgspec.Meta(ge=0, le=ANSWERS_A_DAY_MAX)] | None
    tokens_per_day: Annotated[int, msgspec.Meta(ge=0, le=TOKENS_A_DAY_MAX)] | None


class WantedBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scope that is not named stays as it is."""

    allowances: Annotated[list[WantedAllowance], msgspec.Meta(min_length=1, max_length=SCOPES)]


@get("/org/budget", operation_id="get_budget")
async def get_budget(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> Overview:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await overview.read(db, staff.org_id, settings.limits)


@put("/org/budget", operation_id="set_budget")
async def set_budget(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    data: JSONBody[WantedBudget],
) -> Overview:
    require(staff, Role.OWNER, Role.ADMIN)
    wanted = [
        Choice(each.scope, each.answers_per_day, each.tokens_per_day) for each in data.allowances
    ]
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await overview.set_allowances(db, staff.org_id, wanted, by_id=staff.staff_id)
        return await overview.read(db, staff.org_id, settings.limits)


ROUTES = Router(path="/", route_handlers=[get_budget, set_budget])

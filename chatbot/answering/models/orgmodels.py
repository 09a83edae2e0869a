"""The models that an organisation gives its bot: kept, changed, taken away, tried out."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.models.breaker import Breaker
from chatbot.answering.models.endpoints import Endpoints
from chatbot.answering.models.failures import ModelFailed
from chatbot.answering.models.ladder import Ladder
from chatbot.answering.models.model import Timeouts
from chatbot.answering.tables import AnswerModel
from chatbot.answering.voice.prompt import Prompt
from chatbot.database import utc_now
from chatbot.errors import Invalid, NotFound
from chatbot.staff.login import Staff

HINT_CHARS: Final = 4
HINTED_CHARS_MIN: Final = 12  # of a shorter key, four characters would be too much of it
TRIAL_TIMEOUTS: Final = Timeouts(connect_s=5.0, first_s=12.0, idle_s=5.0, whole_s=15.0)
TRIAL_S: Final = 25.0
TRIAL_TOKENS_MAX: Final = 200  # room for a model that thinks first
TRIAL: Final = Prompt(
    question="Reply with the one word: ready",
    history=(),
    excerpts=(),
    instructions="You are being tested. Do as you are told.",
    tokens_max=TRIAL_TOKENS_MAX,
)


class Wanted(msgspec.Struct, frozen=True):
    """How a model is to be. `key` None keeps the stored one, empty removes it."""

    model: str
    base_url: str | None = None
    key: str | None = None
    temperature: float | None = None
    input_price: float | None = None
    output_price: float | None = None


class Trial(msgspec.Struct, frozen=True):
    """How one real call went, and what to do when it went wrong."""

    ok: bool
    code: str | None
    message: str
    first_ms: int | None


async def of_org(db: AsyncSession, org_id: UUID) -> Sequence[AnswerModel]:
    """The organisation's models, best first."""
    query = select(AnswerModel).where(AnswerModel.org_id == org_id).order_by(AnswerModel.rank)
    return (await db.scalars(query)).all()


async def get_model(
    db: AsyncSession, org_id: UUID, rank: int, *, lock: bool = False
) -> AnswerModel:
    """NotFound when there is none of that rank."""
    query = select(AnswerModel).where(AnswerModel.org_id == org_id, AnswerModel.rank == rank)
    row = await db.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound
    return row


async def put(
    db: AsyncSession, endpoints: Endpoints, staff: Staff, rank: int, wanted: Wanted
) -> AnswerModel:
    """Store it as the organisation's first or second model. Invalid `bad_address`, or `key_needed`
    when a stored key would go to another address than the one it was entered for.
    """
    base_url = _address(endpoints, wanted.base_url)
    new = {"org_id": staff.org_id, "rank": rank, "model": wanted.model, "base_url": base_url}
    await db.execute(insert(AnswerModel).values(new).on_conflict_do_nothing())
    row = await get_model(db, staff.org_id, rank, lock=True)
    if wanted.key is None and row.key_sealed is not None and row.base_url != base_url:
        raise Invalid(
            "key_needed",
            "The stored key was entered for another address. Enter the key for this one, or an "
            "empty one.",
        )
    row.model, row.base_url, row.temperature = wanted.model, base_url, wanted.temperature
    row.input_price, row.output_price = wanted.input_price, wanted.output_price
    if wanted.key is not None:
        row.key_sealed = endpoints.box.seal(staff.org_id, wanted.key) if wanted.key else None
        row.key_hint = _hint(wanted.key)
    row.updated_at, row.updated_by_id = utc_now(), staff.staff_id
    return row


async def remove(db: AsyncSession, org_id: UUID, rank: int) -> None:
    """NotFound when there is none."""
    await get_model(db, org_id, rank, lock=True)
    await db.execute(
        delete(AnswerModel).where(AnswerModel.org_id == org_id, AnswerModel.rank == rank)
    )


async def tried(endpoints: Endpoints, row: AnswerModel) -> Trial:
    """One tiny real call, whatever the circuit says; a good one closes it."""
    rung = endpoints.rung(row, timeouts=TRIAL_TIMEOUTS)
    ladder = Ladder([msgspec.structs.replace(rung, breaker=Breaker())])
    try:
        async with asyncio.timeout(TRIAL_S):
            async for _ in ladder.stream(TRIAL):
                pass
    except ModelFailed as error:
        return Trial(ok=False, code=error.code, message=error.message, first_ms=None)
    except TimeoutError:
        error = ModelFailed("timeout_whole")
        return Trial(ok=False, code=error.code, message=error.message, first_ms=None)
    rung.breaker.succeeded()
    step = ladder.steps[-1]
    message = f"{row.model} answered in {step.ms} ms."
    return Trial(ok=True, code=None, message=message, first_ms=step.first_ms)


def _address(endpoints: Endpoints, base_url: str | None) -> str | None:
    """The address in its one spelling; None for the install's endpoint."""
    if base_url is None:
        return None
    if any(mark in base_url for mark in "?#"):
        raise Invalid(
            "bad_address", "A base URL ends with its path, mostly /v1. Leave out the rest."
        )
    try:
        return endpoints.place(base_url)[0].rstrip("/")
    except ModelFailed as error:
        raise Invalid("bad_address", error.message) from error


def _hint(key: str) -> str | None:
    if not key:
        return None
    return key[-HINT_CHARS:] if len(key) >= HINTED_CHARS_MIN else "…"

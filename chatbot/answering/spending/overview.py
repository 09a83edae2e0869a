"""What an organisation lets its answers cost a day, what they have cost, and for how long that is
known.
"""

import math
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.spending.budget import MICROS, Scope, defaults
from chatbot.answering.tables import Allowance, Spending
from chatbot.database import Database, utc_now
from chatbot.settings import Limits

DAYS_SHOWN: Final = 14
VISITOR_DAYS_KEPT: Final = 30
DAYS_KEPT: Final = 400
FORGOTTEN_AT_ONCE: Final = 5_000
FORGET_EVERY_S: Final = 3_600.0


class Allowed(msgspec.Struct, frozen=True):
    """What the organisation chose for a scope; None where it follows the install's default."""

    scope: Scope
    answers_per_day: int | None
    tokens_per_day: int | None
    default_answers_per_day: int
    default_tokens_per_day: int


class Day(msgspec.Struct, frozen=True):
    """Ended and running answers of one day; `cost` is None while none had a price."""

    day: date
    answers: int = 0
    tokens: int = 0
    cost: float | None = None


class Today(msgspec.Struct, frozen=True):
    answers: int
    tokens: int
    cost: float | None
    visitors_at_limit: int


class Overview(msgspec.Struct, frozen=True):
    """`days` are the last 14, the latest first."""

    allowances: list[Allowed]
    today: Today
    days: list[Day]


class Choice(msgspec.Struct, frozen=True):
    """An allowance as the organisation wants it; None for the install's default."""

    scope: Scope
    answers_per_day: int | None = None
    tokens_per_day: int | None = None


async def read(db: AsyncSession, org_id: UUID, limits: Limits) -> Overview:
    """What the organisation may spend a day, and what it has spent of late."""
    chosen = await _chosen(db, org_id)
    allowances = [
        Allowed(
            scope,
            chosen[scope].answers_per_day if scope in chosen else None,
            chosen[scope].tokens_per_day if scope in chosen else None,
            share.answers,
            share.tokens,
        )
        for scope, share in defaults(limits).items()
    ]
    today = utc_now().date()
    days = await _days(db, org_id, today)
    visitor = next(each for each in allowances if each.scope == "visitor")
    return Overview(
        allowances,
        Today(
            days[0].answers,
            days[0].tokens,
            days[0].cost,
            await _visitors_at_limit(db, org_id, today, visitor),
        ),
        days,
    )


async def set_allowances(
    db: AsyncSession, org_id: UUID, choices: Sequence[Choice], *, by_id: UUID
) -> None:
    """Change what the organisation allows; a scope that is not named stays as it is."""
    for choice in sorted(choices, key=lambda each: each.scope, reverse=True):
        values = {
            "answers_per_day": choice.answers_per_day,
            "tokens_per_day": choice.tokens_per_day,
            "updated_by_id": by_id,
            "updated_at": utc_now(),
        }
        await db.execute(
            insert(Allowance)
            .values(org_id=org_id, scope=choice.scope, **values)
            .on_conflict_do_update(index_elements=["org_id", "scope"], set_=values)
        )


async def forget_old(db: AsyncSession, org_id: UUID) -> None:
    """Delete the oldest rows of one organisation that are kept no longer."""
    today = utc_now().date()
    key = tuple_(Spending.day, Spending.scope, Spending.owner_id)
    old = (
        select(Spending.day, Spending.scope, Spending.owner_id)
        .where(
            Spending.org_id == org_id,
            Spending.day < today - timedelta(days=VISITOR_DAYS_KEPT),
            or_(Spending.scope == "visitor", Spending.day < today - timedelta(days=DAYS_KEPT)),
        )
        .limit(FORGOTTEN_AT_ONCE)
    )
    await db.execute(delete(Spending).where(Spending.org_id == org_id, key.in_(old)))


class Forgetting:
    """Deletes, at the start and once an hour, what single visitors spent more than 30 days ago and
    all that is older than 400; at most 5,000 rows of an organisation each time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ran_at = -math.inf

    async def resume(self) -> None:
        if time.monotonic() - self._ran_at < FORGET_EVERY_S:
            return
        self._ran_at = time.monotonic()
        async with self._database.transaction() as db:
            org_ids: Sequence[UUID] = (await db.scalars(text("select lookup.orgs_list()"))).all()
        for org_id in org_ids:
            async with self._database.transaction(org_id, actor="system") as db:
                await forget_old(db, org_id)


async def _chosen(db: AsyncSession, org_id: UUID) -> dict[str, Allowance]:
    rows = await db.scalars(select(Allowance).where(Allowance.org_id == org_id))
    return {row.scope: row for row in rows}


async def _days(db: AsyncSession, org_id: UUID, today: date) -> list[Day]:
    first = today - timedelta(days=DAYS_SHOWN - 1)
    rows = await db.scalars(
        select(Spending).where(
            Spending.org_id == org_id,
            Spending.day >= first,
            Spending.scope == "org",
            Spending.owner_id == org_id,
        )
    )
    spent = {
        row.day: Day(
            row.day,
            row.answers,
            row.tokens,
            row.cost_micros / MICROS if row.cost_micros else None,
        )
        for row in rows
    }
    every = (today - timedelta(days=ago) for ago in range(DAYS_SHOWN))
    return [spent.get(day, Day(day)) for day in every]


async def _visitors_at_limit(db: AsyncSession, org_id: UUID, today: date, allowed: Allowed) -> int:
    """Who has no answer left today, or no tokens for another like those so far."""
    answers, tokens = allowed.answers_per_day, allowed.tokens_per_day
    answers_max = allowed.default_answers_per_day if answers is None else answers
    tokens_max = allowed.default_tokens_per_day if tokens is None else tokens
    another = Spending.tokens / func.greatest(Spending.answers, 1)
    found = await db.scalar(
        select(func.count()).where(
            Spending.org_id == org_id,
            Spending.day == today,
            Spending.scope == "visitor",
            or_(Spending.answers >= answers_max, Spending.tokens + another > tokens_max),
        )
    )
    return found or 0

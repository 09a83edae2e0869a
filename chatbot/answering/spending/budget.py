"""What answers written by a model may cost a day: reserved before, settled after, by visitor, site
and organisation.

Locks are taken in one order everywhere: the answer, then the days of its visitor, its site, its
organisation. Days are UTC.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.tables import Answer
from chatbot.database import utc_now
from chatbot.settings import Limits

Scope = Literal["visitor", "site", "org"]
MICROS: Final = 1_000_000

_OPEN_DAY = text(
    """
    insert into spending (org_id, day, scope, owner_id)
    select :org, :day, o.scope, o.owner_id
    from unnest(cast(:scopes as text[]), cast(:owners as uuid[])) as o(scope, owner_id)
    order by o.scope desc
    on conflict do nothing
    """
)

# Locks the turn. What a crash of the database could undo is a reservation and its charge together:
# waiting for the disk would make all answers of an organisation wait for each other.
_TURN = text(
    """
    select a.reserved_on, c.site_id, c.visitor_id, set_config('synchronous_commit', 'off', true)
    from answers a join conversations c on c.org_id = a.org_id and c.id = a.conversation_id
    where a.org_id = :org and a.id = :mid and a.status = 'running'
    for update of a
    """
)

# The rows are there; `scope desc` is visitor, site, organisation. Only who pays, with a key of its
# own for its first model, may allow more than the operator does.
_CHARGE = text(
    """
    with allowed as (
      select d.scope, d.owner_id,
        case when pays then coalesce(a.answers_per_day, d.answers)
          else least(a.answers_per_day, d.answers) end as answers,
        case when pays then coalesce(a.tokens_per_day, d.tokens)
          else least(a.tokens_per_day, d.tokens) end as tokens
      from unnest(
        cast(:scopes as text[]), cast(:owners as uuid[]),
        cast(:answers as bigint[]), cast(:tokens as bigint[])
      ) as d(scope, owner_id, answers, tokens)
      left join allowances a on a.org_id = :org and a.scope = d.scope
      cross join (
        select exists (
          select from answer_models where org_id = :org and rank = 1 and key_sealed is not null
        ) as pays
      ) own
    ), held as (
      select s.scope, s.owner_id, s.answers, s.tokens
      from spending s join allowed a on a.scope = s.scope and a.owner_id = s.owner_id
      where s.org_id = :org and s.day = :day
      order by s.scope desc
      for update of s
    ), used_up as (
      select h.scope from held h join allowed a on a.scope = h.scope and a.owner_id = h.owner_id
      where h.answers + 1 > a.answers or h.tokens + :needed > a.tokens
    ), charged as (
      update spending s set answers = s.answers + 1, tokens = s.tokens + :needed
      from held h
      where s.org_id = :org and s.day = :day and s.scope = h.scope and s.owner_id = h.owner_id
        and not exists (select from used_up)
    ), noted as (
      update answers set reserved_tokens = :needed, reserved_on = :day
      where org_id = :org and id = :mid and not exists (select from used_up)
    )
    select scope from used_up order by scope desc limit 1
    """
)

_SETTLE = text(
    """
    with held as (
      select s.scope, s.owner_id from spending s
      join unnest(cast(:scopes as text[]), cast(:owners as uuid[])) as o(scope, owner_id)
        on o.scope = s.scope and o.owner_id = s.owner_id
      where s.org_id = :org and s.day = :day
      order by s.scope desc
      for update of s
    )
    update spending s
    set answers = greatest(0, s.answers + :answers), tokens = greatest(0, s.tokens + :tokens),
      cost_micros = s.cost_micros + :cost
    from held h
    where s.org_id = :org and s.day = :day and s.scope = h.scope and s.owner_id = h.owner_id
    """
)


class Share(msgspec.Struct, frozen=True):
    """How much a day: answers written by a model, and the tokens of all calls for them."""

    answers: int
    tokens: int


async def reserve(
    db: AsyncSession, org_id: UUID, mid: UUID, *, tokens: int, limits: Limits
) -> Scope | Literal["ended"] | None:
    """Set `tokens` and one answer aside for a running turn: for all it belongs to, or for none.

    None when the turn may ask its model, now or because an earlier attempt reserved already; else
    whose share is used up. `ended` when the turn no longer runs.
    """
    turn = (await db.execute(_TURN, {"org": org_id, "mid": mid})).one_or_none()
    if turn is None:
        return "ended"
    if turn.reserved_on is not None:
        return None
    owners = _owners(org_id, turn.site_id, turn.visitor_id)
    day = _day(org_id, utc_now().date(), owners)
    await db.execute(_OPEN_DAY, day)
    shares = [defaults(limits)[scope] for scope in owners]
    wanted: dict[str, Any] = {
        "mid": mid,
        "needed": tokens,
        "answers": [share.answers for share in shares],
        "tokens": [share.tokens for share in shares],
    }
    return await db.scalar(_CHARGE, day | wanted)


class Bill(msgspec.Struct, frozen=True):
    """What is still to be counted of an ended turn; `opens` the days it counts in."""

    given: dict[str, Any]
    opens: bool


def bill(
    answer: Answer,
    *,
    site_id: UUID | None,
    visitor_id: UUID | None,
    tokens_used: int | None,
    cost: float | None = None,
) -> Bill | None:
    """What an ended turn used in the place of what it had reserved, which its row no longer says
    then; None when nothing is to be counted. `tokens_used` None: nobody knows, and the reservation
    stands.

    An answer that used no model does not count. The caller has locked the answer's row.
    """
    counted = int(answer.reserved_on is not None)
    used = answer.reserved_tokens if tokens_used is None else tokens_used
    owners = _owners(answer.org_id, site_id, visitor_id)
    day = _day(answer.org_id, answer.reserved_on or utc_now().date(), owners)
    spent = {
        "answers": int(used > 0) - counted,
        "tokens": used - answer.reserved_tokens,
        "cost": round((cost or 0) * MICROS),
    }
    answer.reserved_tokens, answer.reserved_on = 0, None
    return Bill(day | spent, not counted) if counted or used else None


async def settle(db: AsyncSession, bill: Bill) -> None:
    """Count it, on the day of the reservation. Call it last in the transaction: it holds the
    organisation's day until the commit.
    """
    await db.flush()  # the answer's row is written before its days are locked
    if bill.opens:
        await db.execute(_OPEN_DAY, bill.given)
    await db.execute(_SETTLE, bill.given)


def defaults(limits: Limits) -> Mapping[Scope, Share]:
    """The install's own allowances."""
    return {
        "visitor": Share(limits.answers_per_visitor_day, limits.tokens_per_visitor_day),
        "site": Share(limits.answers_per_site_day, limits.tokens_per_site_day),
        "org": Share(limits.answers_per_org_day, limits.tokens_per_org_day),
    }


def _owners(org_id: UUID, site_id: UUID | None, visitor_id: UUID | None) -> dict[Scope, UUID]:
    """Whose days a turn counts in, in the order in which they are locked."""
    every: dict[Scope, UUID | None] = {"visitor": visitor_id, "site": site_id, "org": org_id}
    return {scope: owner for scope, owner in every.items() if owner is not None}


def _day(org_id: UUID, day: date, owners: Mapping[Scope, UUID]) -> dict[str, Any]:
    """The rows of `spending` as the statements name them."""
    return {
        "org": org_id,
        "day": day,
        "scopes": list(owners),
        "owners": list(owners.values()),
    }

"""Which colleagues have the console open, on any node: rows that last a while and are renewed."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.staff.tables import Attendance

# By the database's clock, as everything that compares: those of the nodes may differ.
_ATTEND = text(
    """
    insert into attendance (org_id, staff_id, node, until)
    select m.org_id, m.id, :node, clock_timestamp() + :lasts
    from staff_members m
    where m.org_id = :org and m.id = any (:staff) and m.disabled_at is null
    on conflict (org_id, staff_id, node) do update set until = excluded.until
    """
)
_NOW = func.clock_timestamp()


async def attend(
    db: AsyncSession, org_id: UUID, staff_ids: Collection[UUID], *, node: str, lasts: timedelta
) -> None:
    """These colleagues are there, on this node, for so long from now."""
    given = {"org": org_id, "staff": list(staff_ids), "node": node, "lasts": lasts}
    await db.execute(_ATTEND, given)


async def leave(db: AsyncSession, org_id: UUID, staff_ids: Collection[UUID], *, node: str) -> None:
    """They are no longer there, as far as this node knows."""
    await db.execute(
        delete(Attendance).where(
            Attendance.org_id == org_id,
            Attendance.staff_id.in_(staff_ids),
            Attendance.node == node,
        )
    )


async def hurry(db: AsyncSession, org_id: UUID, *, node: str, lasts: timedelta) -> None:
    """The node goes down: what it said of this organisation lasts no longer than that."""
    await db.execute(
        update(Attendance)
        .where(Attendance.org_id == org_id, Attendance.node == node)
        .values(until=func.least(Attendance.until, _NOW + lasts))
    )


async def is_staffed(db: AsyncSession, org_id: UUID) -> bool:
    """Whether somebody is there."""
    return bool(
        await db.scalar(
            select(exists().where(Attendance.org_id == org_id, Attendance.until > _NOW))
        )
    )


async def lapsed(db: AsyncSession) -> list[UUID]:
    """Organisations, of all, with rows that were not renewed in time."""
    found = await db.scalars(text("select * from lookup.lapsed_attendance()"))
    return list(found)


async def clear(db: AsyncSession, org_id: UUID) -> None:
    """Remove what ran out; whoever is just being renewed is left alone."""
    stale = (
        select(Attendance.staff_id, Attendance.node)
        .where(Attendance.org_id == org_id, Attendance.until <= _NOW)
        .with_for_update(skip_locked=True)
        .subquery()
    )
    await db.execute(
        delete(Attendance).where(
            Attendance.org_id == org_id,
            Attendance.staff_id == stale.c.staff_id,
            Attendance.node == stale.c.node,
        )
    )

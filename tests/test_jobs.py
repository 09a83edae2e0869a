"""Jobs are deferred in the business transaction, once however often they are asked for."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.jobs import Jobs
from chatbot.orgs.tables import Org

WAITING = text("select count(*) from jobs.procrastinate_jobs where queueing_lock = :lock")


async def waiting(db: AsyncSession, org: Org) -> int:
    return await db.scalar(WAITING, {"lock": f"test:{org.id}"}) or 0


async def test_a_job_asked_for_twice_waits_once_and_the_transaction_goes_on(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    jobs = Jobs(database.url)

    async with database.transaction(alder.id) as db:
        await jobs.defer(db, "test", alder.id)
        await jobs.defer(db, "test", alder.id)
        await jobs.defer(db, "test", birch.id)
        found = await waiting(db, alder), await waiting(db, birch)

    assert found == (1, 1)


async def test_a_job_of_a_transaction_that_failed_never_was(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    jobs = Jobs(database.url)

    async with database.transaction(alder.id) as db:
        await jobs.defer(db, "test", alder.id)
        await db.rollback()
    async with database.transaction(alder.id) as db:
        found = await waiting(db, alder)

    assert found == 0

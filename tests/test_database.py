"""Transactions end as they should: committed whole, or not at all and loudly."""

import contextlib
import time
from uuid import UUID

import pytest
from psycopg.errors import InFailedSqlTransaction
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from chatbot.database import Database, new_id
from chatbot.orgs import sites
from chatbot.orgs.tables import Org, Site


async def make_site(database: Database, org: Org) -> None:
    async with database.transaction(org.id) as db:
        await sites.create_site(db, org.id, name="x", allowed_origins=["https://x.example"])


async def count(database: Database, org: Org) -> int:
    async with database.transaction(org.id) as db:
        return len((await db.scalars(select(Site))).all())


async def test_a_swallowed_failure_is_not_taken_for_a_commit(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs

    with pytest.raises(InFailedSqlTransaction):
        await swallow_a_failure(database, alder)

    assert await count(database, alder) == 0


async def swallow_a_failure(database: Database, org: Org) -> None:
    async with database.transaction(org.id) as db:
        await sites.create_site(db, org.id, name="x", allowed_origins=["https://x.example"])
        with contextlib.suppress(DBAPIError):
            await db.execute(text("select 1 / 0"))


async def test_the_scope_ends_with_its_transaction(
    two_orgs: tuple[Org, Org], database: Database
) -> None:
    one_connection = Database(database.url, connections=1)
    alder, birch = two_orgs
    await make_site(one_connection, alder)

    seen = [await count(one_connection, birch), await count(one_connection, alder)]
    async with one_connection.transaction() as db:
        unscoped = await db.scalar(text("select current_setting('app.org', true)"))
    await one_connection.close()

    assert seen == [0, 1]
    assert unscoped == ""


async def test_a_row_of_another_organisation_cannot_be_written(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs

    with pytest.raises(DBAPIError, match="row-level security"):
        await sites_of_another(database, alder, birch)

    assert await count(database, birch) == 0


async def sites_of_another(database: Database, alder: Org, birch: Org) -> None:
    async with database.transaction(alder.id) as db:
        await sites.create_site(db, birch.id, name="x", allowed_origins=["https://x.example"])


async def test_only_what_may_have_written_wakes_the_listeners(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    mine = Database(database.url, connections=1)
    heard: list[str] = []
    mine.on_commit(lambda: heard.append("commit"))

    await count(mine, alder)
    after_reading = len(heard)
    await make_site(mine, alder)
    await mine.close()

    assert (after_reading, len(heard)) == (0, 1)


async def test_a_commit_that_signals_nothing_wakes_nobody(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    mine = Database(database.url, connections=1)
    heard: list[str] = []
    mine.on_commit(lambda: heard.append("commit"))

    async with mine.transaction(alder.id, signals=False) as db:
        await db.execute(
            text("update sites set name = name where org_id = :org"), {"org": alder.id}
        )
    await mine.close()

    assert heard == []


async def test_plans_are_kept_only_where_that_was_asked_for(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    modes: list[str] = []

    for keeps in (True, False):
        async with database.transaction(alder.id, keeps_plans=keeps) as db:
            modes.append(str(await db.scalar(text("show plan_cache_mode"))))

    assert modes == ["force_generic_plan", "auto"]


def test_ids_are_of_version_seven_and_sort_by_age() -> None:
    ids = [later_id() for _ in range(10)]

    assert {each.version for each in ids} == {7}
    assert ids == sorted(ids)


def later_id() -> UUID:
    """An id of another millisecond than the one before."""
    time.sleep(0.002)
    return new_id()

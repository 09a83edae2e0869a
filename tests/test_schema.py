"""What the migrations made, read from the catalogue: row-level security everywhere, and no
drift.
"""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select

from chatbot.database import Database, new_id
from chatbot.orgs import sites
from chatbot.orgs.tables import Org, Site
from migrations import run
from tests.conftest import Cluster, copy_of

# Rows that belong to no organisation: what Alembic stands at.
NOT_TENANTS = {"alembic_version"}
READ_BY_LOOKUP = {
    "orgs",
    "sites",
    "accounts",
    "staff_members",
    "answers",
    "conversations",
    "messages",
    "handoffs",
    "crawls",
    "attendance",
}


@pytest.fixture(scope="module")
def urls(cluster: Cluster) -> Iterator[Cluster]:
    with copy_of(cluster) as urls:
        yield urls


@pytest.fixture(scope="module")
def link(urls: Cluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(urls.superuser) as link:
        yield link


def names(link: psycopg.Connection, query: str) -> set[str]:
    return {row[0] for row in link.execute(query.encode()).fetchall()}


def test_the_models_say_what_the_migrations_made(urls: Cluster) -> None:
    run.check(urls.owner)


def test_migrating_twice_changes_nothing(urls: Cluster) -> None:
    run.upgrade(urls.owner)

    assert run.current(urls.app) == run.head()


def test_row_level_security_is_forced_on_every_table(link: psycopg.Connection) -> None:
    unforced = names(
        link,
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity)",
    )

    assert unforced == NOT_TENANTS


def test_every_table_with_an_organisation_has_the_one_policy(link: psycopg.Connection) -> None:
    with_org = names(
        link,
        "select table_name from information_schema.columns"
        " where table_schema = 'public' and column_name = 'org_id' and is_nullable = 'NO'",
    )
    guarded = names(
        link,
        "select tablename from pg_policies where schemaname = 'public' and policyname = 'own_org'"
        " and qual is not null and with_check is not null and cmd = 'ALL'",
    )

    assert guarded == with_org | {"orgs"}


def test_lookup_reads_only_the_tables_on_the_list(link: psycopg.Connection) -> None:
    opened = names(
        link,
        "select tablename from pg_policies where schemaname = 'public'"
        " and 'chatbot_lookup' = any (roles)",
    )

    assert opened >= READ_BY_LOOKUP
    assert opened - READ_BY_LOOKUP <= REALTIME_READS


# What the signal functions look up to find whose a topic is (migrations/sql/realtime.sql).
REALTIME_READS = {"conversations", "visitors", "sites", "orgs", "staff_members", "answers"}


def test_no_role_of_ours_can_bypass_row_level_security(link: psycopg.Connection) -> None:
    strong = names(
        link,
        "select rolname from pg_roles where rolname like 'chatbot%' and (rolsuper or rolbypassrls)",
    )
    may_become_lookup = link.execute(
        "select pg_has_role('chatbot_web', 'chatbot_lookup', 'member')"
    ).fetchone()

    assert strong == set()
    assert may_become_lookup == (False,)


def test_functions_that_see_everything_have_a_fixed_search_path(link: psycopg.Connection) -> None:
    loose = names(
        link,
        "select oid::regprocedure::text from pg_proc where prosecdef"
        " and pronamespace::regnamespace::text in ('public', 'lookup', 'realtime')"
        " and not coalesce(array_to_string(proconfig, ','), '') like '%search_path=%'",
    )

    assert loose == set()


async def test_without_a_scope_there_are_no_rows(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    for org in two_orgs:
        async with database.transaction(org.id) as db:
            await sites.create_site(db, org.id, name="x", allowed_origins=["https://x.example"])

    seen: dict[UUID | None, int] = {}
    for scope in (None, alder.id, birch.id, new_id()):
        async with database.transaction(scope) as db:
            seen[scope] = len((await db.scalars(select(Site))).all())

    assert [seen[None], seen[alder.id], seen[birch.id]] == [0, 1, 1]
    assert sum(seen.values()) == 2

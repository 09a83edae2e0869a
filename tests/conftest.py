"""Real Postgres for every test: one throw-away cluster a run, one migrated template, a copy a test
module.
"""

import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import psycopg
import pytest

from chatbot import embedded
from chatbot.database import Database
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from migrations import run
from tests import live

_numbers = itertools.count(1)


Cluster = embedded.Urls


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server of this run, with the migrated database `template` in it."""
    with (
        tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as folder,
        embedded.running(Path(folder), durable=False) as urls,
    ):
        run.upgrade(urls.owner)
        yield urls


@pytest.fixture(scope="session")
async def database(cluster: embedded.Urls) -> AsyncIterator[Database]:
    """A migrated database that the whole run shares; organisations made by each test keep apart."""
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=10)
        yield database
        await database.close()


@contextlib.contextmanager
def copy_of(cluster: embedded.Urls) -> Generator[embedded.Urls]:
    """A fresh migrated database on the run's server."""
    name = f"copy_{next(_numbers)}"
    with psycopg.connect(cluster.of("postgres").superuser, autocommit=True) as link:
        link.execute(f"create database {name} template chatbot".encode())
    yield cluster.of(name)


@pytest.fixture
async def two_orgs(database: Database) -> tuple[Org, Org]:
    """Two fresh organisations: whatever a test does in one must not show in the other."""
    number = next(_numbers)
    return (
        await sites.create_org(database, f"Alder {number}", slug=f"alder-{number}"),
        await sites.create_org(database, f"Birch {number}", slug=f"birch-{number}"),
    )


@pytest.fixture(scope="session")
async def live_service(cluster: embedded.Urls) -> AsyncIterator[live.Live]:
    """The whole service, jobs included, for every journey of the run."""
    with copy_of(cluster) as urls:
        async with live.running(urls.app) as running:
            yield running


@pytest.fixture
async def two_companies(live_service: live.Live) -> tuple[live.Company, live.Company]:
    """Two fresh organisations with sites and staff on the running service."""
    return (
        await live.company(live_service, "alder"),
        await live.company(live_service, "birch"),
    )

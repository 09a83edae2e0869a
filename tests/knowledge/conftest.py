"""A website on loopback, a trap beside it, and a crawler that may reach the one and not the
other.
"""

from collections.abc import AsyncIterator

import pytest

from chatbot.database import Database
from chatbot.orgs.tables import Org
from tests.knowledge import website
from tests.knowledge.reader import Reader, reader_of
from tests.knowledge.website import SITE_HOST, Trap, Website


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    async with website.running(SITE_HOST) as found:
        yield found


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    async with website.trap() as found:
        yield found


@pytest.fixture
def reader(database: Database, two_orgs: tuple[Org, Org], site: Website) -> Reader:
    return reader_of(database, two_orgs[0], site)

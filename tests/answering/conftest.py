"""What tests of answers are given: an endpoint that may fail, and two organisations."""

from collections.abc import AsyncIterator

import pytest

from chatbot.database import Database
from tests.answering import endpoint
from tests.answering.endpoint import Endpoint
from tests.answering.given import Houses
from tests.realtime.conftest import build_house


@pytest.fixture
async def served() -> AsyncIterator[Endpoint]:
    async with endpoint.running() as found:
        yield found


@pytest.fixture
async def houses(database: Database) -> Houses:
    return await build_house(database), await build_house(database)

"""A service of its own, and a company whose handbook it knows."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from chatbot.answering.models.model import Model
from chatbot.settings import Limits
from tests import live
from tests.conftest import Cluster, copy_of
from tests.journeys.texts import HANDBOOK, upload

QUESTION = "How long is the warranty on a kettle?"


@asynccontextmanager
async def running(
    cluster: Cluster, *, model: Model | None = None, limits: Limits = live.ROOMY
) -> AsyncGenerator[tuple[live.Live, live.Company]]:
    """The service and the company, until the end of the block."""
    with copy_of(cluster) as urls:
        async with live.running(urls.app, model=model, limits=limits) as service:
            company = await live.company(service, "alder")
            await upload(service, company, "handbook.md", HANDBOOK)
            yield service, company

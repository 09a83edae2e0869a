"""The client that docs/clients.md shows is run as it stands there: by Node, with the official
library.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests import live

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"```js\n(.*?)```", re.DOTALL)
WAIT_S = 30.0


class Program:
    """The running example, and the lines it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            return (await self._process.stdout.readline()).decode().strip()


@asynccontextmanager
async def example(url: str, namespace: str, token: str, topic: str) -> AsyncGenerator[Program]:
    found = EXAMPLE.search((ROOT / "docs" / "clients.md").read_text())
    assert found is not None
    told = {
        "CHAT_URL": url,
        "CHAT_ORIGIN": url,
        "CHAT_NAMESPACE": namespace,
        "CHAT_TOKEN": token,
        "CHAT_TOPIC": topic,
    }
    process = await asyncio.create_subprocess_exec(
        *("node", "--input-type=module", "-e", found[1]),
        cwd=ROOT / "widget",  # where the library is installed
        env=os.environ | told,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_the_client_of_the_page_reads_and_hears(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with (
        live.visitor(live_service, alder) as visitor,
        live.colleague(live_service, alder) as ana,
    ):
        token = (await ana.post("/staff/socket-token"))["token"]
        topic = f"org:{alder.org_id}:inbox"
        async with example(live_service.url, "/staff", token, topic) as program:
            first = await program.line()
            await visitor.begin()
            heard = await program.line()

    assert first == "read everything"
    assert heard == "read conversation.changed"


async def test_the_client_of_the_page_is_told_when_a_topic_is_not_its_own(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with live.colleague(live_service, alder) as ana:
        token = (await ana.post("/staff/socket-token"))["token"]
        topic = f"org:{birch.org_id}:inbox"
        async with example(live_service.url, "/staff", token, topic) as program:
            told = await program.line()

    assert told == "refused not_found"

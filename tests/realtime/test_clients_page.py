"""The client that docs/clients.md shows is run as it stands there: by Node, with the official
library; and so are the lines before and after it, by a shell.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests import live

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
WIDGET = Path(__file__).parents[2] / "widget"  # where the library is installed
EXAMPLE = re.compile(r"```js\n(.*?)```", re.DOTALL)
LINES = re.compile(r"```bash\n(.*?)```", re.DOTALL)
FOUND = ("CHAT_URL", "CHAT_NAMESPACE", "CHAT_TOKEN", "CHAT_TOPIC", "CONVERSATION")
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
    found = EXAMPLE.search(PAGE)
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
        cwd=WIDGET,
        env=os.environ | told,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def shell(lines: str, cwd: Path, **told: str) -> dict[str, str]:
    """What the lines of the page leave in the environment, and `said`: what they print."""
    shown = "".join(f"printf '\\n%s' \"${{{name}}}\"\n" for name in FOUND)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", lines + shown),
        cwd=cwd,
        env=os.environ | told,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WAIT_S):
        printed, _ = await process.communicate()
    said, *found = printed.decode().rsplit("\n", len(FOUND))
    assert process.returncode == 0, said
    return dict(zip(FOUND, found, strict=True)) | {"said": said}


@pytest.mark.skipif(shutil.which("jq") is None, reason="the lines of the page want jq")
async def test_the_lines_of_the_page_give_the_client_what_it_needs(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company], tmp_path: Path
) -> None:
    alder, _ = two_companies
    begin, say, colleague = LINES.findall(PAGE)
    begin = begin.replace("http://localhost:8000", live_service.url).replace("pk_…", alder.key)
    colleague = colleague.replace("demo@example.com", alder.emails[0])

    visitor = await shell(begin, tmp_path)
    where = {name: visitor[name] for name in FOUND}
    url, namespace, token, topic, _ = where.values()
    async with example(url, namespace, token, topic) as program:
        first = await program.line()
        said = (await shell(say, tmp_path, **where))["said"]
        heard = await program.line()
    ana = await shell(colleague.replace("the password", live.PASSWORD), tmp_path, **where)
    async with example(url, ana["CHAT_NAMESPACE"], ana["CHAT_TOKEN"], ana["CHAT_TOPIC"]) as program:
        let_in = await program.line()

    assert (first, heard) == ("read everything", "read message.changed")
    assert said.count('"client_id":"message-1"') == 2, "the reply, and what was read"
    assert ana["CHAT_TOPIC"] == f"org:{alder.org_id}:inbox"
    assert let_in == "read everything"


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

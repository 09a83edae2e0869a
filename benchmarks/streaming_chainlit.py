"""The peer: Chainlit from the package index, with an app of ten lines that streams from the same
endpoint, and a visitor who speaks its Socket.IO protocol.

It searches nothing and stores nothing; ours does both.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
import msgspec
import psutil

from benchmarks.streaming_endpoint import MODEL
from benchmarks.streaming_lanes import ANSWER_S_MAX, Heard, Lane
from chatbot.serving import bind

HOW_TO_GET_IT: Final = (
    "python3 -m venv /tmp/peer && /tmp/peer/bin/pip install chainlit aiohttp, then"
    " --chainlit /tmp/peer/bin/python"
)
_START_S_MAX: Final = 60
_AT_ONCE: Final = 20
_APP: Final = """\
import json

import aiohttp
import chainlit

ASKED = {"model": "%(model)s", "stream": True}
session = None


@chainlit.on_message
async def answer(message):
    global session
    session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    said = chainlit.Message(content="")
    body = ASKED | {"messages": [{"role": "user", "content": message.content}]}
    async with session.post("%(endpoint)s/chat/completions", json=body) as reply:
        async for line in reply.content:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    await said.stream_token(choice["delta"].get("content") or "")
    await said.update()
"""


class Chainlit:
    """A visitor of the Chainlit app, on one socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._heard: Heard | None = None
        self._ended: asyncio.Future[str] | None = None

    async def prepare(self, asks: int) -> None:
        del asks

    async def ask(self, question: str, on_first: Callable[[], None]) -> Heard:
        message = {
            "id": str(uuid4()),
            "name": "user",
            "type": "user_message",
            "output": question,
            "createdAt": datetime.now(UTC).isoformat(),
        }
        event = ["client_message", {"message": message, "fileReferences": []}]
        text = msgspec.json.encode(event).decode()
        ended = self._ended = asyncio.get_running_loop().create_future()
        heard = self._heard = Heard(on_first)
        async with asyncio.timeout(ANSWER_S_MAX):
            await self._socket.send_str(f"42{text}")
            stored = await ended
        if stored != heard.text:
            raise RuntimeError("Chainlit's message is not what it streamed")
        return heard

    async def listen(self) -> None:
        """Read the socket until it closes."""
        async for message in self._socket:
            data: str = message.data
            if data == "2":
                await self._socket.send_str("3")
            elif data.startswith("42") and self._heard and self._ended:
                name, *more = msgspec.json.decode(data[2:])
                match name:
                    case "stream_start":
                        self._heard.add(more[0]["output"])
                    case "stream_token":
                        self._heard.add(more[0]["token"])
                    case "update_message" if more[0]["type"] == "assistant_message":
                        self._ended.set_result(more[0]["output"])
                    case _:
                        pass


@asynccontextmanager
async def running(python: Path, endpoint: str) -> AsyncGenerator[tuple[str, psutil.Process]]:
    """The app served by that Python's Chainlit; its address and its process."""
    with tempfile.TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "app.py"
        path.write_text(_APP % {"model": MODEL, "endpoint": endpoint})
        with bind("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]
        command = [str(python), "-m", "chainlit", "run", str(path), "--headless"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=quiet, stderr=quiet
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_ready(url)
            yield url, psutil.Process(process.pid)
        finally:
            process.kill()
            await process.wait()


async def version(python: Path) -> str:
    """Which Chainlit that Python has."""
    asked = "import importlib.metadata as m; print(m.version('chainlit'))"
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", asked, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), _START_S_MAX)
    return said.decode().strip()


@asynccontextmanager
async def visitors(url: str, count: int) -> AsyncGenerator[Sequence[Lane]]:
    """So many visitors of the app, each on a socket of their own."""
    turns = asyncio.Semaphore(_AT_ONCE)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        AsyncExitStack() as stack,
    ):

        async def visitor() -> Chainlit:
            async with turns:
                return await stack.enter_async_context(_visitor(http, url))

        yield await asyncio.gather(*(visitor() for _ in range(count)))


@asynccontextmanager
async def _visitor(http: aiohttp.ClientSession, url: str) -> AsyncGenerator[Chainlit]:
    async with http.ws_connect(f"{url}/ws/socket.io/?EIO=4&transport=websocket") as socket:
        await socket.receive_str()
        auth: dict[str, Any] = {"sessionId": str(uuid4()), "clientType": "webapp", "userEnv": ""}
        await socket.send_str("40" + msgspec.json.encode(auth).decode())
        if not (said := await socket.receive_str()).startswith("40"):
            raise RuntimeError(f"Chainlit refused the socket: {said}")
        await socket.send_str('42["connection_successful"]')
        lane = Chainlit(socket)
        listening = asyncio.create_task(lane.listen())
        yield lane
        listening.cancel()


async def _until_ready(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(_START_S_MAX):
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(url) as reply:
                    if reply.status == 200:
                        return
            await asyncio.sleep(0.2)

"""Who asks: each lane is one visitor who asks one question after the other and notes what is heard
and when. Without a service in between (Direct), and through ours by its socket (Ours).
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol
from uuid import UUID

import aiohttp
import msgspec

from benchmarks.corpus import Writer
from chatbot.answering.models.model import Model
from chatbot.answering.voice.prompt import Excerpt, Prompt
from chatbot.database import new_id

ORIGIN: Final = "https://www.example.org"
ANSWER_S_MAX: Final = 30
_AT_ONCE: Final = 20
_PASSAGES: Final = 6
_DELTA: Final = '42/visitor,["answer.delta",'
_END: Final = '42/visitor,["answer.end",'
_ACK: Final = "43/visitor,"


class Heard:
    """One answer: seconds from the question to the first and to the last token, and its text."""

    def __init__(self, on_first: Callable[[], None]) -> None:
        self.id = ""
        self.text = ""
        self.first_s = 0.0
        self.last_s = 0.0
        self._on_first = on_first
        self._begun = time.perf_counter()

    def add(self, text: str) -> None:
        """A piece has just come."""
        self.last_s = time.perf_counter() - self._begun
        if not self.first_s:
            self.first_s = self.last_s
            self._on_first()
        self.text += text


class Refused(Exception):
    """The service did not take the question, or had no answer to it."""


class Lane(Protocol):
    """A visitor, ready to ask."""

    async def prepare(self, asks: int) -> None:
        """Do what need not be measured for so many questions."""
        ...

    async def ask(self, question: str, on_first: Callable[[], None]) -> Heard:
        """Ask, and hear all of the answer; `on_first` is called at its first token."""
        ...


class Direct:
    """The service's own client of the endpoint, and nothing else; the prompt is as long as one
    with passages.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._excerpts = tuple(_excerpts())

    async def prepare(self, asks: int) -> None:
        del asks

    async def ask(self, question: str, on_first: Callable[[], None]) -> Heard:
        heard = Heard(on_first)
        async with asyncio.timeout(ANSWER_S_MAX):
            async for piece in self._model.stream(Prompt(question, (), self._excerpts)):
                if isinstance(piece, str):
                    heard.add(piece)
        return heard


class Ours:
    """A visitor with a socket; every question begins a conversation, so that no model is asked to
    rewrite a follow-up.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = f"{url}/api/v1/visitor/conversations"
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._talks: deque[str] = deque()
        self._heard: Heard | None = None
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def prepare(self, asks: int) -> None:
        """Open conversations until there are so many unused, and listen to them alone."""
        while len(self._talks) < asks:
            body = {"client_id": new_id().hex}
            async with self._http.post(self._url, json=body, headers=self._bearer) as reply:
                talk = (await reply.json())["id"]
            topics = {"topics": [f"conversation:{talk}:messages"]}
            codes = (await self._call("subscribe", topics))["topics"]
            if set(codes.values()) != {"ok"}:
                raise RuntimeError(f"the subscription was refused: {codes}")
            self._talks.append(talk)

    async def ask(self, question: str, on_first: Callable[[], None]) -> Heard:
        await self.prepare(1)
        talk = self._talks.popleft()
        body = {"client_id": new_id().hex, "text": question, "conversation_id": talk}
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[_END] = ended
        heard = self._heard = Heard(on_first)
        async with asyncio.timeout(ANSWER_S_MAX):
            stored = await self._call("send", body)
            if "error" in stored:
                raise Refused(f"the question was refused: {stored}")
            end = await ended
        if not heard.text or end["status"] != "complete":
            raise Refused(f"the answer ended as {end['status']}")
        heard.id = end["mid"]
        return heard

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Read the socket until it closes; whoever still waits then is refused."""
        async for message in socket:
            data: str = message.data
            if data.startswith(_DELTA) and self._heard is not None:
                self._heard.add(msgspec.json.decode(data[len(_DELTA) : -1], type=_Delta).text)
            elif data.startswith(_END):
                self._tell(_END, msgspec.json.decode(data[len(_END) : -1]))
            elif data.startswith(_ACK):
                number, bracket, rest = data[len(_ACK) :].partition("[")
                self._tell(number, msgspec.json.decode(bracket + rest)[0])
            elif data == "2":
                await socket.send_str("3")
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Refused("the socket was closed"))

    async def _call(self, name: str, body: object) -> Any:
        if self.socket is None:
            raise RuntimeError("the lane has no socket")
        number = str(new_id().int % 10**9)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        event = msgspec.json.encode([name, body]).decode()
        try:
            await self.socket.send_str(f"42/visitor,{number}{event}")
        except aiohttp.ClientError as error:
            raise Refused("the socket was closed") from error
        return await self._waiting[number]

    def _tell(self, name: str, told: Any) -> None:
        waiting = self._waiting.pop(name, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(told)


class _Delta(msgspec.Struct):
    text: str


@asynccontextmanager
async def visitors(url: str, key: str, count: int) -> AsyncGenerator[Sequence[Lane]]:
    """So many visitors of the site with that key, each on a socket of their own."""
    turns = asyncio.Semaphore(_AT_ONCE)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(headers={"Origin": ORIGIN}, connector=connector) as http,
        AsyncExitStack() as stack,
    ):

        async def visitor() -> Ours:
            async with turns:
                return await stack.enter_async_context(_visitor(http, url, key))

        yield await asyncio.gather(*(visitor() for _ in range(count)))


@asynccontextmanager
async def _visitor(http: aiohttp.ClientSession, url: str, key: str) -> AsyncGenerator[Ours]:
    async with http.post(f"{url}/api/v1/sites/{key}/session", json={}) as reply:
        token = (await reply.json())["token"]
    lane = Ours(http, url, token)
    async with http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket") as socket:
        await socket.receive_str()
        await socket.send_str("40/visitor," + msgspec.json.encode({"token": token}).decode())
        if not (said := await socket.receive_str()).startswith("40"):
            raise RuntimeError(f"the socket was refused: {said}")
        lane.socket = socket
        listening = asyncio.create_task(lane.listen(socket))
        yield lane
        listening.cancel()


def _excerpts() -> list[Excerpt]:
    writer, nobody = Writer(seed=3), UUID(int=0)
    return [
        Excerpt(
            n=n,
            passage_id=nobody,
            document_id=nobody,
            title=f"{n}.txt",
            heading=None,
            url=None,
            page=None,
            text=writer.passage(n),
            score=1.0,
            context=writer.passage(n, 330),
        )
        for n in range(1, _PASSAGES + 1)
    ]

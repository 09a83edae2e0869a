"""From a visitor's question to the first frame of its answer: the whole way through the service.

python -m benchmarks.answer [--passages 10000] [--questions 200] [--json]

The clock runs from the socket event to the first `answer.delta`: store, acknowledge, search
among the passages, compose, frame. Extractive model; database, server and client share this
machine. Beside it, in the same run: embedding and searching alone, and the acknowledgement
alone.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import click
import socketio
import uvloop

from benchmarks.corpus import Writer
from benchmarks.filling import fill
from benchmarks.report import Metrics, bench_database, percentiles, report
from chatbot.answering import evidence
from chatbot.app import Service
from chatbot.database import Database, new_id
from chatbot.orgs import sites
from chatbot.orgs.tables import Org, Site
from chatbot.serving import WebServer, bind
from chatbot.settings import Limits, Settings
from knowledge.embed import LocalEmbedder
from knowledge.models import Models
from knowledge.retrieve import Retriever

ORIGIN = "https://www.example.org"
SECRET = "only for a benchmark: it may be known to all"
LIMITS = Limits(
    messages_per_minute=100_000,
    messages_per_minute_block=100_000,
    messages_per_minute_site=100_000,
    events_per_second=1_000,
)
WARM_UP = 20
ANSWER_S_MAX = 20
BENCHMARK_S_MAX = 600


@click.command()
@click.option("--passages", default=10_000)
@click.option("--questions", default=200)
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(passages: int, questions: int, as_json: bool) -> None:
    """Question to first frame, on this machine."""
    metrics, peers = uvloop.run(measure(passages, questions))
    report("answer", metrics, peers, as_json=as_json)


async def measure(passages: int, questions: int) -> tuple[Metrics, dict[str, Metrics]]:
    """Percentiles of the first frame, and of its parts."""
    writer = Writer()
    async with asyncio.timeout(BENCHMARK_S_MAX), bench_database() as database:
        org, site = await _company(database)
        await fill(database, org.id, writer, passages)
        asked = [writer.question(topic) for topic in range(questions + WARM_UP)]
        async with serving(database) as url:
            firsts, acks = await _ask(url, site.key, asked)
        alone = await _search(database, org, asked)
    metrics: Metrics = {"passages": passages, "questions": questions, **percentiles(firsts)}
    return metrics, {"search alone": percentiles(alone), "ack alone": percentiles(acks)}


async def _company(database: Database) -> tuple[Org, Site]:
    org = await sites.create_org(database, "Bench", slug="bench")
    async with database.transaction(org.id, actor="system") as db:
        site = await sites.create_site(db, org.id, name="Site", allowed_origins=[ORIGIN])
    return org, site


@asynccontextmanager
async def serving(database: Database) -> AsyncGenerator[str]:
    """The whole service without jobs on a free port; gives its address."""
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(
        database_url=database.url, secret_keys=(SECRET,), public_url=url, limits=LIMITS
    )
    service = Service(settings, run_jobs=False)
    server = WebServer(service.asgi, crowd=service.realtime)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield url
    finally:
        server.should_exit = True
        await running


async def _ask(url: str, key: str, asked: list[str]) -> tuple[list[float], list[float]]:
    """Seconds to the first frame and to the acknowledgement, one question after the other."""
    async with visiting(url, key) as client:
        times = [await client.time(question) for question in asked]
    firsts, acks = zip(*times[WARM_UP:], strict=True)
    return list(firsts), list(acks)


@asynccontextmanager
async def visiting(url: str, key: str) -> AsyncGenerator["Client"]:
    """A visitor of the site with that key, in a conversation of their own."""
    async with aiohttp.ClientSession(headers={"Origin": ORIGIN}) as http:
        async with http.post(f"{url}/api/v1/sites/{key}/session", json={}) as reply:
            token = (await reply.json())["token"]
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{url}/api/v1/visitor/conversations"
        async with http.post(address, json={"client_id": new_id().hex}, headers=headers) as reply:
            talk = (await reply.json())["id"]
        client = Client(http, talk)
        await client.open(url, token)
        yield client
        await client.socket.disconnect()


class Client:
    """A visitor who asks one question after the other and notes how long each took."""

    def __init__(self, http: aiohttp.ClientSession, talk: str) -> None:
        self._talk = talk
        self.socket = socketio.AsyncClient(http_session=http, reconnection=False)
        self.socket.on("answer.delta", self._delta, namespace="/visitor")
        self.socket.on("answer.end", self._end, namespace="/visitor")
        self._first = 0.0
        self._ended = asyncio.Event()

    async def open(self, url: str, token: str) -> None:
        await self.socket.connect(
            url,
            headers={"Origin": ORIGIN},
            auth={"token": token},
            namespaces=["/visitor"],
            transports=["websocket"],
        )
        topics = {"topics": [f"conversation:{self._talk}:messages"]}
        await self.socket.call("subscribe", topics, namespace="/visitor")

    async def time(self, question: str) -> tuple[float, float]:
        self._first = 0.0
        self._ended.clear()
        body = {"client_id": new_id().hex, "text": question, "conversation_id": self._talk}
        begun = time.perf_counter()
        stored = await self.socket.call("send", body, namespace="/visitor")
        acked = time.perf_counter()
        if not isinstance(stored, dict) or "error" in stored:
            raise RuntimeError(f"the question was refused: {stored}")
        await asyncio.wait_for(self._ended.wait(), ANSWER_S_MAX)
        return self._first - begun, acked - begun

    def _delta(self, _frame: object) -> None:
        self._first = self._first or time.perf_counter()

    def _end(self, _frame: object) -> None:
        self._ended.set()


async def _search(database: Database, org: Org, asked: list[str]) -> list[float]:
    retriever = Retriever(database.transaction, Models(LocalEmbedder()))
    seconds: list[float] = []
    for question in asked:
        begun = time.perf_counter()
        await evidence.gather(retriever, org.id, question)
        seconds.append(time.perf_counter() - begun)
    return seconds[WARM_UP:]


if __name__ == "__main__":
    main()

"""The torture: writers, two nodes, clients behind the proxy, and all that can break, broken."""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import psycopg
from psycopg.rows import tuple_row
from sqlalchemy.exc import SQLAlchemyError

from chatbot import embedded
from chatbot.conversations import transcript
from chatbot.database import Database, new_id
from chatbot.settings import Limits
from migrations import run
from tests.realtime.conftest import PUBLIC_URL, SITE_ORIGIN, House, Service, build_house, serving
from tests.realtime.torture.checker import Fault, Sent, Truth, faults
from tests.realtime.torture.client import Client, Who
from tests.realtime.torture.proxy import Proxy
from tests.realtime.torture.writers import Ledger, Writer

LIMITS = Limits(
    events_per_second=1_000,
    topics_per_socket=20,
    sessions_per_minute=10_000,
    database_connections=8,
)
CALM_S_MAX = 60.0
SETTLE_S = 0.4

_END_ALL = (
    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
    " and datname = current_database()"
)
_END_RELAYS = f"{_END_ALL} and application_name = 'chatbot relay'"


class Plan(msgspec.Struct, frozen=True):
    """How long and how hard. `open_s` is the long transaction, zero for none; restarts alternate
    between an immediate one (a crash, for Postgres) and a fast one.
    """

    seconds: float
    open_s: float = 12.0
    writers: int = 4
    clients: int = 8
    writer_pause_s: float = 0.05
    cut_every_s: float = 0.4
    relay_every_s: float = 2.0
    all_every_s: float = 25.0
    restart_every_s: float = 20.0
    node_every_s: float = 0.0


@dataclass
class Broken:
    """What was done to them, counted."""

    relays_ended: int = 0
    connections_ended: int = 0
    restarts: int = 0
    nodes_restarted: int = 0


@dataclass
class Outcome:
    """What the checker said, and enough to see that something did happen."""

    faults: list[Fault]
    truth: Truth
    clients: list[Client]
    ledger: Ledger
    proxy: Proxy
    broken: Broken = field(default_factory=Broken)
    calm_after_s: float = 0.0


class Cluster:
    """A database server of its own that can be stopped and started in the middle."""

    def __init__(self, folder: Path, urls: embedded.Urls) -> None:
        self.urls = urls
        self._folder = folder

    async def restart(self, mode: str) -> None:
        await asyncio.to_thread(self._restart, mode)

    def _restart(self, mode: str) -> None:
        server = embedded._Server(self._folder, durable=True)  # pyright: ignore[reportPrivateUsage]
        user = embedded._unprivileged(self._folder)  # pyright: ignore[reportPrivateUsage]
        server._pg_ctl(user, "stop", "-m", mode)  # pyright: ignore[reportPrivateUsage]
        server.start()


@asynccontextmanager
async def own_cluster() -> AsyncGenerator[Cluster]:
    """Durable: what was committed must survive, or nothing could be said about the clients."""
    with (
        tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as folder,
        embedded.running(Path(folder)) as urls,
    ):
        run.upgrade(urls.owner)
        yield Cluster(Path(folder), urls)


class Node:
    """A process's worth of the real-time layer, which can be ended and started anew."""

    def __init__(self, url: str) -> None:
        self._database_url = url
        self._up = AsyncExitStack()
        self.service: Service | None = None

    async def start(self) -> None:
        database = Database(self._database_url, connections=6)
        self._up.push_async_callback(database.close)
        self.service = await self._up.enter_async_context(serving(database, LIMITS))

    async def stop(self) -> None:
        self.service = None
        await self._up.aclose()


class Stage:
    """One organisation, its nodes, the proxy before them, and the clients behind it."""

    def __init__(self, urls: embedded.Urls, house: House, own: Database, *, seed: int) -> None:
        self.urls = urls
        self.house = house
        self.own = own
        self.conversations = [house.conversation_id]
        self.nodes: list[Node] = []
        self.clients: list[Client] = []
        self.ledger = Ledger()
        self.spared = asyncio.Lock()  # held by a long transaction that shall live to commit
        self.choose = random.Random(seed)
        self.proxy = Proxy(self._some_node, seed=seed)

    async def converse(self, amount: int) -> None:
        """More conversations of the house's visitor."""
        visitor = self.house.visitor
        for _ in range(amount):
            async with self.own.transaction(self.house.org_id, actor=visitor.actor) as db:
                talk, _ = await transcript.begin(db, visitor, new_id().hex, most=100)
            self.conversations.append(talk.id)

    def _some_node(self) -> str:
        return self.choose.choice([each.service.url for each in self.nodes if each.service])

    def who(self, number: int) -> Who:
        """Visitor and staff in turn, each with some of the conversations and the last one."""
        house, is_staff = self.house, number % 2 == 1
        some = self.choose.sample(self.conversations[:-1], min(3, len(self.conversations) - 1))
        return Who(
            name=f"{'staff' if is_staff else 'visitor'}-{number}",
            namespace="/staff" if is_staff else "/visitor",
            origin=PUBLIC_URL if is_staff else SITE_ORIGIN,
            org_id=house.org_id,
            actor=house.staff.actor if is_staff else house.visitor.actor,
            conversations=(*some, self.conversations[-1]),
            internal=is_staff,
            token=house.staff_token if is_staff else lambda: house.visitor_token,
        )

    def writer(self, name: str, *, held: bool = False, tells_early: bool = False) -> Writer:
        """The last conversation belongs to the one that holds its transaction open."""
        mine = self.conversations[-1:] if held else self.conversations[:-1]
        return Writer(name, self.own, self.house, mine, self.ledger, tells_early)


@asynccontextmanager
async def staged(
    urls: embedded.Urls, *, nodes: int = 1, conversations: int = 5, seed: int = 1
) -> AsyncGenerator[Stage]:
    """The organisation and its nodes, without clients as yet."""
    async with AsyncExitStack() as stack:
        own = Database(urls.app, connections=12)
        stack.push_async_callback(own.close)
        stage = Stage(urls, await build_house(own), own, seed=seed)
        await stage.converse(conversations)
        for _ in range(nodes):
            node = Node(urls.app)
            await node.start()
            stack.push_async_callback(node.stop)
            stage.nodes.append(node)
        await stack.enter_async_context(stage.proxy.running())
        yield stage


@asynccontextmanager
async def connected(stage: Stage, clients: Sequence[Client]) -> AsyncGenerator[None]:
    """The clients run, and have joined, while the block lasts."""
    stage.clients += clients
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        running = [asyncio.create_task(each.run(http)) for each in clients]
        try:
            async with asyncio.timeout(CALM_S_MAX):
                for each in clients:
                    await each.until_ready()
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def settle(stage: Stage, honest: Sequence[Client] | None = None) -> float:
    """Wait until every client (or those that can be expected to) shows what the database holds and
    was told all, or it is clear that one never will; then a little longer, for anything that is
    told too often. Gives the seconds it took.
    """
    began = time.monotonic()
    stage.proxy.well_behaved = True
    waited_for = stage.clients if honest is None else honest
    while time.monotonic() - began < CALM_S_MAX:
        right = await asyncio.to_thread(_final, stage.urls, stage.house)
        if all(_agrees(right, each) for each in waited_for):
            _, found = await judge(stage)
            names = {each.history.name for each in waited_for}
            if not any(each.client in names and each.kind == "lost" for each in found):
                break
        await asyncio.sleep(0.2)
    took = time.monotonic() - began
    await asyncio.sleep(SETTLE_S)
    return took


async def judge(stage: Stage) -> tuple[Truth, list[Fault]]:
    """What really happened, and what the clients got wrong."""
    final = await asyncio.to_thread(_final, stage.urls, stage.house)
    sent = await asyncio.to_thread(_sent, stage.urls, stage.house)
    for each in stage.clients:
        each.history.final = each.shown()
    stored = {each.token for each in sent}
    kept = stage.ledger.kept + [each for each in stage.ledger.doubtful if each.token in stored]
    truth = Truth(kept, sent, final)
    return truth, faults(truth, [each.history for each in stage.clients])


async def torture(plan: Plan, *, seed: int = 1) -> Outcome:
    """The whole of it on a server of its own."""
    async with own_cluster() as cluster, staged(cluster.urls, nodes=2, seed=seed) as stage:
        clients = [
            Client(stage.who(each), lambda: stage.proxy.url, stage.own)
            for each in range(plan.clients)
        ]
        broken = Broken()
        async with connected(stage, clients):
            await _break_everything(plan, cluster, stage, broken)
            calm_after_s = await settle(stage)
        truth, found = await judge(stage)
        return Outcome(found, truth, clients, stage.ledger, stage.proxy, broken, calm_after_s)


async def _break_everything(plan: Plan, cluster: Cluster, stage: Stage, broken: Broken) -> None:
    until = asyncio.get_running_loop().time() + plan.seconds

    async def cut() -> None:
        stage.proxy.cut_one()

    async def end_relays() -> None:
        broken.relays_ended += await asyncio.to_thread(_end, cluster.urls, _END_RELAYS)

    async def end_all() -> None:
        async with stage.spared:
            broken.connections_ended += await asyncio.to_thread(_end, cluster.urls, _END_ALL)

    async def restart() -> None:
        broken.restarts += 1
        async with stage.spared:
            await cluster.restart("immediate" if broken.restarts % 2 else "fast")

    async def restart_a_node() -> None:
        node = stage.choose.choice(stage.nodes)
        with suppress(psycopg.Error, SQLAlchemyError):
            await node.stop()
        broken.nodes_restarted += 1
        while node.service is None:
            with suppress(psycopg.Error, SQLAlchemyError):
                await node.start()

    async with asyncio.TaskGroup() as work:
        for number in range(plan.writers):
            writer = stage.writer(f"w{number}")
            work.create_task(writer.run(until, pause_s=plan.writer_pause_s))
        if plan.open_s:
            work.create_task(_hold(plan, stage, until))
        work.create_task(_every(plan.cut_every_s, until, cut))
        work.create_task(_every(plan.relay_every_s, until, end_relays))
        work.create_task(_every(plan.all_every_s, until, end_all))
        work.create_task(_every(plan.restart_every_s, until, restart))
        work.create_task(_every(plan.node_every_s, until, restart_a_node))


async def _hold(plan: Plan, stage: Stage, until: float) -> None:
    """One long transaction after the other; every second one may be killed with its connection."""
    writer, number = stage.writer("held", held=True), 0
    while asyncio.get_running_loop().time() + plan.open_s < until:
        async with stage.spared if number % 2 == 0 else nullcontext():
            await writer.hold(plan.open_s)
        number += 1


async def _every(seconds: float, until: float, act: Callable[[], Awaitable[None]]) -> None:
    clock = asyncio.get_running_loop().time
    while seconds and clock() + seconds < until:
        await asyncio.sleep(seconds)
        await act()


def _end(urls: embedded.Urls, statement: str) -> int:
    try:
        with psycopg.connect(urls.superuser, autocommit=True, connect_timeout=2) as link:
            return len(link.execute(statement.encode()).fetchall())
    except psycopg.Error:
        return 0  # the database is away already


def _agrees(right: dict[str, dict[str, tuple[int, str]]], client: Client) -> bool:
    shown = client.shown()
    return all(right.get(each, {}) == shown.get(each, {}) for each in client.history.topics)


def _final(urls: embedded.Urls, house: House) -> dict[str, dict[str, tuple[int, str]]]:
    statement = (
        "select conversation_id, visibility, id, rev, text from public.messages where org_id = %s"
    )
    found: dict[str, dict[str, tuple[int, str]]] = {}
    with psycopg.connect(urls.superuser, row_factory=tuple_row) as link:
        for talk, visibility, thing, rev, words in link.execute(statement, (house.org_id,)):
            feature = "messages" if visibility == "public" else "staff"
            found.setdefault(f"conversation:{talk}:{feature}", {})[str(thing)] = (rev, words)
    return found


def _sent(urls: embedded.Urls, house: House) -> list[Sent]:
    statement = (
        "select payload ->> 'write_id', topic, xid::text::bigint, inserted_at"
        " from realtime.messages where org_id = %s and event = 'torture.write'"
    )
    with psycopg.connect(urls.superuser, row_factory=tuple_row) as link:
        return [Sent(*each) for each in link.execute(statement, (house.org_id,))]

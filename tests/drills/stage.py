"""A cluster, a node and two companies with their clients, up for a drill and gone with it."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp

from chatbot.app import Service
from chatbot.settings import Settings
from tests import live
from tests.drills.clients import Ear, Writer, busy
from tests.drills.server import Cluster, Node, Story, end

NODE_PORT, MAIN_PORT, STANDBY_PORT, SWITCH_PORT, REDIS_PORT = 9400, 9440, 9441, 9442, 9420
KEYS: Final = (live.KEY, "the second key of the drills: long enough")


@dataclass
class Stage:
    """What a drill has to work with; the clients that it gives have joined."""

    story: Story
    folder: Path
    cluster: Cluster
    node: Node
    service: Service
    companies: list[live.Company]
    stack: AsyncExitStack

    def topic(self, which: int = 0) -> str:
        return f"org:{self.companies[which].org_id}:dashboard"

    def writer(self, which: int = 0, port: int = 0) -> Writer:
        url = self.cluster.url("web", port=port) + "?application_name=drill"
        return Writer(lambda: url, self.topic(which), self.story)

    async def colleagues(self, amount: int, which: int = 0) -> list[Ear]:
        """So many windows of one colleague, on the dashboard's topic."""
        company = self.companies[which]
        http = await self.stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        )
        headers = {"Origin": self.node.url, "Chatbot-Org": company.slug}
        person = live.Person(http, self.node.url, "/staff", headers, "")
        credentials = {"email": company.emails[0], "password": live.PASSWORD}

        async def log_in() -> None:
            await person.post("/staff/login", credentials)
            self.story.note("colleague: logged in")

        await log_in()
        topic = self.topic(which)
        ears = [Ear(person, topic, self.story, log_in) for _ in range(amount)]
        return await self._connected(ears)

    async def visitors(self, amount: int, which: int = 0) -> list[Ear]:
        """So many visitors, on the public topic."""
        company = self.companies[which]
        ears: list[Ear] = []
        for _ in range(amount):
            http = await self.stack.enter_async_context(aiohttp.ClientSession())
            person = live.Person(http, self.node.url, "/visitor", {"Origin": live.ORIGIN}, "")

            async def renew(person: live.Person = person) -> None:
                person.headers.pop("Authorization", None)
                session = await person.post(f"/sites/{company.key}/session", {})
                person.token = session["token"]
                person.headers["Authorization"] = f"Bearer {person.token}"
                self.story.note("visitor: a new session")

            await renew()
            ears.append(Ear(person, f"org:{company.org_id}:public", self.story, renew))
        return await self._connected(ears)

    async def _connected(self, ears: list[Ear]) -> list[Ear]:
        await self.stack.enter_async_context(busy(*(each.run() for each in ears)))
        await until(lambda: all(each.joined.is_set() for each in ears))
        return ears

    def tell_on_failure(self, kind: object, error: object, _trace: object) -> None:
        """A drill that did not come to its end tells what it saw until then."""
        if kind is not None:
            print(json.dumps(self.story.told(), indent=1), file=sys.stderr)
            print("".join(self.node.log.read_text()[-3000:]), file=sys.stderr)

    async def facts(self, *names: str) -> None:
        """What log and metrics say in the end."""
        counts = self.node.logged()
        self.story.facts["log"] = {
            name: count
            for name, count in counts.items()
            if count and name.startswith(("realtime.", "worker"))
        }
        with suppress(aiohttp.ClientError, OSError):
            samples = await self.node.metrics()
            self.story.facts["metrics"] = {
                name: value for name, value in samples.items() if value and name.startswith(names)
            }


async def until(done: Callable[[], bool], within_s: float = 90.0) -> None:
    """Wait for what has no event of its own."""
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def staged(
    name: str, *words: str, redis_url: str = "", database_port: int = MAIN_PORT
) -> AsyncGenerator[Stage]:
    """Cluster and node, up, with two companies."""
    story = Story(name)
    async with AsyncExitStack() as stack:
        folder = await asyncio.to_thread(_folder)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = Cluster(folder / "main", MAIN_PORT)
        await asyncio.to_thread(cluster.make)
        stack.callback(stop, cluster)
        settings = Settings(
            database_url=cluster.url("web", port=database_port),
            secret_keys=KEYS[:1],
            public_url=f"http://127.0.0.1:{NODE_PORT}",
            redis_url=redis_url,
            limits=live.ROOMY,
        )
        service = Service(replace(settings, database_url=cluster.url("web")), run_jobs=False)
        stack.push_async_callback(service.database.close)
        # Not where the cluster is: a drill fills that disk.
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
        node = Node(logs, NODE_PORT, settings, "--no-jobs", *words)
        here = live.Live(service, node.url)
        companies = [await live.company(here, each) for each in ("alder", "birch")]
        stage = Stage(story, folder, cluster, node, service, companies, stack)
        stack.push(stage.tell_on_failure)
        if database_port == MAIN_PORT:
            node.start()
            stack.callback(end, node)
            story.facts["ready_after_s"] = await node.ready()
        yield stage


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    folder.chmod(0o755)
    return folder


def stop(cluster: Cluster) -> None:
    """Whatever state it is in."""
    with suppress(Exception):
        cluster.stop("immediate")

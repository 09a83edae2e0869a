"""Two organisations, each with a visitor and a colleague, and a server to hear them live."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import psycopg
import pytest
import socketio
from sqlalchemy import update

from chatbot import embedded
from chatbot.conversations import transcript, wire
from chatbot.conversations.tables import AuthorKind, Visibility
from chatbot.database import Database, new_id, utc_now
from chatbot.errors import NotFound
from chatbot.orgs.sites import create_org, create_site
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.layer import Realtime
from chatbot.realtime.nodes.bus import Bus
from chatbot.settings import Limits
from chatbot.staff import login
from chatbot.staff.login import Staff
from chatbot.staff.tables import Role, StaffMember, StaffSession
from chatbot.tokens import Tokens
from chatbot.visitors import sessions
from chatbot.visitors.seen import Seen
from chatbot.visitors.sessions import Sessions, Visitor
from tests import live
from tests.realtime.telephone import Telephone

PUBLIC_URL = "http://localhost:9460"
SITE_ORIGIN = "https://www.example.org"
KEY = "a key for tests that is long enough to be one"
TOKENS = Tokens([KEY])


@dataclass(frozen=True)
class House:
    """One organisation with all it needs for a talk."""

    org_id: UUID
    site_id: UUID
    visitor: Visitor
    visitor_token: str
    staff: Staff
    conversation_id: UUID

    def staff_token(self) -> str:
        return login.socket_token(TOKENS, self.staff)[0]

    def topics(self) -> list[str]:
        """Every topic of this organisation that anybody could ask for."""
        return [
            f"visitor:{self.visitor.visitor_id}:conversations",
            f"conversation:{self.conversation_id}:messages",
            f"conversation:{self.conversation_id}:staff",
            f"org:{self.org_id}:inbox",
            f"org:{self.org_id}:dashboard",
            f"org:{self.org_id}:knowledge",
            f"org:{self.org_id}:public",
            f"site:{self.site_id}:inbox",
            f"site:{self.site_id}:dashboard",
            f"staff:{self.staff.staff_id}:notifications",
        ]


def sessions_of(database: Database) -> Sessions:
    return Sessions(database, TOKENS, Seen(database))


async def build_house(database: Database) -> House:
    """A new organisation; every call makes another."""
    org = await create_org(database, "Example", slug=f"example-{new_id().hex}")
    async with database.transaction(org.id, actor="system") as db:
        site = await create_site(db, org.id, name="Site", allowed_origins=[SITE_ORIGIN])
        record, session, token = await sessions.issue(
            db, TOKENS, site, origin=SITE_ORIGIN, locale=None
        )
    visitor = await sessions_of(database).authenticate(token, SITE_ORIGIN)
    assert (visitor.visitor_id, visitor.session_id) == (record.id, session.id)
    async with database.transaction(org.id, actor=visitor.actor) as db:
        talk, _ = await transcript.begin(db, visitor, new_id().hex, most=10)
    return House(org.id, site.id, visitor, token, await hire(database, org.id), talk.id)


async def hire(database: Database, org_id: UUID) -> Staff:
    """A colleague of the organisation with an open session."""
    email = f"{new_id().hex}@example.org"
    member = await login.invite(database, org_id, email=email, name="Robin", role=Role.AGENT)
    session = StaffSession(account_id=member.account_id, id=new_id())
    async with database.transaction(account_id=member.account_id) as db:
        db.add(session)
    return Staff(
        org_id=org_id,
        staff_id=member.id,
        account_id=member.account_id,
        session_id=session.id,
        name=member.name,
        role=Role.AGENT,
    )


async def say(
    database: Database, house: House, text: str, *, visibility: Visibility = Visibility.PUBLIC
) -> wire.Message:
    """One message in the house's conversation, as its colleague."""
    said = transcript.Said(
        AuthorKind.STAFF, text, "Robin", author_id=house.staff.staff_id, visibility=visibility
    )
    async with database.transaction(house.org_id, actor=house.staff.actor) as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        message, _ = await transcript.say(db, talk, said)
    return wire.message(message)


async def disable(database: Database, staff: Staff) -> None:
    async with database.transaction(staff.org_id, actor="system") as db:
        own = StaffMember.org_id == staff.org_id, StaffMember.id == staff.staff_id
        await db.execute(update(StaffMember).where(*own).values(disabled_at=utc_now()))


async def as_owner(urls: embedded.Urls, *statements: str) -> None:
    """Run these as the owner of the schema, in one transaction."""
    async with await psycopg.AsyncConnection.connect(urls.owner) as link:
        await link.execute("set role chatbot_owner")
        for each in statements:
            await link.execute(each.encode())


@pytest.fixture
async def two_houses(database: Database) -> tuple[House, House]:
    return await build_house(database), await build_house(database)


@pytest.fixture
async def relay(database: Database) -> AsyncIterator[Relay]:
    relay = Relay(database)
    await relay.start()
    yield relay
    await relay.stop()


class Answerer:
    """Stands for the answering room: stores what is asked, and remembers what is stopped or tried
    again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.stopped: list[UUID] = []
        self.retried: list[UUID] = []

    async def send(
        self,
        visitor: Visitor,
        *,
        block: str,
        conversation_id: UUID | None,
        client_id: str,
        text: str,
        page_url: str | None,
    ) -> tuple[wire.Message, bool]:
        said = transcript.Said(
            AuthorKind.VISITOR, text, "", author_id=visitor.visitor_id, client_id=client_id
        )
        async with self._database.transaction(visitor.org_id, actor=visitor.actor) as db:
            if conversation_id is None:
                talk, _ = await transcript.begin(db, visitor, client_id, most=10)
            else:
                talk = await transcript.lock(
                    db, visitor.org_id, conversation_id, visitor_id=visitor.visitor_id
                )
            message, new = await transcript.say(db, talk, said)
        return wire.message(message), new

    async def stop(self, visitor: Visitor, mid: UUID) -> None:
        if mid.int == 0:
            raise NotFound
        self.stopped.append(mid)

    async def retry(self, visitor: Visitor, mid: UUID, *, block: str) -> None:
        self.retried.append(mid)


@dataclass
class Service:
    """A running server: its layer, its address and what the answering room saw."""

    realtime: Realtime
    answerer: Answerer
    url: str


async def _not_found(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})
        return
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(
    database: Database, limits: Limits, bus: Bus | None = None
) -> AsyncGenerator[Service]:
    """The layer behind the real web server on a free port of loopback."""
    realtime = Realtime(
        database=database,
        visitors=sessions_of(database).authenticate,
        staff=lambda token: login.authenticate_socket(database, TOKENS, token),
        public_url=PUBLIC_URL,
        limits=limits,
        bus=bus,
    )
    answerer = Answerer(database)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await realtime.start()
        async with live.serving(realtime.asgi(_not_found, answerer), listener):
            try:
                yield Service(realtime, answerer, url)
            finally:
                await realtime.stop()


@pytest.fixture(scope="module")
async def service(database: Database) -> AsyncIterator[Service]:
    async with serving(database, Limits(events_per_second=1000)) as service:
        yield service


async def until(done: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait for what has no event of its own; TimeoutError when it does not come."""
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


class Ear(socketio.AsyncClient):
    """A client that remembers all it hears."""

    def __init__(self, namespace: str, http: aiohttp.ClientSession) -> None:
        super().__init__(reconnection=False, http_session=http)
        self.namespace = namespace
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Event()
        self.on("*", self._note, namespace=namespace)

    async def ask(self, event: str, data: object) -> Any:
        """Send an event; its acknowledgement."""
        return await self.call(event, data, namespace=self.namespace, timeout=10)

    async def hear(self, event: str, within_s: float = 5.0) -> dict[str, Any]:
        """The next event of that name, however many others come before."""
        async with asyncio.timeout(within_s):
            while True:
                for index, (name, data) in enumerate(self.heard):
                    if name == event:
                        del self.heard[index]
                        return data
                self._news.clear()
                await self._news.wait()

    def _note(self, event: str, data: dict[str, Any]) -> None:
        self.heard.append((event, data))
        self._news.set()


@asynccontextmanager
async def connected(
    service: Service, namespace: str, token: str, *, origin: str | None = None
) -> AsyncGenerator[Ear]:
    """A client with its namespace open; `origin` is by default the one that belongs there."""
    origin = origin or (SITE_ORIGIN if namespace == "/visitor" else PUBLIC_URL)
    async with aiohttp.ClientSession() as http:
        ear = Ear(namespace, http)
        try:
            await ear.connect(
                service.url,
                headers={"Origin": origin},
                auth={"token": token},
                namespaces=[namespace],
                transports=["websocket"],
                wait_timeout=5,
            )
            yield ear
        finally:
            await ear.disconnect()


@pytest.fixture(scope="module")
async def telephone() -> Telephone:
    """What joins the two nodes."""
    return Telephone()


@pytest.fixture(scope="module")
async def two_nodes(
    database: Database, telephone: Telephone
) -> AsyncIterator[tuple[Service, Service]]:
    """Two layers on one database, each with a line of its own."""
    limits = Limits(events_per_second=1000, presence_per_half_minute=1000)
    async with (
        serving(database, limits, telephone.line()) as one,
        serving(database, limits, telephone.line()) as two,
    ):
        yield one, two


@pytest.fixture
def node(two_nodes: tuple[Service, Service]) -> Service:
    """The first of the two, where one is enough."""
    return two_nodes[0]

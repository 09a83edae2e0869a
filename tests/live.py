"""The whole service behind a real server on loopback, and people to use it: visitors and staff."""

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import socketio

from chatbot.answering.models.model import Model
from chatbot.app import Service
from chatbot.database import Database, new_id
from chatbot.orgs import sites
from chatbot.serving import WebServer
from chatbot.settings import Limits, Settings
from chatbot.staff import login
from chatbot.staff.tables import Role
from knowledge.embed import Embedder
from knowledge.web.fetch import Fetcher

ORIGIN = "https://www.example.org"
PASSWORD = "a password for tests"
KEY = "a key for tests that is long enough to be believed"
ROOMY = Limits(
    sessions_per_minute=10_000,
    messages_per_minute=10_000,
    messages_per_minute_block=10_000,
    messages_per_minute_site=10_000,
    answers_per_visitor_day=100_000,
    tokens_per_visitor_day=100_000_000,
    logins_per_minute=10_000,
    events_per_second=1_000,
    database_connections=8,
)
WAIT_S = 15.0
SENT_BY_SOCKET = ("Origin", "X-Forwarded-For")

Json = dict[str, Any]


@dataclass
class Live:
    """A running service: its address, and its parts for a look inside."""

    service: Service
    url: str

    @property
    def database(self) -> Database:
        return self.service.database


@contextlib.asynccontextmanager
async def running(
    database_url: str,
    *,
    model: Model | None = None,
    embedder: Embedder | None = None,
    fetcher: Fetcher | None = None,
    run_jobs: bool = True,
    limits: Limits = ROOMY,
    trusted_proxies: tuple[str, ...] = (),
    model_hosts: tuple[str, ...] = (),
) -> AsyncGenerator[Live]:
    """Start the service on a free port; everything ends with the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(
        database_url=database_url,
        secret_keys=(KEY,),
        public_url=url,
        limits=limits,
        trusted_proxies=trusted_proxies,
        model_hosts=model_hosts,
    )
    service = Service(settings, model=model, embedder=embedder, fetcher=fetcher, run_jobs=run_jobs)
    async with serving(service.asgi, listener):
        yield Live(service, url)


@contextlib.asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncGenerator[None]:
    """A server on `listener` in this loop, for as long as the block lasts."""
    server = WebServer(app, shutdown_s=3)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if task.done():
            await task
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@dataclass
class Company:
    """One organisation with a site and two colleagues; `slug` names it in the console."""

    org_id: UUID
    slug: str
    site_id: UUID
    key: str
    emails: tuple[str, str]


async def company(live: Live, name: str) -> Company:
    """A new organisation; every call makes another."""
    slug = f"{name}-{new_id().hex[-12:]}"
    org = await sites.create_org(live.database, name, slug=slug)
    async with live.database.transaction(org.id, actor="system") as db:
        site = await sites.create_site(db, org.id, name=name, allowed_origins=[ORIGIN])
    people = (("Ana", Role.OWNER), ("Ben", Role.AGENT))
    emails = f"ana@{slug}.example", f"ben@{slug}.example"
    passwords = login.Passwords()
    for (known_as, role), email in zip(people, emails, strict=True):
        await login.invite(live.database, org.id, email=email, name=known_as, role=role)
        await login.set_password(live.database, passwords, email, PASSWORD)
    return Company(org.id, slug, site.id, site.key, emails)


@dataclass
class Person:
    """Somebody with a browser's worth of state: HTTP headers, one socket, and all it heard."""

    http: aiohttp.ClientSession
    url: str
    namespace: str
    headers: dict[str, str]
    id: str
    token: str = ""
    socket: socketio.AsyncClient = field(default_factory=socketio.AsyncClient)
    heard: list[tuple[str, Json]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, Any]:
        """Status and body of one HTTP call under `/api/v1`."""
        async with self.http.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=self.headers
        ) as reply:
            is_json = reply.content_type == "application/json"
            return reply.status, await reply.json() if is_json else None

    async def get(self, path: str) -> Any:
        status, body = await self.call("GET", path)
        assert status == 200, body
        return body

    async def post(self, path: str, body: Json | None = None) -> Any:
        status, found = await self.call("POST", path, body)
        assert status < 300, found
        return found

    async def upload(self, name: str, body: bytes) -> tuple[int, Any]:
        """Status and body of putting one file into the knowledge base."""
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(body), filename=name)
        async with self.http.post(
            f"{self.url}/api/v1/knowledge/documents", data=form, headers=self.headers
        ) as reply:
            return reply.status, await reply.json()

    async def connect(self) -> None:
        """Open the socket of this person's namespace."""
        self.socket = socketio.AsyncClient(reconnection=False, http_session=self.http)
        self.socket.on("*", self._note, namespace=self.namespace)
        token = self.token
        if self.namespace == "/staff":
            token = (await self.post("/staff/socket-token"))["token"]
        await self.socket.connect(
            self.url,
            headers={name: self.headers[name] for name in SENT_BY_SOCKET if name in self.headers},
            auth={"token": token},
            namespaces=[self.namespace],
            transports=["websocket"],
            wait_timeout=int(WAIT_S),  # the library's is 1: too few when busy
        )

    async def emit(self, event: str, data: Json) -> Json:
        """Send a socket event; its acknowledgement."""
        reply = await self.socket.call(event, data, namespace=self.namespace, timeout=10)
        assert isinstance(reply, dict)
        return reply

    async def subscribe(self, *topics: str) -> Json:
        reply = await self.emit("subscribe", {"topics": list(topics)})
        assert set(reply["topics"].values()) == {"ok"}, reply
        return reply

    async def hear(self, name: str, /, **fields: str) -> Json:
        """The next event of that name whose fields match (also within its `ids`)."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for index, (event, data) in enumerate(self.heard):
                    if event == name and fields.items() <= (data | data.get("ids", {})).items():
                        del self.heard[index]
                        return data
                self.news.clear()
                await self.news.wait()

    async def begin(self) -> str:
        """A conversation of one's own, listened to before anything is said in it."""
        found = await self.post("/visitor/conversations", {"client_id": new_id().hex})
        await self.subscribe(f"conversation:{found['id']}:messages")
        return found["id"]

    async def answer(self) -> tuple[str, Json]:
        """The text that the frames of the next answer add up to, and its end."""
        start = await self.hear("answer.start")
        text = ""
        while True:
            async with asyncio.timeout(WAIT_S):
                while not (self.heard and self.heard[0][0].startswith("answer.")):
                    if self.heard:
                        self.heard.append(self.heard.pop(0))
                    self.news.clear()
                    await asyncio.sleep(0.005)
            name, data = self.heard.pop(0)
            assert data["mid"] == start["mid"]
            if name == "answer.end":
                return text, data
            text += data["text"]

    async def close(self) -> None:
        if self.socket.connected:
            await self.socket.disconnect()

    def _note(self, event: str, data: Json) -> None:
        self.heard.append((event, data))
        self.news.set()


@contextlib.asynccontextmanager
async def visitor(live: Live, company: Company) -> AsyncGenerator[Person]:
    """A visitor with a session and an open socket."""
    async with aiohttp.ClientSession() as http:
        person = Person(http, live.url, "/visitor", {"Origin": ORIGIN}, "")
        session = await person.post(f"/sites/{company.key}/session", {})
        person.token, person.id = session["token"], session["visitor"]["id"]
        person.headers["Authorization"] = f"Bearer {person.token}"
        await person.connect()
        await person.subscribe(f"visitor:{person.id}:conversations")
        try:
            yield person
        finally:
            await person.close()


@contextlib.asynccontextmanager
async def colleague(live: Live, company: Company, which: int = 0) -> AsyncGenerator[Person]:
    """Ana (0, owner) or Ben (1, agent), logged in by password, with an open socket on the inbox."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        headers = {"Origin": live.url, "Chatbot-Org": company.slug}
        person = Person(http, live.url, "/staff", headers, "")
        credentials = {"email": company.emails[which], "password": PASSWORD}
        await person.post("/staff/login", credentials)
        person.id = (await person.get("/staff/me"))["staff"]["id"]
        await person.connect()
        await person.subscribe(f"org:{company.org_id}:inbox")
        try:
            yield person
        finally:
            await person.close()


def question(text: str, conversation_id: str | None = None) -> Json:
    """The body of a `send` with a fresh `client_id`."""
    body: Json = {"client_id": new_id().hex, "text": text}
    return body | ({"conversation_id": conversation_id} if conversation_id else {})

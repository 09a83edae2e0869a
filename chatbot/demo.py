"""The demo: one organisation that knows this project's docs, two colleagues, and its public
website.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
from litestar import Litestar, MediaType, Response, Router, get
from litestar.response import Redirect
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot import embedded
from chatbot.answering.voice import persona
from chatbot.answering.voice.persona import Persona
from chatbot.app import Service
from chatbot.database import Database
from chatbot.errors import Conflict, NotFound
from chatbot.library import ingest
from chatbot.orgs import sites
from chatbot.orgs.tables import Site
from chatbot.staff import login
from chatbot.staff.tables import Role, StaffMember
from knowledge.web.addresses import LOOPBACK, Addresses
from knowledge.web.fetch import Fetcher
from knowledge.web.weburl import PORTS

ORG = "demo"
SITE = "Fernhill Software"
ACCENT = "#1f6f54"
GREETING = "Hello! I answer from Fernhill's documentation and show where it says so."
STARTERS = [
    "How do I put the chat on my website?",
    "What happens when the bot does not know the answer?",
    "Which files can I upload?",
]
PERSONA = Persona(
    name="Fern",
    # What the documentation gives as examples: without them those sentences are not quoted.
    link_hosts=("chat.example.org", "www.example.org", "localhost", "api.openai.com"),
)
PEOPLE = (("demo@example.com", "Ana", Role.OWNER), ("colleague@example.com", "Ben", Role.AGENT))
PASSWORD_FILE = "demo_password"  # noqa: S105 - the name of a file
RECORDS = ("decisions/", "operations/drills.md")
HERE = Path(__file__).parent
PAGE_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src {service};"
    " connect-src {service} {socket}; base-uri 'none'; form-action 'none'"
)


class Demo(msgspec.Struct, frozen=True):
    """What `demo` prints and serves: the log-in, and the tag of its public page."""

    password: str
    tag: str


async def prepare(service: Service, data_dir: Path, demo_port: int) -> Demo:
    """Make the demo organisation when it is not there, and queue the docs of this version for
    it.
    """
    database, password = service.database, _password(data_dir)
    try:
        org_id = await sites.get_org_id(database, ORG)
    except NotFound:
        org_id = (await sites.create_org(database, SITE, slug=ORG)).id
    for person in PEOPLE:
        await _welcome(database, org_id, person, password)
    await _introduce(database, org_id)
    async with database.transaction(org_id, actor="system") as db:
        site = await _site(db, org_id, demo_port)
        for name, path in docs():
            body, limits = path.read_bytes(), service.settings.limits
            await ingest.add(db, service.jobs, org_id, name=name, body=body, limits=limits)
        tag = sites.tag(site, service.settings.public_url)
    return Demo(password, tag)


def docs() -> Iterator[tuple[str, Path]]:
    """What the demo's bot knows: the pages that say how this project works, not the records of
    decisions and drills.
    """
    packed = HERE / "docs"
    folder = packed if packed.is_dir() else HERE.parent / "docs"
    for path in sorted(folder.rglob("*.md")):
        name = str(path.relative_to(folder))
        if not name.startswith(RECORDS):
            yield name, path


def fetcher(demo_port: int) -> Fetcher:
    """Reads the public page too, which is on this machine; nothing else here."""
    return Fetcher(Addresses(LOOPBACK), ports={*PORTS.values(), demo_port})


def way_to(demo_url: str) -> Router:
    """`/demo` of the service leads to the public page, which is another origin on purpose."""

    @get("/demo", include_in_schema=False)
    async def demo() -> Redirect:
        return Redirect(demo_url)

    return Router(path="/", route_handlers=[demo])


def website(tag: str, service_url: str) -> Litestar:
    """The demo organisation's public page, with the real tag and a strict policy of its own."""
    socket = service_url.replace("http", "ws", 1)
    headers = {"Content-Security-Policy": PAGE_CSP.format(service=service_url, socket=socket)}
    folder = HERE / "demo_site"

    @get("/", include_in_schema=False)
    async def home() -> Response[str]:
        html = (folder / "index.html").read_text().replace("<!-- the tag -->", tag)
        return Response(html, media_type=MediaType.HTML, headers=headers)

    @get("/style.css", include_in_schema=False)
    async def style() -> Response[str]:
        return Response((folder / "style.css").read_text(), media_type=MediaType.CSS)

    @get("/favicon.svg", include_in_schema=False)
    async def icon() -> Response[str]:
        return Response((folder / "favicon.svg").read_text(), media_type="image/svg+xml")

    return Litestar(route_handlers=[home, style, icon], openapi_config=None, logging_config=None)


async def _welcome(
    database: Database, org_id: UUID, person: tuple[str, str, Role], password: str
) -> None:
    email, name, role = person
    try:
        await login.invite(database, org_id, email=email, name=name, role=role)
    except Conflict:
        return
    await login.set_password(database, login.Passwords(), email, password)


async def _introduce(database: Database, org_id: UUID) -> None:
    """Give the demo's bot its name, unless somebody has published or drafted another."""
    async with database.transaction(org_id, actor="system") as db:
        if (await persona.published(db, org_id)).version or await persona.draft(db, org_id):
            return
        owner = await db.scalar(
            select(StaffMember.id).where(
                StaffMember.org_id == org_id, StaffMember.role == Role.OWNER
            )
        )
        if owner is not None:
            await persona.save_draft(db, org_id, owner, PERSONA)
            await persona.publish(db, org_id, owner)


async def _site(db: AsyncSession, org_id: UUID, demo_port: int) -> Site:
    """The demo's one site; its origins follow the port that this start uses."""
    allowed = [f"http://localhost:{demo_port}", f"http://127.0.0.1:{demo_port}"]
    found = await sites.sites(db, org_id)
    site = found[0] if found else None
    if site is None:
        site = await sites.create_site(db, org_id, name=SITE, allowed_origins=allowed)
        site.greeting, site.starters, site.accent = GREETING, STARTERS, ACCENT
    site.allowed_origins = sorted(allowed)
    return site


def _password(data_dir: Path) -> str:
    """Made once for a data directory, readable by its user alone."""
    path = data_dir / PASSWORD_FILE
    if not path.exists():
        embedded.write_private(path, secrets.token_urlsafe(9))
    return path.read_text()


def greeting(public_url: str, prepared: Demo, website_url: str) -> str:
    """What to open, and who one is there."""
    people = " or ".join(email for email, _, _ in PEOPLE)
    return f"""
  website with the chat   {website_url}
  console for staff       {public_url}/console
  log in as               {people}
  password                {prepared.password}

Ask something on the website, press “Talk to a person”, take over in the console.
Ctrl+C ends it.
"""

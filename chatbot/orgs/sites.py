"""Organisations and sites: make them, find them by their public key, print the tag."""

import re
import secrets
from collections.abc import Sequence
from html import escape
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database, new_id
from chatbot.errors import Conflict, Invalid, NotFound
from chatbot.orgs import origins
from chatbot.orgs.tables import Org, Site

NAME_CHARS_MAX = 120
ORIGINS_MAX = 50
KEY_CHARS_MAX = 64
GREETING = "Hello! Ask me anything about our documents. I show my sources, and I can call a person."


async def create_org(database: Database, name: str, *, slug: str | None = None) -> Org:
    """A new organisation; its slug is made of its name. Conflict when the slug is taken."""
    slug = slug or re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48]
    if not 0 < len(name) <= NAME_CHARS_MAX or not slug:
        raise Invalid(
            "bad_name", f"A name has 1 to {NAME_CHARS_MAX} characters, a letter among them."
        )
    org = Org(id=new_id(), slug=slug, name=name)
    try:
        async with database.transaction(org.id, actor="system") as db:
            db.add(org)
    except IntegrityError as error:
        raise Conflict("slug_taken", f"There is an organisation “{slug}” already.") from error
    return org


async def get_org_id(database: Database, slug: str) -> UUID:
    """The id behind a slug; NotFound when there is none."""
    async with database.transaction() as db:
        found = await db.scalar(text("select lookup.org_by_slug(:slug)"), {"slug": slug})
    if found is None:
        raise NotFound("unknown_org", f"There is no organisation “{slug}”. Try: chatbot org list")
    return found


async def list_orgs(database: Database) -> list[Org]:
    """Every organisation of the install, oldest first: each is read in a scope of its own."""
    async with database.transaction() as db:
        ids = (await db.scalars(text("select lookup.orgs_list()"))).all()
    found: list[Org] = []
    for each in ids:
        async with database.transaction(each) as db:
            found.append(await get_org(db, each))
    return found


async def get_org(db: AsyncSession, org_id: UUID) -> Org:
    """The organisation of this scope; NotFound when it was deleted meanwhile."""
    org = await db.scalar(select(Org).where(Org.id == org_id))
    if org is None:
        raise NotFound
    return org


async def create_site(
    db: AsyncSession, org_id: UUID, *, name: str, allowed_origins: Sequence[str]
) -> Site:
    """A site with a fresh public key. Invalid for an origin that is not `https://host[:port]`."""
    if len(allowed_origins) > ORIGINS_MAX:
        raise Invalid("too_many_origins", f"A site has at most {ORIGINS_MAX} origins.")
    normal = [_origin(each) for each in allowed_origins]
    site = Site(
        org_id=org_id,
        key=f"pk_{secrets.token_urlsafe(18)}",
        name=name[:NAME_CHARS_MAX],
        allowed_origins=sorted(set(normal)),
        greeting=GREETING,
        starters=[],
    )
    db.add(site)
    await db.flush()
    return site


async def sites(db: AsyncSession, org_id: UUID) -> Sequence[Site]:
    """The organisation's sites, oldest first."""
    return (
        await db.scalars(
            select(Site).where(Site.org_id == org_id).order_by(Site.created_at, Site.id)
        )
    ).all()


async def get_site(db: AsyncSession, org_id: UUID, site_id: UUID) -> Site:
    """One site of the organisation, or NotFound."""
    site = await db.scalar(select(Site).where(Site.org_id == org_id, Site.id == site_id))
    if site is None:
        raise NotFound
    return site


async def label(db: AsyncSession, org_id: UUID, site_id: UUID, labels: list[str]) -> Site:
    """Say from which labelled documents the site's visitors are answered too."""
    site = await get_site(db, org_id, site_id)
    site.labels = labels
    await db.flush()
    return site


async def site_by_key(database: Database, key: str) -> Site:
    """The site behind a public key; NotFound for an unknown one."""
    if not (key.isascii() and key.isprintable()) or len(key) > KEY_CHARS_MAX:
        raise NotFound("unknown_site", "There is no site with this key. Copy the tag again.")
    async with database.transaction() as db:
        row = (
            await db.execute(text("select * from lookup.site_by_key(:key)"), {"key": key})
        ).one_or_none()
    if row is None:
        raise NotFound("unknown_site", "There is no site with this key. Copy the tag again.")
    async with database.transaction(row.org_id) as db:
        return await get_site(db, row.org_id, row.site_id)


def tag(site: Site, public_url: str) -> str:
    """The one line that a site owner pastes; it carries the looks that show before the first
    click.
    """
    looks = f' data-accent="{escape(site.accent)}"' if site.accent else ""
    side = f' data-side="{escape(site.side)}"' if site.side != "end" else ""
    source = f"{public_url}/w/v1/loader.js"
    return (
        f'<script async src="{escape(source)}" data-key="{escape(site.key)}"{looks}{side}></script>'
    )


def _origin(text_: str) -> str:
    normal = origins.normal(text_)
    if normal is None:
        raise Invalid("bad_origin", f"“{text_}” is not an origin like https://www.example.org.")
    return normal

"""HTTP for websites: their tags, and which documents their visitors are answered from."""

from uuid import UUID

import msgspec
from litestar import get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from chatbot.database import Database
from chatbot.library.views import Labels
from chatbot.orgs import sites
from chatbot.orgs.tables import Site
from chatbot.settings import Settings
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role
from knowledge import audience


class SiteDetails(msgspec.Struct, frozen=True):
    """Visitors are answered from documents without labels and from those with one of `labels`."""

    id: UUID
    key: str
    name: str
    allowed_origins: list[str]
    greeting: str
    starters: list[str]
    labels: list[str]
    tag: str


class SiteList(msgspec.Struct, frozen=True):
    items: list[SiteDetails]
    next: str | None = None


class SiteChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    labels: Labels


@get("/sites", operation_id="list_sites")
async def list_sites(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
) -> SiteList:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        rows = await sites.sites(db, staff.org_id)
    return SiteList([_details(row, settings) for row in rows])


@patch("/sites/{site_id:uuid}", operation_id="change_site")
async def change_site(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    site_id: FromPath[UUID],
    data: JSONBody[SiteChange],
) -> SiteDetails:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        site = await sites.label(db, staff.org_id, site_id, audience.checked(data.labels))
    return _details(site, settings)


HANDLERS = [list_sites, change_site]


def _details(row: Site, settings: Settings) -> SiteDetails:
    return SiteDetails(
        id=row.id,
        key=row.key,
        name=row.name,
        allowed_origins=list(row.allowed_origins),
        greeting=row.greeting,
        starters=list(row.starters),
        labels=list(row.labels),
        tag=sites.tag(row, settings.public_url),
    )

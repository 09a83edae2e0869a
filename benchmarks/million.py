"""A million passages in eleven organisations and twenty in a twelfth, built once and kept."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import click
import msgspec
import psycopg

from benchmarks.corpus import Writer
from benchmarks.filling import fill
from chatbot import embedded
from chatbot.database import Database
from chatbot.embedded import Urls
from chatbot.orgs import sites
from knowledge import nearest
from migrations import run

_LARGE: Final = 100_000
_MIDDLE: Final = 10_000
_SMALL: Final = 20
_COPIES: Final = 9
_DONE: Final = "million-is-built"
# In the order of their foreign keys; every key begins with the organisation, so that a copy may
# keep all other numbers.
_COPIED: Final = (
    "documents",
    "document_versions",
    "passages",
    "postings",
    "embeddings",
    "knowledge_stats",
    "lexemes",
    "knowledge_settings",
)


class Million(msgspec.Struct, frozen=True):
    large: UUID
    middle: UUID
    small: UUID
    passages: int


@asynccontextmanager
async def database(folder: Path) -> AsyncGenerator[tuple[Database, Urls]]:
    """The kept server, migrated, with durable settings, as the run-time role."""
    with embedded.running(folder) as urls:
        run.upgrade(urls.owner)
        opened = Database(urls.app, connections=5)
        try:
            yield opened, urls
        finally:
            await opened.close()


async def prepared(database: Database, urls: Urls) -> Million:
    """The organisations, made now when they are not there yet (some twenty minutes)."""
    orgs = {org.slug: org.id for org in await sites.list_orgs(database)}
    if _DONE not in orgs:
        if orgs:
            raise click.ClickException("a build was interrupted: delete .bench and start again")
        await _build(database, urls)
        orgs = {org.slug: org.id for org in await sites.list_orgs(database)}
    with psycopg.connect(urls.superuser) as link:
        row = link.execute("SELECT sum(passages)::int FROM knowledge_stats").fetchone()
    return Million(orgs["large"], orgs["middle"], orgs["small"], row[0] if row else 0)


async def _build(database: Database, urls: Urls) -> None:
    writer = Writer()
    made: dict[str, UUID] = {}
    for slug, passages in (("large", _LARGE), ("middle", _MIDDLE), ("small", _SMALL)):
        click.echo(f"writing {passages:,} passages", err=True)
        made[slug] = (await sites.create_org(database, slug, slug=slug)).id
        await fill(database, made[slug], writer, passages)
    large = made["large"]
    for number in range(1, _COPIES + 1):
        click.echo(f"copy {number} of {_COPIES}", err=True)
        other = await sites.create_org(database, "copy", slug=f"copy-{number}")
        _copy(urls.superuser, large, other.id)
    with psycopg.connect(urls.superuser, autocommit=True) as link:
        click.echo("vacuum", err=True)
        link.execute("VACUUM ANALYZE")
    async with database.transaction(large) as db:
        wanted = await nearest.wanted(db, large)
    if wanted is None or not await nearest.build(urls.owner, wanted):
        raise AssertionError("100,000 passages are enough for an index")
    async with database.transaction(large) as db:
        await nearest.note(db, large, wanted)
    await sites.create_org(database, _DONE, slug=_DONE)


def _copy(superuser_url: str, source: UUID, target: UUID) -> None:
    """Every row of the organisation once more, as another's: quicker than to write it again."""
    with psycopg.connect(superuser_url) as link:
        for table in _COPIED:
            names = [
                str(row[0])
                for row in link.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema ="
                    " 'public' AND table_name = %s AND column_name <> 'org_id'",
                    [table],
                )
            ]
            columns = ", ".join(names)
            given = "OVERRIDING SYSTEM VALUE" if table == "passages" else ""
            link.execute(
                f"INSERT INTO {table} (org_id, {columns}) {given}"
                f" SELECT %s, {columns} FROM {table} WHERE org_id = %s".encode(),
                [target, source],
            )

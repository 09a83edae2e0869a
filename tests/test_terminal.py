"""`chatbot ask`: as a colleague, who is answered from every document, or as a site's visitor."""

import io

import pytest
from rich.console import Console

from chatbot import terminal
from chatbot.database import Database
from chatbot.errors import NotFound
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from knowledge.models import Models
from knowledge.retrieve import Retriever
from tests.knowledge import shelves


async def test_a_site_is_asked_with_its_labels_and_only_by_its_own_organisation(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    await shelves.put(
        database, alder, "prices.txt", "A kettle costs 40 in trade.", labels=["trade"]
    )
    async with database.transaction(alder.id, actor="system") as db:
        site = await sites.create_site(db, alder.id, name="Shop", allowed_origins=[])

    everything = await terminal.labels_of(database, alder.id, None)
    before = await terminal.labels_of(database, alder.id, site.key)
    async with database.transaction(alder.id, actor="system") as db:
        await sites.label(db, alder.id, site.id, ["trade"])
    after = await terminal.labels_of(database, alder.id, site.key)
    with pytest.raises(NotFound, match="unknown_site"):
        await terminal.labels_of(database, birch.id, site.key)

    assert (everything, before, after) == (None, (), ("trade",))
    assert "prices" in await shown(database, alder, everything)
    assert "prices" not in await shown(database, alder, before)
    assert "prices" in await shown(database, alder, after)


async def shown(database: Database, org: Org, labels: tuple[str, ...] | None) -> str:
    out = io.StringIO()
    retriever = Retriever(database.transaction, Models(shelves.LOCAL))
    question = "What does a kettle cost in trade?"
    await terminal.show_passages(
        retriever, org.id, question, Console(file=out, width=200), labels=labels
    )
    return out.getvalue()

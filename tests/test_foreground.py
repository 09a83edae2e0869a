"""`chatbot crawl` in one process: the website read, its pages indexed, and what went wrong said."""

import io

import pytest
from rich.console import Console

from chatbot import demo, foreground
from chatbot.database import Database
from chatbot.orgs.tables import Org
from chatbot.settings import Limits
from knowledge import index
from knowledge.embed import LocalEmbedder
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.web.addresses import Addresses
from knowledge.web.fetch import Fetcher
from knowledge.web.weberrors import WebError
from tests.knowledge import website
from tests.knowledge.website import SITE_HOST, Reply, page


async def test_a_website_is_read_indexed_and_read_again(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    org = two_orgs[0]
    async with website.running() as site:
        site.pages["/"] = Reply(page("Home", "We sell kettles.", links=("/care", "/broken")))
        site.pages["/care"] = Reply(page("Care", "Descale with citric acid."))
        site.pages["/broken"] = Reply(status=500)
        fetcher = Fetcher(Addresses([f"{SITE_HOST}/32"]), ports={site.port})
        reader = foreground.Reading(database, fetcher, Models(LocalEmbedder()), limits=Limits())
        wanted = foreground.wanted(url=f"{site.url}/", kind="site", depth=1, pages_max=10)
        out, log = io.StringIO(), io.StringIO()
        shown = {"out": Console(file=out), "log": Console(file=log, width=200)}

        first = await reader.read(org.id, wanted, **shown)
        del site.pages["/broken"]
        second = await reader.read(org.id, wanted, **shown)
        site.down = True
        third = await reader.read(org.id, wanted, **shown)

    async with database.transaction(org.id) as db:
        documents = await index.documents(db, org.id)
    assert (first, second, third) == (True, True, False)
    assert out.getvalue().splitlines()[:2] == [
        "done: 2 fetched, 1 failed",
        "done: 2 unchanged, 1 gone",
    ]
    assert "/broken: http_error: The website answered with error 500." in log.getvalue()
    assert "robots_unreachable" in log.getvalue()
    assert {each.status for each in documents} == {"ready"}


async def test_what_is_no_address_is_refused_before_anything_is_stored(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    reader = foreground.Reading(database, Fetcher(), Models(LocalEmbedder()), limits=Limits())

    with pytest.raises(KnowledgeError, match="bad_url"):
        await reader.read(
            two_orgs[0].id,
            foreground.wanted(url="file:///etc/passwd"),
            out=Console(),
            log=Console(),
        )


async def test_the_demo_reaches_its_own_website_and_nothing_else_of_the_machine() -> None:
    async with website.running("127.0.0.1") as site, website.trap() as trap:
        site.pages["/"] = Reply(page("Home", "Welcome."))
        fetcher = demo.fetcher(site.port)

        found = await fetcher.get(f"http://localhost:{site.port}/")
        with pytest.raises(WebError, match="address_refused"):
            await fetcher.get(f"http://localhost:{trap.port}/")

    assert b"Welcome" in found.body
    assert trap.caught == 0

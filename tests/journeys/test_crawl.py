"""An administrator has the website read; the bot answers from it, and forgets what the site takes
down.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from knowledge.web.addresses import Addresses
from knowledge.web.fetch import Fetcher
from tests import live
from tests.conftest import Cluster, copy_of
from tests.knowledge import website
from tests.knowledge.website import SITE_HOST, Reply, Website, page

WARRANTY = "The warranty on every kettle lasts 36 months from the day of purchase."
DESCALING = "Descale the kettle with two spoons of citric acid in a litre of water."
WAIT_S = 40


@pytest.fixture(scope="module")
async def shop() -> AsyncIterator[Website]:
    async with website.running(SITE_HOST) as found:
        yield found


@pytest.fixture(scope="module")
async def service(cluster: Cluster, shop: Website) -> AsyncIterator[live.Live]:
    """One that may reach the shop, and nothing else on this machine."""
    fetcher = Fetcher(Addresses([f"{SITE_HOST}/32"]), ports={80, 443, shop.port})
    with copy_of(cluster) as urls:
        async with live.running(urls.app, fetcher=fetcher) as running:
            yield running


@pytest.fixture
async def alder(service: live.Live) -> live.Company:
    return await live.company(service, "alder")


def fill(shop: Website) -> None:
    shop.pages.clear()
    shop.pages |= {
        "/": Reply(page("Fernhill", "We sell kettles.", links=("/warranty", "/care"))),
        "/warranty": Reply(page("Warranty", WARRANTY, links=("/",))),
        "/care": Reply(page("Care", DESCALING, links=("/",))),
    }


async def ended(person: live.Person, crawl_id: str, run: int) -> Any:
    """The crawl when that run and the reading of its pages are over."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await person.get(f"/knowledge/crawls/{crawl_id}")
            documents = (await person.get("/knowledge/documents?kind=page"))["items"]
            busy = [each for each in documents if each["status"] not in ("ready", "failed")]
            if found["run"] == run and found["status"] in ("done", "failed") and not busy:
                return found
            await asyncio.sleep(0.1)


async def test_a_website_is_read_answered_from_and_forgotten_page_by_page(
    service: live.Live, shop: Website, alder: live.Company
) -> None:
    fill(shop)
    wanted = {"url": f"{shop.url}/?utm_source=mail#top", "delay_ms": 100, "schedule": "daily"}
    async with (
        live.colleague(service, alder) as ana,
        live.visitor(service, alder) as visitor,
    ):
        await ana.subscribe(f"org:{alder.org_id}:knowledge")

        made = await ana.post("/knowledge/crawls", wanted)
        heard = await ana.hear("signal", event="crawl.changed", crawl_id=made["id"])
        first = await ended(ana, made["id"], 1)
        pages = await ana.get(f"/knowledge/crawls/{made['id']}/pages?status=fetched")
        talk = await visitor.begin()
        await visitor.emit("send", live.question("How long is the warranty?", talk))
        answer, end = await visitor.answer()

        del shop.pages["/warranty"]
        await ana.post(f"/knowledge/crawls/{made['id']}/run")
        second = await ended(ana, made["id"], 2)
        gone = await ana.get(f"/knowledge/crawls/{made['id']}/pages?status=gone")
        left = await ana.get("/knowledge/documents?kind=page")
        found = await ana.post("/knowledge/search", {"query": "How long is the warranty?"})

    assert heard["ids"]["crawl_id"] == made["id"]
    assert (made["url"], made["status"], made["kind"]) == (f"{shop.url}/", "queued", "site")
    assert (first["status"], first["error"], first["counts"]["fetched"]) == ("done", None, 3)
    assert first["next_at"] > first["finished_at"]
    assert [each["url"] for each in pages["items"]] == [
        f"{shop.url}/",
        f"{shop.url}/care",
        f"{shop.url}/warranty",
    ]
    assert end["status"] == "complete"
    assert "36 months" in answer
    assert (second["counts"]["gone"], second["counts"]["unchanged"]) == (1, 2)
    assert [each["url"] for each in gone["items"]] == [f"{shop.url}/warranty"]
    assert {each["url"] for each in left["items"]} == {f"{shop.url}/", f"{shop.url}/care"}
    assert "36 months" not in str(found)


async def test_an_address_inside_is_never_reached(service: live.Live, alder: live.Company) -> None:
    async with website.trap() as trap, live.colleague(service, alder) as ana:
        status, refused = await ana.call(
            "POST", "/knowledge/crawls", {"url": f"http://0x7f.1:{trap.port}/"}
        )
        made = await ana.post("/knowledge/crawls", {"url": "http://127.0.0.1/", "kind": "page"})
        failed = await ended(ana, made["id"], 1)

    assert (status, refused["error"]["code"]) == (400, "address_refused")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "address_refused")
    assert trap.caught == 0


async def test_a_crawl_can_be_changed_and_deleted_with_what_it_read(
    service: live.Live, shop: Website, alder: live.Company
) -> None:
    fill(shop)
    async with live.colleague(service, alder) as ana:
        made = await ana.post("/knowledge/crawls", {"url": f"{shop.url}/", "delay_ms": 100})
        await ended(ana, made["id"], 1)

        path = f"/knowledge/crawls/{made['id']}"
        changed = await ana.call(
            "PATCH", path, {"schedule": "weekly", "labels": ["Members"], "pages_max": 7}
        )
        labels = await ana.get("/knowledge/labels")
        again = await ana.call("POST", "/knowledge/crawls", {"url": f"{shop.url}/"})
        removed = await ana.call("DELETE", path)
        left = await ana.get("/knowledge/documents?kind=page")
        listed = await ana.get("/knowledge/crawls")

    assert changed[0] == 200
    assert (changed[1]["schedule"], changed[1]["pages_max"]) == ("weekly", 7)
    assert labels["items"] == ["members"]
    assert (again[0], again[1]["error"]["code"]) == (409, "crawl_exists")
    assert removed == (200, {"documents": 3})
    assert left["items"] == listed["items"] == []


async def test_a_crawl_may_leave_its_documents(
    service: live.Live, shop: Website, alder: live.Company
) -> None:
    fill(shop)
    async with live.colleague(service, alder) as ana:
        made = await ana.post(
            "/knowledge/crawls", {"url": f"{shop.url}/care", "kind": "page", "delay_ms": 100}
        )
        await ended(ana, made["id"], 1)
        removed = await ana.call("DELETE", f"/knowledge/crawls/{made['id']}?keep_documents=true")
        left = await ana.get("/knowledge/documents?kind=page")

    assert removed == (200, {"documents": 0})
    assert [each["title"] for each in left["items"]] == ["Care"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "ftp://example.org/"},
        {"url": "file:///etc/passwd"},
        {"url": "http://user:word@example.org/"},
        {"url": "https://example.org/" + "a" * 2_000},
        {"url": "https://example.org/", "depth": 6},
        {"url": "https://example.org/", "pages_max": 1_001},
        {"url": "https://example.org/", "delay_ms": 0},
        {"url": "https://example.org/", "kind": "everything"},
        {"url": "https://example.org/", "schedule": "hourly"},
        {"url": "https://example.org/", "labels": ["<b>"]},
        {"url": "https://example.org/", "unknown": 1},
    ],
)
async def test_what_is_no_crawl_is_refused(
    body: live.Json, service: live.Live, alder: live.Company
) -> None:
    async with live.colleague(service, alder) as ana:
        status, reply = await ana.call("POST", "/knowledge/crawls", body)
        listed = await ana.get("/knowledge/crawls")

    assert status == 400
    assert reply["error"]["code"]
    assert listed["items"] == []


async def test_an_agent_may_look_but_not_crawl(
    service: live.Live, shop: Website, alder: live.Company
) -> None:
    async with (
        live.colleague(service, alder) as ana,
        live.colleague(service, alder, which=1) as ben,
    ):
        made = await ana.post("/knowledge/crawls", {"url": f"{shop.url}/", "kind": "page"})
        path = f"/knowledge/crawls/{made['id']}"
        seen = await ben.get(path)
        refused = [
            await ben.call("POST", "/knowledge/crawls", {"url": f"{shop.url}/care"}),
            await ben.call("PATCH", path, {"depth": 1}),
            await ben.call("POST", f"{path}/run"),
            await ben.call("DELETE", path),
        ]

    assert seen["id"] == made["id"]
    assert {(status, body["error"]["code"]) for status, body in refused} == {(403, "forbidden")}

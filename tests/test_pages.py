"""The built front ends as browsers get them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
import pytest

from chatbot import pages
from tests import live

Pair = tuple[live.Company, live.Company]


@pytest.fixture
async def browser(live_service: live.Live) -> AsyncIterator[aiohttp.ClientSession]:
    if not pages.are_built():
        pytest.skip(pages.NOT_BUILT)
    async with aiohttp.ClientSession(live_service.url) as http:
        yield http


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    kind: str
    text: str


async def fetch(http: aiohttp.ClientSession, path: str, *, follow: bool = True) -> Reply:
    async with http.get(path, allow_redirects=follow) as reply:
        return Reply(reply.status, reply.headers, reply.content_type, await reply.text())


async def test_the_loader_is_cached_shortly_and_its_parts_for_good(
    browser: aiohttp.ClientSession,
) -> None:
    loader = await fetch(browser, "/w/v1/loader.js")
    app = next((pages.ASSETS / "widget" / "assets").glob("main-*.js")).name
    part = await fetch(browser, f"/w/assets/{app}")

    assert "max-age=300" in loader.headers["Cache-Control"]
    assert "immutable" in part.headers["Cache-Control"]
    assert part.headers["Access-Control-Allow-Origin"] == "*"
    assert part.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert loader.kind == part.kind == "text/javascript"


@pytest.mark.parametrize("part", ["main", "live", "socket", "reason"])
async def test_a_loader_from_before_an_update_is_led_to_todays_app(
    browser: aiohttp.ClientSession, part: str
) -> None:
    old = await fetch(browser, f"/w/assets/{part}-OLDHASH1.js", follow=False)
    nothing = await fetch(browser, "/w/assets/other-OLDHASH1.js")
    outside = await fetch(browser, "/w/assets/..%2floader.js")

    assert (old.status, old.headers["Cache-Control"]) == (302, "no-store")
    assert (await fetch(browser, old.headers["Location"])).status == 200
    assert nothing.status == 404
    assert outside.status == 404


async def test_every_address_of_the_console_is_its_one_page_under_a_strict_policy(
    browser: aiohttp.ClientSession,
) -> None:
    for path in ("/console", "/console/", "/console/alder/inbox/some/where"):
        page = await fetch(browser, path)
        assert page.status == 200, path
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-cache"


async def test_the_chat_page_names_its_site_and_an_unknown_key_is_not_found(
    browser: aiohttp.ClientSession, two_companies: Pair
) -> None:
    found = await fetch(browser, f"/chat/{two_companies[0].key}")
    unknown = await fetch(browser, "/chat/pk_nothing")

    assert f'data-key="{two_companies[0].key}"' in found.text
    assert unknown.status == 404

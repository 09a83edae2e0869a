"""The built front ends as browsers get them."""

from collections.abc import AsyncIterator

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


async def test_the_loader_is_cached_shortly_and_its_parts_for_good(
    browser: aiohttp.ClientSession,
) -> None:
    loader = await browser.get("/w/v1/loader.js")
    app = next((pages.ASSETS / "widget" / "assets").glob("main-*.js")).name
    part = await browser.get(f"/w/assets/{app}")

    assert "max-age=300" in loader.headers["Cache-Control"]
    assert "immutable" in part.headers["Cache-Control"]
    assert part.headers["Access-Control-Allow-Origin"] == "*"
    assert part.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert loader.content_type == part.content_type == "text/javascript"


async def test_a_loader_from_before_an_update_is_led_to_todays_app(
    browser: aiohttp.ClientSession,
) -> None:
    old = await browser.get("/w/assets/main-OLDHASH1.js", allow_redirects=False)
    nothing = await browser.get("/w/assets/other-OLDHASH1.js")
    outside = await browser.get("/w/assets/..%2floader.js")

    assert (old.status, old.headers["Cache-Control"]) == (302, "no-store")
    assert (await browser.get(old.headers["Location"])).status == 200
    assert nothing.status == 404
    assert outside.status == 404


async def test_every_address_of_the_console_is_its_one_page_under_a_strict_policy(
    browser: aiohttp.ClientSession,
) -> None:
    for path in ("/console", "/console/", "/console/alder/inbox/some/where"):
        page = await browser.get(path)
        assert page.status == 200, path
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-cache"


async def test_the_chat_page_names_its_site_and_an_unknown_key_is_not_found(
    browser: aiohttp.ClientSession, two_companies: Pair
) -> None:
    found = await browser.get(f"/chat/{two_companies[0].key}")
    unknown = await browser.get("/chat/pk_nothing")

    assert f'data-key="{two_companies[0].key}"' in await found.text()
    assert unknown.status == 404

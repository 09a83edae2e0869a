"""The whole story in a real Chromium: a visitor's window and a colleague's, side by side.

A question streams an answer with sources, survives a reload and a lost network, a person is called,
takes over without reloading, both write, and the conversation goes back to the bot. Uploading is
done by hand of the owner.
"""

import os
import re
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from chatbot import demo, pages
from chatbot.orgs import sites
from tests import live
from tests.conftest import Cluster, copy_of
from tests.journeys.texts import HANDBOOK

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 15_000
SILENCE_MS = 500  # the bot answers within a tenth of that

pytestmark = pytest.mark.browser


@pytest.fixture
def chromium() -> str:
    if CHROMIUM is None or not pages.are_built():
        missing = "no Chromium was found" if CHROMIUM is None else pages.NOT_BUILT
        if os.environ.get("CI"):
            pytest.fail(f"CI requires the browser test, but {missing}")
        pytest.skip(f"the browser test is left out: {missing}")
    return CHROMIUM


@asynccontextmanager
async def website(tag: str, service_url: str, listener: socket.socket) -> AsyncGenerator[None]:
    """The demo's public page, with its strict policy, on an origin of its own."""
    async with live.serving(demo.website(tag, service_url), listener):
        yield


async def test_visitor_and_colleague_in_two_windows(
    chromium: str, cluster: Cluster, tmp_path: Path
) -> None:
    public = socket.create_server(("127.0.0.1", 0))
    website_url = f"http://127.0.0.1:{public.getsockname()[1]}"
    with copy_of(cluster) as urls:
        async with live.running(urls.app) as running, async_playwright() as playwright:
            alder = await live.company(running, "alder")
            async with running.database.transaction(alder.org_id, actor="system") as db:
                site = await sites.create_site(
                    db, alder.org_id, name="Alder Kettles", allowed_origins=[website_url]
                )
            tag = sites.tag(site, running.url)
            browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            async with website(tag, running.url, public):
                await _story(browser, running, alder, website_url, tmp_path)
            await browser.close()


async def _story(
    browser: Browser, running: live.Live, alder: live.Company, website_url: str, folder: Path
) -> None:
    violations: list[str] = []
    visitor = await (await browser.new_context(locale="en-GB")).new_page()
    staff = await (await browser.new_context(locale="en-GB")).new_page()
    for page in (visitor, staff):
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: violations.append(str(error)))
        page.on(
            "console", lambda line: violations.append(line.text) if "Policy" in line.text else None
        )
    expect.set_options(timeout=WAIT_MS)

    await _log_in(staff, running, alder)
    await _upload(staff, folder)
    await _ask(visitor, website_url)
    await _lose_the_network(visitor)
    await _call_a_person(visitor, staff)
    await _talk(visitor, staff)
    await _give_back(visitor, staff)
    assert violations == []


async def _log_in(staff: Page, running: live.Live, alder: live.Company) -> None:
    await staff.goto(f"{running.url}/console")
    await staff.get_by_label("E-mail").fill(alder.emails[0])
    await staff.get_by_label("Password").fill(live.PASSWORD)
    await staff.keyboard.press("Enter")
    await expect(staff.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()


async def _upload(staff: Page, folder: Path) -> None:
    handbook = folder / "handbook.md"
    handbook.write_text(HANDBOOK)
    await staff.get_by_role("link", name="Knowledge").click()
    await staff.locator("input[type=file]").set_input_files(handbook)
    await expect(staff.get_by_text("handbook.md").first).to_be_visible()
    await expect(staff.get_by_text("Ready").first).to_be_visible()
    await staff.get_by_role("link", name="Inbox").click()


async def _ask(visitor: Page, website_url: str) -> None:
    await visitor.goto(website_url)
    await visitor.get_by_role("button", name="Open chat").click()
    composer = visitor.get_by_role("textbox", name="Your message")
    await composer.fill("How long is the warranty on a kettle?")
    await composer.press("Enter")
    log = visitor.get_by_role("log")
    await expect(log).to_contain_text("36 months from the day of purchase")
    await expect(visitor.get_by_role("button", name=re.compile("Source 1")).first).to_be_visible()

    await visitor.reload()  # the panel opens again by itself
    await expect(visitor.get_by_role("log")).to_contain_text(
        "How long is the warranty on a kettle?"
    )
    await expect(visitor.get_by_role("log")).to_contain_text("36 months")


async def _lose_the_network(visitor: Page) -> None:
    """The browser says so: nobody waits for a heartbeat that does not come, which takes longer."""
    status = visitor.get_by_text("No connection. Trying again")
    await visitor.context.set_offline(True)
    await expect(status).to_be_visible()
    await visitor.context.set_offline(False)
    await expect(status).to_be_hidden()
    await expect(visitor.get_by_text("We are online")).to_be_visible()


async def _call_a_person(visitor: Page, staff: Page) -> None:
    await visitor.get_by_role("button", name="Talk to a person").first.click()
    row = staff.get_by_role("navigation", name="Conversations").or_(
        staff.get_by_label("Conversations")
    )
    await expect(row.first).to_contain_text("Visitor")  # it came by itself: nothing was reloaded
    await staff.get_by_text(re.compile("^Visitor ")).first.click()
    await expect(staff.get_by_text("36 months").first).to_be_visible()
    await staff.get_by_role("button", name=re.compile("Take over")).click()
    await expect(visitor.get_by_role("log")).to_contain_text("Ana joined")


async def _talk(visitor: Page, staff: Page) -> None:
    reply = staff.get_by_role("textbox").last
    await reply.fill("Hello, this is Ana. What can I do for you?")
    await reply.press("Control+Enter")
    await expect(visitor.get_by_role("log")).to_contain_text("Hello, this is Ana.")

    answered = visitor.get_by_text("36 months from the day of purchase")
    before = await answered.count()
    composer = visitor.get_by_role("textbox", name="Your message")
    await composer.fill("My kettle sings. How long is the warranty?")
    await composer.press("Enter")
    await expect(staff.get_by_text("My kettle sings.").first).to_be_visible()
    await visitor.wait_for_timeout(SILENCE_MS)
    assert await answered.count() == before, "the bot spoke while a person had the conversation"


async def _give_back(visitor: Page, staff: Page) -> None:
    await staff.get_by_role("button", name=re.compile("Hand back")).click()
    await expect(visitor.get_by_role("log")).to_contain_text("Ana handed")
    composer = visitor.get_by_role("textbox", name="Your message")
    await composer.fill("How often should I descale the kettle?")
    await composer.press("Enter")
    await expect(visitor.get_by_role("log")).to_contain_text("citric acid")

"""Websites that are read again: what is new, what has gone, and what only looks as if it had."""

from sqlalchemy import func, select

from knowledge.web import crawl
from knowledge.web.crawltables import CrawlKind, CrawlPage, PageStatus, Schedule
from tests.knowledge.reader import Reader, shop
from tests.knowledge.website import URLSET, XML, Reply, Website, page


async def test_what_has_not_changed_is_neither_sent_nor_indexed_again(
    reader: Reader, site: Website
) -> None:
    shop(site)
    tagged = {
        path: Reply(each.body, headers={"ETag": f'"{path}"'}) for path, each in site.pages.items()
    }
    site.pages |= {path: tagged[path] for path in ("/", "/returns")}
    first = await reader.read(f"{site.url}/")
    site.pages["/faq"] = Reply(page("Questions", "Descale with vinegar."))

    done = await reader.run(first.id)
    documents = await reader.documents()

    assert await reader.fared(done.id) == {
        "/": "unchanged",
        "/cart": "skipped robots_disallowed",
        "/faq": "fetched",
        "/returns": "unchanged",
        "/shipping": "unchanged",
    }
    asked = [each for each in site.asked if "If-None-Match" in each.headers]
    assert {each.path for each in asked} == {"/", "/returns"}
    assert {path: each.version for path, each in documents.items()} == {
        "/": 1,
        "/returns": 1,
        "/shipping": 1,
        "/faq": 2,
    }
    assert reader.queued == 5


async def test_a_page_that_is_gone_is_taken_out_at_once(reader: Reader, site: Website) -> None:
    shop(site)
    first = await reader.read(f"{site.url}/")
    del site.pages["/returns"]
    site.pages["/faq"] = Reply(status=410)

    done = await reader.run(first.id)

    fared = await reader.fared(done.id)
    assert (fared["/returns"], fared["/faq"]) == ("gone http_error", "gone http_error")
    assert (await reader.pages(done.id))["/returns"].http_status == 404
    assert set(await reader.documents()) == {"/"}


async def test_a_page_that_nothing_leads_to_is_taken_out_after_a_complete_run(
    reader: Reader, site: Website
) -> None:
    shop(site)
    first = await reader.read(f"{site.url}/")
    site.pages["/returns"] = Reply(page("Returns", "Send it back.", links=("/",)))

    done = await reader.run(first.id)

    assert (await reader.fared(done.id))["/shipping"] == "gone no_longer_linked"
    assert set(await reader.documents()) == {"/", "/faq", "/returns"}
    assert site.hits["/shipping"] == 1


async def test_when_a_page_fails_what_it_led_to_is_asked_for_itself(
    reader: Reader, site: Website
) -> None:
    shop(site)
    site.pages["/old"] = Reply(page("Old", "An old offer."))
    site.pages["/returns"] = Reply(page("Returns", "Back.", links=("/shipping", "/old")))
    first = await reader.read(f"{site.url}/")
    site.pages["/returns"] = Reply(status=500)
    del site.pages["/old"]

    done = await reader.run(first.id)

    fared = await reader.fared(done.id)
    assert (fared["/returns"], fared["/shipping"]) == ("failed http_error", "unchanged")
    assert fared["/old"] == "gone http_error"
    assert set(await reader.documents()) == {"/", "/faq", "/returns", "/shipping"}


async def test_a_site_that_is_down_loses_nothing(reader: Reader, site: Website) -> None:
    shop(site)
    first = await reader.read(f"{site.url}/", schedule=Schedule.DAILY)
    site.down = True
    down = await reader.run(first.id)
    site.down = False
    site.pages |= {path: Reply(status=503) for path in ("/returns", "/faq", "/shipping")}
    site.pages["/"] = Reply(status=404)

    no_start = await reader.run(first.id)

    assert (down.status, down.error_code) == ("failed", "robots_unreachable")
    assert (no_start.status, no_start.error_code) == ("failed", "http_error")
    assert no_start.next_at is not None
    assert set(await reader.documents()) == {"/", "/faq", "/returns", "/shipping"}


async def test_a_site_that_breaks_half_way_is_left_alone(reader: Reader, site: Website) -> None:
    paths = tuple(f"/p{at}" for at in range(30))
    site.pages["/"] = Reply(page("Home", "Many pages.", links=paths))
    site.pages |= {path: Reply(page(path, f"This is {path}.")) for path in paths}
    first = await reader.read(f"{site.url}/")
    site.pages |= {path: Reply(status=502) for path in paths}
    site.hits.clear()

    done = await reader.run(first.id)

    assert (done.status, done.error_code) == ("failed", "site_down")
    assert sum(site.hits.values()) < 10
    assert len(await reader.documents()) == 31


async def test_a_page_that_moved_for_good_takes_its_document_along(
    reader: Reader, site: Website
) -> None:
    site.pages["/"] = Reply(page("Home", "Welcome.", links=("/a", "/b")))
    site.pages["/a"] = Reply(page("A", "Page a."))
    site.pages["/b"] = Reply(page("B", "Page b."))
    first = await reader.read(f"{site.url}/")
    site.pages["/c"] = Reply(page("C", "Page c."))
    site.pages["/a"] = Reply(status=301, headers={"Location": "/c"})
    site.pages["/sorry"] = Reply(page("Sorry", "We are painting the walls."))
    site.pages["/b"] = Reply(status=302, headers={"Location": "/sorry"})

    await reader.run(first.id)

    assert set(await reader.documents()) == {"/", "/b", "/c", "/sorry"}


async def test_what_a_sitemap_says_is_older_than_our_copy_is_not_fetched(
    reader: Reader, site: Website
) -> None:
    entry = "<url><loc>{0}/{1}</loc><lastmod>{2}</lastmod></url>"

    def listed(*entries: tuple[str, str]) -> Reply:
        lines = "".join(entry.format(site.url, *each) for each in entries)
        return Reply(URLSET.format(lines), content_type=XML)

    site.pages |= {
        "/sitemap.xml": listed(("old", "2020-01-01"), ("new", "2020-01-01T10:00:00Z")),
        "/old": Reply(page("Old", "Page old.")),
        "/new": Reply(page("New", "Page new.")),
    }
    first = await reader.read(f"{site.url}/sitemap.xml", kind=CrawlKind.SITEMAP)
    site.pages["/sitemap.xml"] = listed(("old", "2020-01-01"), ("new", "2999-01-01"))

    done = await reader.run(first.id)

    assert (site.hits["/old"], site.hits["/new"]) == (1, 2)
    assert (await reader.fared(done.id))["/old"] == "unchanged"
    assert set(await reader.documents()) == {"/old", "/new"}


async def test_a_page_that_a_sitemap_lists_no_more_is_taken_out(
    reader: Reader, site: Website
) -> None:
    site.pages["/list.txt"] = Reply(f"{site.url}/a\n{site.url}/b\n", content_type="text/plain")
    site.pages |= {path: Reply(page(path, f"Page {path}.")) for path in ("/a", "/b")}
    first = await reader.read(f"{site.url}/list.txt", kind=CrawlKind.SITEMAP)
    site.pages["/list.txt"] = Reply(f"{site.url}/a\n", content_type="text/plain")

    await reader.run(first.id)

    assert set(await reader.documents()) == {"/a"}


async def test_counts_are_of_the_last_run(reader: Reader, site: Website) -> None:
    shop(site)
    done = await reader.read(f"{site.url}/")

    async with reader.database.transaction(reader.org_id) as db:
        found = (await crawl.counts(db, reader.org_id, [done.id]))[done.id]
        rows = await db.scalar(select(func.count()).where(CrawlPage.org_id == reader.org_id))

    assert found[PageStatus.FETCHED] == 4
    assert found[PageStatus.SKIPPED] == 1
    assert sum(found.values()) == rows == 5

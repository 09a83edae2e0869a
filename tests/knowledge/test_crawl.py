"""Websites that are read: what is taken and what is left, and why."""

import pytest

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import index, ingest
from knowledge.embed import LocalEmbedder
from knowledge.models import Models
from knowledge.web import robots
from knowledge.web.addresses import LOOPBACK, Addresses
from knowledge.web.crawltables import CrawlKind
from knowledge.web.fetch import Fetcher
from knowledge.web.weburl import parse
from tests.knowledge.reader import Reader, shop
from tests.knowledge.test_fetch import SPELLINGS
from tests.knowledge.website import (
    INDEX,
    SITE_HOST,
    URLSET,
    XML,
    Reply,
    Trap,
    Website,
    packed,
    page,
)


async def test_a_site_is_read_from_link_to_link_each_page_once(
    reader: Reader, site: Website, two_orgs: tuple[Org, Org], database: Database
) -> None:
    shop(site)

    done = await reader.read(f"{site.url}/", labels=["Public "])
    documents = await reader.documents()

    assert (done.status, done.error_code, done.run, done.next_at) == ("done", None, 1, None)
    assert await reader.fared(done.id) == {
        "/": "fetched",
        "/cart": "skipped robots_disallowed",
        "/faq": "fetched",
        "/returns": "fetched",
        "/shipping": "fetched",
    }
    assert set(documents) == {"/", "/faq", "/returns", "/shipping"}
    assert documents["/faq"].title == "Questions"
    assert documents["/faq"].url == documents["/faq"].name == f"{site.url}/faq"
    assert (documents["/faq"].kind, documents["/faq"].labels) == ("page", ["public"])
    assert reader.queued == 4
    assert {path: count for path, count in site.hits.items() if count > 1} == {}
    assert "/logo.png" not in site.hits
    async with database.transaction(two_orgs[1].id) as db:
        assert not await index.documents(db, two_orgs[1].id)


async def test_what_was_read_is_found(reader: Reader, site: Website, database: Database) -> None:
    shop(site)
    await reader.read(f"{site.url}/")

    models = Models(LocalEmbedder())
    while await ingest.ingest_next(database.transaction, models, reader.org_id):
        pass
    async with database.transaction(reader.org_id) as db:
        faq = (await reader.documents())["/faq"]
        passages = await index.passages(db, reader.org_id, faq.id)

    assert faq.status == "ready"
    assert "citric acid" in passages[0].text
    assert "rights reserved" not in passages[0].text


@pytest.mark.parametrize(("depth", "found"), [(0, 1), (1, 3), (2, 4)])
async def test_a_site_is_read_to_a_depth(
    depth: int, found: int, reader: Reader, site: Website
) -> None:
    shop(site)

    await reader.read(f"{site.url}/", depth=depth)

    assert len(await reader.documents()) == found


async def test_one_page_is_one_page(reader: Reader, site: Website) -> None:
    shop(site)

    done = await reader.read(f"{site.url}/returns", kind=CrawlKind.PAGE)

    assert await reader.fared(done.id) == {"/returns": "fetched"}


async def test_only_what_lies_below_the_start_is_read(reader: Reader, site: Website) -> None:
    site.pages |= {
        "/docs/": Reply(page("Docs", "All of it.", links=("a", "/docs/b", "/shop", "../x"))),
        "/docs/a": Reply(page("A", "Page a.")),
        "/docs/b": Reply(status=302, headers={"Location": "/shop"}),
        "/shop": Reply(page("Shop", "Buy.")),
    }

    done = await reader.read(f"{site.url}/docs/")

    assert await reader.fared(done.id) == {
        "/docs/": "fetched",
        "/docs/a": "fetched",
        "/docs/b": "skipped outside_scope",
    }
    assert "/shop" not in site.hits


async def test_a_run_takes_as_many_pages_as_it_may_and_says_so(
    reader: Reader, site: Website
) -> None:
    paths = tuple(f"/p{at}" for at in range(20))
    site.pages["/"] = Reply(page("Home", "Many pages.", links=paths))
    site.pages |= {path: Reply(page(path, f"This is {path}.")) for path in paths}

    done = await reader.read(f"{site.url}/", pages_max=5)

    assert (done.status, done.error_code) == ("done", "pages_limit")
    assert set((await reader.fared(done.id)).values()) == {"fetched"}
    assert len(await reader.documents()) == 5
    assert sum(site.hits.values()) == 6


async def test_redirects_end_at_the_page_and_it_is_read_once(reader: Reader, site: Website) -> None:
    old = tuple(f"/old/{at}" for at in range(5))
    site.pages["/"] = Reply(page("Home", "Welcome.", links=(*old, "/round")))
    site.pages |= {
        path: Reply(status=301, headers={"Location": "/new?utm_medium=x"}) for path in old
    }
    site.pages["/new"] = Reply(page("New", "The new page."))
    site.pages["/round"] = Reply(status=302, headers={"Location": "/round"})

    done = await reader.read(f"{site.url}/")

    fared = await reader.fared(done.id)
    assert {fared[path] for path in old} == {"skipped redirected"}
    assert fared["/new"] == "fetched"
    assert fared["/round"] == "failed too_many_redirects"
    assert sum(count for path, count in site.hits.items() if path.startswith("/new")) == 1


async def test_the_start_may_lead_to_its_own_site_but_not_to_another(
    reader: Reader, site: Website
) -> None:
    site.pages["/docs"] = Reply(status=301, headers={"Location": "/docs/"})
    site.pages["/docs/"] = Reply(page("Docs", "All of it.", links=("/docs/a",)))
    site.pages["/docs/a"] = Reply(page("A", "Page a."))
    site.pages["/away"] = Reply(status=302, headers={"Location": "https://else.example/"})

    inside = await reader.read(f"{site.url}/docs")
    outside = await reader.read(f"{site.url}/away")

    assert set(await reader.documents()) == {"/docs/", "/docs/a"}
    assert inside.status == "done"
    assert (outside.status, outside.error_code) == ("failed", "redirected_away")
    assert "https://else.example/" in (outside.error_message or "")


async def test_pages_that_are_the_same_are_read_once(reader: Reader, site: Website) -> None:
    canonical = '<link rel="canonical" href="/kettle">'
    front = '<link rel="canonical" href="/">'
    site.pages |= {
        "/": Reply(
            page("Home", "Welcome.", links=("/kettle?colour=red", "/twin", "/a", "/b", "/c"))
        ),
        "/kettle": Reply(page("Kettle", "A kettle.", head=canonical)),
        "/kettle?colour=red": Reply(page("Kettle", "A red kettle.", head=canonical)),
        "/a": Reply(page("Same", "Word for word.")),
        "/twin": Reply(page("Same", "Word for word.")),
        "/b": Reply(page("B", "Names the front page by mistake.", head=front)),
        "/c": Reply(page("C", "Hidden.", head='<meta name="robots" content="noindex,nofollow">')),
    }

    done = await reader.read(f"{site.url}/")

    assert await reader.fared(done.id) == {
        "/": "fetched",
        "/a": "fetched",
        "/b": "fetched",
        "/c": "skipped noindex",
        "/kettle": "fetched",
        "/kettle?colour=red": "skipped canonical",
        "/twin": "skipped duplicate",
    }


async def test_two_pages_that_name_each_other_are_not_both_lost(
    reader: Reader, site: Website
) -> None:
    site.pages |= {
        "/": Reply(page("Home", "Welcome.", links=("/a", "/b"))),
        "/a": Reply(page("A", "Page a.", head='<link rel=canonical href="/b">')),
        "/b": Reply(page("B", "Page b.", head='<link rel=canonical href="/a">')),
    }

    done = await reader.read(f"{site.url}/")

    fared = await reader.fared(done.id)
    assert (fared["/a"], fared["/b"]) == ("skipped canonical", "fetched")


async def test_what_is_no_page_has_its_reason(reader: Reader, site: Website) -> None:
    site.pages |= {
        "/": Reply(
            page(
                "Home",
                "Welcome.",
                links=("/slow", "/huge", "/bomb", "/film", "/secret", "/none", "/wall", "/empty"),
            )
        ),
        "/slow": Reply(page("Slow", "Late."), wait_s=8),
        "/huge": Reply(b"<p>" + b"a" * 11_000_000),
        "/bomb": Reply(packed(bytes(50 * 2**20)), headers={"Content-Encoding": "gzip"}),
        "/film": Reply(b"\x00\x00", content_type="video/mp4"),
        "/secret": Reply(status=403),
        "/wall": Reply(status=302, headers={"Location": "/wall", "Set-Cookie": "seen=1"}),
        "/empty": Reply(""),
    }

    done = await reader.read(f"{site.url}/")

    assert await reader.fared(done.id) == {
        "/": "fetched",
        "/bomb": "failed too_large",
        "/empty": "failed empty",
        "/film": "skipped not_html",
        "/huge": "failed too_large",
        "/none": "gone http_error",
        "/secret": "failed http_error",
        "/slow": "failed fetch_timeout",
        "/wall": "failed too_many_redirects",
    }
    assert all(
        row.error_message for path, row in (await reader.pages(done.id)).items() if path != "/"
    )
    assert done.status == "done"


@pytest.mark.parametrize(
    ("reply", "allowed"),
    [
        (Reply(status=404), True),
        (Reply(status=403), True),
        (Reply(status=500), False),
        (Reply(status=429), False),
        (Reply("User-agent: *\nDisallow: /", content_type="text/plain"), False),
        (Reply(f"User-agent: {robots.AGENT}\nDisallow: /\n\nUser-agent: *\nAllow: /"), False),
        (Reply(f"User-agent: {robots.AGENT}\nAllow: /\n\nUser-agent: *\nDisallow: /"), True),
        (Reply("User-agent: *\nDisallow: /*a*a*a*a*a*a*a*b$"), True),
        (Reply(status=302, headers={"Location": "/other.txt"}), False),
    ],
)
async def test_robots_txt_decides(reply: Reply, allowed: bool, site: Website) -> None:
    site.pages["/robots.txt"] = reply
    site.pages["/other.txt"] = Reply("User-agent: *\nDisallow: /")
    fetcher = Fetcher(Addresses(LOOPBACK), ports={site.port})

    rules = await robots.load(fetcher, parse(f"{site.url}/{'a' * 1_900}"))

    assert rules.allows(parse(f"{site.url}/{'a' * 1_900}")) is allowed


async def test_a_crawl_delay_has_an_end(site: Website) -> None:
    site.pages["/robots.txt"] = Reply("User-agent: *\nCrawl-delay: 86400")

    rules = await robots.load(
        Fetcher(Addresses(LOOPBACK), ports={site.port}), parse(f"{site.url}/")
    )

    assert rules.delay_s == robots.DELAY_S_MAX


async def test_a_sitemap_of_sitemaps_is_read(reader: Reader, site: Website) -> None:
    entry = "<url><loc>{}</loc></url>"
    site.pages |= {
        "/sitemap.xml": Reply(
            INDEX.format(
                f"<sitemap><loc>{site.url}/one.xml.gz</loc></sitemap>"
                f"<sitemap><loc>{site.url}/two.xml</loc></sitemap>"
                f"<sitemap><loc>{site.url}/none.xml</loc></sitemap>"
                "<sitemap><loc>https://else.example/three.xml</loc></sitemap>"
            ),
            content_type=XML,
        ),
        "/one.xml.gz": Reply(
            packed(URLSET.format(entry.format(f"{site.url}/a") + entry.format(f"{site.url}/b"))),
            content_type="application/x-gzip",
        ),
        "/two.xml": Reply(
            URLSET.format(
                entry.format(f"\n {site.url}/c?x=1&amp;y=2 \n")
                + entry.format("https://else.example/d")
            ),
            content_type="text/xml",
        ),
        "/a": Reply(page("A", "Page a.", links=("/unlisted",))),
        "/b": Reply(page("B", "Page b.")),
        "/c?x=1&y=2": Reply(page("C", "Page c.")),
        "/unlisted": Reply(page("Unlisted", "Not in any list.")),
    }

    done = await reader.read(f"{site.url}/sitemap.xml", kind=CrawlKind.SITEMAP)

    assert await reader.fared(done.id) == {
        "/a": "fetched",
        "/b": "fetched",
        "/c?x=1&y=2": "fetched",
        "/none.xml": "gone http_error",
        "/one.xml.gz": "skipped sitemap",
        "/sitemap.xml": "skipped sitemap",
        "/two.xml": "skipped sitemap",
    }


async def test_a_web_page_is_no_sitemap(reader: Reader, site: Website) -> None:
    shop(site)

    done = await reader.read(f"{site.url}/", kind=CrawlKind.SITEMAP)

    assert (done.status, done.error_code) == ("failed", "not_a_sitemap")


async def test_no_list_of_a_website_reaches_a_private_address(
    database: Database, two_orgs: tuple[Org, Org], site: Website, trap: Trap
) -> None:
    hosts = [f"http://{host}:{trap.port}/x" for host in SPELLINGS if "%" not in host]
    lines = "".join(f"<url><loc>{url}</loc></url>" for url in hosts)
    maps = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in hosts)
    site.pages |= {
        "/robots.txt": Reply("\n".join(f"Sitemap: {url}" for url in hosts)),
        "/pages.xml": Reply(URLSET.format(lines), content_type=XML),
        "/maps.xml": Reply(INDEX.format(maps), content_type=XML),
        "/": Reply(
            page("Home", "Welcome.", links=(*hosts, "/inside"), head=f"<base href={hosts[0]}>")
        ),
        "/inside": Reply(page("In", "Inside.", head=f'<link rel="canonical" href="{hosts[0]}">')),
    }
    fetcher = Fetcher(
        Addresses([f"{SITE_HOST}/32"]), ports={80, 443, site.port, trap.port}, total_s=5
    )
    reader = Reader(database, two_orgs[0], fetcher)

    await reader.read(f"{site.url}/pages.xml", kind=CrawlKind.SITEMAP)
    await reader.read(f"{site.url}/maps.xml", kind=CrawlKind.SITEMAP)
    await reader.read(f"{site.url}/")
    await reader.read(f"{site.url}/inside", kind=CrawlKind.PAGE)
    for host in ("127.0.0.1", "localhost", "[::1]", "127.0.0.2.nip.example"):
        done = await reader.read(f"http://{host}:{trap.port}/start")
        assert (done.status, done.error_code) == ("failed", "address_refused")

    assert trap.caught == 0


async def test_a_website_in_an_old_encoding_is_understood(
    reader: Reader, site: Website, database: Database
) -> None:
    words = "Чайник гарантирован на тридцать шесть месяцев со дня покупки. " * 3
    site.pages["/"] = Reply(
        f"<html><head><title>Гарантия</title></head><body><main><p>{words}</p></main></body></html>".encode(
            "koi8-r"
        ),
        content_type="text/html; charset=koi8-r",
    )

    await reader.read(f"{site.url}/")
    await ingest.ingest_next(database.transaction, Models(LocalEmbedder()), reader.org_id)

    document = (await reader.documents())["/"]
    async with database.transaction(reader.org_id) as db:
        passages = await index.passages(db, reader.org_id, document.id)
    assert document.title == "Гарантия"
    assert "тридцать шесть месяцев" in passages[0].text


async def test_files_under_links_are_read_too(
    reader: Reader, site: Website, database: Database
) -> None:
    site.pages["/"] = Reply(page("Home", "Welcome.", links=("/terms.txt", "/manual")))
    site.pages["/terms.txt"] = Reply("The warranty lasts 36 months.", content_type="text/plain")
    site.pages["/manual"] = Reply(b"%PDF-1.4 broken", content_type="application/pdf")

    await reader.read(f"{site.url}/")

    documents = await reader.documents()
    assert documents["/terms.txt"].media_type == "text/plain"
    assert documents["/manual"].media_type == "application/pdf"
    assert {each.kind for each in documents.values()} == {"page"}

"""What is fetched when anybody may say what: never anything but a public website, and no more of
it than can be read.
"""

import asyncio
import gzip
import ssl
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from knowledge.errors import KnowledgeError
from knowledge.web import robots
from knowledge.web.addresses import LOOPBACK, Addresses
from knowledge.web.fetch import BODY_BYTES_MAX, HTML, Fetcher, Resolve, system_resolver
from knowledge.web.inflate import gunzipped
from knowledge.web.weberrors import WebError
from knowledge.web.weburl import Target, canonical, join, parse, scope_of
from tests import serving
from tests.knowledge.website import SITE_HOST, Reply, Trap, Website, page

PUBLIC = "93.184.215.14"

# As they would stand in an address; whatever they mean, it is not a public website.
SPELLINGS = (
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7F.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "127.0.0.01",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "127.0.0.1.",
    "127.0.0.1%00.example.org",
    "%31%32%37.0.0.1",
    "0",
    "0.0.0.0",
    "0x0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "loc\u00adalhost",
    "user@127.0.0.1",
    "example.org@127.0.0.1",
    "user:word@127.0.0.1",
    "example.org\\@127.0.0.1",
    "example.org#@127.0.0.1",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[ff02::1]",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "192.0.0.192",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)

# As a resolver might answer.
ANSWERS = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.19.0.1",
    "203.0.113.9",
    "224.0.0.251",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::7f00:1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "not an address",
)


def answering(*answers: list[str]) -> tuple[Resolve, Counter[str]]:
    """A resolver that gives one answer after the other, the last for ever."""
    asked: Counter[str] = Counter()
    waiting = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        asked[host] += 1
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return resolve, asked


def guarded(site: Website, trap: Trap, resolve: Resolve | None = None) -> Fetcher:
    """Nothing keeps this one from the trap but its address: the port is allowed."""
    addresses = Addresses([f"{SITE_HOST}/32"])
    ports = {80, 443, site.port, trap.port}
    return Fetcher(addresses, ports=ports, total_s=10, resolve=resolve or system_resolver)


def open_to(site: Website, *, total_s: float = 10) -> Fetcher:
    return Fetcher(Addresses(LOOPBACK), ports={site.port}, total_s=total_s)


async def refusal(fetching: object) -> WebError:
    with pytest.raises(WebError) as caught:
        await fetching  # type: ignore[misc]
    return caught.value


async def test_the_trap_is_sprung_by_whoever_may_connect(trap: Trap) -> None:
    anybody = Fetcher(Addresses(LOOPBACK), ports={trap.port})

    four = await anybody.get(f"http://127.0.0.1:{trap.port}/")
    six = await anybody.get(f"http://[::1]:{trap.port}/")

    assert (four.body, six.body, trap.caught) == (b"secret", b"secret", 2)


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_a_private_address_is_fetched(
    host: str, site: Website, trap: Trap
) -> None:
    site.pages["/away"] = Reply(
        status=302, headers={"Location": f"http://{host}:{trap.port}/".encode().decode("latin-1")}
    )
    site.pages["/robots.txt"] = site.pages["/away"]
    fetcher = guarded(site, trap)

    direct = await refusal(fetcher.get(f"http://{host}:{trap.port}/"))
    led = await refusal(fetcher.get(f"{site.url}/away"))
    rules = await robots.load(fetcher, parse(f"{site.url}/page"))

    assert {direct.code, led.code} <= {"address_refused", "bad_url"}
    assert not rules.allows(parse(f"{site.url}/page"))
    assert trap.caught == 0


@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_name_leads_to_a_private_address(answer: str, site: Website, trap: Trap) -> None:
    resolve, _ = answering([answer])
    among_public, _ = answering([PUBLIC, answer])
    url = f"http://shop.example:{trap.port}/"

    alone = await refusal(guarded(site, trap, resolve).get(url))
    mixed = await refusal(guarded(site, trap, among_public).get(url))

    assert alone.code == mixed.code == "address_refused"
    assert trap.caught == 0


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_name_that_changes_its_mind_is_asked_once_and_then_refused(
    answer: str, site: Website, trap: Trap
) -> None:
    resolve, asked = answering([SITE_HOST], [answer])
    site.pages["/"] = Reply(page("Home"))
    site.pages["/away"] = Reply(
        status=307, headers={"Location": f"http://shop.example:{trap.port}/"}
    )
    fetcher = guarded(site, trap, resolve)

    first = await fetcher.get(f"http://shop.example:{site.port}/")
    asked_by_then = asked["shop.example"]
    again = await refusal(fetcher.get(f"http://shop.example:{trap.port}/"))
    resolve_anew, _ = answering([SITE_HOST], [answer])
    led = await refusal(
        guarded(site, trap, resolve_anew).get(f"http://shop.example:{site.port}/away")
    )

    assert (first.status, asked_by_then) == (200, 1)
    assert again.code == led.code == "address_refused"
    assert trap.caught == 0


async def test_every_refusal_reads_the_same(site: Website, trap: Trap) -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    fetcher = guarded(site, trap)
    refused = [
        await refusal(fetcher.get(f"http://127.0.0.1:{trap.port}/")),
        await refusal(fetcher.get("http://169.254.169.254/latest/meta-data")),
        await refusal(fetcher.get("http://0x7f.1/")),
        await refusal(fetcher.get(f"http://{SITE_HOST}:6379/")),
        await refusal(guarded(site, trap, unknown).get("http://nowhere.example/")),
    ]

    assert len({(each.code, each.message, each.status) for each in refused}) == 1
    assert trap.caught == 0


async def test_only_the_two_ports_of_the_web_are_fetched_unless_told_otherwise() -> None:
    resolve, asked = answering([PUBLIC])
    fetcher = Fetcher(resolve=resolve)

    for port in (21, 22, 25, 5432, 6379, 8080, 9200):
        refused = await refusal(fetcher.get(f"http://example.org:{port}/"))
        assert refused.code == "address_refused"

    assert not asked


async def test_the_connection_goes_to_the_checked_address_with_the_name_in_it(
    site: Website, trap: Trap
) -> None:
    resolve, asked = answering([SITE_HOST])
    site.pages["/"] = Reply(page("Home"))

    await guarded(site, trap, resolve).get(f"http://Shop.Example:{site.port}/")

    assert site.asked[0].headers["Host"] == f"shop.example:{site.port}"
    assert asked == {"shop.example": 1}


async def test_the_certificate_must_be_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello", content_type="text/html")

    certified, trusting = _certificates(tmp_path, "shop.example")
    resolve, _ = answering([SITE_HOST])
    addresses = Addresses([f"{SITE_HOST}/32"])
    async with serving.running(answer, SITE_HOST, secured=certified) as port:
        fetcher = Fetcher(addresses, ports={port}, resolve=resolve, ssl_context=trusting)
        strange = Fetcher(addresses, ports={port}, resolve=resolve)

        found = await fetcher.get(f"https://shop.example:{port}/")
        other_name = await refusal(fetcher.get(f"https://bank.example:{port}/"))
        by_address = await refusal(fetcher.get(f"https://{SITE_HOST}:{port}/"))
        unknown_issuer = await refusal(strange.get(f"https://shop.example:{port}/"))

    assert found.body == b"hello"
    assert {other_name.code, by_address.code, unknown_issuer.code} == {"tls_failed"}


def _certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that shows a certificate for `name`, and a client that believes it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        f" -subj /CN={name} -addext subjectAltName=DNS:{name} -keyout {key} -out {certificate}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


async def test_proxies_of_the_environment_are_ignored(
    site: Website, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    site.pages["/"] = Reply(page("Home"))

    found = await open_to(site).get(f"{site.url}/")

    assert b"Home" in found.body
    assert trap.caught == 0


async def test_five_redirects_are_followed_and_six_are_not(site: Website) -> None:
    for at in range(6):
        site.pages[f"/{at}"] = Reply(status=301, headers={"Location": f"/{at + 1}"})
    site.pages["/6"] = Reply(page("The end"))
    site.pages["/round"] = Reply(status=302, headers={"Location": "/round"})
    fetcher = open_to(site)

    found = await fetcher.get(f"{site.url}/1")
    far = await refusal(fetcher.get(f"{site.url}/0"))
    endless = await refusal(fetcher.get(f"{site.url}/round"))

    assert (str(found.url), found.moved_for_good) == (f"{site.url}/6", True)
    assert far.code == endless.code == "too_many_redirects"
    assert site.hits["/round"] == 6


async def test_whoever_asked_may_refuse_a_redirect(site: Website) -> None:
    site.pages["/a"] = Reply(status=302, headers={"Location": "/b"})
    site.pages["/b"] = Reply(page("B"))

    async def stay(target: Target, for_good: bool) -> None:
        raise WebError("outside_scope")

    refused = await refusal(open_to(site).get(f"{site.url}/a", before_hop=stay))

    assert refused.code == "outside_scope"
    assert site.hits["/b"] == 0


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://x/",
        "data:text/html,x",
        "http://[",
        "//a:b:c/",
        "http://[::g]/",
    ],
)
async def test_a_redirect_leads_to_the_web_or_nowhere(location: str, site: Website) -> None:
    site.pages["/"] = Reply(status=302, headers={"Location": location})

    assert (await refusal(open_to(site).get(f"{site.url}/"))).code == "bad_url"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bytes(200 * 2**20), id="both"),
        pytest.param(bytes(8 * 2**20), id="by its ratio"),
        pytest.param(bytes(range(256)) * 45_000, id="by its size"),
    ],
)
async def test_a_compression_bomb_is_let_go_while_it_swells(content: bytes, site: Website) -> None:
    body = gzip.compress(content, 9 if not any(content[:9]) else 1)
    site.pages["/"] = Reply(body, headers={"Content-Encoding": "gzip"})

    assert (await refusal(open_to(site).get(f"{site.url}/"))).code == "too_large"


async def test_a_page_is_read_up_to_ten_megabytes(site: Website) -> None:
    site.pages["/fits"] = Reply(b"a" * BODY_BYTES_MAX)
    site.pages["/more"] = Reply(b"a" * (BODY_BYTES_MAX + 1))
    noise = zlib.compress(bytes(range(256)) * 1_000)
    site.pages["/packed"] = Reply(noise, headers={"Content-Encoding": "deflate"})
    fetcher = open_to(site)

    fits = await fetcher.get(f"{site.url}/fits")
    more = await refusal(fetcher.get(f"{site.url}/more"))
    unpacked = await fetcher.get(f"{site.url}/packed")

    assert len(fits.body) == BODY_BYTES_MAX
    assert more.code == "too_large"
    assert unpacked.body == bytes(range(256)) * 1_000


async def test_what_says_nothing_about_its_length_is_cut_off_all_the_same(trap: Trap) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"a" * 65_536)
            await writer.drain()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fetcher = Fetcher(Addresses(LOOPBACK), ports={port})

    refused = await refusal(fetcher.get(f"http://127.0.0.1:{port}/"))
    server.close()

    assert refused.code == "too_large"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str, site: Website) -> None:
    site.pages["/"] = Reply(b"abc", headers={"Content-Encoding": encoding})

    assert (await refusal(open_to(site).get(f"{site.url}/"))).code == "bad_encoding"


async def test_gzip_that_is_not_gzip_is_refused(site: Website) -> None:
    site.pages["/"] = Reply(b"<h1>plain</h1>", headers={"Content-Encoding": "gzip"})

    assert (await refusal(open_to(site).get(f"{site.url}/"))).code == "bad_encoding"


def test_files_put_one_after_the_other_are_unpacked_to_the_end() -> None:
    assert gunzipped(gzip.compress(b"one ") + gzip.compress(b"two"), bytes_max=100) == b"one two"
    assert gunzipped(gzip.compress(b"one") + bytes(8), bytes_max=100) == b"one"
    assert gunzipped(b"plain", bytes_max=100) == b"plain"


async def test_a_slow_website_is_given_up(site: Website) -> None:
    site.pages["/"] = Reply(page("Slow"), wait_s=5)

    assert (await refusal(open_to(site, total_s=0.3).get(f"{site.url}/"))).code == "fetch_timeout"


async def test_one_that_sends_a_letter_at_a_time_is_given_up_too() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"a")
            await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    refused = await refusal(
        Fetcher(Addresses(LOOPBACK), ports={port}, total_s=0.5).get(f"http://127.0.0.1:{port}/")
    )
    server.close()

    assert refused.code == "fetch_timeout"


async def test_a_closed_door_and_rubbish_are_named() -> None:
    async def rubbish(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 not http at all\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(rubbish, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fetcher = Fetcher(Addresses(LOOPBACK), ports={port})

    garbled = await refusal(fetcher.get(f"http://127.0.0.1:{port}/"))
    server.close()
    await server.wait_closed()
    closed = await refusal(fetcher.get(f"http://127.0.0.1:{port}/"))

    assert garbled.code == closed.code == "fetch_failed"


async def test_only_wanted_kinds_are_read(site: Website) -> None:
    site.pages["/film"] = Reply(b"x" * 1_000, content_type="video/mp4")
    site.pages["/page"] = Reply(page("Page"), content_type="Text/HTML;  Charset='UTF-8'")
    fetcher = open_to(site)

    film = await refusal(fetcher.get(f"{site.url}/film", wanted=HTML))
    found = await fetcher.get(f"{site.url}/page", wanted=HTML)

    assert film.code == "not_html"
    assert (found.media_type, found.charset) == ("text/html", "utf-8")


@pytest.mark.parametrize("status", [204, 206, 401, 403, 404, 410, 429, 500, 503])
async def test_what_is_not_a_page_says_its_status(status: int, site: Website) -> None:
    site.pages["/"] = Reply(status=status)

    refused = await refusal(open_to(site).get(f"{site.url}/"))

    assert (refused.code, refused.status) == ("http_error", status)
    assert isinstance(refused, KnowledgeError)


async def test_what_has_not_changed_is_not_sent_again(site: Website) -> None:
    site.pages["/"] = Reply(page("Home"), headers={"ETag": '"v1"', "Last-Modified": "yesterday"})
    fetcher = open_to(site)

    first = await fetcher.get(f"{site.url}/")
    again = await fetcher.get(f"{site.url}/", etag=first.etag, last_modified=first.last_modified)

    assert (first.not_modified, again.not_modified, again.body) == (False, True, b"")
    assert site.asked[1].headers["If-Modified-Since"] == "yesterday"


async def test_the_fetcher_says_who_it_is_and_sends_no_cookie(site: Website) -> None:
    site.pages["/"] = Reply(
        status=302, headers={"Location": "/welcome", "Set-Cookie": "session=1; Path=/"}
    )
    site.pages["/welcome"] = Reply(page("Welcome"))

    await Fetcher(
        Addresses(LOOPBACK), ports={site.port}, user_agent="chatbot-crawler/1.0 (+https://me)"
    ).get(f"{site.url}/")

    agents = {request.headers["User-Agent"] for request in site.asked}
    assert agents == {"chatbot-crawler/1.0 (+https://me)"}
    assert not any("Cookie" in request.headers for request in site.asked)


def test_a_page_has_one_address() -> None:
    spellings = {
        "HTTPS://Example.ORG:443/a/../b/?utm_source=x&q=%7e1&gclid=3#top": "https://example.org/b/?q=~1",
        "http://example.org.": "http://example.org/",
        "https://bücher.example/ä b": "https://xn--bcher-kva.example/%C3%A4%20b",
        "https://example.org/%7euser/%c3%a4": "https://example.org/~user/%C3%A4",
        "https://example.org/a;jsessionid=9?": "https://example.org/a",
        " https://example.org/a\n": "https://example.org/a",
    }

    assert {text: str(canonical(text)) for text in spellings} == spellings
    assert all(str(canonical(each)) == each for each in spellings.values())


def test_links_that_lead_to_no_page_are_none() -> None:
    base = "https://example.org/docs/a"

    assert str(join(base, "../b?x=1#y")) == "https://example.org/b?x=1"
    assert str(join(base, "//other.org/c")) == "https://other.org/c"
    for link in (
        "mailto:a@b.c",
        "javascript:alert(1)",
        "tel:1",
        "data:,x",
        "http://[",
        "http://a:b",
    ):
        assert join(base, link) is None


def test_the_scope_is_what_lies_below_the_start() -> None:
    docs = scope_of(parse("https://www.example.org/docs/index.html"))
    help_pages = scope_of(parse("https://example.org/help"))

    assert docs.holds(parse("http://example.org/docs/a/b"))
    assert not docs.holds(parse("https://example.org/shop"))
    assert not docs.holds(parse("https://cdn.example.org/docs/a"))
    assert not docs.holds(parse("https://example.org.evil.org/docs/a"))
    assert help_pages.holds(parse("https://example.org/help?page=2"))
    assert help_pages.holds(parse("https://example.org/help/a"))
    assert not help_pages.holds(parse("https://example.org/helpers"))

"""A little website on loopback whose pages a test sets, and a trap that nobody may touch."""

import asyncio
import contextlib
import gzip
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from tests import serving

HTML = "text/html; charset=utf-8"
XML = "application/xml"
SITE_HOST = "127.0.0.2"  # of all that is on this machine, the one that may be reached
URLSET = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'
INDEX = '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</sitemapindex>'


@dataclass(frozen=True)
class Reply:
    """What a path answers; an `ETag` among the headers makes it answer 304 when asked by it."""

    body: bytes | str = b""
    status: int = 200
    content_type: str = HTML
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    wait_for: Callable[[], Awaitable[object]] | None = None


@dataclass
class Website:
    """`pages` may be changed at any time; `hits` counts requests by path with query."""

    host: str
    port: int = 0
    pages: dict[str, Reply] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    asked: list[web.BaseRequest] = field(default_factory=list)
    down: bool = False

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.hits[request.path_qs] += 1
        self.asked.append(request)
        reply = self.pages.get(request.path_qs) or self.pages.get(request.path)
        if self.down:
            return web.Response(status=503, text="down")
        if reply is None:
            return web.Response(status=404, text="<h1>Not found</h1>", content_type="text/html")
        if reply.wait_for is not None:
            await reply.wait_for()
        await asyncio.sleep(reply.wait_s)
        if reply.headers.get("ETag", "-") == request.headers.get("If-None-Match"):
            return web.Response(status=304, headers=reply.headers)
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        headers = {"Content-Type": reply.content_type, **reply.headers}
        return web.Response(status=reply.status, body=body, headers=headers)


@contextlib.asynccontextmanager
async def running(host: str = SITE_HOST) -> AsyncGenerator[Website]:
    """A website on a free port, gone with the block."""
    website = Website(host)
    async with serving.running(website.answer, host) as website.port:
        yield website


@dataclass
class Trap:
    """Listens on every address of this machine and counts who comes."""

    port: int
    caught: int = 0


@contextlib.asynccontextmanager
async def trap() -> AsyncGenerator[Trap]:
    four = socket.create_server(("0.0.0.0", 0))
    port = four.getsockname()[1]
    six = socket.create_server(("::", port), family=socket.AF_INET6)
    found = Trap(port)

    async def spring(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.caught += 1
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nsecret"
        )
        writer.close()

    servers = [await asyncio.start_server(spring, sock=each) for each in (four, six)]
    try:
        yield found
    finally:
        for server in servers:
            server.close()


def page(title: str, *paragraphs: str, links: tuple[str, ...] = (), head: str = "") -> str:
    """A page with a menu and a footer around its main content."""
    body = "".join(f"<p>{each}</p>" for each in paragraphs)
    menu = "".join(f'<a href="{link}">{link}</a> ' for link in links)
    return (
        f"<!doctype html><html lang=en><head><title>{title}</title>{head}</head><body>"
        f"<nav>{menu}</nav><main><h1>{title}</h1>{body}</main>"
        f"<footer>All rights reserved</footer></body></html>"
    )


def packed(text: str | bytes) -> bytes:
    return gzip.compress(text.encode() if isinstance(text, str) else text)

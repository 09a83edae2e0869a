"""The one function that fetches an address which a person could type.

It connects to nothing but an address that it has checked: a name is resolved once, every address
that comes back must be public (`addresses.py`), and the connection goes to one of those, while
Host, SNI and the certificate's check keep the name. Each redirect is checked as if it had been
typed. No proxy, cookie, credential or secret of ours takes part.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urljoin

import httpcore2
import msgspec

from knowledge.web.addresses import Addresses
from knowledge.web.inflate import Inflater
from knowledge.web.weberrors import WebError
from knowledge.web.weburl import PORTS, Target, parse

USER_AGENT: Final = "chatbot-crawler/1.0"
CONNECT_S: Final = 5.0
TOTAL_S: Final = 30.0
BODY_BYTES_MAX: Final = 10 * 2**20
REDIRECTS_MAX: Final = 5
ADDRESSES_TRIED_MAX: Final = 4
HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PERMANENT: Final = frozenset({301, 308})
_HEADER_CHARS_MAX: Final = 500

Resolve = Callable[[str, int], Awaitable[list[str]]]
BeforeHop = Callable[[Target, bool], Awaitable[None]]


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A 200, or a 304 (`not_modified`, without body). `url` is where the redirects ended;
    `moved_for_good` says that each of them was permanent.
    """

    url: Target
    body: bytes = b""
    media_type: str = ""
    charset: str = ""
    etag: str | None = None
    last_modified: str | None = None
    status: int = 200
    moved_for_good: bool = True

    @property
    def not_modified(self) -> bool:
        return self.status == 304


class _Redirect(Exception):
    def __init__(self, status: int, location: str) -> None:
        self.status = status
        self.location = location
        super().__init__(location)


async def system_resolver(host: str, port: int) -> list[str]:
    """Every address that the system's resolver has for the name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Fetcher:
    """`ports` and `addresses` say what may be reached; both are for tests and the demo to widen."""

    def __init__(
        self,
        addresses: Addresses | None = None,
        *,
        ports: Collection[int] = frozenset(PORTS.values()),
        user_agent: str = USER_AGENT,
        resolve: Resolve = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        self._ports = frozenset(ports)
        self._user_agent = user_agent
        self._network = _CheckedNetwork(addresses or Addresses(), resolve)
        self._ssl_context = ssl_context
        self._total_s = total_s

    async def get(
        self,
        url: str,
        *,
        wanted: Collection[str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        before_hop: BeforeHop | None = None,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> Fetched:
        """Fetch a page, following at most five redirects, each of which `before_hop` may refuse; it
        hears where they lead, and whether all of them so far were permanent.

        `wanted` are media types; an answer of another type is `not_html`, one that names none is
        taken. With `etag` or `last_modified` the answer may be a 304. WebError for everything
        that goes wrong.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in conditions.items() if value}
        target, moved_for_good = parse(url), True
        try:
            async with asyncio.timeout(self._total_s):
                for _ in range(REDIRECTS_MAX + 1):
                    try:
                        found = await self._once(target, headers, wanted, bytes_max=bytes_max)
                    except _Redirect as redirect:
                        target = _next_hop(target, redirect.location)
                        moved_for_good &= redirect.status in _PERMANENT
                        headers = {}  # they were about the first address
                        if before_hop is not None:
                            await before_hop(target, moved_for_good)
                        continue
                    return msgspec.structs.replace(found, moved_for_good=moved_for_good)
        except TimeoutError as error:
            raise WebError("fetch_timeout") from error
        raise WebError("too_many_redirects")

    async def _once(
        self,
        target: Target,
        conditions: dict[str, str],
        wanted: Collection[str] | None,
        *,
        bytes_max: int,
    ) -> Fetched:
        if target.port not in self._ports:
            raise WebError("address_refused")
        origin = httpcore2.Origin(target.scheme.encode(), target.host.encode(), target.port)
        connection = httpcore2.AsyncHTTPConnection(
            origin, network_backend=self._network, ssl_context=self._ssl_context
        )
        url = httpcore2.URL(
            scheme=origin.scheme, host=origin.host, port=origin.port, target=target.path.encode()
        )
        headers = {
            "Host": target.origin.partition("://")[2],
            "User-Agent": self._user_agent,
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.5",
            "Accept-Encoding": "gzip, deflate",
            **conditions,
        }
        limits = {"connect": CONNECT_S, "read": self._total_s, "write": CONNECT_S}
        try:
            async with (
                connection,
                connection.stream(
                    "GET", url, headers=list(headers.items()), extensions={"timeout": limits}
                ) as response,
            ):
                return await _read(response, target, wanted, bytes_max=bytes_max)
        except httpcore2.TimeoutException as error:
            raise WebError("fetch_timeout") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            broken = isinstance(error.__cause__ or error.__context__, ssl.SSLError)
            raise WebError("tls_failed" if broken else "fetch_failed") from error


def _next_hop(target: Target, location: str) -> Target:
    try:
        return parse(urljoin(str(target), location))
    except ValueError as error:  # urllib has its own idea of what can be read at all
        raise WebError("bad_url") from error


class _CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """The only place where a connection is opened: here a name becomes an address, once."""

    def __init__(self, addresses: Addresses, resolve: Resolve) -> None:
        self._addresses = addresses
        self._resolve = resolve
        self._inner: httpcore2.AsyncNetworkBackend = cast(Any, httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of the library
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async with asyncio.timeout(timeout):
            found = await self._checked(host, port)
            for address in found[:-1]:
                with suppress(httpcore2.ConnectError):
                    return await self._inner.connect_tcp(address, port)
            return await self._inner.connect_tcp(found[-1], port)

    async def _checked(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise WebError("address_refused") from error
        # One private address among public ones is how a name is made to mean two places.
        if not found or not all(map(self._addresses.allows, found)):
            raise WebError("address_refused")
        return found[:ADDRESSES_TRIED_MAX]


async def _read(
    response: httpcore2.Response, target: Target, wanted: Collection[str] | None, *, bytes_max: int
) -> Fetched:
    headers = _headers(response)
    if response.status in _REDIRECTS and headers.get("location"):
        raise _Redirect(response.status, headers["location"])
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    kept = Fetched(
        url=target,
        status=response.status,
        media_type=media_type.strip().lower(),
        charset=_charset(parameters),
        etag=_short(headers.get("etag")),
        last_modified=_short(headers.get("last-modified")),
    )
    if kept.not_modified:
        return kept
    if kept.status != 200:
        raise WebError("http_error", status=kept.status)
    if wanted is not None and kept.media_type and kept.media_type not in wanted:
        raise WebError("not_html")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > bytes_max:
        raise WebError("too_large")
    inflater = Inflater(headers.get("content-encoding", "").strip().lower(), bytes_max=bytes_max)
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += inflater.feed(chunk)
    return msgspec.structs.replace(kept, body=bytes(body))


def _headers(response: httpcore2.Response) -> dict[str, str]:
    """The first of each name, in lower case."""
    found: dict[str, str] = {}
    for name, value in response.headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", errors="replace"))
    return found


def _short(value: str | None) -> str | None:
    """What will be sent back later, when it may be a header at all."""
    fits = value and len(value) <= _HEADER_CHARS_MAX and value.isascii() and value.isprintable()
    return value if fits else None


def _charset(parameters: str) -> str:
    for part in parameters.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(" \"'").lower()
    return ""

"""How model endpoints are reached: beneath the client, connections that are kept and shared, to any
address for the operator's own endpoint, only to checked ones for an address that somebody typed in
the console.

Nothing of one organisation stays on a connection: a key travels in each request's own header, there
are no cookies, no redirects and, for typed addresses, no proxy.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.request import getproxies

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult

from chatbot.answering.models.failures import ModelFailed
from knowledge.web.addresses import Addresses
from knowledge.web.fetch import Resolve, system_resolver

CONNECTIONS_MAX: Final = 2_000
CONNECTIONS_PER_HOST_MAX: Final = 1_000
READ_BYTES: Final = 65_536
ERROR_BYTES_MAX: Final = 16_384
ERROR_BODY_S: Final = 2.0
EVENT_STREAM: Final = "text/event-stream"
# All that goes out beside the body: nothing of the environment or the platform, which the client
# would tell to any address.
_SENT: Final = ("authorization", "content-type")
_SENT_ALWAYS: Final = {
    "Accept": EVENT_STREAM,
    "Accept-Encoding": "identity",
    "User-Agent": "chatbot/1",
}

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class AddressRefused(OSError):
    """The address is one that nobody may have us connect to."""


class Network(httpx2.AsyncBaseTransport):
    """A pool of connections, opened at the first request: what the client sends goes through here,
    and so does what it gets. With `addresses` every connection goes to an address that the table
    allows: what a name means is looked up once, all of it must be allowed, and the socket is opened
    to just that.
    """

    def __init__(
        self, addresses: Addresses | None = None, *, resolve: Resolve = system_resolver
    ) -> None:
        self._addresses = addresses
        self._resolve = resolve
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The reply's head, its body still to be read and closed. ModelFailed `unreachable`,
        `tls_failed`, `address_refused` or `bad_reply`.
        """
        if self._session is None:
            self._session = self._opened()
        sent = {name: request.headers[name] for name in _SENT if name in request.headers}
        connect_s = request.extensions.get("timeout", {}).get("connect")
        with _named_failures():
            reply = await self._session.request(
                request.method,
                str(request.url),
                data=await request.aread(),
                headers=sent | _SENT_ALWAYS,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
            )
        return httpx2.Response(reply.status, headers=_told(reply), stream=_Body(reply))

    async def aclose(self) -> None:
        """End every connection; a later request would open new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        guarded = self._addresses is not None
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS_MAX,
            limit_per_host=CONNECTIONS_PER_HOST_MAX,
            resolver=_CheckedResolver(self._addresses, self._resolve) if guarded else None,
            socket_factory=self._checked_socket if guarded else None,
            use_dns_cache=not guarded,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Looked up once: else every request reads the environment and a file, in a thread.
            trust_env=not guarded and bool(getproxies()),
            auto_decompress=False,
            read_bufsize=READ_BYTES,
        )

    def _checked_socket(self, info: AddressInfo) -> socket.socket:
        """The last gate, and the only one that an address without a name meets."""
        family, kind, protocol, _, address = info
        if self._addresses is None or not self._addresses.allows(str(address[0])):
            raise AddressRefused
        return socket.socket(family=family, type=kind, proto=protocol)


class _Body(httpx2.AsyncByteStream):
    """A stream as it comes; of anything else only what an error may take, and what comes at
    once.
    """

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        if self._reply.status == 200 and self._reply.content_type == EVENT_STREAM:
            with _named_failures(lost="ended_early"):
                while part := await self._reply.content.readany():
                    yield part
            return
        size = 0
        with suppress(aiohttp.ClientError, OSError):  # TimeoutError is one
            async with asyncio.timeout(ERROR_BODY_S):
                while size <= ERROR_BYTES_MAX and (part := await self._reply.content.readany()):
                    size += len(part)
                    yield part

    async def aclose(self) -> None:
        self._reply.close()


class _CheckedResolver(AbstractResolver):
    def __init__(self, addresses: Addresses | None, resolve: Resolve) -> None:
        self._addresses = addresses or Addresses()
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            found = await self._resolve(host, port)
        except UnicodeError as error:
            raise AddressRefused from error
        # One private address among public ones is how a name is made to mean two places.
        if not found or not all(map(self._addresses.allows, found)):
            raise AddressRefused
        return [_result(host, port, address) for address in found]

    async def close(self) -> None:
        """Nothing is kept open."""


def _told(reply: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """The reply's headers. We asked for nothing packed: what is packed all the same is no stream
    of words, and is not unpacked.
    """
    headers = [(name, value) for name, value in reply.headers.items()]
    if reply.headers.get("Content-Encoding", "identity").lower() == "identity":
        return headers
    return [each for each in headers if not each[0].lower().startswith("content-")]


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


@contextmanager
def _named_failures(lost: str = "unreachable") -> Generator[None]:
    """What goes wrong on the wire, as a ModelFailed with the code for it; `lost` is that for a
    connection that is not there.
    """
    try:
        yield
    except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch) as error:
        raise ModelFailed("tls_failed") from error
    except aiohttp.InvalidURL as error:
        raise ModelFailed("address_refused") from error
    except aiohttp.ClientPayloadError as error:  # the body broke off
        raise ModelFailed("ended_early") from error
    except (aiohttp.ClientConnectionError, OSError, RuntimeError) as error:  # uvloop's, at times
        refused = any(isinstance(each, AddressRefused) for each in _causes(error))
        raise ModelFailed("address_refused" if refused else lost) from error
    except (aiohttp.ClientError, ValueError) as error:  # not HTTP, or no address at all
        raise ModelFailed("bad_reply") from error


def _causes(error: BaseException) -> Generator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__

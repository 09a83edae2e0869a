"""How model endpoints are reached: connections that are kept and shared, to any address for the
operator's own endpoint, only to checked ones for an address that somebody typed in the console.

Nothing of one organisation stays on a connection: a key travels in each request's own header, there
are no cookies, no redirects and, for typed addresses, no proxy.
"""

import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from chatbot.answering.failures import ModelFailed
from knowledge.web.addresses import Addresses
from knowledge.web.fetch import Resolve, system_resolver

CONNECTIONS_MAX: Final = 2_000
CONNECTIONS_PER_HOST_MAX: Final = 1_000
READ_BYTES: Final = 65_536
USER_AGENT: Final = "chatbot/1"

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class AddressRefused(OSError):
    """The address is one that nobody may have us connect to."""


class Network:
    """A pool of connections, opened at the first request. With `addresses` every connection goes to
    an address that the table allows: what a name means is looked up once, all of it must be
    allowed, and the socket is opened to just that.
    """

    def __init__(
        self, addresses: Addresses | None = None, *, resolve: Resolve = system_resolver
    ) -> None:
        self._addresses = addresses
        self._resolve = resolve
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        url: str,
        *,
        body: Mapping[str, object],
        headers: Mapping[str, str],
        connect_s: float,
    ) -> aiohttp.ClientResponse:
        """The reply's head; its body is still to be read, and whoever has it closes it. ModelFailed
        `unreachable`, `tls_failed`, `address_refused` or `bad_reply`.
        """
        if self._session is None:
            self._session = self._opened()
        with _named_failures():
            return await self._session.post(
                url,
                json=body,
                headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
            )

    async def close(self) -> None:
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
            trust_env=not guarded,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
        )

    def _checked_socket(self, info: AddressInfo) -> socket.socket:
        """The last gate, and the only one that an address without a name meets."""
        family, kind, protocol, _, address = info
        if self._addresses is None or not self._addresses.allows(str(address[0])):
            raise AddressRefused
        return socket.socket(family=family, type=kind, proto=protocol)


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
def _named_failures() -> Generator[None]:
    """What goes wrong on the wire, as a ModelFailed with the code for it."""
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
        raise ModelFailed("address_refused" if refused else "unreachable") from error
    except (aiohttp.ClientError, ValueError) as error:  # not HTTP, or no address at all
        raise ModelFailed("bad_reply") from error


def _causes(error: BaseException) -> Generator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__

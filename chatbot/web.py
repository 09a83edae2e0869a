"""What every HTTP door shares: whose browser it is, CORS by site, one shape of
error.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import structlog
from litestar import MediaType, Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatbot.errors import ChatbotError, Invalid, Unavailable, envelope
from chatbot.orgs import origins

log = structlog.get_logger()

CORS_ORIGIN = "cors_origin"
VISITOR_PATHS = ("/api/v1/sites/", "/api/v1/visitor/")
PREFLIGHT_SECONDS = 7200
NOBODY = "::"  # the address of a caller that has none, as over a Unix socket
_CODES = {
    400: "invalid_request",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "too_many_requests",
}

Connection = ASGIConnection[Any, Any, Any, Any]


class Doorway:
    """Outermost: answers preflights of visitor routes and gives replies their security headers.

    The framework's CORS is one static list for all; here the reply names the session's own origin,
    and only after a handler has proven it (`allow_origin`). Never with credentials.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visitor = scope["path"].startswith(VISITOR_PATHS)
        if visitor and scope["method"] == "OPTIONS":
            await _preflight(scope, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers(scope, visitor=visitor)]
            await send(message)

        await self._app(scope, receive, with_headers)


def allow_origin(connection: Connection, origin: str) -> None:
    """Let the page of this origin read the reply."""
    connection.scope["state"][CORS_ORIGIN] = origin


def origin_of(connection: Connection, own_origin: str) -> str | None:
    """The origin of the page that calls; None for a caller that is no browser.

    Browsers leave `Origin` out of same-origin GETs and say so in `Sec-Fetch-Site`; any other
    browser call without one gives an origin that nobody has.
    """
    sent = connection.headers.get("origin")
    if sent is not None:
        return origins.normal(sent) or "null"
    fetch_site = connection.headers.get("sec-fetch-site")
    if fetch_site is None:
        return None
    return own_origin if fetch_site == "same-origin" else "null"


def address_block(scope: Scope, trusted_proxies: Sequence[str]) -> str:
    """The caller's /32 or /64: what limits count by.

    X-Forwarded-For is read from its end, as far as trusted proxies wrote it: the first address that
    is none of theirs is the caller's. What stands before it the caller may have made up.
    """
    client = scope.get("client")
    caller = client[0] if client else NOBODY
    hops = _forwarded_for(scope)
    while caller in trusted_proxies and hops:
        caller = hops.pop()
    try:
        address = ipaddress.ip_address(caller)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address  # an IPv4 caller of a socket that takes both
    width = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, width), strict=False))


def _forwarded_for(scope: Scope) -> list[str]:
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = b",".join(lines).decode("latin-1").split(",")
    return [_without_port(hop.strip()) for hop in hops if hop.strip()]


def _without_port(hop: str) -> str:
    """Some proxies write `203.0.113.9:50412`, and an IPv6 address in brackets."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, _, port = hop.partition(":")
    return host if port.isdecimal() else hop


def chatbot_error(_request: Request[Any, Any, Any], error: ChatbotError) -> Response[Any]:
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else None
    return _reply(error, headers)


def framework_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """The framework's own refusals (unknown route, unreadable body) in the one shape."""
    ours = ChatbotError(_CODES.get(error.status_code, "invalid_request"), _sentence(error))
    ours.status = error.status_code
    return _reply(ours)


def database_error(_request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("database_unavailable", error=type(error).__name__)
    return _reply(
        Unavailable(
            "database_unavailable",
            "The database cannot be reached. Try again in a moment.",
            retry_after_s=2,
        ),
        {"Retry-After": "2"},
    )


def unstorable(_request: Request[Any, Any, Any], _error: Exception) -> Response[Any]:
    """NUL, a lone surrogate, a number too large: refused by the database or the decoder."""
    return _reply(Invalid("bad_text", "The request contains characters that cannot be stored."))


def unreadable(_request: Request[Any, Any, Any], _error: Exception) -> Response[Any]:
    return _reply(Invalid(message="The request's body is not valid JSON."))


def unexpected_error(_request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Logged under an id; its text is never shown."""
    error_id = uuid4().hex[:12]
    log.error("internal_error", error_id=error_id, exc_info=error)
    message = f"Something went wrong on our side (reference {error_id}). Try again in a moment."
    return _reply(ChatbotError("internal", message))


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    ChatbotError: chatbot_error,
    HTTPException: framework_error,
    OperationalError: database_error,
    InterfaceError: database_error,
    PoolTimeout: database_error,
    DataError: unstorable,
    UnicodeEncodeError: unstorable,
    UnicodeDecodeError: unreadable,
    RecursionError: unreadable,
    Exception: unexpected_error,
}


def _reply(error: ChatbotError, headers: dict[str, str] | None = None) -> Response[Any]:
    return Response(
        envelope(error), status_code=error.status, media_type=MediaType.JSON, headers=headers
    )


def _sentence(error: HTTPException) -> str | None:
    match error.status_code:
        case 400:
            extra = error.extra if isinstance(error.extra, list) else []
            reasons = [str(each.get("message", "")) for each in extra if isinstance(each, dict)]
            return " ".join(["The request is not valid.", *reasons])[:500]
        case 404:
            return "There is nothing here under that name."
        case 405:
            return "This address does not take that method."
        case 413:
            return "The request is larger than allowed. Send less."
        case _:
            return None


async def _preflight(scope: Scope, send: Send) -> None:
    """Any origin may ask; what it may read is decided at the real reply."""
    asked = dict(scope["headers"])
    headers = [(b"vary", b"Origin"), (b"content-length", b"0")]
    if b"origin" in asked:
        headers += [
            (b"access-control-allow-origin", asked[b"origin"]),
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(scope: Scope, *, visitor: bool) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"strict-origin-when-cross-origin"),
    ]
    if not visitor:
        return headers
    headers.append((b"vary", b"Origin"))
    origin = scope.get("state", {}).get(CORS_ORIGIN)
    if origin:
        headers.append((b"access-control-allow-origin", origin.encode()))
    return headers

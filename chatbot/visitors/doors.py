"""Who stands at a visitor's door: the session behind the bearer token, and what the page may
read.
"""

from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from chatbot import web
from chatbot.errors import NotSignedIn
from chatbot.settings import Settings
from chatbot.visitors.sessions import Sessions, Visitor

_BEARER = "Bearer "


def bearer(request: Request[Any, Any, Any]) -> str | None:
    header = request.headers.get("authorization", "")
    return header[len(_BEARER) :] if header.startswith(_BEARER) else None


async def provide_visitor(
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    visitor_sessions: NamedDependency[Sessions],
) -> Visitor:
    """The visitor who calls. The page may read even a refusal once the session is known to be its
    own.
    """
    token = bearer(request)
    if token is None:
        raise NotSignedIn
    origin = web.origin_of(request, settings.public_url)
    session = await visitor_sessions.find(token)
    if origin == session.origin:
        web.allow_origin(request, session.origin)
    return visitor_sessions.verified(session, origin)

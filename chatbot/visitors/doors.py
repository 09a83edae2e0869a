"""Who stands at a visitor's door: the session behind the bearer token, and what the page may
read.
"""

from datetime import timedelta
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from chatbot import web
from chatbot.database import Database
from chatbot.errors import NotSignedIn
from chatbot.settings import Settings
from chatbot.tokens import Tokens
from chatbot.visitors import sessions
from chatbot.visitors.sessions import Lifetime, Visitor
from chatbot.visitors.signs import Signs

_BEARER = "Bearer "


def lifetime(settings: Settings) -> Lifetime:
    limits = settings.limits
    return Lifetime(
        absolute=timedelta(days=limits.visitor_session_days),
        idle=timedelta(hours=limits.visitor_idle_hours),
    )


def bearer(request: Request[Any, Any, Any]) -> str | None:
    header = request.headers.get("authorization", "")
    return header[len(_BEARER) :] if header.startswith(_BEARER) else None


async def provide_visitor(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    tokens: NamedDependency[Tokens],
    settings: NamedDependency[Settings],
    signs: NamedDependency[Signs],
) -> Visitor:
    """The visitor who calls. The page may read even a refusal once the session is known to be its
    own.
    """
    token = bearer(request)
    if token is None:
        raise NotSignedIn
    origin = web.origin_of(request, settings.public_url)
    lives = lifetime(settings)
    session = await sessions.find(database, tokens, token, absolute=lives.absolute)
    if origin == session.origin:
        web.allow_origin(request, session.origin)
    return sessions.verified(tokens, session, origin, signs=signs, lifetime=lives)

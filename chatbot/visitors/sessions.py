"""A visitor's anonymous session: issued to an allowed origin, verified on every call, revocable."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import msgspec
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database, new_id, utc_now
from chatbot.errors import Forbidden, NotSignedIn
from chatbot.orgs import origins
from chatbot.orgs.tables import Site
from chatbot.question import ask
from chatbot.settings import Limits
from chatbot.tokens import Tokens
from chatbot.visitors.seen import Seen
from chatbot.visitors.tables import VisitorRecord, VisitorSession

PURPOSE = "visitor-session.v1"
SEEN_EVERY = timedelta(minutes=1)
RENEWAL_GRACE = timedelta(minutes=1)
LOCALE_CHARS_MAX = 35

# Every call of a visitor begins with this: one way there and back. The limit is for the planner,
# which then cannot turn the join round, and read before the scope is set.
_COLUMNS = VisitorSession.__table__.columns.keys()
_FIND = """
select session.* from scope, lateral (
  select * from visitor_sessions
  where org_id = cast(scope.org as uuid) and secret_hash = %(hash)s limit 1
) as session
"""


class Lifetime(msgspec.Struct, frozen=True):
    """How long a session lives: at most, and without being used."""

    absolute: timedelta
    idle: timedelta

    @classmethod
    def of(cls, limits: Limits) -> "Lifetime":
        """What the settings say."""
        return cls(
            absolute=timedelta(days=limits.visitor_session_days),
            idle=timedelta(hours=limits.visitor_idle_hours),
        )


DEFAULT_LIFETIME = Lifetime.of(Limits())


class Visitor(msgspec.Struct, frozen=True):
    """A visitor as proven by a session: the actor of every visitor verb."""

    org_id: UUID
    site_id: UUID
    visitor_id: UUID
    session_id: UUID
    origin: str
    expires_at: datetime

    @property
    def actor(self) -> str:
        return f"visitor:{self.visitor_id}"


@dataclass(frozen=True)
class Sessions:
    """What tells whose a token is, and for how long."""

    database: Database
    tokens: Tokens
    seen: Seen
    lifetime: Lifetime = DEFAULT_LIFETIME

    async def authenticate(self, token: str, origin: str | None) -> Visitor:
        """The visitor behind a token; NotSignedIn for anything wrong, whatever it was.

        `origin` is what the browser sent and must be the session's own; None is a caller without a
        browser.
        """
        return self.verified(await self.find(token), origin)

    async def find(self, token: str) -> VisitorSession:
        """The session that a token names, live or not; NotSignedIn when the token is not one of
        ours.
        """
        claims, _ = self.tokens.read(PURPOSE, token, age_max=self.lifetime.absolute)
        try:
            org_id, site_id = UUID(claims["org"]), UUID(claims["site"])
            hashed = sha256(claims["sid"].encode()).digest()
        except (KeyError, ValueError) as error:
            raise NotSignedIn from error
        rows = await ask(self.database, _FIND, {"hash": hashed}, org_id=org_id, actor="")
        if not rows or rows[0].site_id != site_id:
            raise NotSignedIn
        return VisitorSession(**{name: getattr(rows[0], name) for name in _COLUMNS})

    def verified(
        self, session: VisitorSession, origin: str | None, *, to_renew: bool = False
    ) -> Visitor:
        """The visitor of a session that is live and used from its own origin; `to_renew` also takes
        one that was renewed a moment ago.
        """
        now = self.tokens.now()
        revoked = session.revoked_at is not None
        if to_renew and session.revoked_at is not None and session.renewed_as is not None:
            revoked = now - session.revoked_at > RENEWAL_GRACE
        dead = revoked or now - session.last_seen_at > self.lifetime.idle
        if dead or (origin is not None and origin != session.origin):
            raise NotSignedIn
        if now - session.last_seen_at > SEEN_EVERY:
            self.seen.note(session.org_id, session.id)
        return Visitor(
            org_id=session.org_id,
            site_id=session.site_id,
            visitor_id=session.visitor_id,
            session_id=session.id,
            origin=session.origin,
            expires_at=session.created_at + self.lifetime.absolute,
        )


def check_origin(site: Site, origin: str | None, own_origin: str) -> str:
    """The origin that a new session is bound to; Forbidden when the site does not list it.

    The service's own origin is allowed for every site: it serves the stand-alone chat page. `None`
    is a caller without a browser, which no origin check can hold back; its session is bound to us.
    """
    if origin is None or origin == own_origin:
        return own_origin
    if not origins.is_allowed(origin, site.allowed_origins):
        raise Forbidden(
            "origin_not_allowed",
            "This website may not use this chat. Add its origin to the site's allowed origins.",
        )
    return origin


async def issue(
    db: AsyncSession, tokens: Tokens, site: Site, *, origin: str, locale: str | None
) -> tuple[VisitorRecord, VisitorSession, str]:
    """A new visitor with a first session, and the token that proves it."""
    visitor = VisitorRecord(
        org_id=site.org_id, id=new_id(), site_id=site.id, locale=(locale or "")[:LOCALE_CHARS_MAX]
    )
    db.add(visitor)
    await db.flush()
    session, token = await _add_session(db, tokens, visitor, origin)
    return visitor, session, token


async def renew(db: AsyncSession, tokens: Tokens, visitor: Visitor) -> tuple[VisitorSession, str]:
    """A fresh session for the same visitor; the old one ends now, but can be renewed once more
    within a minute, because the reply may be lost on its way.
    """
    record = await db.get_one(VisitorRecord, (visitor.org_id, visitor.visitor_id))
    fresh, token = await _add_session(db, tokens, record, visitor.origin)
    await revoke(db, visitor.org_id, visitor.session_id, renewed_as=fresh.id)
    return fresh, token


async def revoke(
    db: AsyncSession, org_id: UUID, session_id: UUID, *, renewed_as: UUID | None = None
) -> None:
    """End a session; its sockets close, its token is worth nothing."""
    own = VisitorSession.org_id == org_id, VisitorSession.id == session_id
    await db.execute(
        update(VisitorSession)
        .where(*own, VisitorSession.revoked_at.is_(None))
        .values(revoked_at=utc_now(), renewed_as=renewed_as)
    )


async def _add_session(
    db: AsyncSession, tokens: Tokens, visitor: VisitorRecord, origin: str
) -> tuple[VisitorSession, str]:
    secret = secrets.token_urlsafe(32)
    session = VisitorSession(
        org_id=visitor.org_id,
        visitor_id=visitor.id,
        site_id=visitor.site_id,
        origin=origin,
        secret_hash=sha256(secret.encode()).digest(),
    )
    db.add(session)
    await db.flush()
    claims = {"v": "1", "sid": secret, "org": str(visitor.org_id), "site": str(visitor.site_id)}
    return session, tokens.sign(PURPOSE, claims)

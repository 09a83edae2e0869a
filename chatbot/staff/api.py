"""HTTP for people who work here: log in, log out, who am I, a token for the socket."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import JSONBody

from chatbot import web
from chatbot.database import Database
from chatbot.errors import Forbidden, Invalid, NotSignedIn
from chatbot.orgs.sites import get_org
from chatbot.settings import Settings
from chatbot.staff import login
from chatbot.staff.login import Passwords, Staff
from chatbot.staff.tables import Account, Role
from chatbot.throttle import Throttle
from chatbot.tokens import Tokens

ORG_HEADER = "Chatbot-Org"
FROM_ANYWHERE = 4  # times the limit: one account from many addresses, one address to many accounts

AnyRequest = Request[Any, Any, Any]


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Annotated[str, msgspec.Meta(max_length=254)]
    password: Annotated[str, msgspec.Meta(max_length=200)]


class AccountView(msgspec.Struct, frozen=True):
    id: UUID
    email: str


class OrgView(msgspec.Struct, frozen=True):
    id: UUID
    slug: str
    name: str


class OrgMembership(msgspec.Struct, frozen=True):
    id: UUID
    slug: str
    name: str
    role: Role


class OrgList(msgspec.Struct, frozen=True):
    items: list[OrgMembership]
    next: str | None = None


class LoggedIn(msgspec.Struct, frozen=True):
    account: AccountView
    orgs: list[OrgMembership]


class StaffView(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    role: Role


class Me(msgspec.Struct, frozen=True):
    account: AccountView
    staff: StaffView
    org: OrgView


class SocketToken(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime


def cookie_name(public_url: str) -> str:
    """`__Host-` where https allows it; else a name with the port in it, so that two installs on one
    machine do not log each other out.
    """
    parts = urlsplit(public_url)
    return "__Host-chatbot" if parts.scheme == "https" else f"chatbot-{parts.port or 80}"


async def provide_staff(
    request: AnyRequest,
    database: NamedDependency[Database],
    tokens: NamedDependency[Tokens],
    settings: NamedDependency[Settings],
) -> Staff:
    """The staff member who calls, from the cookie and the header that names the organisation."""
    check_same_origin(request, settings)
    cookie = request.cookies.get(cookie_name(settings.public_url), "")
    slug = request.headers.get(ORG_HEADER, "")
    if not slug:
        raise Invalid("org_missing", f"Say which organisation in the header {ORG_HEADER}.")
    idle = timedelta(hours=settings.limits.staff_idle_hours)
    return await login.authenticate(database, tokens, cookie, slug, idle=idle)


def has_session(connection: web.Connection, _handler: object) -> None:
    """A guard for doors that take large bodies: nobody without a signed cookie gets to send one."""
    settings, tokens = connection.app.state.settings, connection.app.state.tokens
    cookie = connection.cookies.get(cookie_name(settings.public_url), "")
    tokens.read(login.SESSION, cookie, age_max=login.SESSION_AGE)


def check_same_origin(request: AnyRequest, settings: Settings) -> None:
    """Forbidden when another website's page makes the call (CSRF): its Origin is not ours."""
    origin = web.origin_of(request, settings.public_url)
    if request.method not in ("GET", "HEAD") and origin not in (None, settings.public_url):
        raise Forbidden("origin_not_allowed", "This call must come from the console itself.")


@post("/staff/login", status_code=200, operation_id="log_in")
async def log_in(
    *,
    request: AnyRequest,
    data: JSONBody[Credentials],
    database: NamedDependency[Database],
    passwords: NamedDependency[Passwords],
    tokens: NamedDependency[Tokens],
    throttle: NamedDependency[Throttle],
    settings: NamedDependency[Settings],
) -> Response[LoggedIn]:
    check_same_origin(request, settings)
    block = web.address_block(request.scope, settings.trusted_proxies)
    email, most = data.email.strip().lower(), settings.limits.logins_per_minute
    throttle.spend("login", block, email, per_minute=most)
    throttle.spend("login to account", email, per_minute=most * FROM_ANYWHERE)
    throttle.spend("login from block", block, per_minute=most * FROM_ANYWHERE)
    account, value = await login.log_in(database, passwords, tokens, email, data.password)
    body = LoggedIn(_account(account), await _orgs(database, account.id))
    return Response(body, cookies=[_cookie(settings, value, login.SESSION_AGE)])


@post("/staff/logout", status_code=204, operation_id="log_out")
async def log_out(
    request: AnyRequest,
    database: NamedDependency[Database],
    tokens: NamedDependency[Tokens],
    settings: NamedDependency[Settings],
) -> Response[None]:
    check_same_origin(request, settings)
    account, session_id = await _session(request, database, tokens, settings)
    await login.log_out(database, account_id=account.id, session_id=session_id)
    return Response(None, status_code=204, cookies=[_cookie(settings, "", timedelta(0))])


@get("/staff/orgs", operation_id="list_own_orgs")
async def list_own_orgs(
    request: AnyRequest,
    database: NamedDependency[Database],
    tokens: NamedDependency[Tokens],
    settings: NamedDependency[Settings],
) -> OrgList:
    account, _ = await _session(request, database, tokens, settings)
    return OrgList(await _orgs(database, account.id))


@get("/staff/me", operation_id="who_am_i")
async def who_am_i(staff: NamedDependency[Staff], database: NamedDependency[Database]) -> Me:
    async with database.transaction(staff.org_id, account_id=staff.account_id) as db:
        account = await db.get_one(Account, staff.account_id)
        org = await get_org(db, staff.org_id)
    return Me(
        account=_account(account),
        staff=StaffView(staff.staff_id, staff.name, staff.role),
        org=OrgView(org.id, org.slug, org.name),
    )


@post("/staff/socket-token", status_code=200, operation_id="make_socket_token")
async def make_socket_token(
    staff: NamedDependency[Staff], tokens: NamedDependency[Tokens]
) -> SocketToken:
    return SocketToken(*login.socket_token(tokens, staff))


ROUTES = Router(
    path="/", route_handlers=[log_in, log_out, list_own_orgs, who_am_i, make_socket_token]
)


async def _session(
    request: AnyRequest, database: Database, tokens: Tokens, settings: Settings
) -> tuple[Account, UUID]:
    cookie = request.cookies.get(cookie_name(settings.public_url), "")
    if not cookie:
        raise NotSignedIn
    idle = timedelta(hours=settings.limits.staff_idle_hours)
    return await login.session_of(database, tokens, cookie, idle=idle)


async def _orgs(database: Database, account_id: UUID) -> list[OrgMembership]:
    return [
        OrgMembership(each.org.id, each.org.slug, each.org.name, Role(each.staff.role))
        for each in await login.memberships(database, account_id)
    ]


def _account(account: Account) -> AccountView:
    return AccountView(account.id, account.email)


def _cookie(settings: Settings, value: str, age: timedelta) -> Cookie:
    return Cookie(
        key=cookie_name(settings.public_url),
        value=value,
        max_age=int(age.total_seconds()),
        secure=settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )

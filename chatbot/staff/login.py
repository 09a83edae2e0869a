"""Who works here: invitations by command, passwords, log-in sessions, the token for a socket."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database, new_id, utc_now
from chatbot.errors import Conflict, Forbidden, Invalid, NotFound, NotSignedIn, TooMany
from chatbot.orgs.sites import get_org
from chatbot.orgs.tables import Org
from chatbot.staff.tables import Account, Role, StaffMember, StaffSession
from chatbot.tokens import Tokens

SESSION = "staff-session.v1"
SOCKET = "staff-socket.v1"
SOCKET_TOKEN_AGE = timedelta(seconds=60)
SESSION_AGE = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=1)
HASHES_AT_ONCE = 2
WAITING_MAX = 50
PASSWORD_CHARS = (10, 200)
EMAIL_CHARS_MAX = 254
NAME_CHARS_MAX = 80

# OWASP's minimum for argon2id (19 MiB, two passes): 38 ms a hash where this was measured.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_NOBODY = _HASHER.hash("nobody's password, so that an unknown address costs the same time")


class Staff(msgspec.Struct, frozen=True):
    """A staff member as proven by a session: the actor of every staff verb."""

    org_id: UUID
    staff_id: UUID
    account_id: UUID
    session_id: UUID
    name: str
    role: Role

    @property
    def actor(self) -> str:
        return f"staff:{self.staff_id}"


class Membership(msgspec.Struct, frozen=True):
    """One organisation in which an account works."""

    org: Org
    staff: StaffMember


class Passwords:
    """Hashes two at a time, in threads: a burst of log-ins cannot starve everybody else."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        if not PASSWORD_CHARS[0] <= len(password) <= PASSWORD_CHARS[1]:
            low, high = PASSWORD_CHARS
            raise Invalid("bad_password", f"A password has {low} to {high} characters.")
        async with self._turn():
            return await asyncio.to_thread(_HASHER.hash, password)

    async def matches(self, hashed: str | None, password: str) -> bool:
        """Whether it is the one; an absent hash takes as long as a wrong password."""
        async with self._turn():
            right = await asyncio.to_thread(_verify, hashed or _NOBODY, password)
        return right and hashed is not None

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """A place at the hashing; TooMany when the line is too long to be worth waiting in."""
        if self._waiting >= WAITING_MAX:
            raise TooMany("busy", "Many people log in right now. Try again.", retry_after_s=5)
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1


def _verify(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except VerificationError:
        return False


async def invite(
    database: Database, org_id: UUID, *, email: str, name: str, role: Role
) -> StaffMember:
    """Make the account (when new) and its place in the organisation. Conflict when it has one."""
    if "@" not in email or len(email) > EMAIL_CHARS_MAX:
        raise Invalid("bad_email", "That is not an e-mail address.")
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise Invalid("bad_name", f"A name has 1 to {NAME_CHARS_MAX} characters.")
    account_id = await find_account_id(database, email)
    if account_id is None:
        account_id = new_id()
        async with database.transaction(account_id=account_id) as db:
            db.add(Account(id=account_id, email=email))
    async with database.transaction(org_id, actor="system") as db:
        place = StaffMember.org_id == org_id, StaffMember.account_id == account_id
        if await db.scalar(select(StaffMember.id).where(*place)):
            raise Conflict("already_member", f"{email} works here already.")
        member = StaffMember(org_id=org_id, account_id=account_id, name=name, role=role)
        db.add(member)
    return member


async def set_password(database: Database, passwords: Passwords, email: str, password: str) -> None:
    """Give the account a new password and end all its sessions."""
    account_id = await find_account_id(database, email)
    if account_id is None:
        raise NotFound("unknown_account", f"There is no account {email}. Invite it first.")
    hashed = await passwords.hash(password)
    async with database.transaction(account_id=account_id) as db:
        await db.execute(
            update(Account).where(Account.id == account_id).values(password_hash=hashed)
        )
        await db.execute(
            update(StaffSession)
            .where(StaffSession.account_id == account_id, StaffSession.revoked_at.is_(None))
            .values(revoked_at=utc_now())
        )


async def find_account_id(database: Database, email: str) -> UUID | None:
    async with database.transaction() as db:
        return await db.scalar(text("select lookup.account_by_email(:email)"), {"email": email})


async def log_in(
    database: Database, passwords: Passwords, tokens: Tokens, email: str, password: str
) -> tuple[Account, str]:
    """The account and the cookie's value; NotSignedIn `wrong_credentials` tells no more than
    that.
    """
    account_id = await find_account_id(database, email)
    async with database.transaction(account_id=account_id) as db:
        account = await db.scalar(select(Account).where(Account.id == account_id))
    if (
        not await passwords.matches(account.password_hash if account else None, password)
        or not account
    ):
        raise NotSignedIn("wrong_credentials", "E-mail or password is wrong.")
    session = StaffSession(account_id=account.id, id=new_id())
    async with database.transaction(account_id=account.id) as db:
        db.add(session)
    claims = {"account": str(account.id), "session": str(session.id)}
    return account, tokens.sign(SESSION, claims)


async def log_out(database: Database, *, account_id: UUID, session_id: UUID) -> None:
    """End one session of an account."""
    async with database.transaction(account_id=account_id) as db:
        await db.execute(
            update(StaffSession)
            .where(StaffSession.account_id == account_id, StaffSession.id == session_id)
            .values(revoked_at=utc_now())
        )


async def session_of(
    database: Database, tokens: Tokens, cookie: str, *, idle: timedelta
) -> tuple[Account, UUID]:
    """The account and session id behind a cookie; NotSignedIn when it is wrong, idle or ended."""
    claims, _ = tokens.read(SESSION, cookie, age_max=SESSION_AGE)
    account_id, session_id = _ids(claims, "account", "session")
    async with database.transaction(account_id=account_id) as db:
        account = await _live_account(db, account_id, session_id, tokens.now() - idle)
    return account, session_id


async def authenticate(
    database: Database, tokens: Tokens, cookie: str, org_slug: str, *, idle: timedelta
) -> Staff:
    """The staff member that the cookie's account is in `org_slug`; NotFound when it is none
    there.
    """
    account, session_id = await session_of(database, tokens, cookie, idle=idle)
    async with database.transaction() as db:
        org_id = await db.scalar(text("select lookup.org_by_slug(:slug)"), {"slug": org_slug})
    if org_id is None:
        raise NotFound("unknown_org", "You do not work in this organisation.")
    async with database.transaction(org_id) as db:
        return await _staff(db, org_id, account.id, session_id)


def socket_token(tokens: Tokens, staff: Staff) -> tuple[str, datetime]:
    """A token for one socket of this person in this organisation, and when it ends."""
    claims = {
        "org": str(staff.org_id),
        "account": str(staff.account_id),
        "session": str(staff.session_id),
    }
    return tokens.sign(SOCKET, claims), tokens.now() + SOCKET_TOKEN_AGE


async def authenticate_socket(
    database: Database, tokens: Tokens, token: str
) -> tuple[Staff, datetime]:
    """The person behind a socket token and when the token ends; NotSignedIn otherwise."""
    claims, signed_at = tokens.read(SOCKET, token, age_max=SOCKET_TOKEN_AGE)
    org_id, account_id, session_id = _ids(claims, "org", "account", "session")
    async with database.transaction(account_id=account_id) as db:
        await _live_account(db, account_id, session_id, tokens.now() - SESSION_AGE)
    async with database.transaction(org_id) as db:
        staff = await _staff(db, org_id, account_id, session_id)
    return staff, signed_at + SOCKET_TOKEN_AGE


async def memberships(database: Database, account_id: UUID) -> list[Membership]:
    """Where the account works, oldest first."""
    async with database.transaction() as db:
        rows = (
            await db.execute(text("select * from lookup.memberships(:id)"), {"id": account_id})
        ).all()
    found: list[Membership] = []
    for row in rows:
        async with database.transaction(row.org_id) as db:
            member = await db.get_one(StaffMember, (row.org_id, row.staff_id))
            found.append(Membership(await get_org(db, row.org_id), member))
    return found


async def staff_names(db: AsyncSession, org_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Names of staff members by id."""
    if not ids:
        return {}
    rows = await db.execute(
        select(StaffMember.id, StaffMember.name).where(
            StaffMember.org_id == org_id, StaffMember.id.in_(ids)
        )
    )
    return {row.id: row.name for row in rows}


def require(staff: Staff, *roles: Role) -> None:
    """Forbidden unless the person has one of `roles`."""
    if staff.role not in roles:
        raise Forbidden


async def _live_account(
    db: AsyncSession, account_id: UUID, session_id: UUID, seen_after: datetime
) -> Account:
    own = StaffSession.account_id == account_id, StaffSession.id == session_id
    session = await db.scalar(select(StaffSession).where(*own))
    account = await db.scalar(select(Account).where(Account.id == account_id))
    if (
        session is None
        or account is None
        or session.revoked_at
        or session.last_seen_at < seen_after
    ):
        raise NotSignedIn
    if utc_now() - session.last_seen_at > SEEN_EVERY:
        session.last_seen_at = utc_now()
    return account


async def _staff(db: AsyncSession, org_id: UUID, account_id: UUID, session_id: UUID) -> Staff:
    member = await db.scalar(
        select(StaffMember).where(
            StaffMember.org_id == org_id,
            StaffMember.account_id == account_id,
            StaffMember.disabled_at.is_(None),
        )
    )
    if member is None:
        raise NotFound("unknown_org", "You do not work in this organisation.")
    return Staff(
        org_id=org_id,
        staff_id=member.id,
        account_id=account_id,
        session_id=session_id,
        name=member.name,
        role=Role(member.role),
    )


def _ids(claims: dict[str, str], *names: str) -> tuple[UUID, ...]:
    try:
        return tuple(UUID(claims[name]) for name in names)
    except (KeyError, ValueError) as error:
        raise NotSignedIn from error

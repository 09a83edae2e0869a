"""The one engine, transactions that see one organisation, and the only `commit`."""

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.errors import InFailedSqlTransaction
from psycopg.pq import TransactionStatus
from sqlalchemy import DateTime, MetaData, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session, SessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

STATEMENT_TIMEOUT_MS = 30_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000
CONNECT_TIMEOUT_S = 5
POOL_WAIT_S = 10
BELIEVED_S = 1.0
SEARCH_PATH = "public,jobs"  # the queue's functions name their tables without a schema

_SCOPED: Final = (
    "begin; select set_config('app.org', {}, true), set_config('app.actor', {}, true),"
    " set_config('app.account', {}, true)"
)
_BEGIN = sql.SQL(_SCOPED)
# For statements of which each wants the same plan whatever it is given: to make the plan takes
# longer than to run most of them.
_BEGIN_KEEPING_PLANS = sql.SQL(
    _SCOPED + ", set_config('plan_cache_mode', 'force_generic_plan', true)"
)


class Base(DeclarativeBase):
    """Tables of the service. Names of constraints follow one rule, so that migrations can say
    them.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True)}


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random, so ids sort by age."""
    bits = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | (7 << 76)
    return UUID(int=bits & ~(0b11 << 62) | (0b10 << 62))


def utc_now() -> datetime:
    return datetime.now(UTC)


class Database:
    """One pool of connections as the run-time role; every transaction names whose it is."""

    def __init__(self, url: str, *, connections: int) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=POOL_WAIT_S,
            pool_use_lifo=True,  # few connections, all of them warm
            hide_parameters=True,  # an error's text must not carry what visitors wrote
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "autocommit": True,  # or else the driver begins by itself: `_begin` does
                "options": f"-c search_path={SEARCH_PATH}"
                f" -c statement_timeout={STATEMENT_TIMEOUT_MS}"
                f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS}",
            },
        )
        event.listen(self.engine.sync_engine, "checkin", _note_use)
        event.listen(self.engine.sync_engine, "checkout", _refuse_dead)
        self._sessions = async_sessionmaker(
            self.engine, expire_on_commit=False, sync_session_class=type("_Scoped", (Session,), {})
        )
        self._listeners: list[Callable[[], None]] = []
        scoped = self._sessions.kw["sync_session_class"]
        event.listen(scoped, "after_begin", _begin)
        event.listen(scoped, "do_orm_execute", _note_statement)
        event.listen(scoped, "after_flush", _note_flush)
        event.listen(scoped, "after_commit", self._committed)

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every commit that may have written something that signals; it must
        return at once.
        """
        self._listeners.append(callback)

    @asynccontextmanager
    async def transaction(
        self,
        org_id: UUID | None = None,
        *,
        actor: str = "",
        account_id: UUID | None = None,
        keeps_plans: bool = False,
        signals: bool = True,
    ) -> AsyncGenerator[AsyncSession]:
        """One transaction that sees the rows of `org_id` only (none without it); commits at the
        end.

        `actor` is `visitor:<id>`, `staff:<id>` or `system`; `account_id` opens the account's own
        rows. With `keeps_plans` a statement that is used again is not planned again: for those
        that every question takes, not for lists with filters of all sorts. Without `signals`
        nobody waits to hear of it: the listeners to commits are left alone.
        """
        async with self._sessions() as session:
            session.info.update(
                org=str(org_id or ""),
                actor=actor,
                account=str(account_id or ""),
                begin=_BEGIN_KEEPING_PLANS if keeps_plans else _BEGIN,
                signals=signals,
                wrote=False,
            )
            yield session
            _refuse_aborted(session.info.get("link"))
            await session.commit()

    async def close(self) -> None:
        await self.engine.dispose()

    def _committed(self, session: Session) -> None:
        if session.info.get("wrote") and session.info["signals"]:
            session.info["wrote"] = False
            for callback in self._listeners:
                callback()


def _note_use(_link: object, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _refuse_dead(
    link: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """Ask a connection that has rested whether it still lives; one just used is believed, and saves
    the way there and back. The pool replaces a dead one.
    """
    if time.monotonic() - record.info.get("used_at", 0.0) < BELIEVED_S:
        return
    try:
        cursor = link.cursor()
        cursor.execute("select 1")
        cursor.close()
        link.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


def _begin(session: Session, transaction: SessionTransaction, link: Connection) -> None:
    """Begin, and say whose transaction it is: one way there and back for both."""
    if transaction.nested:
        return
    session.info["link"] = link
    whose = (session.info[key] for key in ("org", "actor", "account"))
    begin = session.info["begin"].format(*whose)
    adapted: Any = link.connection.dbapi_connection

    async def sent(driver: psycopg.AsyncConnection[Any]) -> None:
        await driver.execute(begin, prepare=False)  # two statements in one cannot be prepared

    try:
        adapted.run_async(sent)
    except BaseException as error:  # cancelled as well: nobody knows what it has begun
        link.invalidate()
        if isinstance(error, psycopg.Error):
            raise OperationalError("begin", None, error, connection_invalidated=True) from error
        raise


def _refuse_aborted(link: Connection | None) -> None:
    """Postgres answers COMMIT of an aborted transaction with a silent rollback; say it instead.

    Raises psycopg's InFailedSqlTransaction, as the next statement would have.
    """
    if link is None or link.closed:
        return
    driver: Any = link.connection.driver_connection
    if driver.info.transaction_status == TransactionStatus.INERROR:
        raise InFailedSqlTransaction("a statement failed; nothing of this transaction is kept")


def _note_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        state.session.info["wrote"] = True


def _note_flush(session: Session, _context: object) -> None:
    session.info["wrote"] = True

"""One statement of one organisation: one way there and back.

A transaction of `Database.transaction` goes there three times: begin with its scope, the statement,
commit. Every call of a visitor asks whose it is, and ten thousand sockets that come back at once
ask what they may hear, so this asks it in a statement that sets its own scope, and is a transaction
by itself. It may only read.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from sqlalchemy.exc import DataError, OperationalError

from chatbot.database import Database

_SCOPE = (
    "with scope as materialized (select set_config('app.org', %(org)s, true) as org,"
    " set_config('app.actor', %(actor)s, true) as actor)"
)


async def ask(
    database: Database, statement: str, values: Mapping[str, object], *, org_id: UUID, actor: str
) -> list[Any]:
    """The rows of a statement that goes on after `with scope as (…)`. What it reads under row-level
    security must depend on the columns of `scope`, `org` and `actor`, as the argument of a function
    or in a lateral subquery with a limit: a plain join may be turned round, and read before.

    Raises SQLAlchemy's errors, as a transaction would: OperationalError without a database,
    DataError for characters that cannot be stored, TimeoutError when no connection is free.
    """
    scoped, given = _SCOPE + statement, {**values, "org": str(org_id), "actor": actor}
    async with database.engine.connect() as link:
        raw = await link.get_raw_connection()
        driver: Any = raw.driver_connection
        try:
            cursor = driver.cursor(row_factory=namedtuple_row)
            await cursor.execute(scoped, given, prepare=True)
            return await cursor.fetchall()
        except BaseException as error:
            at_rest = driver.info.transaction_status == TransactionStatus.IDLE
            if not at_rest or not isinstance(error, Exception):
                await link.invalidate()  # cancelled as well: nobody knows what is on its way
            if isinstance(error, psycopg.DataError):
                raise DataError(statement, None, error) from error
            if isinstance(error, psycopg.Error):
                raise OperationalError(statement, None, error) from error
            raise

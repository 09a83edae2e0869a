"""One connection to Postgres that asks the same few questions for as long as it lives, and hears
NOTIFY meanwhile.

psycopg's `execute` makes a cursor, adds the socket to the loop and removes it, for every question.
Here the socket stays in the loop, statements are prepared once, and values come as Postgres holds
them: a tenth of the processor time. What is used of psycopg is its documented layer above libpq.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from struct import Struct
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

CONNECT_TIMEOUT_S = 5
ANSWER_WITHIN_S = 15.0  # the server's own limit comes first; this one is for a line that went dead

Hear = Callable[[int, str], None]
"""(process id of the sender, payload) of every NOTIFY."""

_INTEGER = Struct("!q")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Link:
    """One question at a time. After an exception it is of no more use: close it."""

    def __init__(
        self,
        connection: psycopg.AsyncConnection[Any],
        hear: Hear,
        lost: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._hear = hear
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[PGresult | None] | None = None
        self._found: PGresult | None = None
        self._error: psycopg.Error | None = None
        self._is_writing = False
        self._socket = self._pg.socket
        self._pg.nonblocking = 1
        self._loop.add_reader(self._socket, self._read)
        self._is_watched = True

    @classmethod
    async def open(
        cls,
        url: str,
        statements: Mapping[str, str],
        *,
        options: str,
        hear: Hear,
        lost: Callable[[], None],
        listen: str,
    ) -> Self:
        """Connect, prepare the `statements` by their names, and hear NOTIFY on channel `listen`;
        `lost` is called when the connection breaks. Raises psycopg.Error.
        """
        connection = await psycopg.AsyncConnection.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=options,
            application_name="chatbot relay",
        )
        link: Self | None = None
        try:
            await connection.execute(f"listen {listen}".encode())
            link = cls(connection, hear, lost)
            for name, statement in statements.items():
                link._pg.send_prepare(name.encode(), statement.encode())
                await link._answered()
        except BaseException:
            await (link or connection).close()
            raise
        return link

    @property
    def pid(self) -> int:
        """The server's process for this connection."""
        return self._pg.backend_pid

    async def ask(self, name: str, *values: bytes | None) -> "Answer":
        """Run a prepared statement, its values as text. Raises psycopg.Error, also when nothing
        comes.
        """
        if self._error is not None:
            raise self._error
        self._pg.send_query_prepared(name.encode(), values, result_format=Format.BINARY)
        found = await self._answered()
        if found is None:
            raise psycopg.OperationalError("the server gave no answer")
        return Answer(found)

    async def close(self) -> None:
        self._unwatch()
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _answered(self) -> PGresult | None:
        self._found, self._answer = None, self._loop.create_future()
        dead = self._loop.call_later(ANSWER_WITHIN_S, self._give_up)
        self._write()
        try:
            return await self._answer
        finally:
            dead.cancel()
            self._answer = None

    def _write(self) -> None:
        """Send what libpq holds; what the socket does not take yet goes when it can."""
        try:
            waits = self._pg.flush()
        except psycopg.Error as error:
            self._lose(error)
            return
        if waits and not self._is_writing:
            self._loop.add_writer(self._socket, self._write)
        elif self._is_writing and not waits:
            self._loop.remove_writer(self._socket)
        self._is_writing = bool(waits)

    def _read(self) -> None:
        try:
            self._pg.consume_input()
            while self._answer is not None and not self._pg.is_busy():
                found = self._pg.get_result()
                if found is None:
                    self._end()
                    break
                self._found = found
            while (notice := self._pg.notifies()) is not None:
                self._hear(notice.be_pid, notice.extra.decode())
        except psycopg.Error as error:
            self._lose(error)

    def _end(self) -> None:
        if self._answer is None or self._answer.done():
            return
        if self._found is not None and self._found.status in _FAILED:
            self._answer.set_exception(errors.error_from_result(self._found))
        else:
            self._answer.set_result(self._found)

    def _give_up(self) -> None:
        self._lose(psycopg.OperationalError("the server did not answer in time"))

    def _lose(self, error: psycopg.Error) -> None:
        self._error = error
        self._unwatch()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self._lost()

    def _unwatch(self) -> None:
        """Once: libpq has closed a broken socket by now, and its number may be another's soon."""
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)


class Answer:
    """The rows of one answer. Values are read where they are wanted, by row and column."""

    def __init__(self, found: PGresult) -> None:
        self._get = found.get_value
        self.rows = found.ntuples

    def has(self, row: int, column: int) -> bool:
        return self._get(row, column) is not None

    def raw(self, row: int, column: int) -> bytes:
        return self._get(row, column) or b""

    def text(self, row: int, column: int) -> str:
        return (self._get(row, column) or b"").decode()

    def integer(self, row: int, column: int) -> int:
        """Of a bigint, an xid8, or a timestamp's microseconds since 2000."""
        return _INTEGER.unpack(self._get(row, column) or b"\0" * 8)[0]

    def time(self, row: int, column: int) -> datetime:
        return _EPOCH + timedelta(microseconds=self.integer(row, column))

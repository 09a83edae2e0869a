"""Signs of life of visitors' sessions, written together: nobody waits for them.

Of ten thousand who come back at once each would otherwise write its row, in a transaction of its
own, before it may hear anything.
"""

import asyncio
import contextlib
from collections import defaultdict
from uuid import UUID

import structlog
from sqlalchemy import update

from chatbot.database import Database, utc_now
from chatbot.visitors.tables import VisitorSession

WRITE_EVERY_S = 5.0
NOTED_MAX = 50_000  # more wait for their next sign
ROWS_AT_ONCE = 1_000
log = structlog.get_logger(__name__)


class Signs:
    """What this process saw and did not write yet. A crash loses seconds of it, of a day after
    which a silent session ends.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: defaultdict[UUID, set[UUID]] = defaultdict(set)  # organisation → sessions
        self._amount = 0
        self._task: asyncio.Task[None] | None = None

    def note(self, org_id: UUID, session_id: UUID) -> None:
        """The session was used now, within WRITE_EVERY_S."""
        sessions = self._noted[org_id]
        if session_id not in sessions and self._amount < NOTED_MAX:
            sessions.add(session_id)
            self._amount += 1

    async def start(self) -> None:
        """Write now and then, until `stop`."""
        self._task = asyncio.create_task(self._write_on())

    async def stop(self) -> None:
        """Write what is noted, and no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._try_to_write()

    async def write(self) -> None:
        """Write what is noted. Raises SQLAlchemy's errors; what was not written is forgotten, and
        noted again with the session's next call.
        """
        noted, self._noted, self._amount = self._noted, defaultdict(set), 0
        for org_id, sessions in noted.items():
            ids = sorted(sessions)  # two nodes lock the same rows in the same order
            for begin in range(0, len(ids), ROWS_AT_ONCE):
                await self._touch(org_id, ids[begin : begin + ROWS_AT_ONCE])

    async def _touch(self, org_id: UUID, ids: list[UUID]) -> None:
        async with self._database.transaction(org_id, signals=False) as db:
            own = VisitorSession.org_id == org_id, VisitorSession.id.in_(ids)
            await db.execute(update(VisitorSession).where(*own).values(last_seen_at=utc_now()))

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self._try_to_write()

    async def _try_to_write(self) -> None:
        try:
            await self.write()
        except Exception as error:
            # Nobody's call may fail for this; the next one of the same session notes it again.
            log.warning("signs_not_written", error=type(error).__name__)

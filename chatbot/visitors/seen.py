"""When visitors' sessions were last used, written together: nobody waits for it.

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
STOP_WITHIN_S = 5.0
NOTED_MAX = 50_000  # more wait for their next use
ROWS_AT_ONCE = 1_000
log = structlog.get_logger(__name__)


class Seen:
    """Sessions that were used and are not written yet. A crash loses the last seconds; a session
    sleeps only after `visitor_idle_hours`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: set[tuple[UUID, UUID]] = set()  # organisation and session
        self._task: asyncio.Task[None] | None = None

    def note(self, org_id: UUID, session_id: UUID) -> None:
        """The session was used now; it is written within WRITE_EVERY_S."""
        if len(self._noted) < NOTED_MAX:
            self._noted.add((org_id, session_id))

    async def start(self) -> None:
        """Write now and then, until `stop`."""
        self._task = asyncio.create_task(self._write_on())

    async def stop(self) -> None:
        """Write what is noted, for STOP_WITHIN_S at most."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self.write()
        except TimeoutError:
            log.warning("seen_not_written", errors=["TimeoutError"], sessions=len(self._noted))

    async def write(self) -> None:
        """Write what is noted. What fails stays noted, and holds up no other organisation."""
        errors: set[str] = set()
        for org_id, sessions in self._by_organisation().items():
            try:
                await self._write_of(org_id, sessions)
            except Exception as error:
                # Nobody's call may fail for this; the next `write` tries again.
                errors.add(type(error).__name__)
        if errors:
            log.warning("seen_not_written", errors=sorted(errors), sessions=len(self._noted))

    def _by_organisation(self) -> dict[UUID, list[UUID]]:
        found: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for org_id, session_id in self._noted:
            found[org_id].append(session_id)
        return found

    async def _write_of(self, org_id: UUID, sessions: list[UUID]) -> None:
        for begin in range(0, len(sessions), ROWS_AT_ONCE):
            batch = sessions[begin : begin + ROWS_AT_ONCE]
            await self._touch(org_id, batch)
            # Not before: `stop` may come in the middle, and writes what is still noted.
            self._noted.difference_update((org_id, each) for each in batch)

    async def _touch(self, org_id: UUID, ids: list[UUID]) -> None:
        async with self._database.transaction(org_id, signals=False) as db:
            own = VisitorSession.org_id == org_id, VisitorSession.id.in_(ids)
            await db.execute(update(VisitorSession).where(*own).values(last_seen_at=utc_now()))

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()

"""A table of questions taken in for a colleague: read beside the event loop, and signalled once for
all rows of a transaction.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.database import Database
from chatbot.staff.login import Staff
from knowledge import faqcsv, faqimport
from knowledge.faqimport import Report
from knowledge.models import Models

# Two thousand rows would be as many signals; whoever looks on needs one for each transaction that
# wrote, within it: a transaction that only read or was rolled back has no number.
_QUIET: Final = text("SELECT set_config('realtime.quiet', 'on', true)")
_CLOSE: Final = text(
    "SELECT realtime.close_quiet(:topic, 'document.changed')"
    " WHERE pg_current_xact_id_if_assigned() IS NOT NULL"
)


async def take_in(
    database: Database, models: Models, staff: Staff, body: bytes, *, dry_run: bool, most: int
) -> Report:
    """Write the rows of a CSV, or only say what would become of them. KnowledgeError as
    `faqcsv.read`.
    """
    rows = await asyncio.to_thread(faqcsv.read, body)

    @asynccontextmanager
    async def quietly(org_id: UUID) -> AsyncGenerator[AsyncSession]:
        async with database.transaction(org_id, actor=staff.actor) as db:
            await db.execute(_QUIET)
            yield db
            await db.execute(_CLOSE, {"topic": f"org:{org_id}:knowledge"})

    return await faqimport.take_in(quietly, models, staff.org_id, rows, dry_run=dry_run, most=most)

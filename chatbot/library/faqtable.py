"""A table of questions taken in for a colleague: read beside the event loop, signalled once."""

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

# Two thousand rows would be as many signals; whoever looks on needs one.
_QUIET: Final = text("SELECT set_config('realtime.quiet', 'on', true)")
_CLOSING_SIGNAL: Final = text("""
    UPDATE documents SET updated_at = updated_at WHERE org_id = :org AND id = (
        SELECT id FROM documents WHERE org_id = :org AND kind = 'faq'
        ORDER BY updated_at DESC LIMIT 1)
""")


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

    try:
        return await faqimport.take_in(
            quietly, models, staff.org_id, rows, dry_run=dry_run, most=most
        )
    finally:
        if not dry_run:
            async with database.transaction(staff.org_id, actor=staff.actor) as db:
                await db.execute(_CLOSING_SIGNAL, {"org": staff.org_id})

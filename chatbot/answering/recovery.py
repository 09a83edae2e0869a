"""Turns whose process died, and questions that nobody took up: found by any process, ended or begun
once.
"""

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering import turns
from chatbot.answering.tables import RUNNING, Answer, Ending
from chatbot.answering.turns import Outcome
from chatbot.conversations import transcript
from chatbot.database import Database, utc_now

log = structlog.get_logger()

# A sign of life is given each second. With the time between two looks, a dead process's turn is
# ended within ten seconds of another's start.
HEARTBEAT_TIMEOUT: Final = timedelta(seconds=8)
OVERLOOKED_AGE_MIN: Final = timedelta(seconds=5)
OVERLOOKED_AGE_MAX: Final = timedelta(hours=1)

_CHECKPOINT: Final = text(
    """
    update answers a
    set partial_text = far.body, frame_seq = far.seq, heartbeat_at = clock_timestamp()
    from unnest(
      cast(:ids as uuid[]), cast(:attempts as int[]), cast(:texts as text[]), cast(:seqs as int[])
    ) as far(id, attempt, body, seq)
    where a.org_id = :org and a.id = far.id and a.attempt = far.attempt and a.status = 'running'
    returning a.id, a.stop_requested_at is not null as stopped,
      exists (
        select from conversations c
        where c.org_id = :org and c.id = a.conversation_id and c.closed_at is not null
      ) or exists (
        select from handoffs h
        where h.org_id = :org and h.conversation_id = a.conversation_id
          and h.ended_at is null and h.taken_at is not null
      ) as silenced
    """
)

_BRIEFLY: Final = text("set local lock_timeout = '1s'")

# What they name was known to the process that died.
_MARKERS: Final = re.compile(r"[ \t]?\[\d{1,3}\]")

Progress = tuple[UUID, int, str, int]
"""(answer, attempt, text so far, number of the last frame)."""


async def checkpoint(
    db: AsyncSession, org_id: UUID, far: Sequence[Progress]
) -> dict[UUID, Ending | None]:
    """Note a sign of life of running answers, and how far their texts have come: one statement.

    What was asked of each meanwhile, None when it may go on. One that is missing runs no longer.
    """
    ids, attempts, texts, seqs = (list(column) for column in zip(*far, strict=True))
    given = {"org": org_id, "ids": ids, "attempts": attempts, "texts": texts, "seqs": seqs}
    found: dict[UUID, Ending | None] = {}
    for row in await db.execute(_CHECKPOINT, given):
        found[row.id] = "withdrawn" if row.silenced else "stopped" if row.stopped else None
    return found


async def overlooked(
    database: Database, *, age_max: timedelta = OVERLOOKED_AGE_MAX
) -> list[tuple[UUID, UUID]]:
    """(organisation, conversation) of questions that nobody answers: the process that stored one
    died before it began, or could not begin. Nothing older than `age_max`.
    """
    now = utc_now()
    times = {"since": now - age_max, "before": now - OVERLOOKED_AGE_MIN}
    async with database.transaction(signals=False) as db:
        query = text("select * from lookup.open_questions(:since, :before)")
        return [(row.org_id, row.conversation_id) for row in await db.execute(query, times)]


async def interrupt_stale(database: Database, mine: Collection[UUID] = ()) -> int:
    """End every turn whose process gave no sign of life, keeping its partial text; but those that
    run in this one (`mine`), which is alive. How many were to be ended.
    """
    async with database.transaction(signals=False) as db:
        query = text("select * from lookup.stale_answers(now() - :silent)")
        stale = (await db.execute(query, {"silent": HEARTBEAT_TIMEOUT})).all()
    dead = [row for row in stale if row.answer_id not in mine]
    for row in dead:
        try:
            async with database.transaction(row.org_id, actor="system") as db:
                await db.execute(_BRIEFLY)
                await _interrupt(db, row.org_id, row.answer_id)
        except SQLAlchemyError as error:  # locked by somebody: the others do not wait for it
            log.warning("turn_not_interrupted", error=type(error).__name__)
    return len(dead)


async def _interrupt(db: AsyncSession, org_id: UUID, answer_id: UUID) -> None:
    own = Answer.org_id == org_id, Answer.id == answer_id, Answer.status == RUNNING
    found = await db.scalar(select(Answer).where(*own))
    if found is None:
        return
    conversation = await transcript.lock(db, org_id, found.conversation_id)
    # By the database's clock, as the signs of life are: those of the nodes may differ.
    still = await db.scalar(
        select(Answer)
        .where(*own, Answer.heartbeat_at < func.now() - HEARTBEAT_TIMEOUT)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if still is not None:
        outcome = Outcome(status="interrupted", text=_MARKERS.sub("", still.partial_text))
        await turns.end(db, conversation, still, outcome)

"""A table of questions taken in row by row: each ends as added, changed, unchanged or failed, and
none stops another.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import faqs, locking
from knowledge.errors import KnowledgeError
from knowledge.faqcsv import Row
from knowledge.faqs import Draft, Entry
from knowledge.ingest import Transactions
from knowledge.models import Models

_ROWS_AT_ONCE: Final = 50
_TRIES_MAX: Final = 3
_SHOWN_CHARS_MAX: Final = 200


class Outcome(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """How one row ended, or would end."""

    row: int
    question: str
    outcome: Outcome
    code: str | None = None
    message: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    added: int
    changed: int
    unchanged: int
    failed: int
    dry_run: bool
    rows: list[Reported]


class _Step(msgspec.Struct, frozen=True):
    """What is to become of one row: the question as it will be, and as it is."""

    row: Row
    draft: Draft
    kept: Entry | None

    @property
    def outcome(self) -> Outcome:
        if self.kept is None:
            return Outcome.ADDED
        return Outcome.UNCHANGED if self.kept.draft == self.draft else Outcome.CHANGED


async def take_in(
    transactions: Transactions,
    models: Models,
    org_id: UUID,
    rows: Sequence[Row],
    *,
    dry_run: bool = False,
    most: int = faqs.FAQS_MAX,
) -> Report:
    """Write the rows, fifty a transaction, or only say what would become of them.

    A question that is there already is changed; when the embedding service does not answer, that
    row and those after it fail.
    """
    done: list[Reported] = []
    room = await _room(transactions, org_id, most)
    broken: KnowledgeError | None = None
    for at in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[at : at + _ROWS_AT_ONCE]
        good = [row for row in some if row.error is None]
        done += [_failed(row, row.error) for row in some if row.error is not None]
        if broken is not None:
            done += [_failed(row, broken) for row in good]
            continue
        try:
            reported = await _batch(transactions, models, org_id, good, room, dry_run=dry_run)
        except KnowledgeError as error:  # the vectors cannot be had; the rest would only wait too
            broken = error
            done += [_failed(row, broken) for row in good]
            continue
        room -= sum(each.outcome is Outcome.ADDED for each in reported)
        done += reported
    return _report(done, dry_run)


async def _room(transactions: Transactions, org_id: UUID, most: int) -> int:
    async with transactions(org_id) as db:
        return most - len(await faqs.names(db, org_id))


async def _batch(
    transactions: Transactions,
    models: Models,
    org_id: UUID,
    rows: Sequence[Row],
    room: int,
    *,
    dry_run: bool,
) -> list[Reported]:
    for _ in range(_TRIES_MAX):
        async with transactions(org_id) as db:
            steps, failed = await _steps(db, org_id, rows, room)
        if dry_run:
            return [_reported(step) for step in steps] + failed
        wanted = [step.draft for step in steps if step.outcome is not Outcome.UNCHANGED]
        shelved = await faqs.prepare(transactions, models, org_id, wanted) if wanted else []
        async with transactions(org_id) as db:
            await faqs.begin_writing(db, org_id)
            changing = [step.kept.id for step in steps if step.kept is not None]
            await locking.lock_all(db, org_id, changing)
            # Somebody may have written meanwhile: only what is still as it was is written.
            now, failed = await _steps(db, org_id, rows, room)
            if now != steps or (shelved and await faqs.is_outdated(db, org_id, shelved[0].model)):
                continue
            ready = {each.draft.question: each for each in shelved}
            for step in steps:
                if step.outcome is not Outcome.UNCHANGED:
                    kept = step.kept
                    document = await faqs.lock(db, org_id, kept.id) if kept is not None else None
                    await faqs.put(db, org_id, ready[step.draft.question], document)
        return [_reported(step) for step in steps] + failed
    raise KnowledgeError("faq_busy")


async def _steps(
    db: AsyncSession, org_id: UUID, rows: Sequence[Row], room: int
) -> tuple[list[_Step], list[Reported]]:
    """What becomes of each row as things are now, and the rows for which it cannot be."""
    names = await faqs.names(db, org_id)
    ids = {row.row: names[key] for row in rows if (key := faqs.key(row.question)) in names}
    kept = {entry.id: entry for entry in await faqs.entries(db, org_id, list(ids.values()))}
    steps: list[_Step] = []
    failed: list[Reported] = []
    for row in rows:
        entry = kept.get(ids[row.row]) if row.row in ids else None
        try:
            step = _Step(row, row.over(entry.draft if entry is not None else None), entry)
            if step.outcome is Outcome.ADDED:
                room -= 1
                if room < 0:
                    raise KnowledgeError("too_many_faqs")
            steps.append(step)
        except KnowledgeError as error:
            failed.append(_failed(row, error))
    return steps, failed


def _reported(step: _Step) -> Reported:
    question = step.row.question[:_SHOWN_CHARS_MAX]
    return Reported(row=step.row.row, question=question, outcome=step.outcome)


def _failed(row: Row, error: KnowledgeError) -> Reported:
    return Reported(
        row=row.row,
        question=row.question[:_SHOWN_CHARS_MAX],
        outcome=Outcome.FAILED,
        code=error.code,
        message=error.message,
    )


def _report(done: Sequence[Reported], dry_run: bool) -> Report:
    counts = Counter(each.outcome for each in done)
    return Report(
        **{outcome.value: counts[outcome] for outcome in Outcome},
        dry_run=dry_run,
        rows=sorted(done, key=lambda each: each.row),
    )

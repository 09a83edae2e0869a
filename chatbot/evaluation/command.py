"""What `chatbot eval` does: suites over folders of questions whose answers are known, in
organisations that are thrown away, and the calibration of one that stays.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from rich.console import Console
from sqlalchemy import delete, text

from chatbot.answering.models.endpoints import Endpoints
from chatbot.answering.writing import Writing
from chatbot.database import Database, utc_now
from chatbot.errors import Conflict, Invalid, NotFound
from chatbot.evaluation import answers, tables
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from knowledge import preferences
from knowledge.errors import KnowledgeError
from knowledge.evaluation import fitting, folders, shelving, suites
from knowledge.evaluation.fitting import Fitted
from knowledge.evaluation.folders import Dataset, DatasetError
from knowledge.evaluation.shelving import Rig, Said, Shelf, shelved
from knowledge.evaluation.suites import Report
from knowledge.models import Models
from knowledge.preferences import Calibration
from knowledge.tables import Posting

RETRIEVAL: Final = "retrieval"
ABSTAIN: Final = "abstain"
FOLLOWUP: Final = "followup"
ANSWERS: Final = "answers"
SUITES: Final = (RETRIEVAL, ABSTAIN, FOLLOWUP, ANSWERS)
FOLDERS_MAX: Final = 20
EVALUATIONS_MAX: Final = 9
_NAME: Final = "Evaluation, deleted when it ends"
FORGOTTEN_AFTER: Final = timedelta(hours=12)
# Time for a large one, and no signal for each of its documents: nobody listens to it.
_BULK: Final = text(
    "SELECT set_config('statement_timeout', '600000', true),"
    " set_config('realtime.quiet', 'on', true)"
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command was told; no suite means all of them, or none when it calibrates."""

    folders: tuple[Path, ...]
    suites: tuple[str, ...] = ()
    limit: int | None = None
    org: str | None = None
    calibrate: bool = False
    as_json: bool = False

    def has(self, suite: str) -> bool:
        return suite in self.suites or (not self.suites and not self.calibrate)


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Where to measure, with which models, and with the weights of which organisation."""

    database: Database
    models: Models
    endpoints: Endpoints
    say: Said
    org_id: UUID | None = None
    calibration: Calibration | None = None


async def run(
    database: Database,
    models: Models,
    endpoints: Endpoints,
    wanted: Wanted,
    *,
    out: Console,
    log: Console,
) -> None:
    """Measure and print to `out`; what goes on meanwhile to `log`.

    Invalid, with its code, for a folder that cannot be used or embeddings that cannot be had.
    """
    if wanted.calibrate and wanted.org is None:
        raise Invalid("org_missing", "--calibrate writes to an organisation: name it with --org.")
    if len(wanted.folders) > FOLDERS_MAX:
        raise Invalid("too_many", f"At most {FOLDERS_MAX} folders at once.")
    try:
        data = [folders.read(folder) for folder in wanted.folders]
        with tables.telling(log) as say:
            ground = await _ground(
                Ground(database=database, models=models, endpoints=endpoints, say=say),
                wanted.org,
            )
            rigs: list[Rig] = []
            for each in data:
                rigs.append(await _rig(ground, each))
                async for report in _reports(ground, rigs[-1], wanted):
                    tables.show(report, out, as_json=wanted.as_json)
            if wanted.calibrate:
                fitted = await calibrate(ground, rigs, wanted.limit)
                tables.show_fit(fitted, out, as_json=wanted.as_json)
            else:
                tables.show_weights(ground.calibration, log)
    except (DatasetError, KnowledgeError) as error:
        raise Invalid(error.code, error.message) from error


async def calibrate(ground: Ground, rigs: list[Rig], limit: int | None) -> Fitted:
    """Fit weights and bands to the folders, and let the organisation search with them."""
    if ground.org_id is None:
        raise AssertionError("the command asks for an organisation")
    code = f"chatbot {version('chatbot')}"
    fitted = await fitting.fit(rigs, code=code, limit=limit)
    async with ground.database.transaction(ground.org_id, actor="system") as db:
        await preferences.calibrate(db, ground.org_id, fitted.calibration)
    return fitted


@asynccontextmanager
async def throw_away(database: Database) -> AsyncGenerator[UUID]:
    """An organisation for one evaluation. One that a killed evaluation left is deleted by a later
    one.
    """
    org = await _fresh(database)
    try:
        yield org.id
    finally:
        await forget(database, org.id)


async def forget(database: Database, org_id: UUID) -> None:
    """Delete an organisation with all it has; postings first, which no foreign key knows."""
    async with database.transaction(org_id, actor="system") as db:
        await db.execute(_BULK)
        await db.execute(delete(Posting).where(Posting.org_id == org_id))
        await db.execute(delete(Org).where(Org.id == org_id))


async def _fresh(database: Database) -> Org:
    for number in range(1, EVALUATIONS_MAX + 1):
        slug = f"evaluation-{number}"
        with suppress(Conflict):
            return await sites.create_org(database, _NAME, slug=slug)
        if await _forget_if_left(database, slug):
            return await sites.create_org(database, _NAME, slug=slug)
    raise Invalid("too_many", f"{EVALUATIONS_MAX} evaluations are running. Wait for one to end.")


async def _forget_if_left(database: Database, slug: str) -> bool:
    """Whether the organisation was left by an evaluation that was killed; then it is gone now."""
    try:
        left = await sites.get_org_id(database, slug)
        async with database.transaction(left) as db:
            age = utc_now() - (await sites.get_org(db, left)).created_at
    except NotFound:
        return False  # it ended in this moment; the next name will do
    if age <= FORGOTTEN_AFTER:
        return False
    await forget(database, left)
    return True


async def _ground(ground: Ground, slug: str | None) -> Ground:
    """With an organisation named: its own embedding model, and its weights if it has any."""
    if slug is None:
        return ground
    org_id = await sites.get_org_id(ground.database, slug)
    async with ground.database.transaction(org_id) as db:
        chosen = await preferences.get(db, org_id)
    embedder = ground.models.named(chosen.model)
    return msgspec.structs.replace(
        ground,
        models=Models(embedder),
        org_id=org_id,
        calibration=chosen.calibrated(embedder.model),
    )


async def _rig(ground: Ground, data: Dataset) -> Rig:
    return await shelving.prepare(
        data,
        ground.models.current,
        ground.database.transaction,
        organisations=lambda: throw_away(ground.database),
        say=ground.say,
    )


async def _reports(ground: Ground, rig: Rig, wanted: Wanted) -> AsyncIterator[Report]:
    if any(wanted.has(suite) for suite in (RETRIEVAL, FOLLOWUP, ANSWERS)):
        async with shelved(rig) as shelf:
            if ground.calibration is not None:
                await shelf.prefer(ground.calibration)
            async for report in _on_all(ground, shelf, wanted):
                yield report
    if wanted.has(ABSTAIN):
        tried = await suites.leave_out(rig, limit=wanted.limit, calibration=ground.calibration)
        yield suites.abstain(rig, tried)


async def _on_all(ground: Ground, shelf: Shelf, wanted: Wanted) -> AsyncIterator[Report]:
    """The suites that ask a base with all the documents."""
    if wanted.has(RETRIEVAL):
        report = await suites.retrieval(shelf, limit=wanted.limit)
        sentences = await answers.best_sentences(shelf, wanted.limit)
        measured = {"answer_in_best_sentence": int(sentences.get("answers_n") or 0)}
        yield msgspec.structs.replace(
            report,
            metrics=report.metrics | sentences,
            counts=measured if sentences else {},
        )
    if wanted.has(FOLLOWUP):
        reword = answers.rewording(ground.endpoints.own)
        most = wanted.limit or (answers.MODEL_QUESTIONS_MAX if reword else None)
        yield await suites.followup(shelf, reword=reword, limit=most)
    if wanted.has(ANSWERS):
        yield await answers.answers(
            Writing(shelf.rig.retriever, ground.endpoints),
            shelf,
            by=ground.endpoints.own_name,
            limit=wanted.limit,
            calibration=ground.calibration,
        )

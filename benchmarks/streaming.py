"""What the service adds between a question and a streaming model: to the first token, and to the
last.

python -m benchmarks.streaming [--chainlit PYTHON] [--asks 60] [--level 200] [--json]

A fake endpoint streams 100 tokens, 50 a second. Asks arrive ten a second while 1 and 50 other
answers (or as many as are told) stream, kept up by restarts; then 200 asks come in one instant. The
same load is put on the service's own client of the endpoint without the service (`direct`), on the
whole service by socket, with a search among the passages for every question, and on Chainlit, which
only passes on what it gets. All of it shares this machine; endpoint, service, database and askers
are processes apart.
"""

import asyncio
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
import numpy as np
import psutil
import uvloop
from sqlalchemy import select

from benchmarks import streaming_chainlit, streaming_endpoint, streaming_service
from benchmarks.child import Child, child
from benchmarks.corpus import Writer
from benchmarks.filling import fill
from benchmarks.report import Metrics, bench_database, report
from benchmarks.streaming_lanes import ORIGIN, Direct, Heard, Lane, visitors
from benchmarks.streaming_load import Load
from benchmarks.streaming_service import Held
from chatbot.answering import evidence
from chatbot.answering.models.model import EndpointModel
from chatbot.conversations.tables import Message
from chatbot.database import Database
from chatbot.orgs import sites
from chatbot.orgs.tables import Org, Site
from knowledge.embed import LocalEmbedder
from knowledge.models import Models
from knowledge.retrieve import Retriever

LEVELS: Final = (1, 50)
BURST: Final = 200
ASKING: Final = 40
QUESTIONS: Final = 100
BENCHMARK_S_MAX: Final = 300
_TRIED_MAX: Final = 5 * QUESTIONS
_LOOK_S: Final = 1.0
_WARM_UP: Final = 20
_ANSWERS_MAX: Final = 20_000


class Plan(msgspec.Struct):
    """How many answers stream beside, how many asks are measured each time, among what."""

    levels: tuple[int, ...]
    asks: int
    passages: int
    long: bool
    questions: list[str] = []

    @property
    def lanes(self) -> int:
        return max(max(self.levels) + ASKING, BURST)


@click.command()
@click.option("--chainlit", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--asks", default=60, help="measured at each level")
@click.option("--passages", default=10_000)
@click.option("--level", "levels", multiple=True, type=int, default=LEVELS, help="streams beside")
@click.option("--long", is_flag=True, help="answers beside are four times as long: fewer restarts")
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(
    chainlit: Path | None,
    asks: int,
    passages: int,
    levels: tuple[int, ...],
    *,
    long: bool,
    as_json: bool,
) -> None:
    """Question to first and last token, beside the endpoint alone."""
    metrics, peers = uvloop.run(measure(Plan(levels, asks, passages, long), chainlit))
    report("streaming", metrics, peers, as_json=as_json)
    if chainlit is None:
        click.echo(f"  Chainlit beside it: {streaming_chainlit.HOW_TO_GET_IT}", err=True)


async def measure(plan: Plan, chainlit: Path | None) -> tuple[Metrics, dict[str, Metrics]]:
    """Ours, and its peers by name."""
    async with asyncio.timeout(BENCHMARK_S_MAX), bench_database() as database:
        org, site = await _company(database)
        await fill(database, org.id, Writer(), plan.passages)
        plan.questions = await _answerable(database, org)
        gc.freeze()
        async with child(streaming_endpoint.serve) as endpoint:
            direct = await _direct(plan, endpoint.said)
            ours = await _ours(plan, database, site, endpoint.said)
            found = {"direct": direct.metrics(direct)}
            if chainlit is not None:
                peer = await _chainlit(plan, chainlit, endpoint.said)
                name = f"chainlit {await streaming_chainlit.version(chainlit)}"
                found[name] = peer.metrics(direct)
        stored = await _stored(database, org, ours)
    size: Metrics = {"passages": plan.passages, "asks_a_level": plan.asks}
    return {**size, **ours.metrics(direct), **stored}, found


class Run(msgspec.Struct):
    """All that one way to the endpoint was measured by. Seconds."""

    firsts: dict[int, list[float]] = {}
    beside: dict[int, float] = {}
    cores: dict[int, float] = {}
    burst: list[Heard] = []
    answers: list[Heard] = []
    more: dict[str, float | int | str] = {}

    async def take(
        self,
        plan: Plan,
        lanes: Sequence[Lane],
        cpu_s: Callable[[], float],
        look: Callable[[], None],
    ) -> "Run":
        """Put the load on, level by level, then in one instant."""
        load = Load(lanes, plan.questions, long=plan.long)
        await load.level(1, _WARM_UP)
        for background in plan.levels:
            level = await load.level(background, plan.asks, cpu_s)
            self.firsts[background] = [each.first_s for each in level.asked]
            self.beside[background], self.cores[background] = level.beside, level.cores
            self.answers += level.all
        self.burst = await load.burst(BURST, look)
        self.answers += self.burst
        self.more["failures"] = load.failures
        return self

    def metrics(self, direct: "Run") -> Metrics:
        """Under names that all ways share; `added` and `ratio` are against `direct`."""
        found: dict[str, float | int | str] = {}
        for level, firsts in self.firsts.items():
            p50, p95 = _at(firsts, 50), _at(firsts, 95)
            found[f"at_{level}_first_p50_ms"] = round(p50 * 1e3, 1)
            found[f"at_{level}_first_p95_ms"] = round(p95 * 1e3, 1)
            added = p95 - _at(direct.firsts[level], 95)
            found[f"at_{level}_added_p95_ms"] = round(added * 1e3, 1)
            found[f"at_{level}_really_beside"] = round(self.beside[level], 1)
            found[f"at_{level}_cores"] = round(self.cores[level], 2)
        lasts = [each.last_s for each in self.burst]
        firsts = [each.first_s for each in self.burst]
        found["burst_first_p50_ms"] = round(_at(firsts, 50) * 1e3, 1)
        found["burst_first_p95_ms"] = round(_at(firsts, 95) * 1e3, 1)
        found["burst_last_p50_s"] = round(_at(lasts, 50), 2)
        found["burst_last_s"] = round(max(lasts), 2)
        ratio = max(lasts) / max(each.last_s for each in direct.burst)
        found["burst_last_ratio"] = round(ratio, 2)
        return found | self.more


def _at(values: Sequence[float], percent: int) -> float:
    return float(np.percentile(np.asarray(values), percent))


async def _direct(plan: Plan, endpoint: str) -> Run:
    model = EndpointModel(streaming_endpoint.MODEL, api_key="bench", base_url=endpoint)
    lane, process = Direct(model), psutil.Process()
    try:
        lanes = [lane] * plan.lanes
        return await Run().take(plan, lanes, lambda: sum(process.cpu_times()[:2]), lambda: None)
    finally:
        await model.close()


async def _ours(plan: Plan, database: Database, site: Site, endpoint: str) -> Run:
    async with (
        child(streaming_service.serve, database.url, endpoint) as service,
        visitors(service.said, site.key, plan.lanes) as lanes,
    ):
        looking: list[asyncio.Task[Held]] = []
        run = await Run().take(
            plan,
            lanes,
            service.cpu_s,
            lambda: looking.append(asyncio.create_task(_look(service))),
        )
        held = await looking[0] if looking else None
    if held is not None:  # else an answer of the burst never began: there was no such moment
        run.more["connections_held_mean"] = round(held.mean, 3)
        run.more["connections_held_most"] = held.most
        run.more["connection_held_longest_ms"] = round(held.longest_s * 1e3, 1)
    return run


async def _look(service: Child) -> Held:
    """What the pool lends while nothing but streams runs: from the last first token of the burst
    on.
    """
    await service.ask("held")
    await asyncio.sleep(_LOOK_S)
    return await service.ask("held")


async def _chainlit(plan: Plan, python: Path, endpoint: str) -> Run:
    async with (
        streaming_chainlit.running(python, endpoint) as (url, process),
        streaming_chainlit.visitors(url, plan.lanes) as lanes,
    ):
        return await Run().take(plan, lanes, lambda: sum(process.cpu_times()[:2]), lambda: None)


async def _company(database: Database) -> tuple[Org, Site]:
    org = await sites.create_org(database, "Bench", slug="bench")
    async with database.transaction(org.id, actor="system") as db:
        site = await sites.create_site(db, org.id, name="Site", allowed_origins=[ORIGIN])
    return org, site


async def _answerable(database: Database, org: Org) -> list[str]:
    """Questions that the passages answer, so that the model is asked."""
    retriever, writer = Retriever(database.transaction, Models(LocalEmbedder())), Writer(seed=1)
    found: list[str] = []
    for topic in range(_TRIED_MAX):
        question = writer.question(topic)
        if (await evidence.gather(retriever, org.id, question)).band == "answered":
            found.append(question)
            if len(found) == QUESTIONS:
                break
    if not found:
        raise RuntimeError("the passages answer none of the questions")
    return found


async def _stored(database: Database, org: Org, run: Run) -> Metrics:
    """How many texts arrived as they are stored, and as the endpoint sent them."""
    query = select(Message.id, Message.text).where(Message.org_id == org.id)
    async with database.transaction(org.id) as db:
        stored = {str(row.id): row.text for row in await db.execute(query)}
    sent = {
        "".join(streaming_endpoint.text(number, long=long))
        for number in range(1, _ANSWERS_MAX)
        for long in (False, True)
    }
    return {
        "answers": len(run.answers),
        "texts_as_stored": sum(stored.get(each.id) == each.text for each in run.answers),
        "texts_as_the_model_sent": sum(each.text in sent for each in run.answers),
    }


if __name__ == "__main__":
    main()

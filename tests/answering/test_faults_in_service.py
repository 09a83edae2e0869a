"""Whatever a model's endpoint does, through the whole service: each turn ends exactly once, under
the right name, in time, with its cost settled, and nothing is left behind.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from chatbot.answering.models.model import EndpointModel, Timeouts
from chatbot.answering.tables import Answer, Spending
from tests import live
from tests.answering import endpoint, shop
from tests.answering.endpoint import Endpoint
from tests.answering.shop import QUESTION
from tests.conftest import Cluster
from tests.journeys.texts import HANDBOOK, upload

SHORT = Timeouts(connect_s=0.5, first_s=0.6, idle_s=0.6, whole_s=1.5)
QUOTED = "36 months"


@dataclass(frozen=True)
class Ending:
    """What the visitor sees, who wrote it, and what the trace says of the model's last try."""

    mode: str
    status: str
    route: str
    code: str
    text: str


def quoted(mode: str, code: str) -> Ending:
    return Ending(mode, "complete", "quotes", code, QUOTED)


def broken(mode: str, code: str) -> Ending:
    return Ending(mode, "failed", "model", code, "The lid")


ENDINGS = (
    Ending("well", "complete", "model", "ok", "The lid is red"),
    Ending("stalls_after_finish", "complete", "model", "ok", "The lid is red"),
    quoted("refuses", "unavailable"),
    quoted("unavailable", "unavailable"),
    quoted("limited", "rate_limited"),
    quoted("limited_shortly", "rate_limited"),
    quoted("limited_long", "rate_limited"),
    quoted("no_credit", "refused"),
    quoted("wrong_key", "refused"),
    quoted("moved", "refused"),
    quoted("json_error", "refused"),
    quoted("silent", "timeout_first"),
    quoted("says_nothing", "timeout_first"),
    quoted("empty", "empty"),
    quoted("html", "bad_reply"),
    quoted("endless_html", "bad_reply"),
    quoted("one_long_line", "too_long"),
    broken("stalls", "timeout_idle"),
    broken("byte_drip", "timeout_idle"),
    broken("slow_drip", "timeout_whole"),
    Ending("never_ends", "failed", "model", "timeout_whole", "on and on"),
    broken("breaks", "ended_early"),
    broken("done_without_reason", "ended_early"),
    broken("cuts", "ended_early"),
    broken("babbles", "bad_reply"),
    broken("errs", "unavailable"),
    broken("filtered", "filtered"),
    broken("line_without_end", "too_long"),
    Ending("tiny_chunks", "failed", "model", "stopped", "aaaa"),
)


@dataclass
class Stage:
    """A service with the endpoint as its model, and a company with something to say."""

    running: live.Live
    company: live.Company
    served: Endpoint


@pytest.fixture(scope="module")
async def stage(cluster: Cluster) -> AsyncIterator[Stage]:
    async with endpoint.running() as served:
        model = EndpointModel("test-model", api_key="", base_url=served.url, timeouts=SHORT)
        async with shop.running(cluster, model=model) as (running, company):
            yield Stage(running, company, served)


@pytest.fixture(autouse=True)
def as_new(stage: Stage) -> None:
    """Nothing of the last test is left in the endpoint or in the circuit."""
    stage.served.mode, stage.served.modes = "well", []
    stage.served.asked.clear()
    stage.running.service.endpoints.own_breaker.succeeded()


@dataclass
class Heard:
    """One turn as the visitor, the transcript, the trace and the books have it."""

    text: str
    end: live.Json
    ends: int
    stored: live.Json
    trace: live.Json


async def ask(stage: Stage, mode: str) -> Heard:
    stage.served.mode = mode
    async with live.visitor(stage.running, stage.company) as visitor:
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        said, end = await visitor.answer()
        await asyncio.sleep(0.2)  # a second end would come by now
        ends = 1 + sum(name == "answer.end" for name, _ in visitor.heard)
        transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")
    async with live.colleague(stage.running, stage.company) as staff:
        trace = await staff.get(f"/answers/{end['mid']}/trace")
    return Heard(said, end, ends, transcript["items"][-1], trace["trace"])


async def spent(stage: Stage) -> tuple[int, int]:
    """What the organisation's books hold: answers and tokens."""
    org_id = stage.company.org_id
    async with stage.running.database.transaction(org_id) as db:
        query = select(Spending.answers, Spending.tokens).where(
            Spending.org_id == org_id, Spending.scope == "org"
        )
        row = (await db.execute(query)).one_or_none()
    return (row.answers, row.tokens) if row else (0, 0)


@pytest.mark.parametrize("expected", ENDINGS, ids=lambda each: each.mode)
async def test_every_turn_ends_once_under_its_name(stage: Stage, expected: Ending) -> None:
    before = await spent(stage)

    heard = await ask(stage, expected.mode)

    assert (heard.end["status"], heard.ends) == (expected.status, 1)
    assert heard.stored["status"] == expected.status
    assert heard.stored["text"] == heard.text
    assert expected.text in heard.text
    assert (heard.trace["route"], heard.trace["steps"][-1]["code"]) == (
        expected.route,
        expected.code,
    )
    await check_books(stage, heard, before)
    assert await stage.served.quiet()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "answer"] == []
    assert await no_connection_is_kept(stage)


async def no_connection_is_kept(stage: Stage) -> bool:
    """Whether no connection to the database is out, but for the moments of what runs anyway."""
    pool: Any = stage.running.database.engine.pool
    for _ in range(100):
        if pool.checkedout() == 0:
            return True
        await asyncio.sleep(0.02)
    return False


async def check_books(stage: Stage, heard: Heard, before: tuple[int, int]) -> None:
    """The tokens of all its tries, an answer if there were any, and nothing set aside any more."""
    usage = [step["usage"] for step in heard.trace["steps"]]
    tokens = sum(each["prompt_tokens"] + each["completion_tokens"] for each in usage)
    answers_before, tokens_before = before

    assert await spent(stage) == (answers_before + bool(tokens), tokens_before + tokens)
    org_id = stage.company.org_id
    async with stage.running.database.transaction(org_id) as db:
        reserved = await db.scalar(
            select(func.sum(Answer.reserved_tokens)).where(Answer.org_id == org_id)
        )
        mine = await db.get(Answer, (org_id, UUID(heard.end["mid"])))
    assert reserved == 0
    assert mine is not None
    assert mine.status == heard.end["status"]


async def test_an_endpoint_that_keeps_failing_is_not_waited_for(stage: Stage) -> None:
    for _ in range(5):
        await ask(stage, "silent")

    heard = await ask(stage, "silent")

    assert [step["code"] for step in heard.trace["steps"]] == ["circuit_open"]
    assert (heard.end["status"], heard.trace["route"]) == ("complete", "quotes")
    assert len(stage.served.asked) == 5


async def test_a_stopped_answer_lets_go_of_its_endpoint(stage: Stage) -> None:
    stage.served.mode = "stalls"
    async with live.visitor(stage.running, stage.company) as visitor:
        talk = await visitor.begin()
        await visitor.emit("send", live.question(QUESTION, talk))
        delta = await visitor.hear("answer.delta")
        await visitor.emit("stop", {"mid": delta["mid"]})
        end = await visitor.hear("answer.end", mid=delta["mid"])
    async with live.colleague(stage.running, stage.company) as staff:
        trace = await staff.get(f"/answers/{end['mid']}/trace")

    assert end["status"] == "stopped"
    assert [step["code"] for step in trace["trace"]["steps"]] == ["stopped"]
    assert trace["trace"]["steps"][0]["usage"]["completion_tokens"] > 0
    assert await stage.served.quiet()


async def test_a_citation_of_nothing_never_reaches_the_visitor(stage: Stage) -> None:
    words = stage.served.words
    stage.served.words = ["It is 36 months [", "1", "]. Also [9", "9] free of charge [76, 77]."]

    heard = await ask(stage, "well")

    stage.served.words = words
    assert heard.end["status"] == "complete"
    assert heard.text == heard.stored["text"]
    assert "[1]" in heard.text
    assert "99" not in heard.text
    assert "77" not in heard.text
    assert [source["n"] for source in heard.stored["sources"]] == [1]


async def test_a_changed_model_counts_from_the_next_turn_on(stage: Stage) -> None:
    birch = await live.company(stage.running, "birch")
    await upload(stage.running, birch, "handbook.md", HANDBOOK)
    there = Stage(stage.running, birch, stage.served)

    before = await ask(there, "well")
    async with live.colleague(stage.running, birch) as owner:
        body = {"model": "unreachable", "base_url": "https://models.invalid/v1", "key": "k" * 20}
        await owner.call("PUT", "/org/models/1", body)
        await owner.call("PUT", "/org/models/2", {**body, "model": "second"})
    after = await ask(there, "well")

    assert [step["model"] for step in before.trace["steps"]] == ["test-model"]
    assert {step["model"] for step in after.trace["steps"]} == {"unreachable", "second"}
    assert (after.end["status"], after.trace["route"]) == ("complete", "quotes")

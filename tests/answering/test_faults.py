"""Whatever a model's endpoint does, by table: the answer ends once, in time, under the right name,
and nothing is left behind.
"""

import asyncio
import resource
from collections.abc import Generator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

from chatbot.answering.models.breaker import Breaker
from chatbot.answering.models.chunks import TEXT_CHARS_MAX
from chatbot.answering.models.ladder import Ladder, Rung, Step
from chatbot.answering.models.model import EndpointModel, ModelFailed, Timeouts, Usage
from chatbot.answering.voice.prompt import Prompt, messages
from knowledge import tokens
from tests.answering.endpoint import USAGE, Endpoint

PROMPT = Prompt(question="Which colour?", history=(), excerpts=(), instructions="Be brief.")
SHORT = Timeouts(connect_s=0.3, first_s=0.4, idle_s=0.4, whole_s=1.2)
WITHIN_S = 15.0  # which time ran out its code says; this ends what hangs
GROWTH_KB_MAX = 100_000
FIRST_WORD = "The lid "
WHOLE = "The lid is red [1]."
REPORTED = Usage(USAGE["prompt_tokens"], USAGE["completion_tokens"])
NOTHING = Usage()

Task = asyncio.Task[Any]


@dataclass(frozen=True)
class Fault:
    """`codes` of the tries; `said` None where it is checked otherwise; `counted` says what is
    known of the tokens of the last try.
    """

    mode: str
    codes: tuple[str, ...]
    said: str | None = ""
    counted: str = "nothing"
    kind: str = ""


FAULTS = (
    Fault("well", ("ok",), WHOLE, "reported"),
    Fault("empty_reasons", ("ok",), WHOLE, "reported"),
    Fault("at_length", ("ok",), FIRST_WORD, "all", kind="length"),
    Fault("refuses", ("unavailable",) * 2, kind="server_error"),
    Fault("unavailable", ("unavailable",) * 2, kind="overloaded"),
    Fault("limited", ("rate_limited",) * 2, kind="rate_limit_exceeded"),
    Fault("limited_shortly", ("rate_limited",) * 2, kind="rate_limit_exceeded"),
    Fault("limited_long", ("rate_limited",), kind="rate_limit_exceeded"),
    Fault("no_credit", ("refused",), kind="insufficient_quota"),
    Fault("wrong_key", ("refused",), kind="invalid_api_key"),
    Fault("unknown_model", ("refused",), kind="model_not_found"),
    Fault("moved", ("refused",), kind="http_307"),
    Fault("json_error", ("refused",), kind="model_not_found"),
    Fault("silent", ("timeout_first",), counted="prompt"),
    Fault("says_nothing", ("timeout_first",), counted="prompt"),
    Fault("stalls", ("timeout_idle",), FIRST_WORD, "all"),
    Fault("slow_drip", ("timeout_whole",), None, "all"),
    Fault("byte_drip", ("timeout_idle",), FIRST_WORD, "all"),
    Fault("never_ends", ("timeout_whole",), None, "all"),
    Fault("breaks", ("ended_early",), FIRST_WORD, "all"),
    Fault("done_without_reason", ("ended_early",), FIRST_WORD, "all"),
    Fault("cuts", ("ended_early",), FIRST_WORD, "all"),
    Fault("babbles", ("bad_reply",), FIRST_WORD, "all"),
    Fault("errs", ("unavailable",), FIRST_WORD, "all", kind="overloaded"),
    Fault("filtered", ("filtered",), FIRST_WORD, "all"),
    Fault("empty", ("empty",), counted="reported"),
    Fault("html", ("bad_reply",), counted="prompt"),
    Fault("endless_html", ("bad_reply",), counted="prompt"),
    Fault("one_long_line", ("too_long",), counted="prompt"),
    Fault("line_without_end", ("too_long",), FIRST_WORD, "all"),
    Fault("tiny_chunks", ("too_long",), None, "all"),
    Fault("stalls_after_finish", ("ok",), WHOLE, "all"),
)


async def no_pause(seconds: float) -> None:
    assert seconds <= 2
    await asyncio.sleep(0)


async def heard_from(ladder: Ladder) -> tuple[str, str | None]:
    """What was said, and the failure's code if it ended in one."""
    said = ""
    try:
        async with aclosing(ladder.stream(PROMPT)) as pieces:
            async for piece in pieces:
                said += piece
    except ModelFailed as error:
        return said, error.code
    return said, None


def expected(fault: Fault, said: str) -> Usage:
    asked = sum(tokens.count(turn.text) + 4 for turn in messages(PROMPT))
    match fault.counted:
        case "reported":
            return REPORTED
        case "prompt":
            return Usage(asked, 0)
        case "all":
            return Usage(asked, tokens.count(said))
        case _:
            return NOTHING


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.mode)
async def test_every_fault_ends_once_in_time_under_its_name(served: Endpoint, fault: Fault) -> None:
    served.mode = fault.mode
    model = EndpointModel("test-model", api_key="", base_url=served.url, timeouts=SHORT)
    ladder = Ladder([Rung("test-model", model, Breaker())], sleep=no_pause)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with noting_tasks() as begun:
        async with asyncio.timeout(WITHIN_S):
            said, failed = await heard_from(ladder)

    codes = tuple(step.code for step in ladder.steps)
    assert codes == fault.codes
    assert failed == (None if codes[-1] == "ok" else codes[-1])
    check_words(fault, said)
    check_step(fault, said, ladder.steps[-1])
    assert await served.quiet()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < GROWTH_KB_MAX
    await model.close()
    assert [task for task in begun if not task.done()] == []


def check_words(fault: Fault, said: str) -> None:
    if fault.said is not None:
        assert said == fault.said
    else:
        assert said
        assert len(said) <= 2 * TEXT_CHARS_MAX


def check_step(fault: Fault, said: str, step: Step) -> None:
    assert step.kind == fault.kind
    assert step.usage == expected(fault, said)
    assert step.estimated == (fault.counted in ("prompt", "all"))
    assert (step.first_ms is None) == (said == "")


@contextmanager
def noting_tasks() -> Generator[list[Task]]:
    """Every task that is begun from within the block; the loop has others' tasks too."""
    begun: list[Task] = []
    inside = ContextVar("inside", default=False)

    def factory(loop: asyncio.AbstractEventLoop, *given: Any, **named: Any) -> Task:
        task: Task = asyncio.Task(*given, loop=loop, **named)
        if inside.get():
            begun.append(task)
        return task

    loop = asyncio.get_running_loop()
    before, token = loop.get_task_factory(), inside.set(True)
    loop.set_task_factory(factory)
    try:
        yield begun
    finally:
        inside.reset(token)
        loop.set_task_factory(before)


async def test_nobody_there_is_tried_twice_and_owes_nothing() -> None:
    model = EndpointModel("m", api_key="", base_url="http://127.0.0.1:1/v1", timeouts=SHORT)
    ladder = Ladder([Rung("m", model, Breaker())], sleep=no_pause)

    said, failed = await heard_from(ladder)

    assert (said, failed) == ("", "unreachable")
    assert [step.code for step in ladder.steps] == ["unreachable"] * 2
    assert {step.usage for step in ladder.steps} == {NOTHING}
    await model.close()


@pytest.mark.parametrize(
    "mode", ["refuses", "limited_long", "wrong_key", "silent", "html", "one_long_line", "empty"]
)
async def test_the_second_model_answers_when_the_first_has_no_word(
    served: Endpoint, mode: str
) -> None:
    best = EndpointModel("best", api_key="", base_url=served.url, timeouts=SHORT)
    second = EndpointModel("second", api_key="", base_url=served.url, timeouts=SHORT)
    ladder = Ladder(
        [Rung("best", best, Breaker()), Rung("second", second, Breaker())], sleep=no_pause
    )
    served.modes = [mode, mode] if mode == "refuses" else [mode]

    said, failed = await heard_from(ladder)

    assert (said, failed, ladder.steps[-1].model) == (WHOLE, None, "second")
    assert await served.quiet()
    await best.close()
    await second.close()


async def test_a_fault_that_passes_is_not_noticed(served: Endpoint) -> None:
    served.modes = ["limited_shortly"]
    model = EndpointModel("m", api_key="", base_url=served.url, timeouts=SHORT)
    ladder = Ladder([Rung("m", model, Breaker())], sleep=no_pause)

    said, failed = await heard_from(ladder)

    assert (said, failed) == (WHOLE, None)
    assert [step.code for step in ladder.steps] == ["rate_limited", "ok"]
    await model.close()

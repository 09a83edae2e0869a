"""Down the ladder: what is tried again, what comes next, and what is written down of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

import pytest

from chatbot.answering.models.breaker import FAILURES_MAX, OPEN_S, Breaker
from chatbot.answering.models.chunks import Cut
from chatbot.answering.models.ladder import Ladder, Rung
from chatbot.answering.models.model import ModelFailed, Usage
from chatbot.answering.voice.prompt import Prompt
from knowledge import tokens
from tests.answering.script import Clock

PROMPT = Prompt(question="Which colour?", history=(), excerpts=(), instructions="Be brief.")
ASKED = tokens.count("Which colour?") + tokens.count("Be brief.") + 2 * 4


class Scripted:
    """A model that does what is next in its script: words and usage, then a failure if there is
    one; after its script it answers.
    """

    def __init__(
        self, name: str, *script: Sequence[str | Usage | ModelFailed], after: Callable[[], None]
    ) -> None:
        self.name = name
        self.asked = 0
        self._script = list(script)
        self._after = after

    async def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        self.asked += 1
        for piece in self._script.pop(0) if self._script else ["well"]:
            self._after()
            if isinstance(piece, ModelFailed):
                raise piece
            yield piece


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rung(
    name: str,
    clock: Clock,
    *script: Sequence[str | Usage | ModelFailed],
    breaker: Breaker | None = None,
    takes_s: float = 0.0,
    prices: tuple[float, float] | None = None,
) -> tuple[Scripted, Rung]:
    def pass_time() -> None:
        clock.now += takes_s

    model = Scripted(name, *script, after=pass_time)
    low, high = prices or (None, None)
    return model, Rung(name, model, breaker or Breaker(clock), input_price=low, output_price=high)


def ladder_of(clock: Clock, *rungs: Rung) -> Ladder:
    return Ladder(rungs, clock=clock, sleep=clock.sleep)


async def said_by(ladder: Ladder) -> str:
    return "".join([piece async for piece in ladder.stream(PROMPT)])


def codes(ladder: Ladder) -> list[tuple[str, str]]:
    return [(step.model, step.code) for step in ladder.steps]


async def test_the_first_model_answers_and_its_cost_is_known(clock: Clock) -> None:
    _, best = rung(
        "best", clock, ["Scar", "let.", Usage(1_000, 500)], takes_s=0.25, prices=(2.0, 8.0)
    )
    ladder = ladder_of(clock, best)

    said = await said_by(ladder)

    assert (said, ladder.name) == ("Scarlet.", "best")
    (step,) = ladder.steps
    assert (step.code, step.first_ms, step.ms) == ("ok", 250, 750)
    assert (step.usage, step.estimated) == (Usage(1_000, 500), False)
    assert step.cost == pytest.approx(0.006)


async def test_usage_that_was_not_reported_is_counted(clock: Clock) -> None:
    _, best = rung("best", clock, ["Scarlet, of course."], prices=(2.0, 8.0))
    ladder = ladder_of(clock, best)

    await said_by(ladder)

    (step,) = ladder.steps
    assert step.usage == Usage(ASKED, tokens.count("Scarlet, of course."))
    assert step.estimated
    assert step.cost == pytest.approx((2 * ASKED + 8 * step.usage.completion_tokens) / 1e6)


@pytest.mark.parametrize(
    ("reported", "usage", "estimated"),
    [(Cut(9, 2), Usage(9, 2), False), (Cut(), Usage(ASKED, tokens.count("Scar")), True)],
)
async def test_an_answer_cut_at_its_length_is_known_as_such_with_or_without_a_usage(
    clock: Clock, reported: Cut, usage: Usage, estimated: bool
) -> None:
    _, best = rung("best", clock, ["Scar", reported])
    ladder = ladder_of(clock, best)

    said = await said_by(ladder)

    (step,) = ladder.steps
    assert (said, step.code, step.kind) == ("Scar", "ok", "length")
    assert (step.usage, step.estimated) == (usage, estimated)


async def test_without_prices_there_is_no_cost(clock: Clock) -> None:
    _, best = rung("best", clock)
    ladder = ladder_of(clock, best)

    await said_by(ladder)

    assert ladder.steps[0].cost is None


@pytest.mark.parametrize("code", ["unreachable", "rate_limited", "unavailable"])
async def test_what_may_pass_is_tried_once_more(clock: Clock, code: str) -> None:
    model, best = rung("best", clock, [ModelFailed(code)])
    ladder = ladder_of(clock, best)

    said = await said_by(ladder)

    assert (said, model.asked) == ("well", 2)
    assert codes(ladder) == [("best", code), ("best", "ok")]
    assert 0.2 <= clock.slept[0] <= 0.6
    assert ladder.steps[0].usage == Usage()


@pytest.mark.parametrize("code", ["refused", "timeout_first", "bad_reply", "tls_failed", "empty"])
async def test_what_will_not_pass_goes_to_the_next_model_at_once(clock: Clock, code: str) -> None:
    model, best = rung("best", clock, [ModelFailed(code, kind="why")])
    _, second = rung("second", clock)
    ladder = ladder_of(clock, best, second)

    said = await said_by(ladder)

    assert (said, model.asked, clock.slept) == ("well", 1, [])
    assert codes(ladder) == [("best", code), ("second", "ok")]
    assert ladder.steps[0].kind == "why"


@pytest.mark.parametrize(("wait", "tries"), [(0.0, 2), (2.0, 2), (2.5, 1), (60.0, 1)])
async def test_a_short_wait_is_waited_and_a_long_one_is_not(
    clock: Clock, wait: float, tries: int
) -> None:
    model, best = rung("best", clock, [ModelFailed("rate_limited", retry_after_s=wait)])
    _, second = rung("second", clock)

    await said_by(ladder_of(clock, best, second))

    assert model.asked == tries
    assert clock.slept == ([wait] if tries == 2 else [])


async def test_a_failure_that_took_long_is_not_tried_again(clock: Clock) -> None:
    model, best = rung("best", clock, [ModelFailed("unavailable")], takes_s=10)

    with pytest.raises(ModelFailed, match="unavailable"):
        await said_by(ladder_of(clock, best))

    assert model.asked == 1


async def test_after_the_first_word_nothing_is_tried_again(clock: Clock) -> None:
    _, best = rung("best", clock, ["The lid ", ModelFailed("unavailable")])
    second_model, second = rung("second", clock)
    ladder = ladder_of(clock, best, second)

    with pytest.raises(ModelFailed, match="unavailable"):
        await said_by(ladder)

    assert codes(ladder) == [("best", "unavailable")]
    assert ladder.steps[0].usage == Usage(ASKED, tokens.count("The lid "))
    assert second_model.asked == 0


async def test_when_none_has_a_word_the_last_failure_is_told(clock: Clock) -> None:
    _, best = rung("best", clock, [ModelFailed("refused")])
    _, second = rung("second", clock, [ModelFailed("empty")])
    ladder = ladder_of(clock, best, second)

    with pytest.raises(ModelFailed, match="empty"):
        await said_by(ladder)

    assert codes(ladder) == [("best", "refused"), ("second", "empty")]


async def test_a_key_that_cannot_be_opened_is_a_step_and_no_more(clock: Clock) -> None:
    closed = Rung("best", None, Breaker(clock), problem="key_unreadable")
    _, second = rung("second", clock)
    ladder = ladder_of(clock, closed, second)

    assert await said_by(ladder) == "well"
    assert codes(ladder) == [("best", "key_unreadable"), ("second", "ok")]


async def test_who_stops_listening_is_noted_with_what_was_heard(clock: Clock) -> None:
    _, best = rung("best", clock, ["The lid ", "is red."])
    ladder = ladder_of(clock, best)

    async with aclosing(ladder.stream(PROMPT)) as pieces:
        await anext(pieces)

    assert codes(ladder) == [("best", "stopped")]
    assert ladder.steps[0].usage == Usage(ASKED, tokens.count("The lid "))
    assert ladder.steps[0].estimated


async def test_a_try_that_goes_on_is_listed_as_far_as_it_came(clock: Clock) -> None:
    _, best = rung("best", clock, ["The lid ", "is red."])
    ladder = ladder_of(clock, best)

    async with aclosing(ladder.stream(PROMPT)) as pieces:
        await anext(pieces)
        meanwhile = ladder.steps
        async for _ in pieces:
            pass

    assert [(step.code, step.usage.completion_tokens > 0) for step in meanwhile] == [
        ("stopped", True)
    ]
    assert codes(ladder) == [("best", "ok")]


async def test_a_cancelled_try_is_noted() -> None:
    class Stuck:
        name = "stuck"

        async def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
            yield "The lid "
            heard.set()
            await asyncio.sleep(3600)

    heard = asyncio.Event()
    breaker = Breaker()
    ladder = Ladder([Rung("stuck", Stuck(), breaker)])
    task = asyncio.create_task(said_by(ladder))

    await heard.wait()
    task.cancel()
    await asyncio.wait([task])

    assert codes(ladder) == [("stuck", "stopped")]
    assert task.cancelled()


async def test_an_endpoint_that_keeps_failing_is_left_alone_for_a_while(clock: Clock) -> None:
    breaker = Breaker(clock)
    fails = [(ModelFailed("timeout_first"),)] * FAILURES_MAX
    model, best = rung("best", clock, *fails, breaker=breaker)
    _, second = rung("second", clock)
    for _ in range(FAILURES_MAX):
        await said_by(ladder_of(clock, best, second))

    meanwhile = ladder_of(clock, best, second)
    await said_by(meanwhile)
    asked_meanwhile = model.asked
    clock.now += OPEN_S
    later = ladder_of(clock, best, second)
    await said_by(later)

    assert codes(meanwhile) == [("best", "circuit_open"), ("second", "ok")]
    assert asked_meanwhile == FAILURES_MAX
    assert codes(later) == [("best", "ok")]


async def test_what_is_wrong_with_a_request_opens_no_circuit(clock: Clock) -> None:
    breaker = Breaker(clock)
    fails = [(ModelFailed("refused"),)] * 2 * FAILURES_MAX
    model, best = rung("best", clock, *fails, breaker=breaker)
    _, second = rung("second", clock)

    for _ in range(2 * FAILURES_MAX):
        await said_by(ladder_of(clock, best, second))

    assert model.asked == 2 * FAILURES_MAX


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(FAILURES_MAX):
        assert breaker.admit()
        breaker.failed()
    return breaker


def test_only_one_at_a_time_may_probe(clock: Clock) -> None:
    breaker = opened(clock)

    at_once = breaker.admit()
    clock.now += OPEN_S
    first, second = breaker.admit(), breaker.admit()
    breaker.failed()
    after_a_failed_probe = breaker.admit()

    assert (at_once, first, second, after_a_failed_probe) == (False, True, False, False)


def test_a_probe_that_was_given_up_lets_the_next_one_try(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += OPEN_S

    assert breaker.admit()
    breaker.left()

    assert breaker.admit()


def test_a_success_forgets_all_failures(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(FAILURES_MAX - 1):
        breaker.failed()
    breaker.succeeded()
    breaker.failed()

    assert breaker.admit()

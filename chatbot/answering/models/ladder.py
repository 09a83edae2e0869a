"""One turn's way down: the best model first, the same once more when that may help, then the next;
each try is written down with what it took and cost.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec
import structlog

from chatbot.answering.models.breaker import Breaker
from chatbot.answering.models.chunks import Cut
from chatbot.answering.models.model import Model, ModelFailed, Usage
from chatbot.answering.voice.prompt import Prompt, messages
from knowledge import tokens

log = structlog.get_logger()

RETRY_WAIT_S_MAX: Final = 2.0
RETRY_PAUSE_S: Final = 0.4
RETRY_WITHIN_S: Final = 6.0
LENGTH: Final = "length"
MESSAGE_TOKENS: Final = 4  # what a role and the marks around a message come to
# May pass by itself within a moment.
_PASSING: Final = frozenset({"unreachable", "rate_limited", "unavailable"})
# Says something about this request or this account, not about the endpoint's health.
_HEALTHY: Final = frozenset({"refused", "filtered", "empty", "too_long"})
# The endpoint did not take the question, so that nothing is owed for it.
_NOT_TAKEN: Final = _PASSING | {
    "refused",
    "address_refused",
    "tls_failed",
    "circuit_open",
    "key_unreadable",
}

Sleep = Callable[[float], Awaitable[None]]


class Step(msgspec.Struct, frozen=True):
    """One try: `code` is `ok`, `stopped` or a failure's. `usage` is as reported, else counted
    (`estimated`); `cost` in the currency of the prices, None where there are none; `kind` is what
    the endpoint called its failure, and `length` where an answer that is `ok` was cut at its limit.
    """

    model: str
    code: str
    first_ms: int | None
    ms: int
    usage: Usage
    estimated: bool
    cost: float | None
    kind: str = ""


class Rung(msgspec.Struct, frozen=True):
    """A model to ask, with its prices per million tokens; or only its name and why it cannot be
    asked.
    """

    name: str
    model: Model | None
    breaker: Breaker
    input_price: float | None = None
    output_price: float | None = None
    problem: str = ""

    def cost(self, usage: Usage) -> float | None:
        if self.input_price is None or self.output_price is None:
            return None
        spent = usage.prompt_tokens * self.input_price
        return (spent + usage.completion_tokens * self.output_price) / 1_000_000


class Ladder:
    """A Model of several, made for one turn."""

    def __init__(
        self,
        rungs: Sequence[Rung],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._rungs = tuple(rungs)
        self._steps: list[Step] = []
        self._trying: _Try | None = None
        self._clock = clock
        self._sleep = sleep

    @property
    def name(self) -> str:
        """The model that is asked first."""
        return self._rungs[0].name if self._rungs else "none"

    @property
    def steps(self) -> list[Step]:
        """What happened so far; a try that goes on is listed as if it were stopped now."""
        return [*self._steps, *([self._trying.step()] if self._trying is not None else [])]

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """The words of the first model that has any. ModelFailed when it breaks after its first, or
        when none had one: then the last one's failure.
        """
        failed = ModelFailed("no_model")
        for rung in self._rungs:
            for may_retry in (True, False):
                self._trying = tried = _Try(rung, prompt, self._clock)
                try:
                    async with aclosing(tried.pieces()) as pieces:
                        async for words in pieces:
                            yield words
                    return
                except ModelFailed as error:
                    if tried.said:
                        raise
                    failed = error
                finally:
                    self._note(tried)
                pause = _pause_s(failed) if may_retry and tried.was_quick else None
                if pause is None:
                    break
                await self._sleep(pause)
        raise failed

    def _note(self, tried: "_Try") -> None:
        step, self._trying = tried.step(), None
        self._steps.append(step)
        if step.code not in ("ok", "stopped"):
            log.warning("model_step", model=step.model, code=step.code, kind=step.kind, ms=step.ms)


class _Try:
    """One model asked once."""

    def __init__(self, rung: Rung, prompt: Prompt, clock: Callable[[], float]) -> None:
        self.said: list[str] = []
        self._rung = rung
        self._prompt = prompt
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._usage: Usage | None = None
        self._code = "stopped"
        self._kind = ""

    @property
    def was_quick(self) -> bool:
        return self._clock() - self._began <= RETRY_WITHIN_S

    async def pieces(self) -> AsyncGenerator[str]:
        model, breaker = self._rung.model, self._rung.breaker
        if model is None or not breaker.admit():
            self._code = self._rung.problem or "circuit_open"
            raise ModelFailed(self._code)
        stream = model.stream(self._prompt)
        try:
            async for piece in stream:
                if isinstance(piece, Usage):
                    self._take(piece)
                    continue
                if self._first is None:
                    self._first = self._clock()
                self.said.append(piece)
                yield piece
            self._code = "ok"
        except ModelFailed as error:
            self._code, self._kind = error.code, error.kind
            raise
        finally:
            self._tell(breaker)
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    def step(self) -> Step:
        usage = self._usage or self._counted()
        return Step(
            model=self._rung.name,
            code=self._code,
            first_ms=None if self._first is None else self._ms(self._first),
            ms=self._ms(self._clock()),
            usage=usage,
            estimated=self._usage is None and usage != Usage(),
            cost=self._rung.cost(usage),
            kind=self._kind,
        )

    def _take(self, usage: Usage) -> None:
        if isinstance(usage, Cut):
            self._kind = LENGTH
            usage = Usage(usage.prompt_tokens, usage.completion_tokens)
            if usage == Usage():
                return
        self._usage = usage

    def _tell(self, breaker: Breaker) -> None:
        if self._code == "ok" or self._code in _HEALTHY or (self._code == "stopped" and self.said):
            breaker.succeeded()
        elif self._code == "stopped":
            breaker.left()
        else:
            breaker.failed()

    def _counted(self) -> Usage:
        """The tokens as far as they can be known from here."""
        if not self.said and self._code in _NOT_TAKEN:
            return Usage()
        asked = sum(tokens.count(turn.text) + MESSAGE_TOKENS for turn in messages(self._prompt))
        return Usage(asked, tokens.count("".join(self.said)))

    def _ms(self, at: float) -> int:
        return round((at - self._began) * 1000)


def _pause_s(failed: ModelFailed) -> float | None:
    """How long to wait before the same model is asked again; None: not again."""
    if failed.code not in _PASSING:
        return None
    if failed.retry_after_s is None:
        return RETRY_PAUSE_S * random.uniform(0.5, 1.5)  # noqa: S311 (jitter)
    return failed.retry_after_s if failed.retry_after_s <= RETRY_WAIT_S_MAX else None

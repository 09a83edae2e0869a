"""Asks at a steady rate while other answers stream, and many asks in one instant."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from math import ceil
from typing import Final

import msgspec

from benchmarks.streaming_endpoint import LONG, LONG_TIMES, STREAM_S
from benchmarks.streaming_lanes import Heard, Lane, Refused
from chatbot.answering.models.model import ModelFailed

ASKS_PER_S: Final = 10
_SETTLE_S: Final = 1.0


class Level(msgspec.Struct):
    """What was heard while so many answers streamed: the asks that were measured, all answers, how
    many streamed beside on average, and how many cores it took.
    """

    asked: list[Heard]
    all: list[Heard]
    beside: float
    cores: float


class Load:
    """Keeps lanes busy. Questions are taken in turn. With `long`, the answers beside are four times
    as long, so that a quarter of them has to be asked for.
    """

    def __init__(self, lanes: Sequence[Lane], questions: Sequence[str], *, long: bool) -> None:
        self._lanes = lanes
        self._tail = LONG.decode()[1:] if long else ""
        self._beside_s = STREAM_S * (LONG_TIMES if long else 1)
        self._questions: Iterator[str] = cycle(questions)
        self._random = random.Random(1)
        self._streaming = 0
        self.failures = 0
        """Questions that got no whole answer."""

    async def level(
        self, background: int, asks: int, cpu_s: Callable[[], float] = lambda: 0.0
    ) -> Level:
        """`asks` questions, ten a second, while `background` lanes stream one answer after the
        other.
        """
        beside = self._lanes[:background]
        asking = self._lanes[background:]
        streams = 2 + (asks / ASKS_PER_S + _SETTLE_S) / self._beside_s
        await self._prepare(beside, ceil(streams))
        await self._prepare(asking[:asks], ceil(asks / len(asking)))
        enough, others, counted = asyncio.Event(), list[Heard](), list[int]()
        async with asyncio.TaskGroup() as work:
            for at, lane in enumerate(beside):
                work.create_task(self._keep(lane, at / background * self._beside_s, enough, others))
            await asyncio.sleep(self._beside_s + _SETTLE_S)
            begun, spent = time.perf_counter(), cpu_s()
            asked = await self._arrive(asking, asks, counted)
            cores = (cpu_s() - spent) / (time.perf_counter() - begun)
            enough.set()
        return Level(asked, [*asked, *others], sum(counted) / len(counted), cores)

    async def burst(self, asks: int, while_streaming: Callable[[], None]) -> list[Heard]:
        """`asks` questions in one instant; `while_streaming` is called when the last has had its
        first token.
        """
        await self._prepare(self._lanes[:asks], 1)
        waiting = asks

        def first() -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                while_streaming()

        heard = await asyncio.gather(*(self._ask(lane, first) for lane in self._lanes[:asks]))
        return [each for each in heard if each]

    async def _prepare(self, lanes: Sequence[Lane], asks: int) -> None:
        turns = asyncio.Semaphore(10)

        async def one(lane: Lane) -> None:
            async with turns:
                await lane.prepare(asks)

        await asyncio.gather(*map(one, lanes))

    async def _ask(
        self, lane: Lane, on_first: Callable[[], None], *, tail: str = ""
    ) -> Heard | None:
        try:
            return await lane.ask(next(self._questions) + tail, on_first)
        except (Refused, TimeoutError, ModelFailed):
            self.failures += 1
            return None

    async def _keep(
        self, lane: Lane, after_s: float, enough: asyncio.Event, into: list[Heard]
    ) -> None:
        await asyncio.sleep(after_s)
        while not enough.is_set():
            begun = False

            def begins() -> None:
                nonlocal begun
                begun = True
                self._streaming += 1

            heard = await self._ask(lane, begins, tail=self._tail)
            self._streaming -= begun
            into += [heard] if heard else []
            if heard is None:  # a lane without its socket would fail without end
                await asyncio.sleep(1.0)

    async def _arrive(self, lanes: Sequence[Lane], asks: int, counted: list[int]) -> list[Heard]:
        """Each at its own moment within its tenth of a second, whatever became of the others."""
        begun, work = time.perf_counter(), list[asyncio.Task[Heard | None]]()
        for number in range(asks):
            at = (number + self._random.random()) / ASKS_PER_S
            await asyncio.sleep(begun + at - time.perf_counter())
            counted.append(self._streaming)
            lane = lanes[number % len(lanes)]
            work.append(asyncio.create_task(self._ask(lane, lambda: None)))
        return [each for each in await asyncio.gather(*work) if each]

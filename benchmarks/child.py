"""A part of a benchmark in a process of its own, so that it is not measured with the rest."""

import asyncio
import multiprocessing
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any, Final

import psutil

_ANSWER_S_MAX: Final = 60
_LEAVE_S_MAX: Final = 20


class Child:
    """The process: what it said first, what it says when asked, and what it has cost."""

    def __init__(self, pipe: Connection, pid: int) -> None:
        self._pipe = pipe
        self._process = psutil.Process(pid)
        self.said: Any = None

    async def ask(self, word: str) -> Any:
        """Send a word and give what comes back. TimeoutError when nothing does."""
        self._pipe.send(word)
        return await self.hear()

    async def hear(self) -> Any:
        """The next thing it says. TimeoutError when it says nothing, EOFError when it is gone."""
        if not await asyncio.to_thread(self._pipe.poll, _ANSWER_S_MAX):
            raise TimeoutError("a process of the benchmark says nothing")
        return self._pipe.recv()

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        spent = self._process.cpu_times()
        return spent.user + spent.system


@asynccontextmanager
async def child(target: Callable[..., None], *args: object) -> AsyncGenerator[Child]:
    """`target(pipe, *args)` in a new process, from its first word on until the end of the block.

    It leaves when the pipe is closed; whoever does not is killed.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=(theirs, *args), daemon=True
    )
    process.start()
    theirs.close()
    try:
        found = Child(ours, process.pid or 0)
        found.said = await found.hear()
        yield found
    finally:
        ours.close()
        await asyncio.to_thread(process.join, _LEAVE_S_MAX)
        process.kill()


def until_closed(pipe: Connection, answer: Callable[[str], object]) -> asyncio.Event:
    """In the child: answer each word that comes; the event is set when nobody listens any more."""
    closed, loop = asyncio.Event(), asyncio.get_running_loop()

    def heard() -> None:
        try:
            pipe.send(answer(pipe.recv()))
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            closed.set()

    loop.add_reader(pipe.fileno(), heard)
    os.set_blocking(pipe.fileno(), True)  # uvloop took that away, and half a long answer was sent
    return closed

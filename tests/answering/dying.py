"""A process that answers, and kills itself at a step of the turn that it is told.

python -m tests.answering.dying DATABASE_URL SOCKET STEP
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering import answers, evidence, recovery, turns
from chatbot.answering.answers import Answers
from chatbot.answering.recovery import Progress
from chatbot.answering.tables import Ending
from chatbot.answering.writing import Writing
from chatbot.app import Service
from chatbot.realtime.frames import Stream
from chatbot.settings import Settings
from tests import live
from tests.answering.script import Script

WORDS = [f"word{n} " for n in range(20)]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str) -> None:
    """Die instead of calling it."""

    def call(*_given: Any, **_named: Any) -> None:
        die()

    setattr(owner, name, call)


def after(owner: Any, name: str) -> None:
    """Die when a call has come back."""
    real: Callable[..., Any] = getattr(owner, name)

    async def call(*given: Any, **named: Any) -> None:
        await real(*given, **named)
        die()

    setattr(owner, name, call)


def at_checkpoint_of_text(which: int) -> None:
    """Die when the first one of some text is written, or when the one after it shows that it was
    committed.
    """
    real = recovery.checkpoint
    done = 0

    async def checkpoint(
        db: AsyncSession, org_id: UUID, far: Sequence[Progress]
    ) -> dict[UUID, Ending | None]:
        nonlocal done
        known = await real(db, org_id, far)
        done += any(text for _, _, text, _ in far)
        if done == which:
            die()
        return known

    recovery.checkpoint = checkpoint


def after_first_frame() -> None:
    real = Stream._flush  # pyright: ignore[reportPrivateUsage]

    def flush(self: Stream) -> None:
        real(self)
        die()

    Stream._flush = flush  # pyright: ignore[reportPrivateUsage]


STEPS: dict[str, Callable[[], None]] = {
    "the question is stored, nobody took it up": lambda: before(Answers, "start"),
    "the turn is written, not committed": lambda: after(turns, "begin"),
    "the turn is committed, nothing was sent": lambda: before(Answers, "_open"),
    "the search begins": lambda: before(evidence, "gather"),
    "the allowance is reserved": lambda: after(Writing, "_may_ask"),
    "the model is asked": lambda: before(Script, "stream"),
    "the first frame went out": after_first_frame,
    "a checkpoint is written, not committed": lambda: at_checkpoint_of_text(1),
    "a checkpoint is committed": lambda: at_checkpoint_of_text(2),
    "the end is about to be stored": lambda: before(turns, "finish"),
    "the end is written, not committed": lambda: after(turns, "finish"),
    "the end is stored, nobody was told": lambda: before(Stream, "end"),
}


async def rest(self: Answers) -> None:
    """What died before is not this one's to take up."""


async def serve(database_url: str, descriptor: int, step: str) -> None:
    Answers._sweep = rest  # pyright: ignore[reportPrivateUsage]
    answers.CHECKPOINT_S = 0.1
    STEPS[step]()
    listener = socket.socket(fileno=descriptor)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(
        database_url=database_url, secret_keys=(live.KEY,), public_url=url, limits=live.ROOMY
    )
    model = Script(*WORDS, pause_s=0.1)
    async with live.serving(Service(settings, model=model, run_jobs=False).asgi, listener):
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))

"""A model of our own for tests, and what goes with it: passages for it to read, a clock to turn."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

from chatbot.answering.models.model import Usage
from chatbot.answering.voice.prompt import Excerpt, Prompt


class Script:
    """A model that says what it is told, waits when told to, and remembers what it was asked; in
    the end it reports its `usage`, if it has any.
    """

    name = "script"

    def __init__(self, *words: str, pause_s: float = 0.005, usage: Usage | None = None) -> None:
        self.pause_s = pause_s
        self.usage = usage
        self.words = words or ("It lasts ", "36 months ", "[1].")
        self.asked: list[Prompt] = []
        self.may_speak = asyncio.Event()
        self.may_speak.set()

    async def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        self.asked.append(prompt)
        for word in self.words:
            await self.may_speak.wait()
            yield word
            await asyncio.sleep(self.pause_s)
        if self.usage is not None:
            yield self.usage


class Clock:
    """Seconds that pass when told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def excerpt(
    n: int,
    text: str,
    *,
    title: str = "Handbook",
    heading: str | None = None,
    url: str | None = None,
    score: float = 0.9,
) -> Excerpt:
    """A passage of a document of its own."""
    return Excerpt(
        n=n,
        passage_id=uuid4(),
        document_id=uuid4(),
        title=title,
        heading=heading,
        url=url,
        page=None,
        text=text,
        score=score,
    )

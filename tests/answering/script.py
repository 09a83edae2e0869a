"""A model of our own for tests: it says what it is told, when it is told to."""

import asyncio
from collections.abc import AsyncIterator

from chatbot.answering.models.model import Usage
from chatbot.answering.voice.prompt import Prompt


class Script:
    """A model that says what it is told, waits when told to, and remembers what it was asked."""

    name = "script"

    def __init__(self, *words: str, pause_s: float = 0.005) -> None:
        self.pause_s = pause_s
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

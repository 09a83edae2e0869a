"""Windows of one visitor on several nodes, and what they show."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp

from tests import live
from tests.live import Json, Person
from tests.nodes.conftest import Node


@contextlib.asynccontextmanager
async def window(node: Node | live.Live, visitor: Person, talk: str) -> AsyncGenerator[Person]:
    """The same visitor's conversation, opened at `node`."""
    async with aiohttp.ClientSession() as http:
        another = Person(
            http, node.url, visitor.namespace, dict(visitor.headers), visitor.id, visitor.token
        )
        await another.connect()
        await another.subscribe(f"conversation:{talk}:messages")
        try:
            yield another
        finally:
            await another.close()


def frames(person: Person) -> list[tuple[str, Json]]:
    """The frames heard so far."""
    return [(event, data) for event, data in person.heard if event.startswith("answer.")]


def shown(person: Person) -> str:
    """What a window shows that is opened empty: a delta counts when it fits, a snap when it is
    further.
    """
    text, seq = "", 0
    for event, data in frames(person):
        if event == "answer.delta" and data["seq"] == seq + 1:
            text, seq = text + data["text"], data["seq"]
        elif event == "answer.snap" and data["seq"] > seq:
            text, seq = data["text"], data["seq"]
    return text


def has_ended(person: Person) -> bool:
    return any(event == "answer.end" for event, _ in person.heard)


async def until(done: Callable[[], Any], within_s: float = live.WAIT_S) -> None:
    """Wait for what has no event of its own."""
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def reply_to(person: Person, talk: str) -> Json | None:
    """The bot's last message as the database has it."""
    page = await person.get(f"/visitor/conversations/{talk}/messages?after=0")
    said = [each for each in page["items"] if each["author"]["kind"] == "assistant"]
    return said[-1] if said else None

"""What a node writes itself it does not take from the rows as well."""

from typing import Any
from uuid import UUID

import pytest

from chatbot.database import Database, new_id
from chatbot.realtime import topics
from chatbot.realtime.frames import End, Frame
from chatbot.realtime.nodes import checkpoints
from chatbot.realtime.nodes.bus import LocalBus
from chatbot.realtime.nodes.node import Nodes

ORG, TALK, MID = new_id(), new_id(), new_id()


async def test_an_answer_that_ends_while_the_rows_are_read_ends_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    nodes = Nodes(LocalBus(), database, lambda event, _frame, _room: told.append(event))
    watcher: Any = None
    nodes.joined("sid", watcher, topics.messages(TALK))
    stream = nodes.frames.open(org_id=ORG, conversation_id=TALK, mid=MID, attempt=1)

    async def running(_database: Database) -> dict[UUID, UUID]:
        await stream.end("complete", 1)
        return {MID: ORG}

    async def conversations(*_: object) -> dict[UUID, UUID]:
        return {MID: TALK}

    async def frames(*_: object) -> list[tuple[UUID, Frame]]:
        return [(TALK, End(MID, 1, 1, "complete", 1))]

    for each in (running, conversations, frames):
        monkeypatch.setattr(checkpoints, each.__name__, each)

    await nodes.look()

    assert told == ["answer.start", "answer.end"]

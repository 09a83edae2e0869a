"""A stop or a takeover at any moment of an answer: one end each, and no word of the bot after a
person took over. Raced a thousand times.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from chatbot.answering.tables import RUNNING, Answer
from chatbot.conversations.tables import AuthorKind, Handoff, Message
from chatbot.database import new_id
from chatbot.realtime.frames import End, Frame
from tests import live
from tests.answering import shop
from tests.answering.script import Script
from tests.answering.shop import QUESTION
from tests.conftest import Cluster

RACES = 1_000
AT_ONCE = 20
WORDS = [f"word{n} " for n in range(12)]


@dataclass
class Sent:
    """What left the process for one answer: when the last frame went, and how often it ended."""

    last: float = 0.0
    ends: list[str] = field(default_factory=list)


@dataclass
class Race:
    talk: str
    kind: str
    acked: float


def listen(running: live.Live) -> dict[UUID, Sent]:
    """Note every frame as it leaves, by answer."""
    sent: dict[UUID, Sent] = {}
    frames = running.service.realtime.frames
    deliver = frames._deliver  # pyright: ignore[reportPrivateUsage]

    def note(event: str, frame: Frame, room: str) -> None:
        here = sent.setdefault(frame.mid, Sent())
        here.last = time.monotonic()
        if isinstance(frame, End):
            here.ends.append(frame.status)
        deliver(event, frame, room)

    frames._deliver = note  # pyright: ignore[reportPrivateUsage]
    return sent


async def race(visitor: live.Person, ana: live.Person, kind: str, chance: random.Random) -> Race:
    """Ask, then stop or take over at a moment between the question and the end."""
    found = await visitor.post("/visitor/conversations", {"client_id": new_id().hex})
    talk = found["id"]
    body = live.question(QUESTION)
    await visitor.post(f"/visitor/conversations/{talk}/messages", body)
    await asyncio.sleep(chance.uniform(0, 0.12))
    if kind == "take":
        await ana.post(f"/conversations/{talk}/handoff/take")
    else:
        await visitor.post(f"/visitor/conversations/{talk}/stop")
    return Race(talk, kind, time.monotonic())


async def test_whatever_the_moment_there_is_one_end_and_no_word_after_a_takeover(
    cluster: Cluster,
) -> None:
    chance = random.Random(20)
    model = Script(*WORDS, pause_s=0.002)
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.colleague(running, alder) as ana,
    ):
        sent = listen(running)
        races: list[Race] = []

        async def worker(count: int) -> None:
            async with live.visitor(running, alder) as visitor:
                for _ in range(count):
                    kind = chance.choice(("take", "stop"))
                    races.append(await race(visitor, ana, kind, chance))

        async with asyncio.timeout(240):
            await asyncio.gather(*(worker(RACES // AT_ONCE) for _ in range(AT_ONCE)))
            await settled(running, alder)
        async with running.database.transaction(alder.org_id) as db:
            answers = {each.conversation_id: each for each in await db.scalars(select(Answer))}
            taken = {
                each.conversation_id: each.taken_at
                for each in await db.scalars(select(Handoff))
                if each.taken_at is not None
            }
            said = (await db.scalars(select(Message).order_by(Message.seq))).all()

    assert len(races) == RACES
    endings: Counter[tuple[str, str]] = Counter()
    for each in races:
        answer = answers.get(UUID(each.talk))
        if answer is None:
            assert each.kind == "take"  # a person was there before the bot had begun
            endings[each.kind, "none"] += 1
            continue
        heard = sent[answer.id]
        endings[each.kind, answer.status] += 1
        assert heard.ends == [answer.status], each
        if each.kind == "take":
            assert heard.last <= each.acked, each
    for message in said:
        if message.author_kind == AuthorKind.ASSISTANT and message.conversation_id in taken:
            assert message.created_at <= taken[message.conversation_id], message.id
    # The moments were spread: each way to end came about.
    assert {("take", "withdrawn"), ("take", "complete")} <= set(endings), endings
    assert {("stop", "stopped"), ("stop", "complete")} <= set(endings), endings


async def settled(running: live.Live, company: live.Company) -> None:
    """Wait until no answer runs."""
    while True:
        async with running.database.transaction(company.org_id) as db:
            query = select(Answer.id).where(Answer.status == RUNNING).limit(1)
            if await db.scalar(query) is None:
                return
        await asyncio.sleep(0.05)

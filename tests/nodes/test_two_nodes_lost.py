"""What is killed or restarted while an answer is written: nothing that was acknowledged is lost,
and who watches ends with the stored text.
"""

import asyncio
import signal
from contextlib import AsyncExitStack

from tests import live
from tests.answering.shop import QUESTION
from tests.live import Json, Person
from tests.nodes.conftest import Nodes, at
from tests.nodes.node import WHOLE
from tests.nodes.redis import Redis
from tests.nodes.windows import frames, has_ended, reply_to, shown, until, window


async def ask(visitor: Person, talk: str) -> str:
    """The answer that has begun to a question."""
    await visitor.emit("send", live.question(QUESTION, talk))
    return (await visitor.hear("answer.start", conversation_id=talk))["mid"]


async def test_redis_may_die_and_come_back_in_mid_answer(
    live_service: live.Live, two_nodes: Nodes, shop: live.Company, one_redis: Redis
) -> None:
    here, there = two_nodes
    async with live.visitor(at(here, live_service), shop) as visitor:
        talk, later = await visitor.begin(), await visitor.begin()
        async with window(there, visitor, talk) as other:
            await ask(visitor, talk)
            await until(lambda: len(frames(other)) > 3)
            one_redis.kill()
            heard = len(frames(other))
            await until(lambda: len(frames(other)) > heard)  # the rows tell
            snaps = [event for event, _ in frames(other)[heard:]]
            one_redis.start()
            await until(lambda: has_ended(other))
            stored = await reply_to(other, talk)
        async with window(there, visitor, later) as other:
            async with asyncio.timeout(live.WAIT_S):
                while await words_heard(visitor, other, later) < 10:
                    other.heard.clear()

    assert set(snaps) <= {"answer.snap", "answer.delta"}
    assert stored is not None
    assert stored["text"] == WHOLE
    assert WHOLE.startswith(shown(other))


async def words_heard(visitor: Person, other: Person, talk: str) -> int:
    """The deltas of one answer that came over the bus."""
    mid = await ask(visitor, talk)
    await visitor.hear("answer.end", mid=mid)
    await other.hear("answer.end", mid=mid)
    return sum(event == "answer.delta" for event, _ in frames(other))


async def test_a_killed_node_loses_nothing_that_was_acknowledged(
    live_service: live.Live, two_nodes: Nodes, shop: live.Company
) -> None:
    dying, living = two_nodes
    async with AsyncExitStack() as stack:
        visitor = await stack.enter_async_context(live.visitor(at(dying, live_service), shop))
        ana = await stack.enter_async_context(live.colleague(at(living, live_service), shop))
        handed, talk = await visitor.begin(), await visitor.begin()
        await visitor.post(f"/visitor/conversations/{handed}/handoff", {"reason": None})
        await ana.post(f"/conversations/{handed}/handoff/take")
        topics = [f"conversation:{each}:messages" for each in (handed, talk)]
        cursor = last_cursor(await visitor.emit("subscribe", {"topics": topics}))
        mid = await ask(visitor, talk)
        await until(lambda: len(frames(visitor)) > 8)

        living.lose_patience()
        assert await dying.end(signal.SIGKILL) == -signal.SIGKILL
        body = {"client_id": "while it was dead", "text": "Are you still there?"}
        said = await ana.post(f"/conversations/{handed}/messages", body)
        visitor.url = living.url
        visitor.heard.clear()
        await visitor.connect()
        back = await visitor.emit("subscribe", {"topics": topics, "cursor": cursor})

        assert back["reset"] is False
        missed = {each["ids"].get("message_id") for each in back["missed"]}
        assert said["id"] in missed
        await visitor.hear("signal", message_id=mid)
        stored = await reply_to(visitor, talk)
        assert stored is not None
        assert (stored["id"], stored["status"]) == (mid, "interrupted")
        assert stored["text"]
        assert WHOLE.startswith(stored["text"])
        await visitor.emit("retry", {"mid": mid})
        await until(lambda: endings(visitor, mid, attempt=2))
        stored = await reply_to(visitor, talk)
    await living.end(signal.SIGTERM)  # it would be too quick for others
    assert endings(visitor, mid, attempt=2) == ["complete"]
    assert stored is not None
    assert (stored["text"], stored["status"]) == (WHOLE, "complete")


def endings(person: Person, mid: str, *, attempt: int) -> list[str]:
    """How the attempt at the answer was said to end."""
    ends = (data for event, data in frames(person) if event == "answer.end")
    return [each["status"] for each in ends if (each["mid"], each["attempt"]) == (mid, attempt)]


async def test_nodes_restarted_one_after_the_other_lose_nothing(
    live_service: live.Live, two_nodes: Nodes, shop: live.Company
) -> None:
    async with live.visitor(at(two_nodes[0], live_service), shop) as visitor:
        talk = await visitor.begin()
        topics = [f"conversation:{talk}:messages"]
        cursor = last_cursor(await visitor.emit("subscribe", {"topics": topics}))
        mids: list[str] = []
        for node, other in (two_nodes, two_nodes[::-1]):
            await other.ready()
            visitor.heard.clear()
            mids.append(await ask(visitor, talk))
            await until(lambda: len(frames(visitor)) > 3)
            assert await node.end(signal.SIGTERM) == 0
            told = await visitor.hear("system")
            node.start()
            visitor.url = other.url
            await visitor.connect()
            back = await visitor.emit("subscribe", {"topics": topics, "cursor": cursor})
            assert (told["code"], back["reset"]) == ("server_restarting", False)
            assert mids[-1] in {each["ids"].get("message_id") for each in back["missed"]}
            cursor = last_cursor(back)
        page = await visitor.get(f"/visitor/conversations/{talk}/messages?after=0")

    replies = [each for each in page["items"] if each["author"]["kind"] == "assistant"]
    assert [each["id"] for each in replies] == mids
    assert {each["status"] for each in replies} == {"interrupted"}


def last_cursor(ack: Json) -> Json:
    return {"epoch": ack["epoch"], "cur": ack["cur"]}

"""Two processes, one database, Redis between them: wherever a window is, it hears the same."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests import live
from tests.answering.shop import QUESTION
from tests.live import Person
from tests.nodes.conftest import Nodes, at
from tests.nodes.node import WHOLE
from tests.nodes.windows import frames, has_ended, reply_to, shown, until, window


async def ask(visitor: Person, talk: str) -> None:
    await visitor.emit("send", live.question(QUESTION, talk))


async def test_a_signal_reaches_both_nodes_exactly_once(
    live_service: live.Live, two_nodes: Nodes, shop: live.Company
) -> None:
    here, there = (at(node, live_service) for node in two_nodes)
    async with live.visitor(here, shop) as visitor, live.colleague(there, shop) as ana:
        talk = await visitor.begin()
        await ana.subscribe(f"conversation:{talk}:messages")
        await visitor.post(f"/visitor/conversations/{talk}/handoff", {"reason": None})
        await ana.post(f"/conversations/{talk}/handoff/take")

        for n in range(5):
            await visitor.emit("send", live.question(f"From here {n}", talk))
            body = {"client_id": f"{talk}-{n}", "text": f"From there {n}"}
            await ana.post(f"/conversations/{talk}/messages", body)
        page = await visitor.get(f"/visitor/conversations/{talk}/messages?after=0")
        said = {each["id"] for each in page["items"] if each["text"].startswith("From")}
        assert len(said) == 10

        for person in (visitor, ana):
            await until(lambda each=person: said <= set(changes(each)))
            await asyncio.sleep(0.2)  # a second one would come now
            assert {mid: changes(person)[mid] for mid in said} == dict.fromkeys(said, 1)


def changes(person: Person) -> Counter[str]:
    """How often each message was signalled."""
    signals = (data for event, data in person.heard if event == "signal")
    return Counter(data["ids"]["message_id"] for data in signals if "message_id" in data["ids"])


async def test_words_reach_the_other_node_as_they_are_written(
    live_service: live.Live, two_nodes: Nodes, shop: live.Company
) -> None:
    here, there = two_nodes
    async with live.visitor(at(here, live_service), shop) as visitor:
        talk = await visitor.begin()
        async with window(there, visitor, talk) as other:
            await ask(visitor, talk)
            await until(lambda: has_ended(visitor) and has_ended(other))
            stored = await reply_to(other, talk)

    assert frames(other) == frames(visitor)
    deltas = [data["seq"] for event, data in frames(other) if event == "answer.delta"]
    assert deltas == list(range(1, len(deltas) + 1))
    assert len(deltas) > 10
    assert stored is not None
    assert shown(other) == stored["text"] == WHOLE


async def test_a_window_opened_in_mid_answer_gets_the_whole_text(
    live_service: live.Live, two_nodes: Nodes, shop: live.Company
) -> None:
    here, there = two_nodes
    async with live.visitor(at(here, live_service), shop) as visitor:
        talk = await visitor.begin()
        await ask(visitor, talk)
        await until(lambda: len(frames(visitor)) > 5)
        async with window(there, visitor, talk) as other:
            _, first = frames(visitor)[0]
            known = {"mid": first["mid"], "attempt": 1, "after": 0}
            resumed = (await other.emit("resume", known))["frames"]
            await until(lambda: has_ended(other))

    assert [each["event"] for each in resumed] == ["answer.snap"]
    assert len(resumed[0]["frame"]["text"]) >= len("word0 word1 word2 ")
    assert WHOLE.startswith(resumed[0]["frame"]["text"])
    assert shown(other) == WHOLE


async def test_without_redis_the_words_come_from_the_rows(
    live_service: live.Live,
    two_nodes: Nodes,
    shop: live.Company,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The running service of these tests is a third node, which knows of no Redis."""
    monkeypatch.setattr("chatbot.realtime.nodes.node.WATCH_EVERY_S", 0.2)
    async with live.visitor(at(two_nodes[0], live_service), shop) as visitor:
        talk = await visitor.begin()
        async with window(live_service, visitor, talk) as other:
            await ask(visitor, talk)
            await until(lambda: any(event == "answer.snap" for event, _ in frames(other)))
            _, snap = next(each for each in frames(other) if each[0] == "answer.snap")
            known = {"mid": snap["mid"], "attempt": 1, "after": snap["seq"]}
            resumed = await other.emit("resume", known)
            await until(lambda: has_ended(other))
            end = await other.hear("answer.end")
            stored = await reply_to(other, talk)

    assert frames(other)[0][0] == "answer.start"
    assert snap["text"]
    assert WHOLE.startswith(snap["text"])
    assert "frames" in resumed
    assert stored is not None
    assert (end["status"], end["version"]) == ("complete", stored["version"])
    assert stored["text"] == WHOLE


async def test_a_stop_and_a_takeover_reach_the_node_that_writes(
    live_service: live.Live, two_nodes: Nodes, shop: live.Company
) -> None:
    here, there = (at(node, live_service) for node in two_nodes)
    async with AsyncExitStack() as stack:
        visitor = await stack.enter_async_context(live.visitor(here, shop))
        ana = await stack.enter_async_context(live.colleague(there, shop))
        stopped, taken = await visitor.begin(), await visitor.begin()
        await ask(visitor, stopped)
        first = await visitor.hear("answer.start", conversation_id=stopped)
        await ask(visitor, taken)
        second = await visitor.hear("answer.start", conversation_id=taken)
        other = await stack.enter_async_context(window(two_nodes[1], visitor, stopped))

        await other.emit("stop", {"mid": first["mid"]})
        await ana.post(f"/conversations/{taken}/handoff/take")

        assert (await visitor.hear("answer.end", mid=first["mid"]))["status"] == "stopped"
        assert (await visitor.hear("answer.end", mid=second["mid"]))["status"] == "withdrawn"
        stored = await reply_to(visitor, stopped)
        assert await reply_to(visitor, taken) is None
    assert stored is not None
    assert stored["status"] == "stopped"
    assert WHOLE.startswith(stored["text"])
    assert stored["text"] != WHOLE

"""Real sockets over a real server: what clients get, in the order in which it counts."""

# pyright: reportPrivateUsage=false

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chatbot.database import Database, new_id
from chatbot.realtime.following.catchup import Missed
from chatbot.realtime.sockets import manager
from tests.realtime.conftest import (
    SITE_ORIGIN,
    House,
    Service,
    connected,
    say,
)
from tests.realtime.hearing import Notes


def code(ack: dict[str, Any]) -> str:
    return ack["error"]["code"]


# Signals


async def test_a_subscriber_hears_what_changes_and_nothing_else(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        ack = await ear.ask("subscribe", {"topics": [topic]})
        assert ack["topics"] == {topic: "ok"}
        assert (ack["missed"], ack["reset"]) == ([], False)

        await say(database, theirs, "elsewhere")
        message = await say(database, ours, "hello")
        heard = await ear.hear("signal")

        assert heard["topic"] == topic
        assert heard["event"] == "message.changed"
        assert heard["ids"] == {
            "conversation_id": str(ours.conversation_id),
            "message_id": str(message.id),
        }
        assert heard["version"] == message.rev
        assert (heard["epoch"], bool(heard["cur"])) == (ack["epoch"], True)
        await asyncio.sleep(0.2)
        assert ear.heard == []


async def test_each_organisation_hears_only_its_own(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    async with (
        connected(service, "/staff", ours.staff_token()) as ear,
        connected(service, "/staff", theirs.staff_token()) as other,
    ):
        for each, house in ((ear, ours), (other, theirs)):
            await each.ask("subscribe", {"topics": house.topics()})
        for _ in range(5):
            await say(database, ours, "ours")
            await say(database, theirs, "theirs")
        await asyncio.sleep(0.5)

    for each, house, foreign in ((ear, ours, theirs), (other, theirs, ours)):
        heard = str(each.heard)
        assert str(house.conversation_id) in heard
        for id_ in (foreign.org_id, foreign.site_id, foreign.conversation_id):
            assert str(id_) not in heard


async def test_topics_of_others_are_not_found(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    unknown = f"conversation:{uuid4()}:messages"
    internal = f"conversation:{ours.conversation_id}:answers"
    for namespace, token in (
        ("/visitor", ours.visitor_token),
        ("/staff", ours.staff_token()),
    ):
        async with connected(service, namespace, token) as ear:
            asked = [*theirs.topics(), unknown, internal, "nonsense"]

            ack = await ear.ask("subscribe", {"topics": asked})

            assert ack["topics"] == dict.fromkeys(asked, "not_found")


async def test_a_visitor_cannot_hear_what_staff_hear(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    own = {
        f"visitor:{ours.visitor.visitor_id}:conversations",
        f"conversation:{ours.conversation_id}:messages",
        f"org:{ours.org_id}:public",
    }
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        ack = await ear.ask("subscribe", {"topics": ours.topics()})

    assert {topic for topic, result in ack["topics"].items() if result == "ok"} == own


async def test_a_visitor_cannot_even_ask_for_staff_topics_whatever_the_policies_say(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = two_houses

    async def everything(_: object, names: list[str], *__: object) -> tuple[set[str], Missed]:
        return set(names), Missed([], reset=False)

    monkeypatch.setattr(service.realtime._doors[0].hearing, "_ask", everything)
    staff_topics = [f"org:{ours.org_id}:inbox", f"conversation:{ours.conversation_id}:staff"]
    internal = [f"conversation:{ours.conversation_id}:access"]
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        ack = await ear.ask("subscribe", {"topics": staff_topics + internal})

    assert ack["topics"] == dict.fromkeys(staff_topics + internal, "not_found")


async def test_who_comes_back_is_told_what_was_missed(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        first = await ear.ask("subscribe", {"topics": [topic]})
    message = await say(database, ours, "while away")

    async with connected(service, "/visitor", ours.visitor_token) as ear:
        cursor = {"epoch": first["epoch"], "cur": first["cur"]}
        ack = await ear.ask("subscribe", {"topics": [topic], "cursor": cursor})
        lost = await ear.ask(
            "subscribe", {"topics": [topic], "cursor": cursor | {"epoch": "another"}}
        )

    assert [each["ids"]["message_id"] for each in ack["missed"]] == [str(message.id)]
    assert not ack["reset"]
    assert (lost["missed"], lost["reset"]) == ([], True)


async def test_between_catch_up_and_live_there_is_no_hole(
    service: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal that is told after catch-up was read and before the socket is let in: it is kept for
    the socket, and for nobody who turns out to have no right to it.
    """
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    relay, told = service.realtime.relay, Notes(service.realtime.relay, ours.org_id)
    hearing = service.realtime._doors[0].hearing
    read = hearing._ask

    async def read_then_change(*asked: Any) -> tuple[set[str], Missed]:
        found = await read(*asked)
        await say(database, ours, "just then")
        await told.until(lambda: any(each.topic == topic for each in told.signals))
        return found

    async def read_then_refuse(*asked: Any) -> tuple[set[str], Missed]:
        await read_then_change(*asked)
        return set(), Missed([], reset=False)

    cursor = {"epoch": relay.cursor.epoch, "cur": relay.cursor.cur}
    async with (
        connected(service, "/visitor", ours.visitor_token) as ear,
        connected(service, "/visitor", ours.visitor_token) as refused,
    ):
        monkeypatch.setattr(hearing, "_ask", read_then_change)
        ack = await ear.ask("subscribe", {"topics": [topic], "cursor": cursor})
        heard = await ear.hear("signal")
        told.signals.clear()
        monkeypatch.setattr(hearing, "_ask", read_then_refuse)
        nothing = await refused.ask("subscribe", {"topics": [topic], "cursor": cursor})

        assert ack["missed"] == []
        assert heard["topic"] == topic
        assert nothing["topics"] == {topic: "not_found"}
        assert refused.heard == []
    assert service.realtime.server.manager._listening == {}


async def test_more_than_can_be_kept_during_a_join_is_a_reset(
    service: Service,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    hearing = service.realtime._doors[0].hearing
    read = hearing._ask
    monkeypatch.setattr(manager, "EARLY_MAX", 2)
    monkeypatch.setattr("chatbot.realtime.doors.hearing.EARLY_MAX", 2)

    async def read_in_a_storm(*asked: Any) -> tuple[set[str], Missed]:
        for _ in range(3):
            service.realtime.server.deliver("signal", {}, topic)
        return await read(*asked)

    monkeypatch.setattr(hearing, "_ask", read_in_a_storm)
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        ack = await ear.ask("subscribe", {"topics": [topic]})

    assert ack["topics"] == {topic: "ok"}
    assert ack["reset"]


async def test_between_the_cursor_and_the_first_signal_there_is_no_hole(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    """What is written while clients subscribe is visible at their cursor or heard live."""
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    written: list[str] = []
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            written.append(str((await say(database, ours, "x")).id))

    writing = asyncio.create_task(write())
    heard: list[tuple[set[str], set[str]]] = []
    for _ in range(10):
        async with connected(service, "/visitor", ours.visitor_token) as ear:
            ack = await ear.ask("subscribe", {"topics": [topic]})
            async with database.transaction(ours.org_id) as db:
                rows = await db.scalars(text("select id::text from messages"))
                state = set(rows.all())
            assert len(state) < len(written) + 2
            await asyncio.sleep(0.1)
            caught_up = await ear.ask("subscribe", {"topics": [topic]})
            del caught_up
            live = {data["ids"]["message_id"] for name, data in ear.heard if name == "signal"}
            heard.append((state, live))
            assert ack["topics"] == {topic: "ok"}
    done.set()
    await writing

    for state, live in heard:
        first_live = min(written.index(each) for each in live)
        last_live = max(written.index(each) for each in live)
        assert set(written[: last_live + 1]) <= state | live, first_live


async def test_unsubscribed_means_silence(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topics = [f"conversation:{ours.conversation_id}:messages", f"org:{ours.org_id}:inbox"]
    async with connected(service, "/staff", ours.staff_token()) as ear:
        await ear.ask("subscribe", {"topics": topics})
        assert await ear.ask("unsubscribe", {"topics": topics[:1]}) == {}

        await say(database, ours, "hello")

        assert (await ear.hear("signal"))["topic"] == topics[1]
        await asyncio.sleep(0.2)
        assert ear.heard == []


# Answers


async def test_an_answer_reaches_every_tab_and_the_staff_who_watch(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    mid = new_id()
    async with (
        connected(service, "/visitor", ours.visitor_token) as tab,
        connected(service, "/staff", ours.staff_token()) as watcher,
        connected(service, "/staff", theirs.staff_token()) as stranger,
    ):
        for each in (tab, watcher, stranger):
            await each.ask("subscribe", {"topics": [topic]})

        stream = service.realtime.frames.open(
            org_id=ours.org_id, conversation_id=ours.conversation_id, mid=mid, attempt=1
        )
        for word in ("Yes, ", "we ", "do."):
            stream.write(word)
        await stream.end("complete", 1)
        for each in (tab, watcher):
            await each.hear("answer.end")

        for each in (tab, watcher):
            assert [name for name, _ in each.heard] == ["answer.start"] + ["answer.delta"] * 2
            assert "".join(str(data.get("text", "")) for _, data in each.heard) == "Yes, we do."
        assert stranger.heard == []


async def test_a_client_resumes_in_the_middle_of_an_answer(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    mid = new_id()
    stream = service.realtime.frames.open(
        org_id=ours.org_id, conversation_id=ours.conversation_id, mid=mid, attempt=1
    )
    for word in ("a" * 300, "b" * 300, "c" * 300):
        stream.write(word)
    asked = {"mid": str(mid), "attempt": 1, "after": 1}
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        assert code(await ear.ask("resume", asked)) == "not_found"
        await ear.ask("subscribe", {"topics": [f"conversation:{ours.conversation_id}:messages"]})

        ack = await ear.ask("resume", asked)

        assert [each["event"] for each in ack["frames"]] == ["answer.delta"] * 2
        assert [each["frame"]["text"] for each in ack["frames"]] == ["b" * 300, "c" * 300]
        assert code(await ear.ask("resume", asked | {"mid": str(uuid4())})) == "not_found"
    async with connected(service, "/staff", theirs.staff_token()) as stranger:
        assert code(await stranger.ask("resume", asked)) == "not_found"
    await stream.end("complete", 1)


async def test_a_message_is_sent_and_repeated_and_stopped(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    sent = {
        "conversation_id": str(ours.conversation_id),
        "client_id": uuid4().hex,
        "text": "Do you deliver?",
        "page": f"{SITE_ORIGIN}/prices",
    }
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        first = await ear.ask("send", sent)
        again = await ear.ask("send", sent)
        other = await ear.ask("send", sent | {"text": "Something else"})
        mid = uuid4()
        stopped = await ear.ask("stop", {"mid": str(mid)})
        unknown = await ear.ask("stop", {"mid": str(UUID(int=0))})

    assert first["text"] == "Do you deliver?"
    assert first["conversation_id"] == str(ours.conversation_id)
    assert again == first
    assert code(other) == "client_id_reused"
    assert stopped == {}
    assert mid in service.answerer.stopped
    assert code(unknown) == "not_found"


async def test_typing_is_seen_by_the_other_side_only(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    typing = {"conversation_id": str(ours.conversation_id), "on": True}
    async with (
        connected(service, "/visitor", ours.visitor_token) as visitor,
        connected(service, "/staff", ours.staff_token()) as staff,
        connected(service, "/staff", theirs.staff_token()) as stranger,
    ):
        assert code(await staff.ask("typing", typing)) == "not_found"
        for each in (visitor, staff):
            await each.ask("subscribe", {"topics": [topic]})

        assert await staff.ask("typing", typing) == {}

        assert await visitor.hear("typing") == typing | {"kind": "staff", "name": "Robin"}
        assert code(await stranger.ask("typing", typing)) == "not_found"
        assert staff.heard == []
        assert stranger.heard == []

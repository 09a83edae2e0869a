"""Presence over real sockets, on one node and on two."""

# pyright: reportPrivateUsage=false

import asyncio
from typing import Any

import pytest

from chatbot.database import Database
from chatbot.question import ask
from chatbot.realtime.presence import roster
from chatbot.settings import Limits
from tests.realtime.conftest import Ear, House, Service, connected, disable, serving, until
from tests.realtime.people import QUIET_S, colleague, hearing, inbox, key, notes, talk
from tests.realtime.telephone import Telephone


async def told(ear: Ear, *, joined: str | None = None, left: str | None = None) -> dict[str, Any]:
    """The next telling that somebody came, or left."""
    while True:
        news = await ear.hear("presence")
        if joined in [each["key"] for each in news["joined"]] or left in news["left"]:
            return news


# Who is there


async def test_who_announces_is_in_the_list_and_told_to_those_who_hear(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    other = await colleague(database, ours)
    topic = notes(ours)
    async with (
        hearing(node, ours, topic) as ana,
        hearing(node, other, topic) as ben,
        hearing(node, theirs, notes(theirs)) as stranger,
    ):
        alone = await ana.ask("presence", {"topic": topic, "state": {"viewing": True}})
        seen = await told(ben, joined=key(ours))
        both = await ben.ask("presence", {"topic": topic, "state": {}})
        await told(ana, joined=key(other))
        gone = await ben.ask("presence", {"topic": topic, "state": None})
        left = await told(ana, left=key(other))
        await asyncio.sleep(QUIET_S)

    me = {"key": key(ours), "name": "Robin", "state": {"viewing": True}}
    assert alone == {"members": [me], "count": 1}
    assert seen == {"topic": topic, "joined": [me], "left": [], "state": None, "count": 1}
    assert [each["key"] for each in both["members"]] == sorted([key(ours), key(other)])
    assert gone["members"] == [me]
    assert (left["left"], left["count"]) == ([key(other)], 1)
    assert stranger.heard == []


async def test_a_changed_state_is_told_as_one_who_joins(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = inbox(ours)
    async with (
        hearing(node, ours, topic) as ana,
        hearing(node, await colleague(database, ours), topic) as ben,
    ):
        await ana.ask("presence", {"topic": topic, "state": {"active": True}})
        await told(ben, joined=key(ours))
        await ana.ask("presence", {"topic": topic, "state": {"active": False}})
        changed = await told(ben, joined=key(ours))

    assert changed["joined"][0]["state"] == {"active": False}
    assert changed["count"] == 1


async def test_two_windows_are_one_member_who_leaves_with_the_last(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = inbox(ours)
    async with hearing(node, await colleague(database, ours), topic) as ben:
        async with hearing(node, ours, topic) as first:
            async with hearing(node, ours, topic) as second:
                await first.ask("presence", {"topic": topic, "state": {"window": 1}})
                both = await second.ask("presence", {"topic": topic, "state": {"window": 2}})
            await until(lambda: len(members(node, topic)) == 1)
            await asyncio.sleep(QUIET_S)
            one = await ben.ask("presence", {"topic": topic, "state": None})
            still = [name for name, data in ben.heard if data.get("left")]
        left = await told(ben, left=key(ours))

    assert [each["state"] for each in both["members"]] == [{"window": 2}]
    assert [each["state"] for each in one["members"]] == [{"window": 1}]
    assert still == []
    assert left["count"] == 0


def members(node: Service, topic: str) -> list[str]:
    reply = node.realtime.ephemera._present(topic)
    return [each.key for each in reply.members]


async def test_a_connection_that_breaks_is_a_member_that_leaves(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = inbox(ours)
    async with (
        hearing(node, await colleague(database, ours), topic) as ben,
        hearing(node, ours, topic) as ana,
    ):
        await ana.ask("presence", {"topic": topic, "state": {}})
        await told(ben, joined=key(ours))
        # As a browser that crashes: no farewell, the connection is just gone.
        websocket: Any = ana.eio.ws
        websocket._response.connection.transport.abort()
        left = await told(ben, left=key(ours))

    assert left["left"] == [key(ours)]


async def test_who_comes_later_is_told_who_is_there(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = notes(ours)
    async with hearing(node, ours, topic) as ana:
        await ana.ask("presence", {"topic": topic, "state": {}})
        async with hearing(node, await colleague(database, ours), topic) as ben:
            news = await ben.hear("presence")

    assert [each["key"] for each in news["state"]] == [key(ours)]
    assert (news["joined"], news["left"], news["count"]) == ([], [], 1)


async def test_staff_see_the_visitor_and_the_visitor_sees_nobody(
    node: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with (
        hearing(node, ours, talk(ours)) as staff,
        hearing(node, ours, talk(ours), "/visitor") as visitor,
    ):
        refused = await staff.ask("presence", {"topic": talk(ours), "state": {}})
        there = await visitor.ask("presence", {"topic": talk(ours), "state": {"viewing": True}})
        own = f"visitor:{ours.visitor.visitor_id}"
        news = await told(staff, joined=own)
        await asyncio.sleep(QUIET_S)

    assert refused["error"]["code"] == "forbidden"
    assert news["joined"] == [{"key": own, "name": "", "state": {"viewing": True}}]
    assert there["members"] == news["joined"]
    assert visitor.heard == []


async def test_who_was_let_in_is_shown_without_another_question(
    node: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = two_houses
    monkeypatch.delattr("chatbot.realtime.doors.deeds.ask")
    async with hearing(node, ours, talk(ours), "/visitor") as visitor:
        there = await visitor.ask("presence", {"topic": talk(ours), "state": {"viewing": True}})

    assert there["count"] == 1


async def test_what_a_join_found_out_counts_until_rights_change(
    node: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses
    other = await colleague(database, ours)
    asked: list[str] = []

    async def counted(*given: Any, **more: Any) -> Any:
        asked.append(more["actor"])
        return await ask(*given, **more)

    monkeypatch.setattr("chatbot.realtime.doors.deeds.ask", counted)
    async with hearing(node, ours, talk(ours), "/visitor") as visitor:
        await disable(database, other.staff)
        async with asyncio.timeout(5):
            while not asked:
                await visitor.ask("presence", {"topic": talk(ours), "state": {}})
                await asyncio.sleep(0.02)

    assert set(asked) == {ours.visitor.actor}


async def test_a_refusal_found_at_the_join_refuses_presence_unasked(
    node: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the table of kinds in the code says, the policy has the last word."""
    ours, _ = two_houses
    for each in ("doors.deeds._may_ask", "topics.Catalogue.may_announce"):
        monkeypatch.setattr(f"chatbot.realtime.{each}", lambda *_: True)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.delattr("chatbot.realtime.doors.deeds.ask")
    async with hearing(node, ours, talk(ours)) as staff:
        refused = await staff.ask("presence", {"topic": talk(ours), "state": {}})

    assert refused["error"]["code"] == "forbidden"


async def test_a_topic_that_is_not_heard_is_not_found(
    node: Service, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    async with connected(node, "/staff", ours.staff_token()) as ana:
        for topic in (inbox(ours), inbox(theirs), notes(theirs), "nonsense"):
            for state in ({}, None):
                refused = await ana.ask("presence", {"topic": topic, "state": state})
                assert refused["error"]["code"] == "not_found", (topic, state)


@pytest.mark.parametrize(
    "state",
    [
        {"note": "x" * 65},
        {"note": "call me at 030 123 456"},
        {"mail": "ana@example.org"},
        {"Key": True},
        {"nested": {"a": 1}},
        {"list": [1]},
        {"half": 0.5},
        {f"k{n}": True for n in range(9)},
        ["viewing"],
        "viewing",
    ],
)
async def test_a_state_holds_flags_numbers_and_ids_and_no_text(
    node: Service, two_houses: tuple[House, House], state: object
) -> None:
    ours, _ = two_houses
    async with hearing(node, ours, inbox(ours)) as ana:
        refused = await ana.ask("presence", {"topic": inbox(ours), "state": state})
        reply = await ana.ask("presence", {"topic": inbox(ours), "state": None})

    assert refused["error"]["code"] == "invalid_request"
    assert reply["members"] == []


async def test_a_colleague_who_is_disabled_is_no_longer_there(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = inbox(ours)
    async with (
        hearing(node, await colleague(database, ours), topic) as ben,
        hearing(node, ours, topic) as ana,
    ):
        await ana.ask("presence", {"topic": topic, "state": {}})
        await told(ben, joined=key(ours))

        await disable(database, ours.staff)

        assert (await told(ben, left=key(ours)))["count"] == 0


async def test_presence_calls_have_a_limit_of_their_own(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with (
        serving(database, Limits(presence_per_half_minute=2)) as service,
        hearing(service, ours, inbox(ours)) as ana,
    ):
        asked = {"topic": inbox(ours), "state": {}}
        replies = [await ana.ask("presence", asked) for _ in range(3)]

    assert [("error" in each) for each in replies] == [False, False, True]
    assert replies[2]["error"]["code"] == "too_many_presence"


# Two nodes


async def test_two_nodes_see_the_same_people(
    two_nodes: tuple[Service, Service], database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    one, two = two_nodes
    topic = inbox(ours)
    async with (
        hearing(two, await colleague(database, ours), topic) as ben,
        hearing(two, theirs, inbox(theirs)) as stranger,
    ):
        async with hearing(one, ours, topic) as ana:
            await ana.ask("presence", {"topic": topic, "state": {"active": True}})
            came = await told(ben, joined=key(ours))
            listed = await ben.ask("presence", {"topic": topic, "state": None})
        left = await told(ben, left=key(ours))

    assert came["joined"] == listed["members"]
    assert came["joined"][0]["state"] == {"active": True}
    assert (left["left"], left["count"]) == ([key(ours)], 0)
    assert stranger.heard == []


async def test_what_was_missed_while_a_line_was_cut_is_made_good(
    two_nodes: tuple[Service, Service],
    telephone: Telephone,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses
    one, two = two_nodes
    topic = inbox(ours)
    monkeypatch.setattr(roster, "BEAT_S", 0.2)
    for each in two_nodes:
        each.realtime.ephemera._roster._beat_at = 0.0
    async with (
        hearing(two, await colleague(database, ours), topic) as ben,
        hearing(one, ours, topic) as ana,
    ):
        telephone.lines[1].is_up = False
        await ana.ask("presence", {"topic": topic, "state": {}})
        await asyncio.sleep(QUIET_S)
        deaf = list(ben.heard)
        telephone.lines[1].is_up = True
        came = await told(ben, joined=key(ours))

    assert deaf == []
    assert came["count"] == 1

"""Broadcasts between clients: where the policies allow it, small, and kept nowhere."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import text

from chatbot.database import Database
from chatbot.question import ask
from chatbot.realtime.doors.deeds import Deeds
from chatbot.realtime.doors.hearing import Hearing
from chatbot.realtime.presence.ephemera import PAYLOAD_BYTES_MAX
from chatbot.realtime.sockets.client import Client
from chatbot.realtime.topics import OURS
from tests.realtime.conftest import House, Service, connected, disable
from tests.realtime.people import colleague, hearing, inbox, key, notes, talk
from tests.realtime.telephone import Telephone


def said(topic: str, **changes: Any) -> dict[str, Any]:
    return {"topic": topic, "event": "cursor.moved", "payload": {"line": 3}} | changes


async def test_the_others_hear_it_with_the_name_that_the_server_knows(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    topic = notes(ours)
    async with (
        hearing(node, ours, topic) as ana,
        hearing(node, await colleague(database, ours), topic) as ben,
        hearing(node, theirs, notes(theirs)) as stranger,
    ):
        ack = await ana.ask("broadcast", said(topic))
        heard = await ben.hear("broadcast")
        await asyncio.sleep(0.1)

    assert ack == {}
    assert heard == said(topic) | {"from": {"key": key(ours), "name": "Robin"}}
    assert (ana.heard, stranger.heard) == ([], [])


async def test_it_reaches_the_other_node(
    two_nodes: tuple[Service, Service], database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    one, two = two_nodes
    async with (
        hearing(one, ours, inbox(ours)) as ana,
        hearing(two, await colleague(database, ours), inbox(ours)) as ben,
    ):
        await ana.ask("broadcast", said(inbox(ours)))
        heard = await ben.hear("broadcast")

    assert heard["from"]["key"] == key(ours)


async def test_what_another_node_says_of_a_room_stays_in_that_room(
    two_nodes: tuple[Service, Service],
    telephone: Telephone,
    two_houses: tuple[House, House],
) -> None:
    ours, theirs = two_houses
    forged = said(notes(theirs)) | {"from": {"key": "staff:x", "name": "X"}}
    async with hearing(two_nodes[1], ours, notes(ours)) as ben:
        telephone.lines[0].publish(notes(ours), "broadcast", forged)
        telephone.lines[0].publish(notes(ours), "broadcast", forged | {"topic": notes(ours)})
        heard = await ben.hear("broadcast")

    assert heard["topic"] == notes(ours)
    assert ben.heard == []


async def test_a_topic_that_is_not_heard_is_not_found(
    node: Service, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    async with connected(node, "/staff", ours.staff_token()) as ana:
        for topic in (notes(ours), notes(theirs), inbox(theirs), "nonsense"):
            refused = await ana.ask("broadcast", said(topic))
            assert refused["error"]["code"] == "not_found", topic


async def test_who_may_listen_may_not_for_that_reason_broadcast(
    node: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    site = f"site:{ours.site_id}:inbox"
    knowledge = f"org:{ours.org_id}:knowledge"
    async with (
        hearing(node, ours, talk(ours)) as staff,
        hearing(node, ours, talk(ours), "/visitor") as visitor,
    ):
        await staff.ask("subscribe", {"topics": [site, knowledge]})
        refused = [await staff.ask("broadcast", said(each)) for each in (site, knowledge)]
        refused += [await each.ask("broadcast", said(talk(ours))) for each in (staff, visitor)]
        await asyncio.sleep(0.1)

    assert [each["error"]["code"] for each in refused] == ["forbidden"] * 4
    assert (staff.heard, visitor.heard) == ([], [])


async def test_the_policy_of_the_database_has_the_last_word(
    node: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the table of kinds in the code says."""
    ours, _ = two_houses
    monkeypatch.setattr("chatbot.realtime.doors.deeds._may_ask", lambda *_: True)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    async with hearing(node, ours, talk(ours)) as staff:
        spoken = await staff.ask("broadcast", said(talk(ours)))
        shown = await staff.ask("presence", {"topic": talk(ours), "state": {}})

    assert spoken["error"]["code"] == "forbidden"
    assert shown["error"]["code"] == "forbidden"


async def test_the_database_is_asked_once_and_again_after_rights_changed(
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
    topic = notes(ours)
    async with hearing(node, ours, topic) as ana:
        for _ in range(3):
            assert await ana.ask("broadcast", said(topic)) == {}
        once = list(asked)
        await disable(database, other.staff)
        async with asyncio.timeout(5):
            while len(asked) == 1:
                await ana.ask("broadcast", said(topic))
                await asyncio.sleep(0.02)

    assert once == [ours.staff.actor]
    assert set(asked) == {ours.staff.actor}


async def test_rights_that_change_elsewhere_make_nobody_ask_again(
    database: Database, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = two_houses
    deeds = Deeds(database, lambda: OURS)
    asked: list[str] = []

    async def meanwhile(*given: Any, **more: Any) -> Any:
        asked.append(more["actor"])
        deeds.rights_changed(theirs.org_id if len(asked) != 2 else ours.org_id)
        return await ask(*given, **more)

    monkeypatch.setattr("chatbot.realtime.doors.deeds.ask", meanwhile)
    await deeds.check(hearing_of("staff"), "sid", client_of(ours), notes(ours), "broadcast")
    elsewhere = len(asked)
    await deeds.check(hearing_of("staff"), "sid", client_of(ours), notes(ours), "announce")

    assert elsewhere == 1
    assert len(asked) == 3  # its own change counts


def hearing_of(listener: str) -> Hearing[Any]:
    """As much of it as deeds look at; everything is heard."""

    def must_hear(_sid: str, _topic: str) -> None:
        """It does."""

    return cast("Hearing[Any]", SimpleNamespace(listener=listener, must_hear=must_hear))


def client_of(house: House) -> Client[Any]:
    return cast("Client[Any]", SimpleNamespace(person=house.staff))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payload": {"text": "x" * PAYLOAD_BYTES_MAX}}, "too_large"),
        ({"payload": ["a", "list"]}, "invalid_request"),
        ({"event": "Cursor moved"}, "invalid_request"),
        ({"event": "x" * 61}, "invalid_request"),
        ({"event": ""}, "invalid_request"),
        ({"from": {"key": "staff:boss", "name": "Boss"}}, "invalid_request"),
    ],
)
async def test_what_is_not_of_the_agreed_shape_is_refused(
    node: Service, two_houses: tuple[House, House], changes: dict[str, Any], code: str
) -> None:
    ours, _ = two_houses
    async with hearing(node, ours, notes(ours)) as ana:
        refused = await ana.ask("broadcast", said(notes(ours), **changes))

    assert refused["error"]["code"] == code


async def test_a_payload_may_be_just_as_large(
    node: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    payload = {"t": "x" * (PAYLOAD_BYTES_MAX - len('{"t":""}'))}
    async with hearing(node, ours, notes(ours)) as ana:
        assert await ana.ask("broadcast", said(notes(ours), payload=payload)) == {}


async def test_nothing_of_it_is_stored(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    count = text("select count(*) from realtime.messages where topic = :topic")
    async with hearing(node, ours, notes(ours)) as ana:
        await ana.ask("broadcast", said(notes(ours)))
        await ana.ask("presence", {"topic": notes(ours), "state": {}})
    async with database.transaction(ours.org_id, actor=ours.staff.actor) as db:
        topic = {"topic": notes(ours)}
        await db.execute(text("select set_config('realtime.topic', :topic, true)"), topic)
        stored = await db.scalar(count, topic)
        await db.execute(text("select realtime.send('{}', 'a.signal', :topic)"), topic)
        with_a_signal = await db.scalar(count, topic)

    assert (stored, with_a_signal) == (0, 1)

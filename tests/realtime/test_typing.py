"""Typing over real sockets, on one node and on two."""

# pyright: reportPrivateUsage=false

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from chatbot.conversations.tables import Visibility
from chatbot.database import Database, utc_now
from chatbot.realtime.presence.ephemera import AUTHORS_AT_ONCE
from chatbot.realtime.signals import Signal
from tests.realtime.conftest import House, Service, say, serving
from tests.realtime.people import LIMITS, hearing, inbox, notes, talk
from tests.realtime.telephone import Telephone


async def test_typing_is_told_once_and_ends_by_itself(
    database: Database, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = two_houses
    async with serving(database, LIMITS) as service:
        service.realtime.ephemera._typists._lasts_s = 0.3
        async with (
            hearing(service, ours, talk(ours)) as staff,
            hearing(service, ours, talk(ours), "/visitor") as visitor,
        ):
            for _ in range(3):
                await staff.ask("typing", typing(ours, on=True))
            began = await visitor.hear("typing")
            ended = await visitor.hear("typing")

    assert (began["kind"], began["name"], began["on"]) == ("staff", "Robin", True)
    assert ended == began | {"on": False}
    assert visitor.heard == []


def typing(house: House, *, on: bool) -> dict[str, object]:
    return {"conversation_id": str(house.conversation_id), "on": on}


@pytest.mark.parametrize("how", ["stops", "leaves", "disconnects", "says it"])
async def test_typing_ends_when_the_typist(
    how: str, node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with (
        hearing(node, ours, talk(ours), "/visitor") as visitor,
        hearing(node, ours, talk(ours)) as staff,
    ):
        await staff.ask("typing", typing(ours, on=True))
        began = await visitor.hear("typing")
        match how:
            case "stops":
                await staff.ask("typing", typing(ours, on=False))
            case "leaves":
                await staff.ask("unsubscribe", {"topics": [talk(ours)]})
            case "disconnects":
                await staff.disconnect()
            case _:
                await say(database, ours, "Here I am.")
        ended = await visitor.hear("typing")

    assert (began["on"], ended["on"]) == (True, False)


async def test_many_messages_at_once_are_looked_up_only_until_the_typist_is_found(
    node: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses
    ephemera = node.realtime.ephemera
    asked: list[object] = []
    begin = database.transaction

    def counted(*given: Any, **more: Any) -> Any:
        asked.append(given)
        return begin(*given, **more)

    async with hearing(node, ours, talk(ours)) as staff:
        message_id = str((await say(database, ours, "Here I am.")).id)
        await staff.hear("signal")
        await staff.ask("typing", typing(ours, on=True))
        ids = {"conversation_id": str(ours.conversation_id), "message_id": message_id}
        said = Signal(
            id="1",
            topic=talk(ours),
            event="message.changed",
            ids=ids,
            at=utc_now(),
            epoch="",
            cur="",
        )
        monkeypatch.setattr(database, "transaction", counted)
        for _ in range(50):
            ephemera.hear(ours.org_id, said)
        await asyncio.gather(*ephemera._tasks)

    assert not ephemera._typists.typing_in(ours.conversation_id)
    assert 1 <= len(asked) <= AUTHORS_AT_ONCE


async def test_a_note_of_the_typist_ends_nothing_that_the_visitor_sees(
    node: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    """A visitor must not learn when staff write a note."""
    ours, _ = two_houses
    async with (
        hearing(node, ours, talk(ours), "/visitor") as visitor,
        hearing(node, ours, talk(ours)) as staff,
    ):
        await staff.ask("subscribe", {"topics": [notes(ours)]})
        await staff.ask("typing", typing(ours, on=True))
        await visitor.hear("typing")

        await say(database, ours, "A note.", visibility=Visibility.INTERNAL)
        await staff.hear("signal")
        await asyncio.sleep(0.1)

        assert visitor.heard == []


async def test_nobody_types_in_a_conversation_that_they_do_not_hear(
    node: Service, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    async with hearing(node, ours, inbox(ours)) as staff:
        for conversation_id in (ours.conversation_id, theirs.conversation_id, uuid4()):
            asked = {"conversation_id": str(conversation_id), "on": True}
            refused = await staff.ask("typing", asked)
            assert refused["error"]["code"] == "not_found"


async def test_typing_is_seen_on_the_other_node_and_ends_there_even_if_nobody_says_so(
    two_nodes: tuple[Service, Service],
    telephone: Telephone,
    two_houses: tuple[House, House],
) -> None:
    ours, _ = two_houses
    one, two = two_nodes
    two.realtime.ephemera._elsewhere._lasts_s = 0.3
    async with (
        hearing(two, ours, talk(ours), "/visitor") as visitor,
        hearing(one, ours, talk(ours)) as staff,
    ):
        await staff.ask("typing", typing(ours, on=True))
        began = await visitor.hear("typing")
        telephone.lines[0].is_up = False  # the node of the typist dies
        ended = await visitor.hear("typing")
        telephone.lines[0].is_up = True

    assert (began["name"], began["on"]) == ("Robin", True)
    assert ended == began | {"on": False}

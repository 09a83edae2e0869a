"""Who is there: the visitor's page learns that somebody can help, colleagues see each other and the
visitor, and whoever vanishes without a word is not there for long.
"""

# pyright: reportPrivateUsage=false

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests import live


@pytest.fixture
def soon_gone(live_service: live.Live) -> Iterator[None]:
    """Who closed the console is gone at once and not after the time that it takes to come back."""
    attending = live_service.service.realtime.attending
    usual = attending._timing
    attending._timing = msgspec.structs.replace(usual, grace_s=0.05)
    yield
    attending._timing = usual


@pytest.mark.usefixtures("soon_gone")
async def test_the_page_learns_when_somebody_comes_to_help_and_when_they_have_gone(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with (
        live.visitor(live_service, alder) as visitor,
        live.visitor(live_service, birch) as stranger,
    ):
        alone = await visitor.get("/visitor/availability")
        await visitor.subscribe(alone["topic"])
        await stranger.subscribe((await stranger.get("/visitor/availability"))["topic"])

        async with live.colleague(live_service, alder):
            await visitor.hear("signal", event="availability.changed")
            staffed = await visitor.get("/visitor/availability")
            elsewhere = await stranger.get("/visitor/availability")
        await visitor.hear("signal", event="availability.changed")
        after = await visitor.get("/visitor/availability")

    assert alone["topic"] == f"org:{alder.org_id}:public"
    assert [each["staff_online"] for each in (alone, staffed, after)] == [False, True, False]
    assert not elsewhere["staff_online"]
    assert stranger.heard == []


async def test_colleagues_see_who_looks_at_the_same_conversation_until_a_browser_crashes(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with (
        live.visitor(live_service, alder) as visitor,
        live.colleague(live_service, alder, which=0) as ana,
        live.colleague(live_service, alder, which=1) as ben,
        live.colleague(live_service, birch) as stranger,
    ):
        talk = await visitor.begin()
        said, notes = f"conversation:{talk}:messages", f"conversation:{talk}:staff"
        await visitor.emit("presence", {"topic": said, "state": {"viewing": True}})

        # Ana opens it: the visitor is there, and no colleague.
        await ana.subscribe(said, notes)
        visiting = await ana.hear("presence", topic=said)
        alone = await ana.emit("presence", {"topic": notes, "state": {"viewing": True}})

        # Ben opens it too, and begins to write.
        await ben.subscribe(said, notes)
        both = await ben.emit("presence", {"topic": notes, "state": {"viewing": True}})
        came = await ana.hear("presence", topic=notes)
        while [each["key"] for each in came["joined"]] != [f"staff:{ben.id}"]:
            came = await ana.hear("presence", topic=notes)
        await ben.emit("typing", {"conversation_id": talk, "on": True})
        writes = await visitor.hear("typing")
        await visitor.emit("typing", {"conversation_id": talk, "on": True})
        asks = [await each.hear("typing", kind="visitor") for each in (ana, ben)]

        # His browser crashes: no farewell, the connection is just gone.
        crash(ben)
        left = await ana.hear("presence", topic=notes)
        silent = await visitor.hear("typing")

        # He starts it again.
        await ben.connect()
        await ben.subscribe(said, notes)
        again = await ben.emit("presence", {"topic": notes, "state": {"viewing": True}})
        back = await ana.hear("presence", topic=notes)

        # What they tell each other stays between them.
        moved = {"topic": notes, "event": "draft.changed", "payload": {"length": 12}}
        await ana.emit("broadcast", moved)
        heard = await ben.hear("broadcast")

    assert visiting["state"] == [
        {"key": f"visitor:{visitor.id}", "name": "", "state": {"viewing": True}}
    ]
    assert [each["name"] for each in alone["members"]] == ["Ana"]
    assert sorted(each["name"] for each in both["members"]) == ["Ana", "Ben"]
    assert (writes["name"], writes["on"]) == ("Ben", True)
    assert [(each["name"], each["on"]) for each in asks] == [("", True)] * 2
    assert (left["left"], left["count"]) == ([f"staff:{ben.id}"], 1)
    assert silent == writes | {"on": False}
    assert sorted(each["name"] for each in again["members"]) == ["Ana", "Ben"]
    assert [each["name"] for each in back["joined"]] == ["Ben"]
    assert heard == moved | {"from": {"key": f"staff:{ana.id}", "name": "Ana"}}
    assert [name for name, _ in visitor.heard if name in ("presence", "broadcast")] == []
    assert stranger.heard == []


def crash(person: live.Person) -> None:
    """End the connection as the end of a process does."""
    websocket: Any = person.socket.eio.ws
    websocket._response.connection.transport.abort()

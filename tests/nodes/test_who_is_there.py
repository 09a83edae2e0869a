"""Who is there, as two nodes see it that know each other by Redis and the database alone; and what
becomes of it when one of them is killed.
"""

import signal
from contextlib import AsyncExitStack

from tests import live
from tests.live import Json, Person
from tests.nodes.conftest import Nodes, at


async def test_colleagues_on_two_nodes_see_each_other_until_one_node_is_killed(
    live_service: live.Live, two_nodes: Nodes
) -> None:
    dying, living = (at(node, live_service) for node in two_nodes)
    company = await live.company(live_service, "birch")
    async with AsyncExitStack() as stack:
        visitor = await stack.enter_async_context(live.visitor(living, company))
        talk = await visitor.begin()
        said, notes = f"conversation:{talk}:messages", f"conversation:{talk}:staff"
        await visitor.subscribe((await visitor.get("/visitor/availability"))["topic"])
        await visitor.emit("presence", {"topic": said, "state": {"viewing": True}})

        # Ben comes on the other node, and sees the visitor.
        ben = await stack.enter_async_context(live.colleague(dying, company, which=1))
        await is_told(visitor, staffed=True)
        await ben.subscribe(said, notes)
        visiting = await everybody(ben, said, 1)

        # Ana comes on the visitor's node, and sees Ben.
        ana = await stack.enter_async_context(live.colleague(living, company, which=0))
        await ben.emit("presence", {"topic": notes, "state": {"viewing": True}})
        await ana.subscribe(notes)
        seen = await everybody(ana, notes, 1)
        await ben.emit("typing", {"conversation_id": talk, "on": True})
        types = await visitor.hear("typing")
        await ben.emit("broadcast", {"topic": notes, "event": "draft.changed", "payload": {}})
        heard = await ana.hear("broadcast")

        # His node is killed: nothing of him is left, and Ana is still there to help.
        await two_nodes[0].end(signal.SIGKILL)
        left = await everybody(ana, notes, 0)
        silent = await visitor.hear("typing")
        after = await visitor.get("/visitor/availability")

        # She goes too.
        await ana.close()
        await is_told(visitor, staffed=False)

    assert [each["key"] for each in visiting] == [f"visitor:{visitor.id}"]
    assert [each["name"] for each in seen] == ["Ben"]
    assert (types["name"], types["on"]) == ("Ben", True)
    assert heard["from"]["name"] == "Ben"
    assert left == []
    assert silent == types | {"on": False}
    assert after["staff_online"]


async def is_told(visitor: Person, *, staffed: bool) -> None:
    """Until a signal has the page read that it is so."""
    while True:
        await visitor.hear("signal", event="availability.changed")
        if (await visitor.get("/visitor/availability"))["staff_online"] is staffed:
            return


async def everybody(person: Person, topic: str, count: int) -> list[Json]:
    """Who is there once so many are, as far as this person is told."""
    members: dict[str, Json] = {}
    while True:
        news = await person.hear("presence", topic=topic)
        if news["state"] is not None:
            members = {each["key"]: each for each in news["state"]}
        members |= {each["key"]: each for each in news["joined"]}
        for key in news["left"]:
            members.pop(key, None)
        if news["count"] == count == len(members):
            return list(members.values())

"""What happens while something else is under way: a renewal during a check, a change of others'
rights during a join, a heartbeat behind a slow event.
"""

# pyright: reportPrivateUsage=false

import asyncio
from typing import Any
from uuid import UUID

import pytest

from chatbot.database import Database, new_id
from chatbot.realtime import topics
from chatbot.realtime.doors import hearing
from chatbot.realtime.sockets import server
from chatbot.settings import Limits
from chatbot.visitors import sessions
from chatbot.visitors.sessions import Visitor
from tests.realtime.conftest import TOKENS, House, Service, build_house, connected, serving, until


async def test_a_session_that_is_renewed_while_its_old_token_is_checked_goes_on(
    service: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses
    visitors = service.realtime._doors[0]
    prove = visitors._authenticate
    checked, renewed = asyncio.Event(), asyncio.Event()

    async def slowly(token: str, origin: str | None) -> Any:
        if token == ours.visitor_token:
            checked.set()
            await renewed.wait()
        return await prove(token, origin)

    async with connected(service, "/visitor", ours.visitor_token) as ear:
        monkeypatch.setattr(visitors, "_authenticate", slowly)
        async with database.transaction(ours.org_id, actor=ours.visitor.actor) as db:
            _, token = await sessions.renew(db, TOKENS, ours.visitor)
        async with asyncio.timeout(5):
            await checked.wait()
        ack = await ear.ask("renew", {"token": token})
        renewed.set()
        await until(lambda: not visitors._rights._tasks)

        assert "expires_at" in ack
        assert len(visitors._clients) == 1
        topic = f"org:{ours.org_id}:public"
        assert (await ear.ask("subscribe", {"topics": [topic]}))["topics"] == {topic: "ok"}


@pytest.mark.parametrize("whose", ["visitor", "conversation", "another"])
async def test_a_join_is_asked_again_when_its_own_rights_change_and_not_for_others(
    service: Service,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
    whose: str,
) -> None:
    ours, theirs = two_houses
    changed = {
        "visitor": f"visitor:{ours.visitor.visitor_id}:access",
        "conversation": f"conversation:{ours.conversation_id}:access",
        "another": f"conversation:{theirs.conversation_id}:access",
    }[whose]
    visitors = service.realtime._doors[0]
    ask, asked = hearing.ask, 0

    async def interrupted(*values: Any, **scope: Any) -> list[Any]:
        nonlocal asked
        asked += 1
        found = await ask(*values, **scope)
        if asked == 1:
            topic = topics.parse(changed)
            assert topic is not None
            visitors.hearing.rights_changed(topic)
        return found

    async with connected(service, "/visitor", ours.visitor_token) as ear:
        monkeypatch.setattr(hearing, "ask", interrupted)
        topic = f"conversation:{ours.conversation_id}:messages"
        ack = await ear.ask("subscribe", {"topics": [topic]})

    assert ack["topics"] == {topic: "ok"}
    assert asked == (1 if whose == "another" else 2)


async def test_a_heartbeat_may_wait_behind_an_event_that_takes_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await build_house(database)
    monkeypatch.setattr(server, "LOOK_EVERY_S", 0.1)
    async with serving(database, Limits()) as service:
        engine = service.realtime.server.eio
        engine.ping_interval, engine.ping_timeout = 1, 0.9

        async def slowly(_visitor: Visitor, _mid: UUID) -> None:
            await asyncio.sleep(2.4)  # the client gives up half a second later

        monkeypatch.setattr(service.answerer, "stop", slowly)
        async with connected(service, "/visitor", house.visitor_token) as ear:
            ack = await ear.ask("stop", {"mid": str(new_id())})

            assert ack == {}
            assert ear.connected

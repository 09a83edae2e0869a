"""Rights end while sockets are open: within a second nothing is heard and nothing can be asked."""

# pyright: reportPrivateUsage=false

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from chatbot.conversations.tables import Conversation
from chatbot.database import Database, utc_now
from chatbot.errors import NotSignedIn
from chatbot.realtime.doors import door, hearing
from chatbot.realtime.layer import Realtime
from chatbot.staff import login
from chatbot.staff.login import Staff
from chatbot.staff.tables import Account, Role, StaffMember, StaffSession
from chatbot.visitors import sessions
from tests.realtime.conftest import (
    KEY,
    TOKENS,
    Ear,
    House,
    Service,
    connected,
    disable,
    hire,
    say,
    until,
)

REVOKED_WITHIN_S = 1.0


def _ignore(*_: object) -> None:
    pass


async def until_closed(ear: Ear, within_s: float) -> None:
    await until(lambda: not ear.connected, within_s)


async def hears_nothing(service: Service, database: Database, house: House, ear: Ear) -> None:
    """The socket is told why, is closed in time, and what happens next does not reach it."""
    await until_closed(ear, REVOKED_WITHIN_S)
    assert ("system", {"code": "not_signed_in", "retry": "never"}) in [
        (event, {name: data[name] for name in ("code", "retry")})
        for event, data in ear.heard
        if event == "system"
    ]
    ear.heard.clear()
    await say(database, house, "afterwards")
    await asyncio.sleep(0.3)
    assert ear.heard == []
    for each in service.realtime.server.manager.rooms.values():
        assert not any(str(house.conversation_id) in str(room) for room in each)


async def test_a_revoked_visitor_session_goes_silent(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        await ear.ask("subscribe", {"topics": [topic]})
        async with database.transaction(ours.org_id, actor="system") as db:
            await sessions.revoke(db, ours.org_id, ours.visitor.session_id)

        await hears_nothing(service, database, ours, ear)


async def test_nobody_can_leave_the_room_in_which_lost_rights_are_heard(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with connected(service, "/staff", ours.staff_token()) as ear:
        private = [
            ours.staff.actor,
            *service.realtime.server.manager.sids(ours.staff.actor, "/staff"),
        ]
        assert len(private) == 2
        await ear.ask("unsubscribe", {"topics": private})

        await disable(database, ours.staff)

        await until_closed(ear, REVOKED_WITHIN_S)


async def test_an_erased_visitor_goes_silent(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        await ear.ask("subscribe", {"topics": [f"org:{ours.org_id}:public"]})
        async with database.transaction(ours.org_id, actor="system") as db:
            await db.execute(text("delete from visitors"))

        await until_closed(ear, REVOKED_WITHIN_S)


async def test_a_disabled_colleague_goes_silent(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topics = [f"conversation:{ours.conversation_id}:messages", f"org:{ours.org_id}:inbox"]
    async with connected(service, "/staff", ours.staff_token()) as ear:
        await ear.ask("subscribe", {"topics": topics})

        await disable(database, ours.staff)

        await hears_nothing(service, database, ours, ear)


async def test_a_colleague_who_logs_out_goes_silent_in_every_window(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with connected(service, "/staff", ours.staff_token()) as ear:
        await ear.ask("subscribe", {"topics": [f"org:{ours.org_id}:inbox"]})

        await login.log_out(
            database, account_id=ours.staff.account_id, session_id=ours.staff.session_id
        )

        await hears_nothing(service, database, ours, ear)


async def test_a_new_password_ends_every_socket_of_the_account(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with connected(service, "/staff", ours.staff_token()) as ear:
        await ear.ask("subscribe", {"topics": [f"org:{ours.org_id}:inbox"]})
        async with database.transaction(account_id=ours.staff.account_id) as db:
            email = await db.scalar(select(Account.email))

        await login.set_password(database, login.Passwords(), str(email), "a new password")

        await hears_nothing(service, database, ours, ear)


async def test_who_no_longer_works_here_goes_silent(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with connected(service, "/staff", ours.staff_token()) as ear:
        await ear.ask("subscribe", {"topics": [f"org:{ours.org_id}:public"]})
        async with database.transaction(ours.org_id, actor="system") as db:
            own = StaffMember.org_id == ours.org_id, StaffMember.id == ours.staff.staff_id
            await db.execute(delete(StaffMember).where(*own))

        await until_closed(ear, REVOKED_WITHIN_S)


async def test_a_new_role_holds_on_sockets_that_stand(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with connected(service, "/staff", ours.staff_token()) as ear:
        [client] = service.realtime._doors[1]._clients.values()
        assert client.person.role == Role.AGENT
        async with database.transaction(ours.org_id, actor="system") as db:
            own = StaffMember.org_id == ours.org_id, StaffMember.id == ours.staff.staff_id
            await db.execute(update(StaffMember).where(*own).values(role=Role.ADMIN))

        await until(lambda: client.person.role == Role.ADMIN, REVOKED_WITHIN_S)

        assert ear.connected


async def test_a_key_that_is_taken_away_takes_its_tokens_along(
    service: Service,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses
    topic = {"topics": [f"org:{ours.org_id}:public"]}
    monkeypatch.setattr(door, "PROOF_S", 0.0)
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        monkeypatch.setattr(TOKENS, "_keys", [KEY, f"{KEY}, and a younger one"])
        assert "topics" in await ear.ask("subscribe", topic)

        monkeypatch.setattr(TOKENS, "_keys", [f"{KEY}, and a younger one"])
        ack = await ear.ask("subscribe", topic)

        assert ack["error"]["code"] == "not_signed_in"
        await until_closed(ear, REVOKED_WITHIN_S)


async def test_one_colleagues_end_is_not_the_others(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    topic = f"org:{ours.org_id}:inbox"
    async with (
        connected(service, "/staff", ours.staff_token()) as ear,
        connected(service, "/staff", theirs.staff_token()) as stranger,
    ):
        await ear.ask("subscribe", {"topics": [topic]})
        leaver = await hire(database, ours.org_id)
        await disable(database, leaver)
        await asyncio.sleep(0.8)

        await say(database, ours, "still here")

        assert (await ear.hear("signal"))["topic"] == topic
        assert stranger.connected


async def test_a_conversation_that_changes_hands_leaves_its_old_visitor(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    async with (
        connected(service, "/visitor", ours.visitor_token) as visitor,
        connected(service, "/staff", ours.staff_token()) as staff,
    ):
        for each in (visitor, staff):
            await each.ask("subscribe", {"topics": [topic]})
        async with database.transaction(ours.org_id, actor="system") as db:
            await db.execute(text("update conversations set visitor_id = null"))
        notice = await visitor.hear("system", REVOKED_WITHIN_S)
        visitor.heard.clear()

        await say(database, ours, "not for you any more")
        heard = await staff.hear("signal")

        assert (notice["code"], notice["retry"]) == ("access_changed", "refetch")
        assert heard["topic"] == topic
        assert visitor.connected
        assert visitor.heard == []


async def test_a_conversation_that_is_deleted_leaves_everybody(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    topics = [f"conversation:{ours.conversation_id}:{each}" for each in ("messages", "staff")]
    async with (
        connected(service, "/visitor", ours.visitor_token) as visitor,
        connected(service, "/staff", ours.staff_token()) as staff,
    ):
        await visitor.ask("subscribe", {"topics": topics[:1]})
        await staff.ask("subscribe", {"topics": topics})
        async with database.transaction(ours.org_id, actor="system") as db:
            await db.execute(delete(Conversation).where(Conversation.org_id == ours.org_id))

        notices = [await each.hear("system", REVOKED_WITHIN_S) for each in (visitor, staff)]

        assert {(each["code"], each["retry"]) for each in notices} == {
            ("access_changed", "refetch")
        }
        assert not any(service.realtime.server.manager.has_listeners(each) for each in topics)
        assert visitor.connected
        assert staff.connected


@pytest.mark.parametrize("believed_s", [1.0, 0.0])
async def test_a_renewed_session_goes_on_without_a_gap(
    service: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
    believed_s: float,
) -> None:
    monkeypatch.setattr(door, "PROOF_S", believed_s)
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        await ear.ask("subscribe", {"topics": [topic]})
        async with database.transaction(ours.org_id, actor=ours.visitor.actor) as db:
            _, token = await sessions.renew(db, TOKENS, ours.visitor)

        renewed = await ear.ask("renew", {"token": token})

        assert "expires_at" in renewed
        await asyncio.sleep(0.8)
        await say(database, ours, "still there?")
        assert (await ear.hear("signal"))["topic"] == topic
        assert ear.connected


async def test_nobody_renews_as_somebody_else(
    service: Service, database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    colleague = await hire(database, ours.org_id)
    others = (theirs.staff_token(), login.socket_token(TOKENS, colleague)[0], "nonsense")
    async with connected(service, "/staff", ours.staff_token()) as ear:
        for token in others:
            ack = await ear.ask("renew", {"token": token})
            assert ack["error"] == {
                "code": "not_signed_in",
                "message": NotSignedIn.message,
                "retry": "never",
            }


async def test_every_event_asks_again_who_it_is(
    service: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even when the signal of the revocation never came."""
    ours, _ = two_houses
    monkeypatch.setattr(door, "PROOF_S", 0.0)
    monkeypatch.setattr(Realtime, "_pass_on", _ignore)
    for each in service.realtime._doors:
        monkeypatch.setattr(each, "access_changed", _ignore)
    async with connected(service, "/staff", ours.staff_token()) as ear:
        async with database.transaction(account_id=ours.staff.account_id) as db:
            await db.execute(update(StaffSession).values(revoked_at=utc_now()))

        ack = await ear.ask("subscribe", {"topics": [f"org:{ours.org_id}:inbox"]})

        assert ack["error"]["code"] == "not_signed_in"
        await until_closed(ear, 1.0)


async def test_a_token_that_ends_ends_its_socket(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = two_houses
    monkeypatch.setattr(door, "EXPIRY_GRACE_S", 0.0)

    async def short_lived(token: str) -> tuple[Staff, object]:
        return ours.staff, utc_now() + timedelta(seconds=0.3)

    monkeypatch.setattr(service.realtime._doors[1], "_auth", short_lived)
    async with connected(service, "/staff", "any") as ear:
        notice = await ear.hear("system", 2.0)

        assert (notice["code"], notice["retry"]) == ("token_expired", "refetch")
        await until_closed(ear, 1.0)


async def test_who_cannot_be_checked_may_not_stay(
    service: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses

    async def fail(token: str) -> None:
        raise ConnectionError("the database is down")

    async with connected(service, "/staff", ours.staff_token()) as ear:
        monkeypatch.setattr(service.realtime._doors[1], "_auth", fail)

        await disable(database, ours.staff)

        notice = await ear.hear("system", REVOKED_WITHIN_S)
        assert (notice["code"], notice["retry"]) == ("unavailable", "backoff")
        await until_closed(ear, 1.0)


async def test_rights_that_change_during_a_join_are_asked_for_again(
    service: Service,
    database: Database,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The signal comes between the database's answer and the room: that answer must not count."""
    ours, _ = two_houses
    topic = f"conversation:{ours.conversation_id}:messages"
    visitors = service.realtime._doors[0]
    ask, asked = hearing.ask, 0

    async def interrupted(*values: Any, **scope: Any) -> list[Any]:
        nonlocal asked
        asked += 1
        found = await ask(*values, **scope)
        if asked == 1:
            visitors.hearing.rights_changed()
        return found

    monkeypatch.setattr(hearing, "ask", interrupted)
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        ack = await ear.ask("subscribe", {"topics": [topic]})

        assert ack["topics"] == {topic: "ok"}
        assert asked == 2

"""The doors: who may come in, what may be asked, and what is said to the rest."""

# pyright: reportPrivateUsage=false

from typing import Any
from uuid import uuid4

import pytest
from socketio.exceptions import ConnectionError as Refused

from chatbot.database import Database
from chatbot.settings import Limits
from tests.realtime.conftest import (
    PUBLIC_URL,
    SITE_ORIGIN,
    House,
    Service,
    build_house,
    connected,
    hire,
    serving,
)


def code(ack: dict[str, Any]) -> str:
    return ack["error"]["code"]


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "é", "null"])
@pytest.mark.parametrize("namespace", ["/visitor", "/staff"])
async def test_a_bad_token_is_refused_with_a_code(
    service: Service, namespace: str, token: str
) -> None:
    with pytest.raises(Refused):
        async with connected(service, namespace, token):
            pass
    rooms: dict[str, Any] = service.realtime.server.manager.rooms
    assert rooms.get(namespace, {}) == {}
    assert service.realtime.server.manager._between == set()


@pytest.mark.parametrize(
    ("namespace", "origin"),
    [
        ("/visitor", "https://evil.example"),
        ("/visitor", f"{SITE_ORIGIN}.evil.example"),
        ("/visitor", "http://www.example.org"),
        ("/visitor", "null"),
        ("/staff", SITE_ORIGIN),
        ("/staff", f"{PUBLIC_URL}1"),
        ("/staff", "null"),
    ],
)
async def test_a_token_is_worth_nothing_on_another_page(
    service: Service, two_houses: tuple[House, House], namespace: str, origin: str
) -> None:
    ours, _ = two_houses
    token = ours.visitor_token if namespace == "/visitor" else ours.staff_token()

    with pytest.raises(Refused):
        async with connected(service, namespace, token, origin=origin):
            pass


async def test_one_sides_token_does_not_open_the_others_door(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    for namespace, token in (("/staff", ours.visitor_token), ("/visitor", ours.staff_token())):
        with pytest.raises(Refused):
            async with connected(service, namespace, token, origin=PUBLIC_URL):
                pass


async def test_an_unknown_namespace_is_refused(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    for namespace in ("/", "/admin"):
        with pytest.raises(Refused):
            async with connected(service, namespace, ours.visitor_token, origin=SITE_ORIGIN):
                pass


async def test_a_failing_check_refuses_and_leaves_nothing_behind(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = two_houses

    async def fail(*args: object) -> None:
        raise RuntimeError("the database is down")

    for each in service.realtime._doors:
        monkeypatch.setattr(each, "_auth", fail)
    before = dict(service.realtime.server.manager.rooms)

    with pytest.raises(Refused):
        async with connected(service, "/visitor", ours.visitor_token):
            pass

    assert service.realtime.server.manager.rooms == before
    assert service.realtime.server.manager._between == set()


async def test_a_person_has_a_bounded_number_of_sockets(database: Database) -> None:
    house = await build_house(database)
    async with (
        serving(database, Limits(sockets_per_person=1)) as service,
        connected(service, "/visitor", house.visitor_token),
    ):
        with pytest.raises(Refused):
            async with connected(service, "/visitor", house.visitor_token):
                pass


# What may be asked


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("subscribe", None),
        ("subscribe", {}),
        ("subscribe", {"topics": []}),
        ("subscribe", {"topics": ["x"] * 101}),
        ("subscribe", {"topics": ["x" * 101]}),
        ("subscribe", {"topics": [1]}),
        ("subscribe", {"topics": ["x"], "org_id": "mine"}),
        ("subscribe", {"topics": ["x"], "cursor": {"epoch": "e"}}),
        ("send", {"client_id": "", "text": "x"}),
        ("send", {"client_id": "c" * 65, "text": "x"}),
        ("send", {"client_id": "c", "text": 1}),
        ("send", {"client_id": "c", "text": "x", "author": "staff"}),
        ("stop", {"mid": "not an id"}),
        ("resume", {"mid": str(uuid4()), "attempt": "1", "after": 0}),
        ("typing", {"conversation_id": str(uuid4()), "on": "yes"}),
        ("renew", {}),
        ("emit", {}),
        ("_renew", {"token": "x"}),
        ("trigger_event", {}),
    ],
)
async def test_what_does_not_fit_is_refused_and_the_socket_lives(
    service: Service, two_houses: tuple[House, House], event: str, data: object
) -> None:
    ours, _ = two_houses
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        assert code(await ear.ask(event, data)) in ("invalid_request", "unknown_event")
        topic = f"org:{ours.org_id}:public"
        assert (await ear.ask("subscribe", {"topics": [topic]}))["topics"] == {topic: "ok"}


async def test_staff_have_no_visitors_events(
    service: Service, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with connected(service, "/staff", ours.staff_token()) as ear:
        sent = {"client_id": uuid4().hex, "text": "x"}
        assert code(await ear.ask("send", sent)) == "unknown_event"


async def test_an_unexpected_failure_tells_its_number_and_nothing_else(
    service: Service, two_houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = two_houses

    async def fail(*args: object, **more: object) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(service.answerer, "send", fail)
    async with connected(service, "/visitor", ours.visitor_token) as ear:
        ack = await ear.ask("send", {"client_id": uuid4().hex, "text": "x"})

    assert code(ack) == "internal"
    assert "hunter2" not in str(ack)


async def test_topics_and_events_are_limited(database: Database) -> None:
    house = await build_house(database)
    others = [await hire(database, house.org_id) for _ in range(3)]
    names = [f"staff:{each.staff_id}:notifications" for each in others]
    own = [f"org:{house.org_id}:{feature}" for feature in ("inbox", "dashboard", "knowledge")]
    limits = Limits(topics_per_socket=2, events_per_second=2)
    async with (
        serving(database, limits) as service,
        connected(service, "/staff", house.staff_token()) as ear,
    ):
        ack = await ear.ask("subscribe", {"topics": own})
        assert ack["topics"] == {
            own[0]: "ok",
            own[1]: "ok",
            own[2]: "too_many_topics",
        }
        await ear.ask("unsubscribe", {"topics": [own[0]]})
        ack = await ear.ask("subscribe", {"topics": [own[2], names[0]]})
        assert ack["topics"] == {own[2]: "ok", names[0]: "too_many_topics"}

        refused = [await ear.ask("unsubscribe", {"topics": []}) for _ in range(4)]

        assert code(refused[-1]) == "too_many_requests"
        assert refused[-1]["error"]["retry_after_s"] == 1


async def test_topics_are_asked_for_at_a_bounded_rate(database: Database) -> None:
    house = await build_house(database)
    names = [f"org:{house.org_id}:{feature}" for feature in ("inbox", "dashboard", "knowledge")]
    for limits in (Limits(joins_per_second=1), Limits(joins_per_second_process=1)):
        async with (
            serving(database, limits) as service,
            connected(service, "/staff", house.staff_token()) as ear,
        ):
            two = await ear.ask("subscribe", {"topics": names[:2]})
            refused = await ear.ask("subscribe", {"topics": names[2:]})

            assert set(two["topics"].values()) == {"ok"}
            assert code(refused) == "too_many_joins"
            assert refused["error"]["retry"] == "backoff"
            assert refused["error"]["retry_after_s"] >= 1


async def test_a_long_event_is_answered_and_the_socket_lives(database: Database) -> None:
    house = await build_house(database)
    async with (
        serving(database, Limits(socket_event_bytes_max=1_000)) as service,
        connected(service, "/visitor", house.visitor_token) as ear,
    ):
        refused = await ear.ask("send", {"client_id": uuid4().hex, "text": "é" * 600})

        assert code(refused) == "payload_too_large"
        assert refused["error"]["retry"] == "never"
        topic = f"org:{house.org_id}:public"
        assert (await ear.ask("subscribe", {"topics": [topic]}))["topics"] == {topic: "ok"}

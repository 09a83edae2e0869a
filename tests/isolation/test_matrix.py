"""Whatever A sends with an id of B is answered as if there were no such id, on every route and
event.

The cases are held against the route table and the sockets' own list of events: a new route or
event without a case fails here.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal

import pytest
from litestar.routes import HTTPRoute

from chatbot.database import new_id
from tests import live
from tests.journeys.texts import HANDBOOK, upload

Who = Literal["visitor", "staff"]


@dataclass(frozen=True)
class Case:
    """A call that names one id; `what` says whose id is put there."""

    who: Who
    method: str
    path: str
    what: Literal["conversation", "answer", "document", "passage", "site", "faq", "crawl"]
    body: live.Json | None = None
    then: str = ""
    """What stands in the path for whatever comes after the id."""

    def at(self, named: object) -> str:
        return self.path.format(named, self.then)


WITH_IDS = (
    Case("visitor", "GET", "/visitor/conversations/{}/messages", "conversation"),
    Case(
        "visitor",
        "POST",
        "/visitor/conversations/{}/messages",
        "conversation",
        {"client_id": "a-client-id", "text": "hello"},
    ),
    Case("visitor", "POST", "/visitor/conversations/{}/handoff", "conversation", {}),
    Case("visitor", "POST", "/visitor/conversations/{}/stop", "conversation"),
    Case("visitor", "POST", "/visitor/messages/{}/feedback", "answer", {"value": 1}),
    Case("visitor", "POST", "/visitor/messages/{}/retry", "answer"),
    Case("staff", "GET", "/answers/{}/trace", "answer"),
    Case("staff", "PUT", "/answers/{}/review", "answer", {"kind": "corrected", "text": "No."}),
    Case("staff", "DELETE", "/answers/{}/review", "answer"),
    Case("staff", "GET", "/answers/{}/affected", "answer"),
    Case(
        "staff",
        "POST",
        "/answers/{}/notices",
        "answer",
        {"message_ids": [str(new_id())], "text": "That was wrong."},
    ),
    Case("staff", "GET", "/conversations/{}", "conversation"),
    Case("staff", "GET", "/conversations/{}/messages", "conversation"),
    Case(
        "staff",
        "POST",
        "/conversations/{}/messages",
        "conversation",
        {"client_id": "a-client-id", "text": "hello", "visibility": "internal"},
    ),
    Case("staff", "POST", "/conversations/{}/handoff/take", "conversation"),
    Case("staff", "POST", "/conversations/{}/handoff/release", "conversation"),
    Case("staff", "POST", "/conversations/{}/close", "conversation"),
    Case("staff", "GET", "/knowledge/documents/{}", "document"),
    Case("staff", "DELETE", "/knowledge/documents/{}", "document"),
    Case("staff", "POST", "/knowledge/documents/{}/retry", "document"),
    Case("staff", "GET", "/knowledge/documents/{}/passages", "document"),
    Case("staff", "PATCH", "/knowledge/documents/{}", "document", {"labels": ["x"]}),
    Case("staff", "GET", "/knowledge/documents/{}/versions", "document"),
    Case("staff", "POST", "/knowledge/documents/{}/versions/{}/restore", "document", then="1"),
    Case("staff", "GET", "/knowledge/documents/{}/overrides", "document"),
    Case("staff", "DELETE", "/knowledge/documents/{}/overrides/{}", "document", then="00" * 32),
    Case("staff", "PATCH", "/knowledge/passages/{}", "passage", {"disabled": True}),
    Case("staff", "PATCH", "/sites/{}", "site", {"labels": ["x"]}),
    Case("staff", "GET", "/knowledge/faqs/{}", "faq"),
    Case("staff", "PUT", "/knowledge/faqs/{}", "faq", {"question": "Why?", "answer": "So."}),
    Case("staff", "DELETE", "/knowledge/faqs/{}", "faq"),
    Case("staff", "GET", "/knowledge/crawls/{}", "crawl"),
    Case("staff", "PATCH", "/knowledge/crawls/{}", "crawl", {"depth": 0}),
    Case("staff", "POST", "/knowledge/crawls/{}/run", "crawl"),
    Case("staff", "GET", "/knowledge/crawls/{}/pages", "crawl"),
    Case("staff", "DELETE", "/knowledge/crawls/{}", "crawl"),
)

# No id of ours in the path; what the lists among them hold is checked below.
WITHOUT_IDS = {
    ("GET", "/visitor/availability"),
    ("GET", "/visitor/conversations"),
    ("POST", "/visitor/conversations"),
    ("GET", "/conversations"),
    ("GET", "/knowledge/documents"),
    ("POST", "/knowledge/documents"),
    ("POST", "/knowledge/search"),
    ("GET", "/knowledge/labels"),
    ("GET", "/knowledge/embeddings"),
    ("POST", "/knowledge/embeddings/rollback"),
    ("POST", "/knowledge/embeddings/switch"),
    ("GET", "/knowledge/crawls"),
    ("POST", "/knowledge/crawls"),
    ("GET", "/knowledge/faqs"),
    ("POST", "/knowledge/faqs"),
    ("POST", "/knowledge/faqs/import"),
    ("GET", "/knowledge/faqs/export"),
    ("GET", "/org/persona"),
    ("PUT", "/org/persona/draft"),
    ("DELETE", "/org/persona/draft"),
    ("POST", "/org/persona/publish"),
    ("POST", "/org/persona/versions/{version}/restore"),
    ("GET", "/org/budget"),
    ("PUT", "/org/budget"),
    ("GET", "/org/models"),
    ("PUT", "/org/models/{rank}"),
    ("DELETE", "/org/models/{rank}"),
    ("POST", "/org/models/{rank}/test"),
    ("GET", "/sites"),
    ("GET", "/staff/me"),
    ("GET", "/staff/orgs"),
    ("POST", "/staff/socket-token"),
    ("POST", "/staff/login"),
    ("POST", "/staff/logout"),
    ("POST", "/sites/{key}/session"),
}

VISITOR_EVENTS = {
    "subscribe",
    "unsubscribe",
    "send",
    "resume",
    "stop",
    "retry",
    "typing",
    "presence",
    "broadcast",
    "renew",
    "report",
}
STAFF_EVENTS = VISITOR_EVENTS - {"send", "stop", "retry"}


@pytest.fixture(scope="module")
async def two_companies(live_service: live.Live) -> tuple[live.Company, live.Company]:
    """One pair for the whole matrix: its cases change nothing, which is what they show."""
    return await live.company(live_service, "alder"), await live.company(live_service, "birch")


@pytest.fixture(scope="module")
async def ids(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> dict[str, str]:
    """A conversation, its visitor and a document of the second company."""
    _, birch = two_companies
    document = await upload(live_service, birch, "handbook.md", HANDBOOK)
    async with live.visitor(live_service, birch) as visitor:
        talk = await visitor.begin()
        await visitor.emit("send", live.question("How long is the warranty?", talk))
        _, end = await visitor.answer()
    async with live.colleague(live_service, birch) as owner:
        passages = await owner.get(f"/knowledge/documents/{document['id']}/passages")
        faq = await owner.post("/knowledge/faqs", {"question": "Is it red?", "answer": "Scarlet."})
        crawl = await owner.post("/knowledge/crawls", {"url": "http://127.0.0.1/"})
    return {
        "conversation": talk,
        "document": document["id"],
        "passage": passages["items"][0]["id"],
        "site": str(birch.site_id),
        "faq": faq["id"],
        "crawl": crawl["id"],
        "visitor": visitor.id,
        "answer": end["mid"],
    }


def test_every_route_has_a_case(live_service: live.Live) -> None:
    found = {
        (str(method), route.path_format.removeprefix("/api/v1"))
        for route in live_service.service.http.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1")
        for method in route.methods
        if method != "OPTIONS"
    }

    plain = {(method, _without_names(path)) for method, path in found}
    cases = {(case.method, case.path) for case in WITH_IDS}
    cases |= {(method, _without_names(path)) for method, path in WITHOUT_IDS}

    assert plain == cases


def test_every_socket_event_has_a_case(live_service: live.Live) -> None:
    doors = live_service.service.realtime.doors()

    assert set(doors["/visitor"]) == VISITOR_EVENTS
    assert set(doors["/staff"]) == STAFF_EVENTS


@pytest.mark.parametrize("case", WITH_IDS, ids=lambda case: f"{case.method} {case.path}")
async def test_a_foreign_id_looks_like_none(
    case: Case,
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    ids: dict[str, str],
) -> None:
    alder, _ = two_companies
    person = live.visitor if case.who == "visitor" else live.colleague

    async with person(live_service, alder) as someone:
        foreign = await someone.call(case.method, case.at(ids[case.what]), case.body)
        nothing = await someone.call(case.method, case.at(new_id()), case.body)

    assert foreign == nothing
    assert foreign[0] == 404
    assert foreign[1]["error"]["code"] == "not_found"


async def test_what_was_named_is_unchanged(
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    ids: dict[str, str],
) -> None:
    alder, birch = two_companies
    async with live.colleague(live_service, birch) as owner:
        path = f"/conversations/{ids['conversation']}/messages"
        before = await owner.get(path)
        async with (
            live.colleague(live_service, alder) as ana,
            live.visitor(live_service, alder) as visitor,
        ):
            for case in WITH_IDS:
                someone = ana if case.who == "staff" else visitor
                await someone.call(case.method, case.at(ids[case.what]), case.body)
        after = await owner.get(path)
        document = await owner.get(f"/knowledge/documents/{ids['document']}")

    assert before == after
    assert document["status"] == "ready"


async def test_lists_hold_nothing_foreign(
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    ids: dict[str, str],
) -> None:
    alder, _ = two_companies
    seen = ""
    async with live.colleague(live_service, alder) as ana:
        for view in ("waiting", "mine", "bot", "all", "closed", "disliked"):
            seen += str(await ana.get(f"/conversations?view={view}"))
        for path in (
            "/knowledge/documents",
            "/knowledge/faqs",
            "/knowledge/crawls",
            "/org/budget",
            "/sites",
            "/staff/me",
            "/staff/orgs",
        ):
            seen += str(await ana.get(path))
        seen += str(await ana.post("/knowledge/search", {"query": "warranty kettle"}))
        wrong_org = dict(ana.headers, **{"Chatbot-Org": two_companies[1].slug})
        ana.headers = wrong_org
        refused = await ana.call("GET", "/conversations")
    async with live.visitor(live_service, alder) as visitor:
        seen += str(await visitor.get("/visitor/conversations"))

    assert not [found for found in ids.values() if found in seen]
    assert two_companies[1].key not in seen
    assert "36 months" not in seen
    assert refused[0] == 404


async def test_a_visitor_cannot_name_another_organisation_on_the_socket(
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    ids: dict[str, str],
) -> None:
    alder, birch = two_companies
    foreign = [
        f"conversation:{ids['conversation']}:messages",
        f"conversation:{ids['conversation']}:staff",
        f"visitor:{ids['visitor']}:conversations",
        f"org:{birch.org_id}:inbox",
        f"org:{alder.org_id}:inbox",
    ]
    async with live.visitor(live_service, alder) as visitor:
        subscribed = await visitor.emit("subscribe", {"topics": foreign})
        unsubscribed = await visitor.emit("unsubscribe", {"topics": foreign})
        sent = await visitor.emit("send", live.question("hello", ids["conversation"]))
        stopped = await visitor.emit("stop", {"mid": ids["answer"]})
        retried = await visitor.emit("retry", {"mid": ids["answer"]})
        resumed = await visitor.emit("resume", {"mid": ids["answer"], "attempt": 1, "after": 0})
        typed = await visitor.emit("typing", {"conversation_id": ids["conversation"], "on": True})
        spoken = [await each for topic in foreign for each in _speaking(visitor, topic)]
        renewed = await visitor.emit("renew", {"token": "nonsense"})

    assert set(subscribed["topics"].values()) == {"not_found"}
    assert unsubscribed == {}
    for refused in (sent, stopped, retried, resumed, typed, *spoken):
        assert refused["error"]["code"] == "not_found"
    assert renewed["error"]["code"] == "not_signed_in"


async def test_staff_cannot_name_another_organisation_on_the_socket(
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    ids: dict[str, str],
) -> None:
    alder, birch = two_companies
    foreign = [
        f"conversation:{ids['conversation']}:messages",
        f"conversation:{ids['conversation']}:staff",
        f"org:{birch.org_id}:inbox",
        f"org:{birch.org_id}:knowledge",
        f"site:{birch.site_id}:inbox",
    ]
    async with live.colleague(live_service, alder) as ana:
        subscribed = await ana.emit("subscribe", {"topics": foreign})
        resumed = await ana.emit("resume", {"mid": ids["answer"], "attempt": 1, "after": 0})
        typed = await ana.emit("typing", {"conversation_id": ids["conversation"], "on": True})
        spoken = [await each for topic in foreign for each in _speaking(ana, topic)]
        renewed = await ana.emit("renew", {"token": "nonsense"})

    assert set(subscribed["topics"].values()) == {"not_found"}
    for refused in (resumed, typed, *spoken):
        assert refused["error"]["code"] == "not_found"
    assert renewed["error"]["code"] == "not_signed_in"


async def test_another_visitor_of_the_same_organisation_is_as_foreign(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with (
        live.visitor(live_service, alder) as one,
        live.visitor(live_service, alder) as two,
    ):
        talk = await one.begin()
        read = await two.call("GET", f"/visitor/conversations/{talk}/messages")
        sent = await two.emit("send", live.question("hello", talk))
        topics = [f"conversation:{talk}:messages", f"visitor:{one.id}:conversations"]
        subscribed = await two.emit("subscribe", {"topics": topics})

    assert read[0] == 404
    assert sent["error"]["code"] == "not_found"
    assert set(subscribed["topics"].values()) == {"not_found"}


def _speaking(person: live.Person, topic: str) -> list[Awaitable[live.Json]]:
    """Everything that names a topic and is no subscription."""
    return [
        person.emit("presence", {"topic": topic, "state": {}}),
        person.emit("presence", {"topic": topic, "state": None}),
        person.emit("broadcast", {"topic": topic, "event": "hello", "payload": {}}),
    ]


def _without_names(path: str) -> str:
    parts = ["{}" if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)

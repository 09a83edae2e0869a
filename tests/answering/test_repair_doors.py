"""The doors for feedback, reviews and notices: what they refuse, and how they say it."""

import pytest

from chatbot.database import new_id
from tests import live
from tests.journeys.texts import HANDBOOK, upload

Pair = tuple[live.Company, live.Company]


async def answered(live_service: live.Live, company: live.Company, visitor: live.Person) -> str:
    """The id of an answer to the visitor's question."""
    await upload(live_service, company, "handbook.md", HANDBOOK)
    await visitor.emit("send", live.question("How long is the warranty?", await visitor.begin()))
    _, end = await visitor.answer()
    return end["mid"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"value": 2},
        {"value": True},
        {"value": -1, "reason": "x" * 501},
        {"value": -1, "because": "x"},
    ],
)
async def test_a_rating_that_is_none_is_refused(
    live_service: live.Live, two_companies: Pair, body: live.Json
) -> None:
    async with live.visitor(live_service, two_companies[0]) as visitor:
        status, found = await visitor.call("POST", f"/visitor/messages/{new_id()}/feedback", body)

    assert (status, found["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"kind": "withdrawn"}, "invalid_request"),
        ({"kind": "corrected"}, "bad_review"),
        ({"kind": "checked", "text": "So."}, "bad_review"),
        ({"kind": "corrected", "text": "x" * 24_001}, "invalid_request"),
        ({"kind": "corrected", "text": " "}, "empty_message"),
        ({"kind": "checked", "by": "Ana"}, "invalid_request"),
    ],
)
async def test_a_review_that_is_none_is_refused(
    live_service: live.Live, two_companies: Pair, body: live.Json, code: str
) -> None:
    alder, _ = two_companies
    async with (
        live.visitor(live_service, alder) as visitor,
        live.colleague(live_service, alder, which=1) as ben,
    ):
        mid = await answered(live_service, alder, visitor)
        status, found = await ben.call("PUT", f"/answers/{mid}/review", body)

    assert (status, found["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"message_ids": [], "text": "Sorry."}, "invalid_request"),
        ({"message_ids": [str(new_id()) for _ in range(101)], "text": "Sorry."}, "invalid_request"),
        ({"message_ids": [str(new_id())], "text": " "}, "empty_message"),
        ({"message_ids": [str(new_id())], "text": "x" * 4_001}, "message_too_long"),
    ],
)
async def test_a_notice_that_is_none_is_refused(
    live_service: live.Live, two_companies: Pair, body: live.Json, code: str
) -> None:
    async with live.colleague(live_service, two_companies[0]) as ana:
        status, found = await ana.call("POST", f"/answers/{new_id()}/notices", body)

    assert (status, found["error"]["code"]) == (400, code)


async def test_a_long_correction_in_any_script_comes_through(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    text = "保" * 24_000
    async with (
        live.visitor(live_service, alder) as visitor,
        live.colleague(live_service, alder, which=1) as ben,
    ):
        mid = await answered(live_service, alder, visitor)
        review = {"kind": "corrected", "text": text}
        status, found = await ben.call("PUT", f"/answers/{mid}/review", review)

    assert (status, found["text"] == text) == (200, True)


async def test_whoever_rates_without_end_is_slowed_down(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    path = f"/visitor/messages/{new_id()}/feedback"
    async with live.visitor(live_service, alder) as visitor:
        statuses = [(await visitor.call("POST", path, {"value": 1}))[0] for _ in range(61)]
    async with live.visitor(live_service, alder) as other:
        neighbour, _ = await other.call("POST", path, {"value": 1})

    assert statuses == [404] * 60 + [429]
    assert neighbour == 404


async def test_visitors_cannot_review_and_nobody_else_can_rate(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    async with (
        live.visitor(live_service, alder) as visitor,
        live.colleague(live_service, alder) as ana,
    ):
        mid = await answered(live_service, alder, visitor)
        refused = [
            await visitor.call("GET", f"/answers/{mid}/trace"),
            await visitor.call("PUT", f"/answers/{mid}/review", {"kind": "checked"}),
            await visitor.call("DELETE", f"/answers/{mid}/review"),
            await visitor.call("GET", f"/answers/{mid}/affected"),
            await ana.call("POST", f"/visitor/messages/{mid}/feedback", {"value": 1}),
        ]

    assert {status for status, _ in refused} <= {400, 401, 403}
    assert {body["error"]["code"] for _, body in refused} <= {
        "org_missing",
        "origin_not_allowed",
        "not_signed_in",
    }

"""What an organisation says about its models, over HTTP: keys go in and never come out."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from chatbot.answering.models.api import TRIALS_PER_MINUTE
from chatbot.answering.models.failures import FAILURES
from chatbot.answering.tables import AnswerModel
from tests import live
from tests.answering import endpoint
from tests.answering.endpoint import Endpoint
from tests.conftest import Cluster, copy_of

KEY = "sk-proj-0123456789-abcd"


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Endpoint]:
    async with endpoint.running() as found:
        yield found


@pytest.fixture(scope="module")
async def service(cluster: Cluster) -> AsyncIterator[live.Live]:
    """A service whose organisations may name endpoints on this machine."""
    with copy_of(cluster) as urls:
        async with live.running(urls.app, run_jobs=False, model_hosts=("127.0.0.1",)) as found:
            yield found


@pytest.fixture
async def alder(service: live.Live, served: Endpoint) -> live.Company:
    served.mode, served.modes = "well", []
    served.asked.clear()
    served.keys.clear()
    return await live.company(service, "alder")


def wanted(served: Endpoint, **more: Any) -> live.Json:
    return {"model": "test-model", "base_url": served.url, **more}


async def test_a_key_goes_in_and_only_its_end_comes_out(
    service: live.Live, alder: live.Company, served: Endpoint
) -> None:
    async with live.colleague(service, alder) as owner:
        body = wanted(served, key=KEY, temperature=0.5, input_price=0.15, output_price=0.6)
        status, put = await owner.call("PUT", "/org/models/1", body)
        listed = await owner.get("/org/models")
    async with service.database.transaction(alder.org_id) as db:
        stored = await db.scalar(select(AnswerModel).where(AnswerModel.org_id == alder.org_id))

    assert status == 200
    assert listed == {"items": [put], "install": "extractive"}
    assert put == {
        "rank": 1,
        "model": "test-model",
        "base_url": served.url,
        "key_hint": "abcd",
        "temperature": 0.5,
        "input_price": 0.15,
        "output_price": 0.6,
        "updated_at": put["updated_at"],
    }
    assert KEY not in str(put)
    assert stored is not None
    assert stored.key_sealed is not None
    assert KEY.encode() not in stored.key_sealed


async def test_an_absent_key_is_kept_and_an_empty_one_removed(
    service: live.Live, alder: live.Company, served: Endpoint
) -> None:
    async with live.colleague(service, alder) as owner:
        await owner.call("PUT", "/org/models/1", wanted(served, key=KEY))
        _, kept = await owner.call("PUT", "/org/models/1", wanted(served, temperature=1))
        await owner.post("/org/models/1/test")
        _, removed = await owner.call("PUT", "/org/models/1", wanted(served, key=""))
        await owner.post("/org/models/1/test")

    assert (kept["key_hint"], removed["key_hint"]) == ("abcd", None)
    assert served.keys == [KEY, ""]


async def test_a_stored_key_does_not_go_to_another_address(
    service: live.Live, alder: live.Company, served: Endpoint
) -> None:
    elsewhere = {"model": "test-model", "base_url": "https://models.example/v1"}
    async with live.colleague(service, alder) as owner:
        await owner.call("PUT", "/org/models/1", wanted(served, key=KEY))
        status, refused = await owner.call("PUT", "/org/models/1", elsewhere)
        without = await owner.call("PUT", "/org/models/1", {"model": "test-model"})
        listed = await owner.get("/org/models")
        again, _ = await owner.call("PUT", "/org/models/1", {**elsewhere, "key": "sk-other-0123"})

    assert (status, refused["error"]["code"]) == (400, "key_needed")
    assert without[0] == 400
    assert listed["items"][0]["base_url"] == served.url
    assert again == 200


@pytest.mark.parametrize(
    "base_url",
    [
        "http://10.0.0.1/v1",
        "http://models.example/v1",
        "https://models.example:22/v1",
        "https://models.example/v1?api-version=1",
        "https://me:pw@models.example/v1",
        "https://0x7f.1/v1",
        "nonsense",
    ],
)
async def test_an_address_that_may_not_be_named_is_not_stored(
    service: live.Live, alder: live.Company, base_url: str
) -> None:
    async with live.colleague(service, alder) as owner:
        body = {"model": "m", "base_url": base_url}
        status, refused = await owner.call("PUT", "/org/models/1", body)
        listed = await owner.get("/org/models")

    assert (status, refused["error"]["code"]) == (400, "bad_address")
    assert listed["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": ""},
        {"model": "a\nb"},
        {"model": "x" * 201},
        {"model": "m", "key": "with space"},
        {"model": "m", "key": "line\nbreak"},
        {"model": "m", "key": "k" * 501},
        {"model": "m", "temperature": 2.1},
        {"model": "m", "input_price": -1},
        {"model": "m", "org_id": "00000000-0000-0000-0000-000000000000"},
        {"model": "m", "rank": 2},
    ],
)
async def test_what_does_not_fit_is_refused(
    service: live.Live, alder: live.Company, body: live.Json
) -> None:
    async with live.colleague(service, alder) as owner:
        status, _ = await owner.call("PUT", "/org/models/1", body)
        listed = await owner.get("/org/models")

    assert status == 400
    assert listed["items"] == []


async def test_there_is_a_first_and_a_second_and_no_third(
    service: live.Live, alder: live.Company
) -> None:
    async with live.colleague(service, alder) as owner:
        found = [
            (await owner.call("PUT", f"/org/models/{rank}", {"model": "m"}))[0]
            for rank in (0, 1, 2, 3)
        ]
        gone = await owner.call("DELETE", "/org/models/1")
        listed = await owner.get("/org/models")
        nothing = await owner.call("DELETE", "/org/models/1")
        untested = await owner.call("POST", "/org/models/1/test")

    assert found == [400, 200, 200, 400]
    assert gone == (204, None)
    assert [item["rank"] for item in listed["items"]] == [2]
    assert (nothing[0], untested[0]) == (404, 404)


async def test_only_owners_and_administrators_get_in(
    service: live.Live, alder: live.Company
) -> None:
    async with live.colleague(service, alder, 1) as agent:
        found = [
            await agent.call("GET", "/org/models"),
            await agent.call("PUT", "/org/models/1", {"model": "m"}),
            await agent.call("DELETE", "/org/models/1"),
            await agent.call("POST", "/org/models/1/test"),
        ]

    assert [(status, body["error"]["code"]) for status, body in found] == [(403, "forbidden")] * 4


async def test_what_one_organisation_keeps_no_other_sees(
    service: live.Live, alder: live.Company, served: Endpoint
) -> None:
    birch = await live.company(service, "birch")
    async with live.colleague(service, alder) as owner:
        await owner.call("PUT", "/org/models/1", wanted(served, key=KEY))
    async with live.colleague(service, birch) as other:
        listed = await other.get("/org/models")
        deleted = await other.call("DELETE", "/org/models/1")
        tested = await other.call("POST", "/org/models/1/test")
    async with live.colleague(service, alder) as owner:
        still = await owner.get("/org/models")

    assert listed["items"] == []
    assert (deleted[0], tested[0]) == (404, 404)
    assert len(still["items"]) == 1


async def test_a_trial_is_one_real_call(
    service: live.Live, alder: live.Company, served: Endpoint
) -> None:
    async with live.colleague(service, alder) as owner:
        await owner.call("PUT", "/org/models/2", wanted(served, key=KEY))
        trial = await owner.post("/org/models/2/test")

    assert (trial["ok"], trial["code"]) == (True, None)
    assert trial["first_ms"] >= 0
    assert "test-model" in trial["message"]
    assert [body["model"] for body in served.asked] == ["test-model"]
    assert served.keys == [KEY]


@pytest.mark.parametrize(
    ("mode", "code"),
    [("wrong_key", "refused"), ("html", "bad_reply"), ("limited_long", "rate_limited")],
)
async def test_a_trial_that_fails_says_what_to_do(
    service: live.Live, alder: live.Company, served: Endpoint, mode: str, code: str
) -> None:
    served.mode = mode
    async with live.colleague(service, alder) as owner:
        await owner.call("PUT", "/org/models/1", wanted(served, key=KEY))
        trial = await owner.post("/org/models/1/test")

    assert (trial["ok"], trial["code"], trial["first_ms"]) == (False, code, None)
    assert trial["message"].startswith(FAILURES[code])
    assert KEY not in str(trial)


async def test_trials_are_limited(
    service: live.Live, alder: live.Company, served: Endpoint
) -> None:
    async with live.colleague(service, alder) as owner:
        await owner.call("PUT", "/org/models/1", wanted(served))
        for _ in range(TRIALS_PER_MINUTE):
            await owner.post("/org/models/1/test")
        status, refused = await owner.call("POST", "/org/models/1/test")

    assert (status, refused["error"]["code"]) == (429, "too_many_requests")
    assert len(served.asked) == TRIALS_PER_MINUTE

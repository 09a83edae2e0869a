"""Which models a turn asks, where they are, and whose key goes there."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from chatbot.answering.models.breaker import FAILURES_MAX
from chatbot.answering.models.endpoints import KNOWN_MAX, Endpoints
from chatbot.answering.models.ladder import Ladder
from chatbot.answering.models.model import EndpointModel, ModelFailed
from chatbot.answering.models.secretbox import Box
from chatbot.answering.tables import AnswerModel
from chatbot.answering.voice.prompt import Prompt
from chatbot.database import new_id
from chatbot.settings import Settings
from knowledge.web.addresses import LOOPBACK, Addresses
from tests.answering.endpoint import Endpoint

PROMPT = Prompt(question="Which colour?", history=(), excerpts=())
BOX = Box(["a secret of the service for tests, long enough"])
OTHER_BOX = Box(["another secret that somebody forgot to keep"])
ORG = new_id()


@pytest.fixture
async def endpoints(served: Endpoint) -> AsyncIterator[Endpoints]:
    """Of an install with a model of its own; organisations may name the endpoint of the test."""
    own = EndpointModel("own", api_key="key-of-the-install", base_url=served.url)
    found = Endpoints(own, BOX, own_url=served.url, hosts=["127.0.0.1"])
    yield found
    await found.close()


def row(
    rank: int,
    model: str,
    *,
    base_url: str | None = None,
    key: str = "",
    box: Box = BOX,
    org_id: UUID = ORG,
) -> AnswerModel:
    sealed = box.seal(org_id, key) if key else None
    return AnswerModel(org_id=org_id, rank=rank, model=model, base_url=base_url, key_sealed=sealed)


async def asked_by(endpoints: Endpoints, rows: Sequence[AnswerModel]) -> Ladder:
    ladder = endpoints.ladder(rows)
    assert ladder is not None
    async for _ in ladder.stream(PROMPT):
        pass
    return ladder


def test_hosts_are_a_setting() -> None:
    settings = Settings.from_env({"CHATBOT_MODEL_HOSTS": "models.internal, 10.0.0.7:8000"})

    assert settings.model_hosts == ("models.internal", "10.0.0.7:8000")


async def test_without_rows_the_install_is_asked_with_its_key(
    endpoints: Endpoints, served: Endpoint
) -> None:
    ladder = await asked_by(endpoints, [])

    assert ladder.name == "own"
    assert served.keys == ["key-of-the-install"]


async def test_the_first_of_the_organisation_replaces_the_install(
    endpoints: Endpoints, served: Endpoint
) -> None:
    served.modes = ["wrong_key"]

    ladder = await asked_by(endpoints, [row(2, "second", key="k2"), row(1, "first", key="k1")])

    assert [step.model for step in ladder.steps] == ["first", "second"]
    assert served.keys == ["k1", "k2"]


async def test_a_second_alone_comes_after_the_install(
    endpoints: Endpoints, served: Endpoint
) -> None:
    served.modes = ["wrong_key"]

    ladder = await asked_by(endpoints, [row(2, "second", key="k2")])

    assert [step.model for step in ladder.steps] == ["own", "second"]


async def test_the_key_of_the_install_goes_to_no_model_of_an_organisation(
    endpoints: Endpoints, served: Endpoint
) -> None:
    await asked_by(endpoints, [row(1, "first", base_url=served.url)])
    await asked_by(endpoints, [row(1, "first")])
    await asked_by(endpoints, [row(1, "first", key="k1")])

    assert served.keys == ["", "", "k1"]


async def test_without_any_model_there_is_no_ladder() -> None:
    endpoints = Endpoints(None, BOX, own_url="https://api.openai.com/v1")

    assert endpoints.ladder([]) is None
    assert endpoints.own_name == "extractive"
    ladder = endpoints.ladder([row(2, "second")])
    assert ladder is not None
    assert ladder.name == "second"
    await endpoints.close()


async def test_a_changed_row_counts_from_the_next_turn_on(
    endpoints: Endpoints, served: Endpoint
) -> None:
    await asked_by(endpoints, [row(1, "first", key="k1")])
    await asked_by(endpoints, [row(1, "other", key="k2")])

    assert [body["model"] for body in served.asked] == ["first", "other"]
    assert served.keys == ["k1", "k2"]


@pytest.mark.parametrize("whose", ["box", "org"])
async def test_a_key_that_cannot_be_read_costs_only_its_rung(
    endpoints: Endpoints, served: Endpoint, whose: str
) -> None:
    first = row(1, "first", key="k1", box=OTHER_BOX if whose == "box" else BOX)
    if whose == "org":
        first.org_id = new_id()

    ladder = await asked_by(endpoints, [first, row(2, "second", key="k2")])

    assert [(step.model, step.code) for step in ladder.steps] == [
        ("first", "key_unreadable"),
        ("second", "ok"),
    ]
    assert served.keys == ["k2"]


@pytest.mark.parametrize(
    "base_url",
    [
        "http://models.example/v1",
        "http://127.0.0.1:8000/v1",
        "https://user:pw@models.example/v1",
        "https://2130706433/v1",
        "https://0x7f.1/v1",
        "https://models.example:25/v1",
        "ftp://models.example/v1",
        "file:///etc/passwd",
        "models.example/v1",
        "",
    ],
)
async def test_what_may_not_be_named_is_refused_before_anything_is_sent(base_url: str) -> None:
    endpoints = Endpoints(None, BOX, own_url="https://api.openai.com/v1", hosts=["127.0.0.1:8001"])

    with pytest.raises(ModelFailed, match="address_refused"):
        endpoints.place(base_url)
    ladder = endpoints.ladder([row(1, "first", base_url=base_url, key="k1")])
    assert ladder is not None
    with pytest.raises(ModelFailed, match="address_refused"):
        await anext(ladder.stream(PROMPT))
    await endpoints.close()


@pytest.mark.parametrize(
    ("named", "base_url"),
    [
        ("models.internal", "http://models.internal/v1"),
        ("Models.Internal", "https://MODELS.internal:8443/v1"),
        ("models.internal:8000", "http://models.internal:8000/v1"),
        ("[fd00::7]:8000", "http://[fd00:0::7]:8000/v1"),
        ("10.0.0.7", "http://10.0.0.7/v1"),
    ],
)
async def test_what_the_operator_names_may_be_reached(named: str, base_url: str) -> None:
    endpoints = Endpoints(None, BOX, own_url="https://api.openai.com/v1", hosts=[named])

    url, _ = endpoints.place(base_url)

    assert url.startswith("http")


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["64:ff9b::a9fe:a9fe"], []]
)
async def test_a_name_that_leads_inside_is_not_followed(served: Endpoint, found: list[str]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return found

    port = served.url.rsplit(":", 1)[1].removesuffix("/v1")
    endpoints = Endpoints(None, BOX, own_url=served.url, resolve=resolve)
    named = row(1, "first", base_url=f"https://models.example:{port}/v1", key="k1")

    ladder = endpoints.ladder([named])

    assert ladder is not None
    with pytest.raises(ModelFailed, match="address_refused"):
        await anext(ladder.stream(PROMPT))
    assert served.asked == []
    await endpoints.close()


async def test_the_table_decides_and_a_test_may_widen_it(served: Endpoint) -> None:
    port = served.url.rsplit(":", 1)[1].removesuffix("/v1")
    endpoints = Endpoints(None, BOX, own_url=served.url, addresses=Addresses(LOOPBACK))
    named = row(1, "first", base_url=f"https://127.0.0.1:{port}/v1", key="k1")

    ladder = endpoints.ladder([named])

    assert ladder is not None
    with pytest.raises(ModelFailed, match=r"tls_failed|unreachable"):  # reached, but it speaks HTTP
        await anext(ladder.stream(PROMPT))
    await endpoints.close()


async def test_one_organisation_cannot_close_an_endpoint_for_another(
    endpoints: Endpoints, served: Endpoint
) -> None:
    birch = new_id()
    served.modes = ["limited_long"] * FAILURES_MAX
    for _ in range(FAILURES_MAX):
        ladder = endpoints.ladder([row(1, "m", key="key-of-alder")])
        assert ladder is not None
        with pytest.raises(ModelFailed, match="rate_limited"):
            await anext(ladder.stream(PROMPT))

    alders = endpoints.ladder([row(1, "m", key="key-of-alder")])
    ladder = await asked_by(endpoints, [row(1, "m", key="key-of-birch", org_id=birch)])

    assert alders is not None
    with pytest.raises(ModelFailed, match="circuit_open"):
        await anext(alders.stream(PROMPT))
    assert [step.code for step in ladder.steps] == ["ok"]


async def test_what_is_remembered_is_bounded(endpoints: Endpoints) -> None:
    for number in range(KNOWN_MAX + 50):
        endpoints.ladder([row(1, f"model-{number}")])

    assert len(endpoints.known) == KNOWN_MAX

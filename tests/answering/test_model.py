"""Any OpenAI-compatible endpoint, over real HTTP; what it does wrong has a name."""

from collections.abc import AsyncIterator

import pytest

from chatbot.answering.model import EndpointModel, ModelFailed, Usage
from chatbot.answering.prompt import Prompt, Turn
from tests import live
from tests.answering import endpoint
from tests.answering.endpoint import Endpoint
from tests.conftest import Cluster, copy_of
from tests.journeys.texts import HANDBOOK, upload

PROMPT = Prompt(
    question="Which colour has the lid?",
    history=(Turn("user", "Hello"), Turn("assistant", "Hello!")),
    excerpts=(),
)


@pytest.fixture
async def served() -> AsyncIterator[Endpoint]:
    async with endpoint.running() as found:
        yield found


async def spoken(served: Endpoint) -> list[str | Usage]:
    model = EndpointModel("test-model", api_key="", base_url=served.url)
    try:
        return [piece async for piece in model.stream(PROMPT)]
    finally:
        await model.close()


async def test_pieces_come_in_order_with_the_usage_reported(served: Endpoint) -> None:
    pieces = await spoken(served)

    assert pieces == ["The lid ", "is red ", "[1].", Usage(7, 3)]
    body = served.asked[0]
    assert (body["model"], body["stream"]) == ("test-model", True)
    assert [message["role"] for message in body["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("refuses", "refused"),
        ("breaks", "ended_early"),
        ("babbles", "bad_reply"),
        ("errs", "bad_reply"),
    ],
)
async def test_each_way_to_fail_has_its_code(served: Endpoint, mode: str, code: str) -> None:
    served.mode = mode

    with pytest.raises(ModelFailed, match=code):
        await spoken(served)


async def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(ModelFailed, match="unreachable"):
        await spoken(Endpoint(url="http://127.0.0.1:1/v1"))


async def ask(cluster: Cluster, served: Endpoint) -> tuple[str, live.Json, live.Json]:
    """Text of the frames, the end, and the stored answer of a question to that endpoint."""
    model = EndpointModel("test-model", api_key="", base_url=served.url)
    with copy_of(cluster) as urls:
        async with live.running(urls.app, model=model) as running:
            alder = await live.company(running, "alder")
            await upload(running, alder, "handbook.md", HANDBOOK)
            async with live.visitor(running, alder) as visitor:
                talk = await visitor.begin()
                asked = live.question("How long is the warranty on a kettle?", talk)
                await visitor.emit("send", asked)
                text, end = await visitor.answer()
                transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")
    return text, end, transcript["items"][-1]


async def test_a_citation_of_nothing_never_reaches_the_visitor(
    cluster: Cluster, served: Endpoint
) -> None:
    served.words = ["It is 36 months [", "1", "]. Also [9", "9] free of charge [76, 77]."]

    text, end, stored = await ask(cluster, served)

    assert end["status"] == "complete"
    assert text == stored["text"]
    assert "[1]" in text
    assert "99" not in text
    assert "77" not in text
    assert [source["n"] for source in stored["sources"]] == [1]


async def test_a_model_that_cannot_be_reached_is_replaced_by_quotes(
    cluster: Cluster, served: Endpoint
) -> None:
    served.mode = "refuses"

    _, end, stored = await ask(cluster, served)

    assert end["status"] == "complete"
    assert "36 months" in stored["text"]


async def test_a_model_that_breaks_off_leaves_its_text_marked_as_failed(
    cluster: Cluster, served: Endpoint
) -> None:
    served.mode = "breaks"

    text, end, stored = await ask(cluster, served)

    assert end["status"] == "failed"
    assert (stored["status"], stored["text"]) == ("failed", text)
    assert text == "The lid "

"""Any OpenAI-compatible endpoint, over real HTTP: what is asked of it, what its stream becomes."""

import asyncio
import json
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chatbot.answering.models import model as port
from chatbot.answering.models.chunks import (
    LINE_BYTES_MAX,
    STREAM_BYTES_MAX,
    TEXT_CHARS_MAX,
    Reading,
    kind_of,
)
from chatbot.answering.models.failures import FAILURES
from chatbot.answering.models.model import EndpointModel, ModelFailed, Timeouts, Usage
from chatbot.answering.models.network import Network
from chatbot.answering.voice.prompt import Prompt, Turn
from knowledge.web.addresses import Addresses
from tests.answering.endpoint import Endpoint

PROMPT = Prompt(
    question="Which colour has the lid?",
    history=(Turn("user", "Hello"), Turn("assistant", "Hello!")),
    excerpts=(),
)
CPU_S_A_CHUNK_MAX = 42e-6  # what the SDK's client cost with a split of our own


async def spoken(model: EndpointModel, prompt: Prompt = PROMPT) -> tuple[str, list[Usage]]:
    try:
        pieces = [piece async for piece in model.stream(prompt)]
    finally:
        await model.close()
    said = "".join(piece for piece in pieces if isinstance(piece, str))
    return said, [piece for piece in pieces if isinstance(piece, Usage)]


async def test_words_come_in_order_with_the_usage_reported(served: Endpoint) -> None:
    model = EndpointModel("test-model", api_key="sk-1", base_url=served.url, temperature=0.7)

    said, usage = await spoken(model)

    assert said == "The lid is red [1]."
    assert usage == [Usage(7, 3)]
    body = served.asked[0]
    assert (body["model"], body["stream"], body["temperature"]) == ("test-model", True, 0.7)
    assert body["max_tokens"] == port.ANSWER_TOKENS_MAX
    assert served.keys == ["sk-1"]
    assert [message["role"] for message in body["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


async def test_without_a_key_no_authorization_is_sent(served: Endpoint) -> None:
    await spoken(EndpointModel("test-model", api_key="", base_url=served.url))

    assert served.keys == [""]


async def test_what_an_endpoint_does_not_understand_is_left_out_from_then_on(
    served: Endpoint,
) -> None:
    served.mode = "particular"
    model = EndpointModel("o-next", api_key="", base_url=served.url)

    first = [piece async for piece in model.stream(PROMPT)]
    asked_for_the_first = len(served.asked)
    said, _ = await spoken(model)

    assert "".join(each for each in first if isinstance(each, str)) == said != ""
    assert (asked_for_the_first, len(served.asked)) == (3, 4)
    assert served.asked[-1]["max_completion_tokens"] == port.ANSWER_TOKENS_MAX
    assert not {"max_tokens", "temperature"} & set(served.asked[-1])


async def test_a_whole_answer_gives_its_connection_back(served: Endpoint) -> None:
    model = EndpointModel("test-model", api_key="", base_url=served.url)

    for _ in range(3):
        assert [piece async for piece in model.stream(PROMPT)]

    assert len(served.asked) == 3
    assert len(served.peers) == 1
    await model.close()


async def test_a_whole_answer_does_not_wait_long_for_its_usage(served: Endpoint) -> None:
    served.mode = "stalls_after_finish"
    timeouts = Timeouts(report_s=0.1)
    model = EndpointModel("test-model", api_key="", base_url=served.url, timeouts=timeouts)

    async with asyncio.timeout(5):
        said, usage = await spoken(model)

    assert (said, usage) == ("The lid is red [1].", [])


async def test_who_stops_listening_ends_the_request(served: Endpoint) -> None:
    served.mode = "never_ends"
    model = EndpointModel("test-model", api_key="", base_url=served.url)

    async with aclosing(model.stream(PROMPT)) as pieces:
        await anext(pieces)

    assert await served.quiet()
    await model.close()


async def test_who_is_cancelled_ends_the_request(served: Endpoint) -> None:
    served.mode = "stalls"
    model = EndpointModel("test-model", api_key="", base_url=served.url)

    async def listen() -> None:
        async for _ in model.stream(PROMPT):
            heard.set()

    heard = asyncio.Event()
    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    await asyncio.wait([task])

    assert await served.quiet()
    await model.close()


async def test_a_name_that_means_a_private_address_is_not_connected_to(served: Endpoint) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "127.0.0.1"]

    port = served.url.rsplit(":", 1)[1]
    for host in ("127.0.0.1", "endpoint.example", "2130706433", "[::ffff:127.0.0.1]"):
        network = Network(Addresses(), resolve=resolve)
        model = EndpointModel(
            "m", api_key="secret", base_url=f"http://{host}:{port}", network=network
        )
        with pytest.raises(ModelFailed, match="address_refused"):
            await spoken(model)

    assert served.asked == []


async def test_a_name_with_one_address_inside_is_refused_whole(served: Endpoint) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    network = Network(Addresses(("127.0.0.0/8",)), resolve=resolve)
    url = served.url.replace("127.0.0.1", "endpoint.example")

    with pytest.raises(ModelFailed, match="address_refused"):
        await spoken(EndpointModel("m", api_key="secret", base_url=url, network=network))

    assert served.asked == []


async def test_the_table_may_allow_more(served: Endpoint) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    network = Network(Addresses(("127.0.0.0/8",)), resolve=resolve)
    url = served.url.replace("127.0.0.1", "endpoint.example")

    said, _ = await spoken(EndpointModel("m", api_key="", base_url=url, network=network))

    assert said == "The lid is red [1]."


async def test_a_redirect_is_not_followed(served: Endpoint) -> None:
    served.mode = "moved"

    with pytest.raises(ModelFailed) as failed:
        await spoken(EndpointModel("m", api_key="secret", base_url=served.url))

    assert (failed.value.code, failed.value.kind) == ("refused", "http_307")


async def test_tiny_chunks_are_cheap(served: Endpoint) -> None:
    """The endpoint of the test shares the processor: its share is counted too."""
    served.mode, served.tiny_chunks = "tiny_chunks", TEXT_CHARS_MAX - 1_000
    model = EndpointModel("m", api_key="", base_url=served.url)

    begun = time.process_time()
    said, _ = await spoken(model)
    seconds = time.process_time() - begun

    assert len(said) == served.tiny_chunks
    assert seconds / served.tiny_chunks < CPU_S_A_CHUNK_MAX


async def test_whatever_breaks_while_it_speaks_is_a_bad_reply(
    served: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(reading: Reading, part: bytes) -> str:
        raise LookupError(part)

    monkeypatch.setattr(Reading, "feed", broken)
    model = EndpointModel("test-model", api_key="sk-1", base_url=served.url)

    with pytest.raises(ModelFailed, match="bad_reply"):
        await spoken(model)


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


FINISH = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_it_does_not_matter_where_the_bytes_are_cut(size: int, line_end: bytes) -> None:
    stream = b": hi\n\nid: 7\nretry: 5\n" + event(content="Grüße, 世界 ") + event(content="🙂")
    stream = (stream + FINISH + b"data: [DONE]").replace(b"\n", line_end)
    reading = Reading()

    said = "".join(
        reading.feed(stream[at : at + size]) for at in range(0, len(stream), size)
    ) + reading.feed(b"")

    reading.check()
    assert said == "Grüße, 世界 🙂"


def test_a_line_without_end_is_given_up_at_its_bound() -> None:
    reading = Reading()
    fed = 0

    while not reading.ended:
        reading.feed(b"x" * 1_000)
        fed += 1_000

    assert fed <= LINE_BYTES_MAX + 1_000
    with pytest.raises(ModelFailed, match="too_long"):
        reading.check()


def test_a_stream_of_nothing_is_given_up_at_its_bound() -> None:
    reading = Reading()
    fed = 0

    while not reading.ended:
        reading.feed(b": still here\n" * 10_000)
        fed += 130_000

    assert fed <= STREAM_BYTES_MAX + LINE_BYTES_MAX + 130_000
    with pytest.raises(ModelFailed, match="too_long"):
        reading.check()


def test_words_before_a_failure_are_kept_and_the_failure_is_told() -> None:
    reading = Reading()

    said = reading.feed(event(content="The lid ") + b"data: {oops\n\n" + event(content="never"))

    assert said == "The lid "
    with pytest.raises(ModelFailed, match="bad_reply"):
        reading.check()


def test_nothing_after_the_finish_reason_can_spoil_the_answer() -> None:
    reading = Reading()

    said = reading.feed(event(content="Red.") + FINISH + b"data: {oops\n\n")

    reading.check()
    assert said == "Red."


@pytest.mark.parametrize(
    ("reported", "believed"),
    [
        ({"prompt_tokens": 12, "completion_tokens": 5}, Usage(12, 5)),
        ({"prompt_tokens": 12, "completion_tokens": None}, Usage(12, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": -1_000_000, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 5}, None),
    ],
)
def test_only_a_usage_that_can_be_is_believed(
    reported: dict[str, int | None], believed: Usage | None
) -> None:
    reading = Reading()

    reading.feed(b"data: " + json.dumps({"choices": [], "usage": reported}).encode() + b"\n\n")

    assert reading.usage == believed


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "invalid_api_key", "type": "x"}, "invalid_api_key"),
        ({"code": None, "type": "server_error"}, "server_error"),
        ({"code": 400}, "400"),
        ({"code": "I was asked: Which colour has the lid?"}, ""),
        ({"code": "x" * 65}, ""),
        ("Which colour has the lid?", ""),
        ({}, ""),
    ],
)
def test_of_an_error_only_a_name_is_kept(error: object, kind: str) -> None:
    assert kind_of(error) == kind


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("2", 2.0),
        ("99999999999", None),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999", None),
        ("Mon, 01 Jan 2024 00:00:00 +999999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", port.RETRY_AFTER_S_MAX),
        ("Mon, 01 Jan 0001 00:00:00 +2300", 0.0),
    ],
)
def test_when_to_come_back_is_read_as_seconds(value: str, seconds: float | None) -> None:
    assert port.retry_after(value) == seconds


def test_when_to_come_back_is_read_as_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    found = port.retry_after(in_a_minute)

    assert found is not None
    assert 55 <= found <= 60
    assert port.retry_after("Mon, 06 Nov 2000 08:00:00 GMT") == 0


def test_every_failure_says_what_to_do() -> None:
    assert all(text.endswith(".") and len(text) > 30 for text in FAILURES.values())
    assert ModelFailed("refused", kind="model_not_found").message.endswith("model_not_found.")

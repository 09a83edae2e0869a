"""The door to the language model: one port, and the endpoint that speaks OpenAI's chat completions.

The client is OpenAI's; what lies beneath is ours (`network.py`), and so is the reader of the stream
(`chunks.py`): what breaks has a code, what comes has a limit, and nothing of the environment goes
to an address that an organisation typed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol, cast

import httpx2
import msgspec
import openai
import structlog
from openai.types.chat import ChatCompletionMessageParam

from chatbot.answering.models.chunks import Reading, Usage, kind_of
from chatbot.answering.models.failures import ModelFailed
from chatbot.answering.models.network import EVENT_STREAM, Network
from chatbot.answering.voice.prompt import Prompt, Turn, messages

log = structlog.get_logger()

__all__ = ["EndpointModel", "Model", "ModelFailed", "Timeouts", "Usage"]

ANSWER_TOKENS_MAX: Final = 800
TEMPERATURE: Final = 0.2
RETRY_AFTER_S_MAX: Final = 86_400.0
GOODBYE_S: Final = 0.1
# What an endpoint may not know, and what to say in its place.
_OPTIONAL: Final = {
    "max_tokens": "max_completion_tokens",
    "temperature": None,
    "stream_options": None,
}
_OUT_OF_CREDIT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class Timeouts(msgspec.Struct, frozen=True):
    """How long an endpoint may take: to be reached, for the first word (from the start), from one
    chunk to the next, for all of it, and to report its usage when the answer is whole.
    """

    connect_s: float = 5.0
    first_s: float = 20.0
    idle_s: float = 30.0
    whole_s: float = 120.0
    report_s: float = 2.0


PATIENT: Final = Timeouts()


class Model(Protocol):
    """Gives an answer piece by piece; a stream that ends without raising was complete."""

    @property
    def name(self) -> str: ...

    def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        """Pieces of text in order, and at most one Usage, a Cut when the answer was cut at its
        limit. ModelFailed when it breaks.
        """
        ...


class EndpointModel:
    """Any OpenAI-compatible endpoint, streamed. No retries here: the ladder decides what follows.

    `dialect` is what the endpoint was found not to understand; models of one endpoint may share it.
    """

    def __init__(
        self,
        name: str,
        *,
        api_key: str,
        base_url: str,
        network: Network | None = None,
        timeouts: Timeouts = PATIENT,
        temperature: float = TEMPERATURE,
        tokens_max: int = ANSWER_TOKENS_MAX,
        dialect: set[str] | None = None,
    ) -> None:
        self.name = name
        self.timeouts = timeouts
        self._network = network or Network()
        self._client = openai.AsyncOpenAI(
            api_key=api_key or "none",
            base_url=base_url,
            max_retries=0,
            timeout=openai.Timeout(None, connect=timeouts.connect_s),
            http_client=httpx2.AsyncClient(transport=self._network, follow_redirects=False),
        )
        self._headers = {} if api_key else {"Authorization": openai.Omit()}
        self._temperature = temperature
        self._tokens_max = tokens_max
        self._unknown: set[str] = set() if dialect is None else dialect

    async def close(self) -> None:
        await self._network.aclose()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage]:
        clock = _Clock(self.timeouts)
        reading = Reading()
        try:
            async with AsyncExitStack() as stack:
                reply = await self._asked(prompt, clock, stack)
                parts = await stack.enter_async_context(aclosing(reply.aiter_raw()))
                while not reading.ended:
                    if words := await _more(parts, reading, clock):
                        yield words
                if reading.spent is not None:
                    yield reading.spent  # what failed is charged all the same
                reading.check()
                await _goodbye(parts)
        except ModelFailed:
            raise
        except Exception as error:  # an edge: whatever broke, another model can answer
            log.error("model_broke", model=self.name, error=type(error).__name__)
            raise ModelFailed("bad_reply") from error

    async def _asked(
        self, prompt: Prompt, clock: "_Clock", stack: AsyncExitStack
    ) -> httpx2.Response:
        """The stream's beginning, closed with `stack`. Asks again at once, without it, when the
        endpoint refuses for something that it does not know.
        """
        while True:
            with clock.running():
                async with asyncio.timeout_at(clock.deadline):
                    reply = await self._reply(prompt, stack)
            if reply.status_code == 200 and _media_type(reply) == EVENT_STREAM:
                return reply
            error = await _error(reply)
            unknown = _not_understood(reply.status_code, error)
            if not unknown or unknown in self._unknown:
                raise _refusal(reply, error)
            self._unknown.add(unknown)

    async def _reply(self, prompt: Prompt, stack: AsyncExitStack) -> httpx2.Response:
        """What the endpoint answers, whatever it is; ModelFailed when it cannot be had."""
        most = prompt.tokens_max or self._tokens_max
        lacks = self._unknown
        create = self._client.chat.completions.with_streaming_response.create
        asking = create(
            model=self.name,
            messages=[_message(turn) for turn in messages(prompt)],
            stream=True,
            max_tokens=openai.omit if "max_tokens" in lacks else most,
            max_completion_tokens=most if "max_tokens" in lacks else openai.omit,
            temperature=openai.omit if "temperature" in lacks else self._temperature,
            stream_options=openai.omit if "stream_options" in lacks else {"include_usage": True},
            extra_headers=self._headers,
        )
        try:
            response = await stack.enter_async_context(asking)
        except openai.APIStatusError as error:
            return error.response
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, ModelFailed):
                raise error.__cause__ from error
            raise ModelFailed("unreachable") from error
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise ModelFailed("bad_reply") from error  # no address at all, or not HTTP
        return response.http_response


def _message(turn: Turn) -> ChatCompletionMessageParam:
    match turn.role:
        case "system":
            return {"role": "system", "content": turn.text}
        case "user":
            return {"role": "user", "content": turn.text}
        case "assistant":
            return {"role": "assistant", "content": turn.text}


class _Clock:
    """When the next thing must have come, and what it is called if it did not."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._now = asyncio.get_running_loop().time
        self._timeouts = timeouts
        self._whole = self._now() + timeouts.whole_s
        self._next = self._now() + timeouts.first_s
        self._code = "timeout_first"

    @property
    def deadline(self) -> float:
        return min(self._next, self._whole)

    def heard(self) -> None:
        """A word came: from here on it is the next chunk that is waited for."""
        self._next = self._now() + self._timeouts.idle_s
        self._code = "timeout_idle"

    def nearly_done(self) -> None:
        """The answer is whole; what follows is not worth a long wait."""
        self._next = min(self._next, self._now() + self._timeouts.report_s)

    @property
    def waits_for_first(self) -> bool:
        return self._code == "timeout_first"

    @contextmanager
    def running(self) -> Generator[None]:
        try:
            yield
        except TimeoutError as error:
            code = "timeout_whole" if self._next > self._whole else self._code
            raise ModelFailed(code) from error


async def _more(parts: AsyncGenerator[bytes], reading: Reading, clock: _Clock) -> str:
    """The words of one read."""
    before = reading.chunks
    try:
        words = reading.feed(await _read(parts, clock))
    except ModelFailed as error:
        reading.fail(error)
        return ""
    if words or (reading.chunks > before and not clock.waits_for_first):
        clock.heard()
    if reading.finish is not None:
        clock.nearly_done()
    return words


async def _read(parts: AsyncGenerator[bytes], clock: _Clock) -> bytes:
    """What has come, at least a byte; nothing at the end."""
    with clock.running():
        async with asyncio.timeout_at(clock.deadline):
            return await anext(parts, b"")


async def _goodbye(parts: AsyncGenerator[bytes]) -> None:
    """Wait a moment for the end of the body, so that the connection can be used again."""
    with suppress(ModelFailed, TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            async for _ in parts:
                pass


def _media_type(reply: httpx2.Response) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _error(reply: httpx2.Response) -> dict[str, object]:
    """The error object of a small JSON body that comes at once; of any other, nothing."""
    try:
        found: Any = msgspec.json.decode(await reply.aread())
    except (msgspec.DecodeError, RecursionError, httpx2.HTTPError):
        return {}
    error = cast(dict[str, Any], found).get("error") if isinstance(found, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return cast(dict[str, object], error) if isinstance(error, dict) else {}


def _refusal(reply: httpx2.Response, error: dict[str, object]) -> ModelFailed:
    """Why this is no stream."""
    kind = kind_of(error)
    wait = retry_after(reply.headers.get("Retry-After", ""))
    match reply.status_code:
        case 200 if not error:
            return ModelFailed("bad_reply")
        case _ if kind in _OUT_OF_CREDIT:
            return ModelFailed("refused", kind=kind)
        case 429:
            return ModelFailed("rate_limited", kind=kind, retry_after_s=wait)
        case status if status >= 500 or status == 408:
            return ModelFailed("unavailable", kind=kind, retry_after_s=wait)
        case status:
            return ModelFailed("refused", kind=kind or f"http_{status}")


def _not_understood(status: int, error: dict[str, object]) -> str:
    """Which of what may be left out a refusal complains about; nothing if it is none of that."""
    if status not in (400, 422):
        return ""
    named = str(error.get("param") or "")
    said = str(error.get("message") or "")
    return next((each for each in _OPTIONAL if each == named or (not named and each in said)), "")


def retry_after(value: str) -> float | None:
    """Seconds, written as such or as a date (RFC 9110 §10.2.3)."""
    if value.isdecimal() and len(value) < 10:
        return min(float(value), RETRY_AFTER_S_MAX)
    try:
        at = parsedate_to_datetime(value)
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)
    except (ValueError, OverflowError):  # no date, or in a zone that cannot be
        return None
    return min(max(wait.total_seconds(), 0.0), RETRY_AFTER_S_MAX)

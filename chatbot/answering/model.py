"""The door to the language model: one port, and the endpoint that speaks OpenAI's chat completions.

Spoken over aiohttp with a reader of our own (`chunks.py`): what breaks has a code, what is sent has
a limit, and of the environment nothing goes to an address that an organisation typed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol, cast

import aiohttp
import msgspec

from chatbot.answering.chunks import Reading, Usage, kind_of
from chatbot.answering.failures import ModelFailed
from chatbot.answering.network import Network
from chatbot.answering.prompt import Prompt, messages

__all__ = ["EndpointModel", "Model", "ModelFailed", "Timeouts", "Usage"]

ANSWER_TOKENS_MAX: Final = 800
TEMPERATURE: Final = 0.2
ERROR_BYTES_MAX: Final = 16_384
ERROR_BODY_S: Final = 2.0
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
        """Pieces of text in order, and at most one Usage. ModelFailed when it breaks."""
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
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._network = network or Network()
        self._temperature = temperature
        self._tokens_max = tokens_max
        self._unknown: set[str] = set() if dialect is None else dialect

    async def close(self) -> None:
        await self._network.close()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | Usage]:
        clock = _Clock(self.timeouts)
        reply = await self._asked(prompt, clock)
        reading = Reading()
        try:
            while not reading.ended:
                if words := await _more(reply, reading, clock):
                    yield words
            if reading.usage is not None:
                yield reading.usage  # what failed is charged all the same
            reading.check()
            await _goodbye(reply)
        finally:
            reply.close()

    async def _asked(self, prompt: Prompt, clock: "_Clock") -> aiohttp.ClientResponse:
        """The stream's beginning. Asks again at once, without it, when the endpoint refuses for
        something that it does not know.
        """
        while True:
            body = self._body(prompt)
            with clock.running():
                async with asyncio.timeout_at(clock.deadline):
                    reply = await self._network.post(
                        self._url,
                        body=body,
                        headers=self._headers,
                        connect_s=self.timeouts.connect_s,
                    )
            if _is_stream(reply):
                return reply
            try:
                error = await _error(reply)
            finally:
                reply.close()
            unknown = _not_understood(reply.status, error)
            if unknown not in body:
                raise _refusal(reply, error)
            self._unknown.add(unknown)

    def _body(self, prompt: Prompt) -> dict[str, object]:
        optional: dict[str, object] = {
            "max_tokens": prompt.tokens_max or self._tokens_max,
            "temperature": self._temperature,
            "stream_options": {"include_usage": True},
        }
        for name in _OPTIONAL:
            if name in self._unknown:
                value, other = optional.pop(name), _OPTIONAL[name]
                if other is not None:
                    optional[other] = value
        said = [{"role": turn.role, "content": turn.text} for turn in messages(prompt)]
        return {"model": self.name, "messages": said, "stream": True, **optional}


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


async def _more(reply: aiohttp.ClientResponse, reading: Reading, clock: _Clock) -> str:
    """The words of one read."""
    before = reading.chunks
    try:
        words = reading.feed(await _read(reply, clock))
    except ModelFailed as error:
        reading.fail(error)
        return ""
    if words or (reading.chunks > before and not clock.waits_for_first):
        clock.heard()
    if reading.finish is not None:
        clock.nearly_done()
    return words


async def _read(reply: aiohttp.ClientResponse, clock: _Clock) -> bytes:
    """What has come, at least a byte; nothing at the end."""
    with clock.running():
        async with asyncio.timeout_at(clock.deadline):
            try:
                return await reply.content.readany()
            except (aiohttp.ClientError, OSError) as error:
                raise ModelFailed("ended_early") from error


async def _goodbye(reply: aiohttp.ClientResponse) -> None:
    """Wait a moment for the end of the body, so that the connection can be used again."""
    with suppress(aiohttp.ClientError, OSError):  # TimeoutError is one
        async with asyncio.timeout(GOODBYE_S):
            while await reply.content.readany():
                pass


def _is_stream(reply: aiohttp.ClientResponse) -> bool:
    packed = reply.headers.get("Content-Encoding", "identity").lower() != "identity"
    return reply.status == 200 and reply.content_type == "text/event-stream" and not packed


async def _error(reply: aiohttp.ClientResponse) -> dict[str, object]:
    """The error object of a small JSON body that comes at once; of any other, nothing."""
    body = b""
    with suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(ERROR_BODY_S):
            while len(body) <= ERROR_BYTES_MAX and (part := await reply.content.readany()):
                body += part
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    error = cast(dict[str, Any], found).get("error") if isinstance(found, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return cast(dict[str, object], error) if isinstance(error, dict) else {}


def _refusal(reply: aiohttp.ClientResponse, error: dict[str, object]) -> ModelFailed:
    """Why this is no stream."""
    kind = kind_of(error)
    wait = retry_after(reply.headers.get("Retry-After", ""))
    match reply.status:
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
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), RETRY_AFTER_S_MAX)

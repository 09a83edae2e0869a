"""A streamed chat completion, bytes to words: server-sent events split by hand, each chunk decoded
by msgspec, everything bounded. Knows no network.

What came in one read is given as one piece, so that a million tiny chunks cost what decoding them
costs and no more.
"""

import re
from typing import Any, Final, cast

import msgspec

from chatbot.answering.models.failures import ModelFailed

LINE_BYTES_MAX: Final = 262_144
STREAM_BYTES_MAX: Final = 64 * 2**20
TEXT_CHARS_MAX: Final = 100_000
TOKENS_MAX: Final = 100_000_000
_KIND: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Usage(msgspec.Struct, frozen=True):
    """Tokens that the endpoint reported; zero where it said nothing."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Cut(Usage, frozen=True):
    """The same, of an answer that ended where its length was limited."""


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class Reading:
    """One stream, fed as it arrives; `ended` when nothing more is to be read of it.

    What came before a failure counts, and once there is a finish reason nothing that follows can
    spoil the answer: only its usage is still waited for.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.ended = False
        self.chunks = 0
        self._chars = 0
        self._bytes = 0
        self._line = bytearray()
        self._failed: ModelFailed | None = None

    def feed(self, part: bytes) -> str:
        """The words in what just came; nothing came any more when it is empty."""
        if not part:
            return self._close()
        self._bytes += len(part)
        *lines, rest = part.split(b"\n")
        if lines:
            self._line += lines[0]
            lines[0] = bytes(self._line)
            self._line.clear()
        self._line += rest
        words = self._words(lines)
        if max(len(self._line), self._bytes - STREAM_BYTES_MAX) > LINE_BYTES_MAX:
            self.fail(ModelFailed("too_long"))
        return words

    def fail(self, error: ModelFailed) -> None:
        """Nothing more can be had."""
        self._failed = self._failed or error
        self.ended = True

    @property
    def spent(self) -> Usage | None:
        """What it took, as far as anything is known of that: `Cut` for an answer cut at its limit,
        with zeros where nothing was reported.
        """
        if self.finish != "length":
            return self.usage
        found = self.usage or Usage()
        return Cut(found.prompt_tokens, found.completion_tokens)

    def check(self) -> None:
        """Whether this was a whole answer: ModelFailed with the first reason why not."""
        if self.finish is None:
            raise self._failed or ModelFailed("ended_early")
        if self.finish == "content_filter":
            raise ModelFailed("filtered")
        if not self._chars:
            raise ModelFailed("empty")

    def _close(self) -> str:
        """The words of a last line that nobody ended."""
        self.ended = True
        return self._words([bytes(self._line)])

    def _words(self, lines: list[bytes]) -> str:
        said: list[str] = []
        try:
            for line in lines:
                if line.startswith(b"data:"):  # else a comment, an empty line or another field
                    self._hear(line[5:].strip(), said)
        except ModelFailed as error:
            self.fail(error)
        words = "".join(said)
        self._chars += len(words)
        if self._chars > TEXT_CHARS_MAX:
            self.fail(ModelFailed("too_long"))
        return words

    def _hear(self, data: bytes, said: list[str]) -> None:
        if self.ended or not data:
            return
        if data == b"[DONE]":
            self.ended = True
            return
        if len(data) > LINE_BYTES_MAX:
            raise ModelFailed("too_long")
        try:
            chunk = _decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ModelFailed("bad_reply") from error
        if chunk.error:
            raise ModelFailed("unavailable", kind=kind_of(chunk.error))
        self.chunks += 1
        if chunk.usage is not None:
            self.usage = _believed(chunk.usage) or self.usage
        if not chunk.choices or self.finish is not None:
            return
        choice = chunk.choices[0]
        self.finish = choice.finish_reason or None  # some servers send "" until the end
        if choice.delta is not None and choice.delta.content:
            said.append(choice.delta.content)


def kind_of(error: object) -> str:
    """The name that an endpoint gives its error, where it is a name: its sentences stay out of logs
    and traces, for they may repeat what was asked.
    """
    if not isinstance(error, dict):
        return ""
    fields = cast(dict[str, object], error)
    for name in ("code", "type"):
        value = str(fields.get(name) or "")
        if _KIND.fullmatch(value):
            return value
    return ""


def _believed(usage: _Usage) -> Usage | None:
    """What may be counted: an endpoint can neither give tokens back nor charge without bound."""
    found = Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)
    numbers = found.prompt_tokens, found.completion_tokens
    return found if any(numbers) and all(0 <= each <= TOKENS_MAX for each in numbers) else None

"""An OpenAI-compatible endpoint of our own: real HTTP, and it fails in the ways real ones do."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from chatbot.answering import rewrite

Json = dict[str, Any]
USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
TINY_CHUNKS = 1_000_000
LONG_CHARS = 1_000_000


@dataclass
class Endpoint:
    """`mode` says how it answers; `asked` keeps the bodies it got. `query` is what it makes of a
    follow-up, after `query_after_s`. `modes`, where there are any, are for one request each, then
    `mode` holds again.
    """

    url: str = ""
    mode: str = "well"
    words: list[str] = field(default_factory=lambda: ["The lid ", "is red ", "[1]."])
    asked: list[Json] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    query: str = ""
    query_after_s: float = 0.0
    modes: list[str] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    """The other ends of all connections."""
    open: int = 0
    """Requests that are being answered right now."""
    calm: asyncio.Event = field(default_factory=asyncio.Event)
    tiny_chunks: int = TINY_CHUNKS

    @property
    def rewritings(self) -> list[Json]:
        """Of what it was asked, the follow-ups it was to make into questions of their own."""
        return [body for body in self.asked if _is_rewriting(body)]

    async def quiet(self, within_s: float = 2.0) -> bool:
        """Whether nothing is being answered any more, at the latest then."""
        try:
            await asyncio.wait_for(self.calm.wait(), within_s)
        except TimeoutError:
            return False
        return True

    def began(self, request: web.Request) -> None:
        self.open += 1
        self.calm.clear()
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername"))

    def ended(self) -> None:
        self.open -= 1
        if not self.open:
            self.calm.set()


def _is_rewriting(body: Json) -> bool:
    return body["messages"][0]["content"] == rewrite.INSTRUCTIONS


def _event(content: str | None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
    chunk = {"object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


class _Line:
    """The reply to one request, as a mode writes it."""

    def __init__(self, endpoint: Endpoint, request: web.Request, words: list[str]) -> None:
        self.endpoint = endpoint
        self.words = words
        self._request = request
        self._reply: web.StreamResponse | None = None

    async def begin(self, media_type: str = "text/event-stream") -> None:
        self._reply = web.StreamResponse(headers={"Content-Type": media_type})
        await self._reply.prepare(self._request)

    async def write(self, data: bytes) -> None:
        assert self._reply is not None
        await self._reply.write(data)

    async def say(self, words: list[str]) -> None:
        for word in words:
            await self.write(b": a comment\n\nevent: unknown\n" + _event(word))
            await asyncio.sleep(0)

    async def first(self) -> None:
        await self.begin()
        await self.say(self.words[:1])

    async def finish(self) -> None:
        await self.write(_event(None, "stop"))
        await self.write(b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n")
        await self.write(DONE)

    def cut(self) -> None:
        """End the connection in the middle of the body."""
        if self._request.transport is not None:
            self._request.transport.abort()

    @property
    def reply(self) -> web.StreamResponse:
        assert self._reply is not None
        return self._reply


async def _well(line: _Line) -> None:
    await line.begin()
    await line.say(line.words)
    await line.finish()


async def _empty_reasons(line: _Line) -> None:
    """A finish reason that is empty until there is one, as some servers write it."""
    await line.begin()
    for word in line.words:
        await line.write(_event(word, ""))
    await line.finish()


async def _at_length(line: _Line) -> None:
    """Cut where its length is limited; no usage."""
    await line.first()
    await line.write(_event(None, "length") + DONE)


async def _breaks(line: _Line) -> None:
    """A well-formed end of the body, but no finish reason."""
    await line.first()


async def _done_without_reason(line: _Line) -> None:
    await line.first()
    await line.write(DONE)


async def _cuts(line: _Line) -> None:
    await line.first()
    line.cut()


async def _babbles(line: _Line) -> None:
    await line.first()
    await line.write(b"data: {not json\n\n")


async def _errs(line: _Line) -> None:
    await line.first()
    await line.write(b'data: {"error": {"message": "Which colour?", "code": "overloaded"}}\n\n')


async def _says_nothing(line: _Line) -> None:
    """Head, role, comments; never a word."""
    await line.begin()
    await line.write(_event(None))
    while True:
        await line.write(b": still thinking\n\n")
        await asyncio.sleep(0.02)


async def _silent(line: _Line) -> None:
    """Takes the question and does not even send a head."""
    await asyncio.sleep(3600)


async def _stalls(line: _Line) -> None:
    await line.first()
    await asyncio.sleep(3600)


async def _stalls_after_finish(line: _Line) -> None:
    await line.begin()
    await line.say(line.words)
    await line.write(_event(None, "stop"))
    await asyncio.sleep(3600)


async def _never_ends(line: _Line) -> None:
    await line.begin()
    while True:
        await line.say(["on and "])
        await asyncio.sleep(0.005)


async def _slow_drip(line: _Line) -> None:
    """Each event in many pieces, yet soon enough after the one before."""
    await line.first()
    while True:
        event = _event("drop ")
        for at in range(0, len(event), 10):
            await line.write(event[at : at + 10])
            await asyncio.sleep(0.004)


async def _byte_drip(line: _Line) -> None:
    """A byte at a time, so that the event takes too long."""
    await line.first()
    for byte in _event("drop " * 20):
        await line.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def _one_long_line(line: _Line) -> None:
    """A megabyte before the first line ends."""
    await line.begin()
    await line.write(_event("x" * LONG_CHARS))
    await line.finish()


async def _line_without_end(line: _Line) -> None:
    await line.first()
    await line.write(b"data: {")
    while True:
        await line.write(b"x" * 65_536)


async def _tiny_chunks(line: _Line) -> None:
    await line.begin()
    many = _event("a") * 1_000
    for _ in range(line.endpoint.tiny_chunks // 1_000):
        await line.write(many)
    await line.finish()


async def _empty(line: _Line) -> None:
    await line.begin()
    await line.finish()


async def _filtered(line: _Line) -> None:
    await line.first()
    await line.write(_event(None, "content_filter") + DONE)


async def _html(line: _Line) -> None:
    await line.begin("text/html")
    await line.write(b"<h1>Welcome to nginx</h1>")


async def _json_error(line: _Line) -> None:
    """An error with the status of a success, as some gateways give."""
    await line.begin("application/json")
    await line.write(b'{"error": {"message": "no", "code": "model_not_found"}}')


async def _endless_html(line: _Line) -> None:
    await line.begin("text/html")
    while True:
        await line.write(b"<p>" * 20_000)


Mode = Callable[[_Line], Awaitable[None]]
MODES: dict[str, Mode] = {
    "well": _well,
    "empty_reasons": _empty_reasons,
    "at_length": _at_length,
    "breaks": _breaks,
    "done_without_reason": _done_without_reason,
    "cuts": _cuts,
    "babbles": _babbles,
    "errs": _errs,
    "says_nothing": _says_nothing,
    "silent": _silent,
    "stalls": _stalls,
    "stalls_after_finish": _stalls_after_finish,
    "never_ends": _never_ends,
    "slow_drip": _slow_drip,
    "byte_drip": _byte_drip,
    "one_long_line": _one_long_line,
    "line_without_end": _line_without_end,
    "tiny_chunks": _tiny_chunks,
    "empty": _empty,
    "filtered": _filtered,
    "html": _html,
    "json_error": _json_error,
    "endless_html": _endless_html,
}
# Refused before any stream: status, headers, and what the endpoint calls it.
REFUSALS: dict[str, tuple[int, dict[str, str], str]] = {
    "refuses": (500, {}, "server_error"),
    "unavailable": (503, {"Retry-After": "1"}, "overloaded"),
    "limited": (429, {}, "rate_limit_exceeded"),
    "limited_shortly": (429, {"Retry-After": "1"}, "rate_limit_exceeded"),
    "limited_long": (429, {"Retry-After": "30"}, "rate_limit_exceeded"),
    "no_credit": (429, {}, "insufficient_quota"),
    "wrong_key": (401, {}, "invalid_api_key"),
    "unknown_model": (404, {}, "model_not_found"),
    "moved": (307, {"Location": "http://127.0.0.1:1/v1/chat/completions"}, ""),
}


def _particular(body: Json) -> web.Response | None:
    """What OpenAI's thinking models say to parameters of older ones."""
    for name in ("max_tokens", "temperature"):
        if name in body:
            error = {"message": f"Unsupported parameter: '{name}'", "param": name, "code": "no"}
            return web.json_response({"error": error}, status=400)
    return None


async def _answer(endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    body = await request.json()
    endpoint.asked.append(body)
    endpoint.keys.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
    words = endpoint.words
    if _is_rewriting(body):
        half = len(endpoint.query) // 2
        words = [endpoint.query[:half], endpoint.query[half:]]
        await asyncio.sleep(endpoint.query_after_s)
    mode = endpoint.modes.pop(0) if endpoint.modes else endpoint.mode
    if mode in REFUSALS:
        status, headers, code = REFUSALS[mode]
        error = {"error": {"message": "no: Which colour?", "code": code}}
        return web.json_response(error, status=status, headers=headers)
    if mode == "particular":
        refused = _particular(body)
        if refused is not None:
            return refused
    line = _Line(endpoint, request, words)
    await MODES.get(mode, _well)(line)
    return line.reply


@contextlib.asynccontextmanager
async def running() -> AsyncGenerator[Endpoint]:
    """The endpoint on a free port of loopback."""
    endpoint = Endpoint()
    app = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        endpoint.began(request)
        try:
            return await _answer(endpoint, request)
        except ConnectionError:  # whoever asked has gone
            return web.Response()
        finally:
            endpoint.ended()

    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    endpoint.url = f"http://{host}:{port}/v1"
    try:
        yield endpoint
    finally:
        await runner.cleanup()

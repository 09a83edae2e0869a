"""An OpenAI-compatible endpoint of our own: real HTTP, and it fails in the ways real ones do."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from chatbot.answering import rewrite


@dataclass
class Endpoint:
    """`mode` says how it answers; `asked` keeps the bodies it got. `query` is what it makes of a
    follow-up, after `query_after_s`.
    """

    url: str = ""
    mode: str = "well"
    words: list[str] = field(default_factory=lambda: ["The lid ", "is red ", "[1]."])
    asked: list[dict[str, Any]] = field(default_factory=list)
    query: str = ""
    query_after_s: float = 0.0

    @property
    def rewritings(self) -> list[dict[str, Any]]:
        """Of what it was asked, the follow-ups it was to make into questions of their own."""
        return [body for body in self.asked if _is_rewriting(body)]


def _is_rewriting(body: dict[str, Any]) -> bool:
    return body["messages"][0]["content"] == rewrite.INSTRUCTIONS


def _event(content: str | None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode()


async def _answer(endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    body = await request.json()
    endpoint.asked.append(body)
    words = endpoint.words
    if _is_rewriting(body):
        half = len(endpoint.query) // 2
        words = [endpoint.query[:half], endpoint.query[half:]]
        await asyncio.sleep(endpoint.query_after_s)
    if endpoint.mode == "refuses":
        return web.json_response({"error": {"message": "no"}}, status=500)
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await reply.prepare(request)
    for number, word in enumerate(words):
        if endpoint.mode == "breaks" and number == 1:
            return reply
        if endpoint.mode == "babbles" and number == 1:
            await reply.write(b"data: {not json\n\n")
            return reply
        if endpoint.mode == "errs" and number == 1:
            await reply.write(b'data: {"error": {"message": "overloaded"}}\n\n')
            return reply
        await reply.write(b": a comment\n\nevent: unknown\n" + _event(word) + b"\n\n")
        await asyncio.sleep(0)
    await reply.write(_event(None, "stop") + b"\n\n")
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    await reply.write(b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n")
    return reply


@contextlib.asynccontextmanager
async def running() -> AsyncGenerator[Endpoint]:
    """The endpoint on a free port of loopback."""
    endpoint = Endpoint()
    app = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(endpoint, request)

    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    endpoint.url = f"http://{host}:{port}/v1"
    try:
        yield endpoint
    finally:
        await runner.cleanup()

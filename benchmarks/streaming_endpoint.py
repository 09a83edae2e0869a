"""A language model's endpoint that knows nothing but is never late: 100 tokens, 50 a second, in
OpenAI's chat completions format.
"""

import asyncio
from itertools import count
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import uvloop
from aiohttp import web

from benchmarks.child import until_closed
from benchmarks.corpus import Writer
from chatbot.serving import bind

TOKENS: Final = 100
TOKENS_PER_S: Final = 50
LONG: Final = b"??"
"""In a question: answer with LONG_TIMES as many tokens."""
LONG_TIMES: Final = 4
STREAM_S: Final = (TOKENS - 1) / TOKENS_PER_S
MODEL: Final = "bench"
_CITED_EVERY: Final = 25
_WORDS: Final = Writer(seed=2).passage(0, TOKENS * 20).split()
_NUMBERS: Final = count(1)


def serve(pipe: Connection) -> None:
    """Say the base URL, then answer until the pipe is closed."""
    uvloop.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    app = web.Application(client_max_size=2**20)
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    with bind("127.0.0.1", 0) as listener:
        await web.SockSite(runner, listener).start()
        pipe.send(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        await until_closed(pipe, str).wait()
        await runner.cleanup()


def text(number: int, *, long: bool = False) -> list[str]:
    """The tokens of answer `number`: no two answers of a run are the same, and each cites [1]."""
    size = TOKENS * (LONG_TIMES if long else 1)
    first = number * 7 % (len(_WORDS) - size)
    said = [f" {word}" for word in _WORDS[first : first + size]]
    said[0] = f"Answer {number}:"
    for at in range(_CITED_EVERY - 1, size, _CITED_EVERY):
        said[at] = " [1]"
    return said


async def _complete(request: web.Request) -> web.StreamResponse:
    """Each token at its own time from the first on: whoever reads late gets no later tokens."""
    asked = await request.read()
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await reply.prepare(request)
    begun = asyncio.get_running_loop().time()
    for at, token in enumerate(text(next(_NUMBERS), long=LONG in asked)):
        wait = begun + at / TOKENS_PER_S - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
        await reply.write(_event({"content": token}, None))
    await reply.write(_event({}, "stop") + _USAGE + b"data: [DONE]\n\n")
    await reply.write_eof()
    return reply


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + msgspec.json.encode(_HEAD | {"choices": [choice]}) + b"\n\n"


_HEAD: Final = {
    "id": "chatcmpl-bench",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": MODEL,
}
_USAGE: Final = (
    b"data: "
    + msgspec.json.encode(
        _HEAD
        | {
            "choices": [],
            "usage": {"prompt_tokens": 1000, "completion_tokens": TOKENS, "total_tokens": 1100},
        }
    )
    + b"\n\n"
)

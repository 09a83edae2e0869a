"""A second opinion on what was found: a port, and any endpoint that speaks the common `/rerank`.

That is Cohere's shape, which Jina, Infinity, vLLM and others share: `{model, query, documents,
top_n}` is answered by `{results: [{index, relevance_score}]}`. A bare list of `{index, score}`,
as Text Embeddings Inference gives, is understood too.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import httpx2
import msgspec
import structlog

from knowledge.search import Hit

log = structlog.get_logger()

PASSAGES_MAX: Final = 30
PASSAGE_CHARS_MAX: Final = 2_000
QUESTION_CHARS_MAX: Final = 2_000
REPLY_BYTES_MAX: Final = 1_000_000
CONNECT_TIMEOUT_S: Final = 2.0
WHOLE_TIMEOUT_S: Final = 4.0


class RerankFailed(Exception):
    """No opinion was to be had; `code` says why: timeout, unreachable, refused or bad_reply."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Reranker(Protocol):
    """Says how well each text answers a question."""

    @property
    def name(self) -> str: ...

    async def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        """One score a text, higher is better, on whatever scale. RerankFailed."""
        ...


class _Result(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Reply(msgspec.Struct):
    results: list[_Result]


class EndpointReranker:
    """`url` is the endpoint's base, with or without `/rerank` at its end."""

    def __init__(self, name: str, *, url: str, key: str = "") -> None:
        self.name = name
        base = url.rstrip("/")
        self._url = base if base.endswith("/rerank") else f"{base}/rerank"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(WHOLE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._client = httpx2.AsyncClient(headers=headers, timeout=timeout)

    async def close(self) -> None:
        await self._client.aclose()

    async def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        body = {
            "model": self.name,
            "query": question,
            "documents": list(texts),
            "top_n": len(texts),
        }
        try:
            async with asyncio.timeout(WHOLE_TIMEOUT_S):
                reply = await self._post(body)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise RerankFailed("timeout") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise RerankFailed("unreachable") from error
        return _scores(reply, len(texts))

    async def _post(self, body: Mapping[str, object]) -> bytes:
        reply = bytearray()
        async with self._client.stream("POST", self._url, json=body) as response:
            if not response.is_success:
                raise RerankFailed("refused")
            async for part in response.aiter_bytes():
                reply += part
                if len(reply) > REPLY_BYTES_MAX:
                    raise RerankFailed("bad_reply")
        return bytes(reply)


async def best_first(reranker: Reranker | None, question: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits in the order that the reranker gives them, each with what it said.

    Without a reranker, or when it fails, they stay as they are.
    """
    if reranker is None or not hits or not question.strip():
        return list(hits)
    asked, rest = hits[:PASSAGES_MAX], hits[PASSAGES_MAX:]
    texts = [_text(hit) for hit in asked]
    try:
        scores = await reranker.rerank(question[:QUESTION_CHARS_MAX], texts)
    except RerankFailed as error:
        log.warning("rerank_failed", code=error.code, model=reranker.name)
        return list(hits)
    told = [
        msgspec.structs.replace(hit, reranked=score)
        for hit, score in zip(asked, scores, strict=True)
    ]
    # Sorting keeps the order of equals: what the reranker cannot tell apart stays as it was.
    return [*sorted(told, key=lambda hit: -(hit.reranked or 0.0)), *rest]


def endpoint(name: str, *, url: str, key: str) -> EndpointReranker | None:
    """The reranker that the settings name, if they name one."""
    return EndpointReranker(name, url=url, key=key) if name and url else None


def _text(hit: Hit) -> str:
    passage = hit.passage
    said = "\n".join(part for part in (passage.title, passage.heading, passage.text) if part)
    return said[:PASSAGE_CHARS_MAX]


def _scores(reply: bytes, count: int) -> list[float]:
    try:
        found = msgspec.json.decode(reply, type=_Reply | list[_Result])
    except msgspec.DecodeError as error:
        raise RerankFailed("bad_reply") from error
    results = found.results if isinstance(found, _Reply) else found
    scores: dict[int, float] = {}
    for result in results:
        score = result.score if result.relevance_score is None else result.relevance_score
        if score is not None and math.isfinite(score):
            scores[result.index] = score
    if len(results) != count or scores.keys() != set(range(count)):
        raise RerankFailed("bad_reply")
    return [scores[index] for index in range(count)]

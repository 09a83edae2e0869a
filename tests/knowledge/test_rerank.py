"""A second opinion over real HTTP; whatever goes wrong leaves the order as it was."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import faqs, followups, rerank
from knowledge.embed import LocalEmbedder
from knowledge.faqs import Draft
from knowledge.models import Models
from knowledge.rerank import EndpointReranker, RerankFailed
from knowledge.retrieve import Retriever
from knowledge.search import Hit
from tests import serving
from tests.knowledge import shelves


@dataclass
class Endpoint:
    """`reply` is made of the body it got; `asked` keeps bodies and keys."""

    url: str = ""
    status: int = 200
    body: bytes | None = None
    after_s: float = 0.0
    bare: bool = False
    asked: list[tuple[dict[str, Any], str]] = field(default_factory=list)


def _reply(endpoint: Endpoint, documents: list[str]) -> bytes:
    """Longer texts are better; the best comes first, as in the services' own replies."""
    name = "score" if endpoint.bare else "relevance_score"
    ranked = sorted(enumerate(documents), key=lambda entry: -len(entry[1]))
    results = [{"index": index, name: len(text) / 10} for index, text in ranked]
    return json.dumps(results if endpoint.bare else {"id": "x", "results": results}).encode()


@pytest.fixture
async def served() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()

    async def answer(request: web.BaseRequest) -> web.Response:
        assert (request.method, request.path) == ("POST", "/v2/rerank")
        body = await request.json()
        endpoint.asked.append((body, request.headers.get("Authorization", "")))
        await asyncio.sleep(endpoint.after_s)
        reply = _reply(endpoint, body["documents"]) if endpoint.body is None else endpoint.body
        return web.Response(status=endpoint.status, body=reply)

    async with serving.running(answer) as port:
        endpoint.url = f"http://127.0.0.1:{port}/v2"
        yield endpoint


@contextlib.asynccontextmanager
async def asking(served: Endpoint) -> AsyncGenerator[EndpointReranker]:
    reranker = EndpointReranker("test-model", url=served.url, key="a-key")
    try:
        yield reranker
    finally:
        await reranker.close()


def hits(*texts: str) -> list[Hit]:
    return [shelves.hit(shelves.found(text)) for text in texts]


def texts(found: list[Hit]) -> list[str]:
    return [hit.passage.text for hit in found]


@pytest.mark.parametrize("bare", [False, True])
async def test_the_endpoint_decides_who_is_first(served: Endpoint, bare: bool) -> None:
    served.bare = bare
    async with asking(served) as reranker:
        found = await rerank.best_first(reranker, "Why?", hits("a", "ccc", "bb"))

    assert texts(found) == ["ccc", "bb", "a"]
    assert [hit.reranked for hit in found] == [0.3, 0.2, 0.1]
    ((body, key),) = served.asked
    assert body == {
        "model": "test-model",
        "query": "Why?",
        "documents": ["a", "ccc", "bb"],
        "top_n": 3,
    }
    assert key == "Bearer a-key"


async def test_no_more_is_sent_than_allowed(served: Endpoint) -> None:
    async with asking(served) as reranker:
        found = await rerank.best_first(reranker, "Why? " * 900, hits(*["x" * 5_000] * 40))

    ((body, _),) = served.asked
    assert len(body["documents"]) == rerank.PASSAGES_MAX
    assert {len(each) for each in body["documents"]} == {rerank.PASSAGE_CHARS_MAX}
    assert len(body["query"]) == rerank.QUESTION_CHARS_MAX
    assert [hit.reranked is None for hit in found] == [False] * 30 + [True] * 10


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_reply"),
        (b"<html>", "bad_reply"),
        (b'{"results": []}', "bad_reply"),
        (b'{"results": [{"index": 0, "relevance_score": 1}]}', "bad_reply"),
        (
            b'{"results": [{"index": 0, "relevance_score": 1},'
            b' {"index": 0, "relevance_score": 1}]}',
            "bad_reply",
        ),
        (
            b'{"results": [{"index": 0, "relevance_score": 1},'
            b' {"index": 7, "relevance_score": 1}]}',
            "bad_reply",
        ),
        (b'{"results": [{"index": 0}, {"index": 1, "relevance_score": 1}]}', "bad_reply"),
        (b" " * (rerank.REPLY_BYTES_MAX + 1), "bad_reply"),
    ],
)
async def test_a_reply_that_is_none_leaves_the_order(
    served: Endpoint, body: bytes, code: str
) -> None:
    served.body = body
    async with asking(served) as reranker:
        before = hits("a", "ccc")
        with pytest.raises(RerankFailed, match=code):
            await reranker.rerank("Why?", ["a", "ccc"])
        after = await rerank.best_first(reranker, "Why?", before)

    assert after == before


async def test_a_refusal_leaves_the_order(served: Endpoint) -> None:
    served.status = 429
    async with asking(served) as reranker:
        before = hits("a", "ccc")
        with pytest.raises(RerankFailed, match="refused"):
            await reranker.rerank("Why?", ["a", "ccc"])

        assert await rerank.best_first(reranker, "Why?", before) == before


async def test_nobody_there_leaves_the_order() -> None:
    async with asking(Endpoint(url="http://127.0.0.1:1")) as reranker:
        before = hits("a", "ccc")
        with pytest.raises(RerankFailed, match="unreachable"):
            await reranker.rerank("Why?", ["a", "ccc"])

        assert await rerank.best_first(reranker, "Why?", before) == before


async def test_who_is_too_slow_is_not_waited_for(
    served: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerank, "WHOLE_TIMEOUT_S", 0.2)
    served.after_s = 5.0
    began = asyncio.get_running_loop().time()
    async with asking(served) as reranker:
        before = hits("a", "ccc")
        with pytest.raises(RerankFailed, match="timeout"):
            await reranker.rerank("Why?", ["a", "ccc"])
        after = await rerank.best_first(reranker, "Why?", before)

    assert after == before
    assert asyncio.get_running_loop().time() - began < 3


async def test_without_a_reranker_nothing_is_asked() -> None:
    before = hits("a", "ccc")

    assert rerank.endpoint("", url="http://127.0.0.1:1", key="") is None
    assert await rerank.best_first(None, "Why?", before) == before


async def test_a_search_asks_it_about_more_than_is_shown(
    served: Endpoint, database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    models = Models(LocalEmbedder())
    for n in range(5):
        draft = Draft(question=f"Kettle {n}?", answer="Kettle. " + "It is red. " * n)
        await faqs.save(database.transaction, models, alder.id, draft)

    async with asking(served) as reranker:
        retriever = Retriever(database.transaction, models, reranker)
        found = await followups.find(retriever, alder.id, "Kettle 0?", limit=2)

    ((body, _),) = served.asked
    assert len(body["documents"]) == 5
    assert [hit.passage.title for hit in found.result.hits] == ["Kettle 4?", "Kettle 3?"]

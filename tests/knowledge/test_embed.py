"""Vectors: local ones without a network, hosted ones over every kind of trouble."""

import json

import httpx2
import numpy as np
import openai
import pytest

from knowledge import embed
from knowledge.embed import BATCH_TEXTS_MAX, HostedEmbedder, LocalEmbedder
from knowledge.errors import KnowledgeError


class Service:
    """An embeddings endpoint that answers as told, then properly."""

    def __init__(self, *first: int) -> None:
        self.statuses = list(first)
        self.batches: list[list[str]] = []

    def embedder(self) -> HostedEmbedder:
        transport = httpx2.MockTransport(self._answer)
        client = openai.AsyncOpenAI(
            api_key="k",
            base_url="http://embeddings.test/v1",
            http_client=httpx2.AsyncClient(transport=transport),
        )
        return HostedEmbedder(client, "tiny")

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        texts: list[str] = json.loads(request.content)["input"]
        self.batches.append(texts)
        if self.statuses:
            return httpx2.Response(self.statuses.pop(0), json={"error": {"message": "no"}})
        data = [
            {"object": "embedding", "index": at, "embedding": [len(text), 4.0]}
            for at, text in reversed(list(enumerate(texts)))
        ]
        return httpx2.Response(200, json={"object": "list", "model": "tiny", "data": data})


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "_BACKOFF_S", 0.0)


async def test_local_vectors_have_length_one_and_near_texts_are_near():
    vectors = await LocalEmbedder().embed(
        ["How do I reset my password?", "I forgot my login secret", "The weather is nice today"]
    )

    assert vectors.shape == (3, LocalEmbedder.dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


async def test_a_text_that_says_nothing_has_a_vector_of_zeros_and_never_nan():
    vectors = await LocalEmbedder().embed(["", "words"])

    assert not vectors[0].any()
    assert np.isfinite(vectors).all()


async def test_hosted_vectors_come_in_order_and_in_batches():
    service = Service()

    vectors = await service.embedder().embed(["x" * n for n in range(1, BATCH_TEXTS_MAX + 3)])

    assert [len(batch) for batch in service.batches] == [BATCH_TEXTS_MAX, 2]
    assert np.allclose(vectors[2], [0.6, 0.8])


async def test_a_passing_failure_is_tried_again_and_a_lasting_one_is_named():
    passing, lasting, refused = Service(503, 429), Service(*[500] * 9), Service(401)

    await passing.embedder().embed(["a"])
    for service in (lasting, refused):
        with pytest.raises(KnowledgeError, match="embedding_failed"):
            await service.embedder().embed(["a"])

    assert [len(service.batches) for service in (passing, lasting, refused)] == [3, 4, 1]

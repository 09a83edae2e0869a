"""Text to vectors: the port, the vectors that come with the package, and any OpenAI-compatible
service.

A row of zeros means "nothing known in this text": it is not stored, and as a question it asks
nothing. The local vectors are WordLlama's (MIT), read straight from its wheel: its own loader
looks in a wrong folder, goes to the network, and divides by zero on such texts.
"""

import asyncio
import random
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import openai
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from knowledge.errors import KnowledgeError

Vectors = NDArray[np.float32]

BATCH_TEXTS_MAX: Final = 64
# A question is embedded in less time than it takes to hand it to a thread and back.
_AT_ONCE_CHARS_MAX: Final = 400
_ATTEMPTS_MAX: Final = 4
_BACKOFF_S: Final = 0.5
_BACKOFF_S_MAX: Final = 20.0
_TIMEOUT: Final = openai.Timeout(30.0, connect=5.0)
_PASSING: Final = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)


class Embedder(Protocol):
    @property
    def model(self) -> str: ...

    @property
    def dimensions(self) -> int | None:
        """None until the first reply, where only the service knows."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, however many there are, of length one or zero. KnowledgeError
        `embedding_failed` when none can be had.
        """
        ...


class LocalEmbedder:
    """Static English-first vectors of 256 dimensions: no key, no network, some 20 µs a passage."""

    model = "wordllama-l2-supercat-256"
    dimensions = 256

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if sum(map(len, texts)) <= _AT_ONCE_CHARS_MAX and _local_model.cache_info().currsize:
            return _embed_locally(list(texts))
        return await asyncio.to_thread(_embed_locally, list(texts))


class HostedEmbedder:
    """Any service that speaks OpenAI's `/embeddings`."""

    def __init__(
        self, client: openai.AsyncOpenAI, model: str, *, dimensions: int | None = None
    ) -> None:
        self.model = model
        self.dimensions = dimensions
        self._asked_dimensions = dimensions
        self._client = client.with_options(timeout=_TIMEOUT, max_retries=0)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        batches = [
            await self._embed_batch(texts[at : at + BATCH_TEXTS_MAX])
            for at in range(0, len(texts), BATCH_TEXTS_MAX)
        ]
        vectors = (
            np.concatenate(batches) if batches else np.zeros((0, self.dimensions or 0), np.float32)
        )
        self.dimensions = vectors.shape[1]
        return vectors

    async def _embed_batch(self, texts: Sequence[str]) -> Vectors:
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                return _unit(await self._ask(texts))
            except _PASSING as error:
                if attempt == _ATTEMPTS_MAX:
                    raise KnowledgeError("embedding_failed") from error
                await asyncio.sleep(_pause_s(attempt, error))
            except openai.OpenAIError as error:
                raise KnowledgeError("embedding_failed") from error
        raise AssertionError("every attempt returns, raises or is followed by another")

    async def _ask(self, texts: Sequence[str]) -> Vectors:
        reply = await self._client.embeddings.create(
            model=self.model,
            # An empty input is refused by most services.
            input=[text or " " for text in texts],
            encoding_format="float",
            dimensions=self._asked_dimensions or openai.omit,
        )
        rows = [item.embedding for item in sorted(reply.data, key=lambda item: item.index)]
        if len(rows) != len(texts) or len({len(row) for row in rows}) != 1:
            raise KnowledgeError(
                "embedding_failed", "The embedding service answered with other vectors."
            )
        return np.asarray(rows, dtype=np.float32)


def _pause_s(attempt: int, error: openai.OpenAIError) -> float:
    if isinstance(error, openai.APIStatusError):
        wanted = error.response.headers.get("retry-after", "")
        if wanted.isdigit():
            return min(float(wanted), _BACKOFF_S_MAX)
    return min(_BACKOFF_S * 2**attempt, _BACKOFF_S_MAX) * random.uniform(0.5, 1.0)  # noqa: S311 (jitter)


def _unit(vectors: Vectors) -> Vectors:
    """Every row at length one; what is not a number or has no length becomes zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    return np.where(usable, vectors / np.where(usable, lengths, 1.0), 0.0).astype(np.float32)


def _embed_locally(texts: list[str]) -> Vectors:
    tokenizer, table = _local_model()
    rows = np.zeros((len(texts), table.shape[1]), np.float32)
    for row, encoded in zip(
        rows, tokenizer.encode_batch(texts, add_special_tokens=False), strict=True
    ):
        if encoded.ids:
            row[:] = table[encoded.ids].mean(axis=0, dtype=np.float32)
    return _unit(rows)


@cache
def _local_model() -> tuple[Tokenizer, NDArray[np.float16]]:
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package wordllama, which holds the local vectors, is not installed")
    folder = Path(spec.origin).parent
    tokenizer = Tokenizer.from_file(
        str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json")
    )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    weights = load_file(folder / "weights" / "l2_supercat_256.safetensors")
    return tokenizer, weights["embedding.weight"]


def hosted(model: str, *, api_key: str, base_url: str) -> HostedEmbedder:
    """The embedder of an endpoint; a key is sent even when it asks for none."""
    return HostedEmbedder(openai.AsyncOpenAI(api_key=api_key or "none", base_url=base_url), model)

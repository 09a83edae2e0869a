"""What our search is measured beside: bm25s over whole documents, and vectors alone.

bm25s (MIT) is for development: without it the column says how to get it.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from knowledge import language
from knowledge.embed import BATCH_TEXTS_MAX, Embedder, Vectors
from knowledge.evaluation.folders import Question, Text
from knowledge.evaluation.measures import DEPTH

try:
    import bm25s
    import Stemmer
except ImportError:  # pragma: no cover (a package for development)
    bm25s = Stemmer = None
# Neither has types.
_BM25S: Final[Any] = bm25s
_STEMMER: Final[Any] = Stemmer

MISSING: Final = "left out: pip install bm25s PyStemmer"
_SAMPLE_CHARS: Final = 200_000
# The languages that bm25s brings stop words for.
_STOP_WORDS: Final = {
    "english": "en",
    "german": "de",
    "dutch": "nl",
    "french": "fr",
    "spanish": "es",
    "portuguese": "pt",
    "italian": "it",
    "russian": "ru",
    "swedish": "sv",
    "norwegian": "no",
    "turkish": "tr",
}


async def bm25(
    corpus: Sequence[Text], questions: Sequence[Question]
) -> dict[str, list[str]] | None:
    """The ten best documents of each question by bm25s with its defaults, and the stemmer and stop
    words of the corpus' language; None when it is not installed.
    """
    if _BM25S is None or _STEMMER is None:
        return None
    return await asyncio.to_thread(_bm25, corpus, questions)


async def vectors(
    corpus: Sequence[Text], questions: Vectors, embedder: Embedder
) -> list[list[str]]:
    """For each question's vector, the ten documents whose whole text is nearest."""
    whole = await embed(embedder, [f"{text.title}\n{text.text}".strip() for text in corpus])
    return await asyncio.to_thread(nearest, whole, [text.id for text in corpus], questions)


async def embed(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """One row a text; in batches, as documents are embedded when they are taken in."""
    batches = [
        await embedder.embed(texts[at : at + BATCH_TEXTS_MAX])
        for at in range(0, len(texts), BATCH_TEXTS_MAX)
    ]
    return np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)


def nearest(rows: Vectors, owners: Sequence[str], questions: Vectors) -> list[list[str]]:
    """The ten owners with the row nearest to each question; an owner of several rows counts by its
    best one.
    """
    names = list(dict.fromkeys(owners))
    numbers = {name: at for at, name in enumerate(names)}
    owned_by = np.asarray([numbers[owner] for owner in owners])
    order = np.argsort(owned_by, kind="stable")
    starts = np.searchsorted(owned_by[order], np.arange(len(names)))
    sorted_rows = rows[order]
    found: list[list[str]] = []
    for question in questions:
        best = np.maximum.reduceat(sorted_rows @ question, starts)
        top = np.argsort(-best, kind="stable")[:DEPTH]
        found.append([names[at] for at in top])
    return found


def _bm25(corpus: Sequence[Text], questions: Sequence[Question]) -> dict[str, list[str]]:
    texts = [f"{text.title} {text.text}".strip() for text in corpus]
    cfg = language.detect("\n".join(texts)[:_SAMPLE_CHARS])
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    index = _BM25S.BM25()
    index.index(_tokens(texts, cfg), show_progress=False)
    asked = _tokens([question.text for question in questions], cfg)
    found, _ = index.retrieve(asked, k=min(DEPTH, len(corpus)), show_progress=False)
    return {
        question.id: [corpus[int(at)].id for at in row]
        for question, row in zip(questions, found, strict=True)
    }


def _tokens(texts: list[str], cfg: str) -> Any:
    stemmer = _STEMMER.Stemmer(cfg) if cfg in _STEMMER.algorithms() else None
    return _BM25S.tokenize(
        texts, stopwords=_STOP_WORDS.get(cfg, []), stemmer=stemmer, show_progress=False
    )

"""Documents of an evaluation on a shelf of their own, and how the suites search them.

Everything goes the way it goes in production: documents are read, split, embedded and shelved as
an upload is, in an organisation that is deleted afterwards, and questions take `followups.find`.
A document stands where the best of its passages stands.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import bands, claims, followups, index, language, postings, preferences, search
from knowledge.bands import Band, Evidence
from knowledge.claims import Placed
from knowledge.embed import Embedder, Vectors
from knowledge.errors import KnowledgeError
from knowledge.evaluation import peers
from knowledge.evaluation.folders import Dataset, DatasetError, Question, Text
from knowledge.ingest import Transactions
from knowledge.models import Models
from knowledge.preferences import Calibration
from knowledge.reading import extract_child, filetype
from knowledge.reading.split import Piece
from knowledge.reading.task import Reply
from knowledge.rerank import Reranker
from knowledge.retrieve import Retriever
from knowledge.search import SearchResult

_DOCUMENTS_A_TRANSACTION: Final = 50


class Organisations(Protocol):
    """Makes an organisation that is deleted, with all it has, when the context ends."""

    def __call__(self) -> AbstractAsyncContextManager[UUID]: ...


class Said(Protocol):
    """Told what is going on, for a person who waits."""

    def __call__(self, doing: str, /) -> None: ...


class Ready(msgspec.Struct, frozen=True):
    """A document as the worker hands it over."""

    text: Text
    pieces: list[Piece]
    cfg: str
    vectors: Any


class Found(msgspec.Struct, frozen=True):
    """What one search gave: documents, best first, and whether they suffice."""

    ranked: list[str]
    band: Band
    evidence: Evidence
    support: float
    seconds: float


class Recalling:
    """An embedder that asks another one once for each text: the same questions are asked of several
    bases, and with several weights.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.model = embedder.model
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}

    @property
    def dimensions(self) -> int | None:
        return self._embedder.dimensions

    async def embed(self, texts: Sequence[str]) -> Vectors:
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        for text, vector in zip(new, await peers.embed(self._embedder, new), strict=True):
            self._known[text] = vector
        if not texts:
            return np.zeros((0, self.dimensions or 0), np.float32)
        return np.stack([self._known[text] for text in texts])


class Rig(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that was read, split and embedded once, and where it can be shelved."""

    data: Dataset
    ready: list[Ready]
    embedder: Recalling
    transactions: Transactions
    organisations: Organisations
    retriever: Retriever
    say: Said

    async def recall(self, questions: Sequence[Question]) -> Vectors:
        """Embed what will be asked, many at once; a row for each question without its history."""
        joined = [followups.together(one.text, one.earlier) for one in questions]
        await self.embedder.embed([both for both in joined if both is not None])
        return await self.embedder.embed([one.text for one in questions])

    @property
    def without_text(self) -> int:
        return len(self.data.corpus) - len(self.ready)


class Shelf(msgspec.Struct, frozen=True):
    """An organisation that has some of the documents; `documents` says which is which."""

    org_id: UUID
    documents: dict[UUID, str]
    rig: Rig

    async def find(
        self, question: str, earlier: Sequence[str] = (), *, standalone: str | None = None
    ) -> Found:
        """As answering searches, but deeper."""
        begun = time.perf_counter()
        followed = await followups.find(
            self.rig.retriever,
            self.org_id,
            question,
            earlier,
            standalone=standalone,
            limit=search.LIMIT_MAX,
        )
        return self._found(followed.result, time.perf_counter() - begun)

    async def find_exactly(self, query: str) -> Found:
        """What these very words find, as if nothing had been said before them."""
        begun = time.perf_counter()
        result = await self.rig.retriever.find(self.org_id, query, limit=search.LIMIT_MAX)
        return self._found(result, time.perf_counter() - begun)

    async def prefer(self, calibration: Calibration) -> None:
        """Search with these weights from now on."""
        async with self.rig.transactions(self.org_id) as db:
            await preferences.calibrate(db, self.org_id, calibration)
        self.rig.retriever.forget(self.org_id)

    def _found(self, result: SearchResult, seconds: float) -> Found:
        ranked = dict.fromkeys(self.documents[hit.passage.document_id] for hit in result.hits)
        support = bands.support(result.evidence, result.scale)
        return Found(list(ranked), result.band, result.evidence, support, seconds)


async def prepare(
    data: Dataset,
    embedder: Embedder,
    transactions: Transactions,
    *,
    organisations: Organisations,
    say: Said,
    reranker: Reranker | None = None,
) -> Rig:
    """Read and embed the folder's documents; those without a word are left out, as in production.

    DatasetError `no_documents` when that leaves none.
    """
    say(f"{data.name}: reading {len(data.corpus):,} documents")
    read = await asyncio.to_thread(_read, data.corpus)
    if not read:
        raise DatasetError("no_documents", f"No document of {data.name} has a word in it.")
    texts = [
        postings.searchable(text.title, piece.heading, piece.text)
        for text, reply in read
        for piece in reply.pieces
    ]
    say(f"{data.name}: embedding {len(texts):,} passages")
    vectors = await peers.embed(embedder, texts)
    ready: list[Ready] = []
    at = 0
    for text, reply in read:
        ready.append(Ready(text, reply.pieces, reply.cfg, vectors[at : at + len(reply.pieces)]))
        at += len(reply.pieces)
    recalling = Recalling(embedder)
    return Rig(
        data=data,
        ready=ready,
        embedder=recalling,
        transactions=transactions,
        organisations=organisations,
        retriever=Retriever(transactions, Models(recalling), reranker),
        say=say,
    )


@asynccontextmanager
async def shelved(rig: Rig, wanted: set[str] | None = None) -> AsyncGenerator[Shelf]:
    """An organisation of its own with the documents, or the `wanted` ones of them."""
    chosen = [one for one in rig.ready if wanted is None or one.text.id in wanted]
    async with rig.organisations() as org_id:
        rig.say(f"{rig.data.name}: shelving {len(chosen):,} documents")
        shelf = Shelf(org_id, {}, rig)
        for at in range(0, len(chosen), _DOCUMENTS_A_TRANSACTION):
            async with rig.transactions(org_id) as db:
                for number, one in enumerate(chosen[at : at + _DOCUMENTS_A_TRANSACTION], start=at):
                    shelf.documents[await _shelve(db, shelf, one, number)] = one.text.id
        rig.say(f"{rig.data.name}: asking")
        yield shelf


def _read(corpus: Sequence[Text]) -> list[tuple[Text, Reply]]:
    """As the child reads a text file, but here: plain text needs no confinement."""
    found: list[tuple[Text, Reply]] = []
    for text in corpus:
        try:
            found.append((text, extract_child.read(filetype.TEXT, text.text.encode())))
        except KnowledgeError as error:
            if error.code != "no_text":
                raise DatasetError(error.code, f"Document “{text.id}”: {error.message}") from error
    return found


async def _shelve(db: AsyncSession, shelf: Shelf, one: Ready, number: int) -> UUID:
    """The document's id. Its `_id` is no word of it: it may well be the answer ("card_lost#3")."""
    document = await index.add(
        db,
        shelf.org_id,
        name=f"{number:07}",
        body=one.text.text.encode(),
        media_type="text/plain",
        title=one.text.title or None,
    )
    claim = await claims.claim(db, shelf.org_id)
    if claim is None or claim.document_id != document.id:
        raise AssertionError("the document that was just added waits, and no other")
    main = await postings.main_language(db, shelf.org_id)
    cfg = language.among("\n".join(piece.text for piece in one.pieces), one.cfg, main)
    placed = await claims.replace_passages(
        db,
        msgspec.structs.replace(claim, title=one.text.title),
        pieces=one.pieces,
        vectors=one.vectors,
        model=shelf.rig.embedder.model,
        cfg=cfg,
        pages=None,
    )
    if placed is not Placed.DONE:
        raise AssertionError("nobody else knows this organisation")
    return document.id

"""One document from the queue to the shelf: claim, extract, embed, replace. Nothing is held in
between.

Each step writes in a short transaction of its own; while a file is read or text is embedded there
is no transaction, no connection and no lock.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import extract, index, postings
from knowledge.embed import BATCH_TEXTS_MAX, Embedder, Vectors
from knowledge.errors import MESSAGES, KnowledgeError
from knowledge.split import Piece
from knowledge.tables import Status

_EXTRACTED: Final = 0.4
_EMBEDDED: Final = 0.9
_REPORT_EVERY_S: Final = 0.5


class Transactions(Protocol):
    """Opens a transaction that sees one organisation and commits at its end."""

    def __call__(self, org_id: UUID, /) -> AbstractAsyncContextManager[AsyncSession]: ...


class _Superseded(Exception):
    """The document was uploaded anew, deleted, or given to another worker: nothing of ours counts
    any more.
    """


async def ingest_next(transactions: Transactions, embedder: Embedder, org_id: UUID) -> bool:
    """Work off the organisation's next document, to ready or to a named failure; False if none
    waits.
    """
    async with transactions(org_id) as db:
        claim = await index.claim(db, org_id)
    if claim is None:
        return False
    try:
        await _ingest(transactions, embedder, claim)
    except _Superseded:
        pass
    except KnowledgeError as error:
        async with transactions(org_id) as db:
            await index.fail(db, claim, error.code, error.message)
    except asyncio.CancelledError:
        async with transactions(org_id) as db:
            await index.release(db, claim)
        raise
    except Exception:
        # The worker logs and maps it; the document must not stay half-way.
        async with transactions(org_id) as db:
            await index.fail(db, claim, "internal", MESSAGES["internal"])
        raise
    return True


async def _ingest(transactions: Transactions, embedder: Embedder, claim: index.Claim) -> None:
    extracted = await extract.extract(claim.media_type, claim.body)
    report = _Report(transactions, claim)
    await report(_EXTRACTED, at_once=True)
    vectors = await _embed(embedder, claim, extracted.pieces, report)
    await report(_EMBEDDED, at_once=True)
    async with transactions(claim.org_id) as db:
        replaced = await index.replace_passages(
            db,
            claim,
            pieces=extracted.pieces,
            vectors=vectors,
            model=embedder.model,
            cfg=extracted.cfg,
            pages=extracted.pages,
        )
    if not replaced:
        raise _Superseded


async def _embed(
    embedder: Embedder, claim: index.Claim, pieces: Sequence[Piece], report: "_Report"
) -> Vectors:
    title = index.title_of(claim.name)
    texts = [postings.searchable(title, piece.heading, piece.text) for piece in pieces]
    batches: list[Vectors] = []
    for at in range(0, len(texts), BATCH_TEXTS_MAX):
        batches.append(await embedder.embed(texts[at : at + BATCH_TEXTS_MAX]))
        await report(_EXTRACTED + (_EMBEDDED - _EXTRACTED) * at / len(texts))
    return np.concatenate(batches)


class _Report:
    """Progress to the row, twice a second at most; raises _Superseded when the claim is gone."""

    def __init__(self, transactions: Transactions, claim: index.Claim) -> None:
        self._transactions = transactions
        self._claim = claim
        self._last = time.monotonic()

    async def __call__(self, share: float, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._last < _REPORT_EVERY_S:
            return
        self._last = time.monotonic()
        async with self._transactions(self._claim.org_id) as db:
            good = await index.progress(db, self._claim, share, Status.INDEXING)
        if not good:
            raise _Superseded

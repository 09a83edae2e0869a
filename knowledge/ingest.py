"""One document from the queue to the shelf: claim, extract, embed, replace. Nothing is held in
between.

Each step writes in a short transaction of its own; while a file is read or text is embedded there
is no transaction, no connection and no lock.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol
from uuid import UUID

import msgspec
import numpy as np
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import claims, language, overrides, postings, preferences
from knowledge.claims import Claim, Placed
from knowledge.embed import BATCH_TEXTS_MAX, Embedder, Vectors
from knowledge.errors import MESSAGES, KnowledgeError
from knowledge.models import Models
from knowledge.reading import extract, filetype
from knowledge.reading.extract import Extracted
from knowledge.reading.split import Piece
from knowledge.tables import DocumentKind, Status

_EXTRACTED: Final = 0.4
_EMBEDDED: Final = 0.9
_REPORT_EVERY_S: Final = 0.5
_TRIES_MAX: Final = 5


class Transactions(Protocol):
    """Opens a transaction that sees one organisation and commits at its end."""

    def __call__(self, org_id: UUID, /) -> AbstractAsyncContextManager[AsyncSession]: ...


class _Superseded(Exception):
    """The document was uploaded anew, deleted, or given to another worker: nothing of ours counts
    any more.
    """


async def ingest_next(transactions: Transactions, models: Models, org_id: UUID) -> bool:
    """Work off the organisation's next document, to ready or to a named failure; False if none
    waits.
    """
    async with transactions(org_id) as db:
        claim = await claims.claim(db, org_id)
    if claim is None:
        return False
    try:
        await _ingest(transactions, models, claim)
    except _Superseded:
        pass
    except KnowledgeError as error:
        async with transactions(org_id) as db:
            await claims.fail(db, claim, error.code, error.message)
    except asyncio.CancelledError:
        async with transactions(org_id) as db:
            await claims.release(db, claim)
        raise
    except OperationalError:
        # The database was in the way: a deadlock, a timeout, a restart.
        async with transactions(org_id) as db:
            await claims.release(db, claim, counted=True)
        raise
    except Exception:
        # The worker logs and maps it; the document must not stay half-way.
        async with transactions(org_id) as db:
            await claims.fail(db, claim, "internal", MESSAGES["internal"])
        raise
    return True


async def _ingest(transactions: Transactions, models: Models, claim: Claim) -> None:
    report = _Report(transactions, claim)
    extracted = await extract.extract(
        _reader_of(claim), _body(transactions, claim), progress=report.read
    )
    content = _digest(claim, extracted)
    await report(_EXTRACTED, at_once=True)
    async with transactions(claim.org_id) as db:
        if await claims.is_unchanged(db, claim, content):
            return
    for _ in range(_TRIES_MAX):
        if await _index(
            transactions, models, claim, extracted=extracted, content=content, report=report
        ):
            return
    raise KnowledgeError("interrupted")


async def _index(
    transactions: Transactions,
    models: Models,
    claim: Claim,
    *,
    extracted: Extracted,
    content: bytes,
    report: "_Report",
) -> bool:
    """Embed and shelve the pieces as people want them now; False when that changed meanwhile."""
    async with transactions(claim.org_id) as db:
        decisions = await overrides.decisions(db, claim.org_id, claim.document_id)
        wanted = await preferences.get(db, claim.org_id)
        cfg = await _language(db, claim, extracted)
    pieces = overrides.apply(extracted.pieces, decisions)
    embedder = models.named(wanted.model)
    vectors = await _embed(embedder, claim, pieces, report)
    await report(_EMBEDDED, at_once=True)
    async with transactions(claim.org_id) as db:
        placed = await claims.replace_passages(
            db,
            claim,
            pieces=pieces,
            vectors=vectors,
            model=embedder.model,
            cfg=cfg,
            pages=extracted.pages,
            decisions=decisions,
            content_sha256=content,
        )
    if placed is Placed.SUPERSEDED:
        raise _Superseded
    return placed is Placed.DONE


async def _body(transactions: Transactions, claim: Claim) -> AsyncGenerator[bytes]:
    first = 0
    while True:
        async with transactions(claim.org_id) as db:
            part = await claims.body_part(db, claim, first)
        if not part:
            return
        yield part
        first += len(part)


def _reader_of(claim: Claim) -> str:
    """Of a website's page only the main content counts; of a file all of it."""
    page = claim.kind is DocumentKind.PAGE and claim.media_type == filetype.HTML
    return filetype.WEB_PAGE if page else claim.media_type


def _digest(claim: Claim, extracted: Extracted) -> bytes:
    """Of all that a passage is found by and shown with."""
    return hashlib.sha256(
        msgspec.json.encode((claim.title, extracted.pages, extracted.cfg, extracted.pieces))
    ).digest()


async def _language(db: AsyncSession, claim: Claim, extracted: Extracted) -> str:
    """A text too short or too terse to tell its language has that of most of the others."""
    main = await postings.main_language(db, claim.org_id)
    sample = "\n".join(piece.text for piece in extracted.pieces)
    return await asyncio.to_thread(language.among, sample, extracted.cfg, main)


async def _embed(
    embedder: Embedder, claim: Claim, pieces: Sequence[Piece], report: "_Report"
) -> Vectors:
    texts = [postings.searchable(claim.title, piece.heading, piece.text) for piece in pieces]
    batches: list[Vectors] = []
    for at in range(0, len(texts), BATCH_TEXTS_MAX):
        batches.append(await embedder.embed(texts[at : at + BATCH_TEXTS_MAX]))
        await report(_EXTRACTED + (_EMBEDDED - _EXTRACTED) * at / len(texts))
    return np.concatenate(batches)


class _Report:
    """Progress to the row, twice a second at most; raises _Superseded when the claim is gone."""

    def __init__(self, transactions: Transactions, claim: Claim) -> None:
        self._transactions = transactions
        self._claim = claim
        self._last = time.monotonic()

    async def read(self, share: float) -> None:
        """How much of the file has been read."""
        await self(_EXTRACTED * share, status=Status.EXTRACTING)

    async def __call__(
        self, share: float, *, status: Status = Status.INDEXING, at_once: bool = False
    ) -> None:
        if not at_once and time.monotonic() - self._last < _REPORT_EVERY_S:
            return
        self._last = time.monotonic()
        async with self._transactions(self._claim.org_id) as db:
            good = await claims.progress(db, self._claim, share, status)
        if not good:
            raise _Superseded

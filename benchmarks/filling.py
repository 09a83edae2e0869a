"""Made-up passages on the shelf, by the verbs that put real ones there."""

from typing import Final
from uuid import UUID

from benchmarks.corpus import Writer
from chatbot.database import Database
from knowledge import claims, index, language, tokens
from knowledge.embed import LocalEmbedder
from knowledge.reading.split import Piece
from knowledge.tables import Status

_PASSAGES_A_DOCUMENT: Final = 500
_EMBEDDER: Final = LocalEmbedder()


async def fill(database: Database, org_id: UUID, writer: Writer, passages: int) -> None:
    """Write so many passages into the organisation, 500 a document."""
    for first in range(0, passages, _PASSAGES_A_DOCUMENT):
        count = min(_PASSAGES_A_DOCUMENT, passages - first)
        texts = [writer.passage(first + at) for at in range(count)]
        vectors = await _EMBEDDER.embed(texts)
        async with database.transaction(org_id) as db:
            await index.add(db, org_id, name=f"{first}.txt", body=str(first).encode())
            claim = await claims.claim(db, org_id)
            if claim is None:
                raise AssertionError("the document that was just added waits")
            await claims.progress(db, claim, 0.5, Status.INDEXING)
            await claims.replace_passages(
                db,
                claim,
                pieces=[Piece(one, None, None, tokens.count(one)) for one in texts],
                vectors=vectors,
                model=_EMBEDDER.model,
                cfg=language.detect(texts[0]),
                pages=None,
            )

"""What the documents say about a question: searched in one organisation, with nothing held
meanwhile.
"""

from uuid import UUID

import msgspec

from chatbot.answering.prompt import Excerpt
from chatbot.conversations.wire import Confidence
from chatbot.database import Database
from knowledge import search
from knowledge.embed import Embedder

PASSAGES_MAX = 6


class Evidence(msgspec.Struct, frozen=True):
    """Passages numbered from 1, best first, and whether they are enough to answer from."""

    band: Confidence
    excerpts: tuple[Excerpt, ...]


async def gather(database: Database, embedder: Embedder, org_id: UUID, query: str) -> Evidence:
    """Embed the query, then search in a short read of its own."""
    vectors = await embedder.embed([query])
    async with database.transaction(org_id) as db:
        found = await search.passages(
            db, org_id, query, vectors[0], model=embedder.model, limit=PASSAGES_MAX
        )
    return Evidence(
        msgspec.convert(found.band.value, Confidence),
        tuple(
            Excerpt(
                n=n,
                passage_id=hit.passage.id,
                document_id=hit.passage.document_id,
                title=hit.passage.title,
                heading=hit.passage.heading,
                url=hit.passage.url,
                page=hit.passage.page,
                text=hit.passage.text,
                score=hit.score,
            )
            for n, hit in enumerate(found.hits, start=1)
        ),
    )

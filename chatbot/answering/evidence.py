"""What the documents say about a question: passages numbered for the answer, each among its
neighbours.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from chatbot.answering import curated
from chatbot.answering.curated import Curated
from chatbot.answering.voice.prompt import Excerpt
from chatbot.conversations.wire import Confidence
from knowledge import followups, search, wordings
from knowledge.retrieve import Retriever
from knowledge.search import Hit, MatchedWord, SearchResult
from knowledge.tables import PassageKind

PASSAGES_MAX = 6
# What the passages may take of a prompt, with what stands around them.
CONTEXT_TOKENS_MAX = 2_400


class Evidence(msgspec.Struct, frozen=True):
    """Passages numbered from 1, best first, and whether they are enough to answer from; `query` is
    what was searched for in the end.
    """

    band: Confidence
    excerpts: tuple[Excerpt, ...]
    found: SearchResult
    query: str
    curated: Curated | None = None


async def gather(
    retriever: Retriever,
    org_id: UUID,
    question: str,
    *,
    earlier: Sequence[str] = (),
    standalone: str | None = None,
    labels: Sequence[str] | None = None,
    widened: bool = False,
) -> Evidence:
    """Search for the question after what was asked `earlier` (or for what a model made of both),
    and fetch what stands around the best passages when asked to. KnowledgeError when the question
    cannot be embedded.
    """
    followed = await followups.find(
        retriever,
        org_id,
        question,
        earlier,
        standalone=standalone,
        labels=labels,
        limit=PASSAGES_MAX,
        reach=int(widened),
    )
    found = followed.result
    asked = followed.query if followed.query == standalone else question
    contexts = [""] * len(found.hits)
    if widened:
        contexts = await retriever.widened(org_id, found, tokens_max=CONTEXT_TOKENS_MAX)
    return Evidence(
        msgspec.convert(found.band.value, Confidence),
        tuple(
            _excerpt(n, hit, context, score)
            for n, (hit, context, score) in enumerate(
                zip(found.hits, contexts, _scores(found.hits), strict=True), start=1
            )
        ),
        found,
        followed.query,
        await curate(retriever, org_id, asked, found.hits),
    )


class Tried(msgspec.Struct, frozen=True):
    """What a question finds, and by which words of it: `query` is what was searched for in the
    end.
    """

    query: str
    found: SearchResult
    words: dict[UUID, list[MatchedWord]]
    curated: Curated | None


async def tried(
    retriever: Retriever,
    org_id: UUID,
    question: str,
    *,
    earlier: Sequence[str] = (),
    labels: Sequence[str] | None = None,
    limit: int = PASSAGES_MAX,
) -> Tried:
    """The same search as for an answer, explained."""
    followed = await followups.find(
        retriever, org_id, question, earlier, labels=labels, limit=limit
    )
    async with retriever.transactions(org_id) as db:
        words = await search.matched_words(db, org_id, followed.query, followed.result)
    served = await curate(retriever, org_id, question, followed.result.hits)
    return Tried(followed.query, followed.result, words, served)


async def curate(
    retriever: Retriever, org_id: UUID, question: str, hits: Sequence[Hit]
) -> Curated | None:
    """The answer among the hits that is to be given word for word, if there is one."""
    if not any(hit.passage.kind == PassageKind.FAQ for hit in hits):
        return None
    async with retriever.transactions(org_id) as db:
        near = await wordings.compare(db, org_id, question, hits)
    return curated.choose(question, near, await retriever.model(org_id))


def _scores(hits: Sequence[Hit]) -> list[float]:
    """From the best on: a second opinion changes who is first, not how good the first is."""
    return sorted((hit.score for hit in hits), reverse=True)


def _excerpt(n: int, hit: Hit, context: str, score: float) -> Excerpt:
    passage = hit.passage
    return Excerpt(
        n=n,
        passage_id=passage.id,
        document_id=passage.document_id,
        version=passage.version,
        title=passage.title,
        heading=passage.heading,
        url=passage.url,
        page=passage.page,
        text=passage.text,
        score=score,
        context=context,
    )

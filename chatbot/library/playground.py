"""HTTP for trying a question: what is found, by which figures, and what the bot would do."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from chatbot.answering import evidence
from chatbot.answering.curated import Curated
from chatbot.answering.evidence import Tried
from chatbot.database import Database
from chatbot.library.views import PassageView
from chatbot.orgs import sites
from chatbot.staff.login import Staff
from knowledge import bands
from knowledge.retrieve import Retriever
from knowledge.search import Hit, MatchedWord

QUERY_CHARS_MAX = 1000
HISTORY_TURNS_MAX = 10
HITS_MAX = 20

Question = Annotated[str, msgspec.Meta(min_length=1, max_length=QUERY_CHARS_MAX)]


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`history` are the visitor's earlier turns, oldest first; `site_id` whose visitor asks (all
    documents are searched without one).
    """

    query: Question
    limit: Annotated[int, msgspec.Meta(ge=1, le=HITS_MAX)] = 10
    history: Annotated[list[Question], msgspec.Meta(max_length=HISTORY_TURNS_MAX)] = []
    site_id: UUID | None = None


class Word(msgspec.Struct, frozen=True):
    """A word of the question in the passage: how rare, how often, and what was written for it."""

    lexeme: str
    idf: float
    tf: int
    corrected_from: str | None


class SearchHit(msgspec.Struct, frozen=True):
    passage: PassageView
    title: str
    url: str | None
    lexical: float
    vector: float
    score: float
    coverage: float
    strength: float
    words: list[Word]
    reranked: float | None


class EvidenceView(msgspec.Struct, frozen=True):
    """Of the best passage, joined to `support` (0 to 1), and where on that the bands begin."""

    coverage: float
    strength: float
    cosine: float
    support: float
    partial_from: float
    answered_from: float


class Correction(msgspec.Struct, frozen=True):
    said: str
    meant: str


class CuratedView(msgspec.Struct, frozen=True):
    """An answer that would be given word for word; `match` is how near its wording is (0 to 1)."""

    document_id: UUID
    question: str
    answer: str
    match: float


class SearchReply(msgspec.Struct, frozen=True):
    """Passages with their scores, and what the bot would do with them; `query` is what was
    searched for in the end.
    """

    items: list[SearchHit]
    band: Literal["answered", "partial", "unknown"]
    evidence: EvidenceView
    query: str
    corrections: list[Correction]
    curated: CuratedView | None


@post("/knowledge/search", status_code=200, operation_id="search_knowledge")
async def search_knowledge(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    retriever: SkipValidation[NamedDependency[Retriever]],
    data: JSONBody[SearchQuery],
) -> SearchReply:
    labels: Sequence[str] | None = None
    if data.site_id is not None:
        async with database.transaction(staff.org_id, actor=staff.actor) as db:
            labels = (await sites.get_site(db, staff.org_id, data.site_id)).labels
    tried = await evidence.tried(
        retriever,
        staff.org_id,
        data.query,
        earlier=data.history,
        labels=labels,
        limit=data.limit,
    )
    return _reply(tried)


HANDLERS = [search_knowledge]


def _reply(tried: Tried) -> SearchReply:
    found = tried.found
    best, scale = found.evidence, found.scale
    return SearchReply(
        items=[_hit(hit, tried.words.get(hit.passage.id, [])) for hit in found.hits],
        band=found.band.value,
        evidence=EvidenceView(
            coverage=best.coverage,
            strength=best.strength,
            cosine=best.cosine,
            support=bands.support(best, scale),
            partial_from=scale.partial_from,
            answered_from=scale.answered_from,
        ),
        query=tried.query,
        corrections=[Correction(said, meant) for said, meant in found.corrections.items()],
        curated=_curated(tried.curated) if tried.curated is not None else None,
    )


def _curated(served: Curated) -> CuratedView:
    return CuratedView(served.document_id, served.question, served.answer, served.match)


def _hit(hit: Hit, words: Sequence[MatchedWord]) -> SearchHit:
    found = hit.passage
    return SearchHit(
        passage=PassageView(
            id=found.id,
            document_id=found.document_id,
            ord=found.ord,
            kind="faq" if found.kind == "faq" else "document",
            heading=found.heading,
            page=found.page,
            text=found.text,
            original=None,
            disabled=False,
            tokens=found.tokens,
        ),
        title=found.title,
        url=found.url,
        lexical=hit.lexical,
        vector=hit.vector,
        score=hit.score,
        coverage=hit.coverage,
        strength=hit.strength,
        words=[Word(each.lexeme, each.idf, each.tf, each.corrected_from) for each in words],
        reranked=hit.reranked,
    )

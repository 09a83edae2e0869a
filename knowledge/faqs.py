"""Questions with answers: a document each, whose passages are the ways to ask it.

What is embedded of such a passage is the wording alone: with the answer beside it the vectors
found the paraphrased questions of banking77 (three wordings an intent) at nDCG@10 0.19 instead of
0.58, and half a question of a real FAQ of 210 entries at 0.56 instead of 0.86. The answer's own
words are found by the postings, which have both.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import Select, delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import audience, index, language, postings, preferences, tokens
from knowledge.embed import Vectors
from knowledge.errors import (
    ANSWER_CHARS_MAX,
    QUESTION_CHARS_MAX,
    URL_CHARS_MAX,
    VARIANTS_MAX,
    KnowledgeError,
)
from knowledge.index import Removed
from knowledge.ingest import Transactions
from knowledge.models import Models
from knowledge.reading import filetype
from knowledge.reading.split import Piece
from knowledge.tables import (
    Document,
    DocumentKind,
    DocumentVersion,
    Faq,
    PassageKind,
    Status,
    new_id,
)

FAQS_MAX: Final = 5_000
PAGE_ROWS_MAX: Final = 100
SOUGHT_CHARS_MAX: Final = 200
_TRIES_MAX: Final = 3
# One writer of an organisation's questions at a time: neither their number nor their names race.
_ONE_WRITER: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('faqs:' || :org, 0))")


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wrote; `checked` says whether it can be kept."""

    question: str
    answer: str
    variants: tuple[str, ...] = ()
    url: str | None = None
    labels: tuple[str, ...] = ()
    word_for_word: bool = True
    enabled: bool = True


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its answer as it is kept."""

    id: UUID
    draft: Draft
    updated_at: datetime


class Shelved(msgspec.Struct, frozen=True):
    """A draft with all that is worked out before a transaction begins."""

    draft: Draft
    cfg: str
    model: str
    vectors: Vectors


def checked(draft: Draft) -> Draft:
    """The draft with its spaces tidied and no wording twice.

    KnowledgeError `bad_question`, `bad_variants`, `bad_answer`, `bad_faq_url` or `bad_labels`.
    """
    question, answer = " ".join(draft.question.split()), draft.answer.strip()
    if not _is_wording(question):
        raise KnowledgeError("bad_question")
    if not answer or len(answer) > ANSWER_CHARS_MAX or "\x00" in answer:
        raise KnowledgeError("bad_answer")
    ways = {key(question): question}
    for variant in (" ".join(each.split()) for each in draft.variants):
        if variant and not _is_wording(variant):
            raise KnowledgeError("bad_variants")
        if variant:
            ways.setdefault(key(variant), variant)
    if len(ways) > VARIANTS_MAX + 1:
        raise KnowledgeError("bad_variants")
    return msgspec.structs.replace(
        draft,
        question=question,
        answer=answer,
        variants=tuple(ways.values())[1:],
        url=_checked_url(draft.url),
        labels=tuple(audience.checked(draft.labels)),
    )


def key(question: str) -> str:
    """By what two questions are the same."""
    return " ".join(question.split()).casefold()


async def save(
    transactions: Transactions,
    models: Models,
    org_id: UUID,
    draft: Draft,
    *,
    faq_id: UUID | None = None,
    most: int = FAQS_MAX,
) -> Entry:
    """Keep a new question, or change the one of that id; it is found once this returns.

    KnowledgeError as `checked`, and `not_found`, `faq_exists`, `too_many_faqs`,
    `embedding_failed`.
    """
    draft = checked(draft)
    for _ in range(_TRIES_MAX):
        (shelved,) = await prepare(transactions, models, org_id, [draft])
        async with transactions(org_id) as db:
            await begin_writing(db, org_id)
            if await is_outdated(db, org_id, shelved.model):
                continue
            document = await _to_change(db, org_id, draft.question, faq_id, most)
            document = await put(db, org_id, shelved, document)
            return _entry(document, draft)
    raise KnowledgeError("faq_busy")


async def prepare(
    transactions: Transactions, models: Models, org_id: UUID, drafts: Sequence[Draft]
) -> list[Shelved]:
    """The drafts with language and vectors; nothing is held while they are embedded."""
    async with transactions(org_id) as db:
        chosen = await preferences.get(db, org_id)
        main = await postings.main_language(db, org_id)
    embedder = models.named(chosen.model)
    wordings = [wording for draft in drafts for wording in ways_to_ask(draft)]
    vectors = await embedder.embed(wordings)
    texts = ["\n".join((*ways_to_ask(draft), draft.answer)) for draft in drafts]
    if main == language.SIMPLE:  # nothing is known yet but what comes now
        main = language.detect("\n".join(texts))
    shelved: list[Shelved] = []
    for draft, said in zip(drafts, texts, strict=True):
        count = len(ways_to_ask(draft))
        cfg = language.detect(said, main)
        shelved.append(Shelved(draft, cfg, embedder.model, vectors[:count]))
        vectors = vectors[count:]
    return shelved


async def begin_writing(db: AsyncSession, org_id: UUID) -> None:
    """Wait until nobody else changes this organisation's questions."""
    await db.execute(_ONE_WRITER, {"org": str(org_id)})


async def is_outdated(db: AsyncSession, org_id: UUID, model: str) -> bool:
    """Whether vectors of `model` are no longer what this organisation searches."""
    return (await preferences.settled(db, org_id, model)).model != model


async def put(
    db: AsyncSession, org_id: UUID, shelved: Shelved, document: Document | None
) -> Document:
    """Write a question with its passages, in place of the given (locked) one if there is one."""
    draft = shelved.draft
    is_new = document is None
    if document is None:
        document = Document(org_id=org_id, id=new_id(), kind=DocumentKind.FAQ, version=0)
        faq = Faq(org_id=org_id, document_id=document.id)
        db.add(document)
    else:
        faq = await db.get_one(Faq, (org_id, document.id), populate_existing=True)
    content = msgspec.json.encode((draft.question, draft.variants, draft.answer, draft.enabled))
    digest = hashlib.sha256(content).digest()
    is_new_text = is_new or document.sha256 != digest
    document.name, document.url, document.labels = draft.question, draft.url, list(draft.labels)
    document.media_type, document.size_bytes = filetype.TEXT, len(content)
    document.sha256, document.progress = digest, 1.0
    document.version += is_new_text
    document.live_version = document.version
    document.passages = len(ways_to_ask(draft)) if draft.enabled else 0
    index.settle(document, Status.READY)
    faq.question, faq.variants, faq.answer = draft.question, list(draft.variants), draft.answer
    faq.word_for_word, faq.enabled = draft.word_for_word, draft.enabled
    await db.flush()
    if is_new:
        db.add(faq)
    if is_new_text:
        await _shelve(db, document, shelved, is_new=is_new)
    await db.flush()
    return document


async def get(db: AsyncSession, org_id: UUID, faq_id: UUID) -> Entry:
    """KnowledgeError `not_found` also for another organisation's."""
    found = await entries(db, org_id, [faq_id])
    if not found:
        raise KnowledgeError("not_found")
    return found[0]


async def entries(db: AsyncSession, org_id: UUID, ids: Sequence[UUID]) -> list[Entry]:
    """Those of the ids that are there, in no order."""
    return await _read(db, _all(org_id).where(Faq.document_id.in_(ids)))


async def page(
    db: AsyncSession,
    org_id: UUID,
    *,
    after: UUID | None = None,
    sought: str = "",
    limit: int = PAGE_ROWS_MAX,
) -> list[Entry]:
    """Newest first; `after` is the id of the last one already seen; `sought` stands in a wording
    or in the answer.
    """
    query = _all(org_id).order_by(Document.id.desc())
    if after is not None:
        query = query.where(Document.id < after)
    if words := sought.strip()[:SOUGHT_CHARS_MAX]:
        wordings = func.array_to_string(Faq.variants, "\n")
        said = (Faq.question, Faq.answer, wordings)
        query = query.where(or_(*(column.icontains(words, autoescape=True) for column in said)))
    return await _read(db, query.limit(min(limit, PAGE_ROWS_MAX)))


async def all_of(db: AsyncSession, org_id: UUID) -> AsyncIterator[Entry]:
    """Every question, newest first."""
    last: UUID | None = None
    while rows := await page(db, org_id, after=last):
        last = rows[-1].id
        for row in rows:
            yield row


async def names(db: AsyncSession, org_id: UUID) -> dict[str, UUID]:
    """Every question by its key."""
    query = select(Document.name, Document.id).where(
        Document.org_id == org_id, Document.kind == DocumentKind.FAQ
    )
    return {key(name): faq_id for name, faq_id in await db.execute(query)}


async def delete_one(db: AsyncSession, org_id: UUID, faq_id: UUID) -> Removed:
    """Remove a question with all that was made of it. KnowledgeError `not_found`."""
    await begin_writing(db, org_id)
    await lock(db, org_id, faq_id)
    return await index.delete(db, org_id, faq_id)


async def lock(db: AsyncSession, org_id: UUID, faq_id: UUID) -> Document:
    """The question's document, nobody else's until the transaction ends."""
    document = await index.lock(db, org_id, faq_id)
    if document.kind != DocumentKind.FAQ:
        raise KnowledgeError("not_found")
    return document


def ways_to_ask(draft: Draft) -> tuple[str, ...]:
    return (draft.question, *draft.variants)


def _is_wording(text: str) -> bool:
    return len(text) <= QUESTION_CHARS_MAX and any(map(str.isalnum, text)) and "\x00" not in text


def _checked_url(url: str | None) -> str | None:
    clean = (url or "").strip()
    if not clean:
        return None
    plain = clean.isprintable() and not any(map(str.isspace, clean))
    if not plain or len(clean) > URL_CHARS_MAX or not clean.startswith(("http://", "https://")):
        raise KnowledgeError("bad_faq_url")
    return clean


async def _to_change(
    db: AsyncSession, org_id: UUID, question: str, faq_id: UUID | None, most: int
) -> Document | None:
    document = await lock(db, org_id, faq_id) if faq_id is not None else None
    taken = await names(db, org_id)
    if taken.get(key(question), faq_id) != faq_id:
        raise KnowledgeError("faq_exists")
    if document is None and len(taken) >= most:
        raise KnowledgeError("too_many_faqs")
    return document


async def _shelve(db: AsyncSession, document: Document, shelved: Shelved, *, is_new: bool) -> None:
    """Take the old passages off; a question that is switched off gets no new ones."""
    draft = shelved.draft
    version = DocumentVersion(
        org_id=document.org_id,
        document_id=document.id,
        version=document.version,
        sha256=document.sha256,
        size_bytes=document.size_bytes,
        media_type=document.media_type,
        cfg=shelved.cfg,
        passages=document.passages,
    )
    db.add(version)
    await db.flush()
    if not is_new:
        await postings.remove(db, document.org_id, document.id)
        await _forget_older(db, document)
    if draft.enabled:
        size = tokens.count(draft.answer)
        await postings.put(
            db,
            document.org_id,
            document.id,
            version=document.version,
            title="",
            pieces=[Piece(draft.answer, way, None, size) for way in ways_to_ask(draft)],
            cfg=shelved.cfg,
            model=shelved.model,
            vectors=shelved.vectors,
            kind=PassageKind.FAQ,
        )


async def _forget_older(db: AsyncSession, document: Document) -> None:
    """A question has no file to go back to; what it said before would only pile up."""
    await db.execute(
        delete(DocumentVersion).where(
            DocumentVersion.org_id == document.org_id,
            DocumentVersion.document_id == document.id,
            DocumentVersion.version < document.version,
        )
    )


def _all(org_id: UUID) -> Select[Document, Faq]:
    both = (Faq.org_id == Document.org_id) & (Faq.document_id == Document.id)
    return (
        select(Document, Faq)
        .join(Faq, both)
        .where(Document.org_id == org_id, Faq.org_id == org_id)
        .execution_options(populate_existing=True)
    )


async def _read(db: AsyncSession, query: Select[Document, Faq]) -> list[Entry]:
    rows = await db.execute(query)
    return [_entry(document, draft_of(document, faq)) for document, faq in rows]


def draft_of(document: Document, faq: Faq) -> Draft:
    return Draft(
        question=faq.question,
        answer=faq.answer,
        variants=tuple(faq.variants),
        url=document.url,
        labels=tuple(document.labels),
        word_for_word=faq.word_for_word,
        enabled=faq.enabled,
    )


def _entry(document: Document, draft: Draft) -> Entry:
    return Entry(id=document.id, draft=draft, updated_at=document.updated_at)

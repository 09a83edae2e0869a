"""Questions with answers: kept, found by every way to ask, changed, switched off; one organisation
at a time.
"""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import text

from chatbot.answering import curated
from chatbot.answering.curated import Curated
from chatbot.database import Database, new_id
from chatbot.orgs.tables import Org
from knowledge import faqcsv, faqimport, faqs, preferences, reembed, wordings
from knowledge.embed import LocalEmbedder, Vectors
from knowledge.errors import KnowledgeError
from knowledge.faqs import Draft, Entry
from knowledge.models import Models
from tests.knowledge import shelves
from tests.knowledge.shelves import LOCAL, find

MODELS = Models(LOCAL)
RETURNS = Draft(
    question="How can I send a kettle back?",
    answer="Put it into any box and write “return” on it. We pay the postage.",
    variants=("What do I do to return my kettle?", "Where is the return label?"),
    url="https://www.example.org/returns",
)
TABLES = (
    "documents",
    "faqs",
    "document_versions",
    "passages",
    "postings",
    "embeddings",
    "lexemes",
)


async def save(database: Database, org: Org, draft: Draft, **more: object) -> Entry:
    return await faqs.save(database.transaction, MODELS, org.id, draft, **more)  # pyright: ignore[reportArgumentType]


async def served(database: Database, org: Org, question: str) -> Curated | None:
    found = await find(database, org, question)
    async with database.transaction(org.id) as db:
        near = await wordings.compare(db, org.id, question, found.hits)
    return curated.choose(question, near, LOCAL.model)


async def counts(database: Database, org: Org) -> dict[str, int]:
    return await shelves.counts(database, org, tables=TABLES)


async def test_a_question_is_found_by_every_way_to_ask_it(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs

    entry = await save(database, alder, RETURNS)
    found = await find(database, alder, "return label, where?")
    foreign = await find(database, birch, "return label, where?")

    assert entry.draft == RETURNS
    best = found.hits[0].passage
    assert (best.kind, best.heading) == ("faq", "Where is the return label?")
    assert (best.text, best.url) == (RETURNS.answer, RETURNS.url)
    assert best.title == RETURNS.question
    assert foreign.hits == []
    assert (await counts(database, alder))["passages"] == 3
    assert set((await counts(database, birch)).values()) == {0}


async def test_the_words_of_the_answer_find_it_too(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    await save(database, alder, RETURNS)
    await save(database, alder, Draft(question="Is it red?", answer="Scarlet, from lid to base."))

    found = await find(database, alder, "Who pays postage?")

    assert found.hits[0].passage.document_id != found.hits[-1].passage.document_id
    assert found.hits[0].passage.text == RETURNS.answer


async def test_a_change_takes_the_place_of_what_was_there(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    entry = await save(database, alder, RETURNS)
    other = Draft(question="Can I send a teapot back?", answer="Yes, within 30 days.")

    changed = await save(database, alder, other, faq_id=entry.id)
    found = await find(database, alder, "return label")

    assert changed.id == entry.id
    assert changed.draft == other
    assert {hit.passage.text for hit in found.hits} == {other.answer}
    after = await counts(database, alder)
    assert [after[name] for name in TABLES[:4]] == [1, 1, 1, 1]
    async with database.transaction(alder.id) as db:
        known = await db.scalars(
            text("select lexeme from lexemes where org_id = :o"), {"o": alder.id}
        )
        assert "kettl" not in set(known)


async def test_a_question_switched_off_is_not_found_until_it_is_switched_on(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    entry = await save(database, alder, RETURNS)
    off = Draft(question=RETURNS.question, answer=RETURNS.answer, enabled=False)

    await save(database, alder, off, faq_id=entry.id)
    hidden = await find(database, alder, RETURNS.question)
    empty = await counts(database, alder)
    await save(database, alder, RETURNS, faq_id=entry.id)
    shown = await find(database, alder, RETURNS.question)

    assert hidden.hits == []
    assert [empty[name] for name in ("faqs", "passages", "postings", "embeddings")] == [1, 0, 0, 0]
    assert len(shown.hits) > 0


async def test_what_is_said_in_few_words_is_read_in_the_language_of_the_others(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    german = "Wie kann ich den Kessel zurückgeben? Das ist nicht schwer, und es kostet dich nichts."
    await save(database, alder, Draft(question="Wie gebe ich ihn zurück?", answer=german))

    await save(database, alder, Draft(question="Kessel?", answer="Blaue Kessel."))

    async with database.transaction(alder.id) as db:
        cfgs = await db.scalars(
            text("select distinct cfg from passages where org_id = :o"), {"o": alder.id}
        )
        assert list(cfgs) == ["german"]


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (Draft(question=" ?! ", answer="a"), "bad_question"),
        (Draft(question="x" * 501, answer="a"), "bad_question"),
        (Draft(question="a\x00", answer="a"), "bad_question"),
        (Draft(question="a", answer="  "), "bad_answer"),
        (Draft(question="a", answer="x" * 4_001), "bad_answer"),
        (Draft(question="a", answer="a", variants=("??",)), "bad_variants"),
        (Draft(question="a", answer="a", variants=tuple(map(str, range(51)))), "bad_variants"),
        (Draft(question="a", answer="a", url="javascript:alert(1)"), "bad_faq_url"),
        (Draft(question="a", answer="a", url="https://a b"), "bad_faq_url"),
        (Draft(question="a", answer="a", labels=("<b>",)), "bad_labels"),
    ],
)
def test_what_cannot_be_kept_has_its_code(draft: Draft, code: str) -> None:
    with pytest.raises(KnowledgeError, match=code):
        faqs.checked(draft)


def test_a_wording_is_kept_once() -> None:
    draft = Draft(question="Is it  red?", answer=" Yes. ", variants=("IS IT RED?", "Red?", "red?"))

    clean = faqs.checked(draft)

    assert (clean.question, clean.variants, clean.answer) == ("Is it red?", ("Red?",), "Yes.")


async def test_a_question_has_one_answer(database: Database, two_orgs: tuple[Org, Org]) -> None:
    alder, birch = two_orgs
    await save(database, alder, RETURNS)
    other = await save(database, alder, Draft(question="Is it red?", answer="Yes."))
    again = Draft(question=RETURNS.question.upper(), answer="No.")

    with pytest.raises(KnowledgeError, match="faq_exists"):
        await save(database, alder, again)
    with pytest.raises(KnowledgeError, match="faq_exists"):
        await save(database, alder, again, faq_id=other.id)
    await save(database, birch, again)

    assert (await counts(database, alder))["faqs"] == 2


async def test_of_many_who_write_the_same_question_one_succeeds(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs

    ended = await asyncio.gather(
        *(save(database, alder, RETURNS) for _ in range(6)), return_exceptions=True
    )

    assert sum(isinstance(each, Entry) for each in ended) == 1
    codes = {each.code for each in ended if isinstance(each, KnowledgeError)}
    assert codes == {"faq_exists"}
    assert (await counts(database, alder))["passages"] == 3


async def test_edits_at_the_same_time_leave_one_of_them_whole(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    entry = await save(database, alder, RETURNS)
    drafts = [
        Draft(question=f"Question {n}?", answer=f"Answer {n}.", variants=(f"Variant {n}?",))
        for n in range(6)
    ]

    await asyncio.gather(*(save(database, alder, each, faq_id=entry.id) for each in drafts))

    async with database.transaction(alder.id) as db:
        kept = await faqs.get(db, alder.id, entry.id)
        rows = await db.execute(
            text("select heading, text from passages where org_id = :o order by ord"),
            {"o": alder.id},
        )
        passages = [tuple(row) for row in rows]
        stats = await db.execute(
            text("select sum(passages), sum(lexemes) from knowledge_stats where org_id = :o"),
            {"o": alder.id},
        )
        n_lex = await db.scalar(
            text("select sum(n_lex) from passages where org_id = :o"), {"o": alder.id}
        )
        assert tuple(stats.one()) == (2, n_lex)
    assert kept.draft in drafts
    assert passages == [
        (kept.draft.question, kept.draft.answer),
        (kept.draft.variants[0], kept.draft.answer),
    ]


async def test_there_are_no_more_questions_than_allowed(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    drafts = [Draft(question=f"Number {n}?", answer="Yes.") for n in range(5)]

    ended = await asyncio.gather(
        *(save(database, alder, draft, most=3) for draft in drafts), return_exceptions=True
    )
    await save(database, birch, drafts[0], most=3)

    codes = [each.code for each in ended if isinstance(each, KnowledgeError)]
    assert codes == ["too_many_faqs"] * 2
    assert (await counts(database, alder))["faqs"] == 3


async def test_a_foreign_question_is_not_there(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    entry = await save(database, alder, RETURNS)

    for org, faq_id in ((birch, entry.id), (alder, new_id())):
        with pytest.raises(KnowledgeError, match="not_found"):
            await save(database, org, RETURNS, faq_id=faq_id)
        async with database.transaction(org.id) as db:
            with pytest.raises(KnowledgeError, match="not_found"):
                await faqs.get(db, org.id, faq_id)
        async with database.transaction(org.id) as db:
            with pytest.raises(KnowledgeError, match="not_found"):
                await faqs.delete_one(db, org.id, faq_id)

    assert (await counts(database, alder))["faqs"] == 1


async def test_deleting_a_question_leaves_nothing(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    entry = await save(database, alder, RETURNS)

    async with database.transaction(alder.id) as db:
        gone = await faqs.delete_one(db, alder.id, entry.id)

    assert (gone.passages, gone.vectors, gone.files) == (3, 3, 0)
    assert set((await counts(database, alder)).values()) == {0}


async def test_questions_are_listed_newest_first_and_sought_by_any_of_their_words(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    await save(database, alder, RETURNS)
    await save(database, alder, Draft(question="Is 100 % a lot?", answer="It is_all."))

    async with database.transaction(alder.id) as db:
        everything = await faqs.page(db, alder.id)
        first = await faqs.page(db, alder.id, limit=1)
        rest = await faqs.page(db, alder.id, after=first[0].id)
        by_variant = await faqs.page(db, alder.id, sought="RETURN LABEL")
        by_sign = await faqs.page(db, alder.id, sought="%")
        by_mark = await faqs.page(db, alder.id, sought="s_a")
    async with database.transaction(birch.id) as db:
        assert await faqs.page(db, birch.id) == []

    assert [entry.draft.question for entry in everything] == ["Is 100 % a lot?", RETURNS.question]
    assert first + rest == everything
    assert [entry.draft.question for entry in by_variant] == [RETURNS.question]
    assert len(by_sign) == len(by_mark) == 1


class Broken(LocalEmbedder):
    """A service that does not answer."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        raise KnowledgeError("embedding_failed")


async def test_without_vectors_nothing_is_written(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    models = Models(Broken())

    with pytest.raises(KnowledgeError, match="embedding_failed"):
        await faqs.save(database.transaction, models, alder.id, RETURNS)

    assert set((await counts(database, alder)).values()) == {0}


async def test_only_the_wording_is_embedded_now_and_when_the_model_changes(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    await save(database, alder, RETURNS)

    found = await find(database, alder, RETURNS.question)
    async with database.transaction(alder.id) as db:
        lacking = await reembed.lacking(db, alder.id, "another-model")

    assert np.isclose(found.hits[0].vector, 1.0, atol=1e-3)
    assert [each.searched for each in lacking] == list(faqs.ways_to_ask(RETURNS))


class Switching(LocalEmbedder):
    """While it works, the organisation moves to another model."""

    def __init__(self, database: Database, org: Org) -> None:
        self.database, self.org = database, org

    async def embed(self, texts: Sequence[str]) -> Vectors:
        async with self.database.transaction(self.org.id) as db:
            row = await preferences.row(db, self.org.id, lock=True)
            row.model = "another-model"
        return await super().embed(texts)


class Other(LocalEmbedder):
    model = "another-model"


async def test_a_model_that_changes_meanwhile_is_asked_instead(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    models = Models(Switching(database, alder), lambda _name: Other())

    await faqs.save(database.transaction, models, alder.id, RETURNS)

    async with database.transaction(alder.id) as db:
        used = await db.scalars(
            text("select distinct model from embeddings where org_id = :o"), {"o": alder.id}
        )
        assert list(used) == ["another-model"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("how can I send a kettle back", 1.0),
        ("What do I do to return my kettle", 1.0),
        ("How can I send my kettle back to you?", 0.85),
    ],
)
async def test_who_asks_in_the_same_words_gets_the_answer_as_it_stands(
    database: Database, two_orgs: tuple[Org, Org], question: str, expected: float
) -> None:
    alder, birch = two_orgs
    entry = await save(database, alder, RETURNS)
    await save(database, alder, Draft(question="Is it red?", answer="Yes."))

    chosen = await served(database, alder, question)

    assert chosen is not None
    assert (chosen.document_id, chosen.answer) == (entry.id, RETURNS.answer)
    assert chosen.match >= expected
    assert await served(database, birch, question) is None


@pytest.mark.parametrize(
    "question",
    [
        "Why can't I send a kettle back?",
        "When can I send a kettle back?",
        "How can I send 2 kettles back?",
        "How can I send a teapot back?",
        "Where are you?",
        "kettle",
        "asdf qwer",
    ],
)
async def test_who_asks_for_something_else_does_not(
    database: Database, two_orgs: tuple[Org, Org], question: str
) -> None:
    alder, _ = two_orgs
    await save(database, alder, RETURNS)
    await save(database, alder, Draft(question="Is it red?", answer="Yes."))

    assert await served(database, alder, question) is None


async def test_an_answer_that_is_not_word_for_word_is_only_found(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    draft = Draft(question="Is it red?", answer="Scarlet.", word_for_word=False)
    await save(database, alder, draft)

    assert await served(database, alder, "Is it red?") is None
    assert (await find(database, alder, "Is it red?")).hits[0].passage.text == "Scarlet."


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        ("Do you support C#?", "Do you support C++?"),
        ("Is 5 $ enough?", "Is 5 € enough?"),
        ("Do you ship parcels >5 kg?", "Do you ship parcels <5 kg?"),
        ("Does it cost 1,5 €?", "Does it cost 15 €?"),
    ],
)
async def test_another_symbol_or_number_is_another_question(
    database: Database, two_orgs: tuple[Org, Org], kept: str, asked: str
) -> None:
    await save(database, two_orgs[0], Draft(question=kept, answer="Yes, we do."))

    other = await served(database, two_orgs[0], asked)
    same = await served(database, two_orgs[0], kept.upper().rstrip("?"))

    assert other is None
    assert same is not None


async def test_every_wording_of_an_answer_is_compared(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    variants = ("parking", "Is there parking for disabled guests?", "parking lot parking garage")
    draft = Draft(question="Is there parking?", answer="Yes, behind it.", variants=variants)
    await save(database, two_orgs[0], draft)

    [shown] = (await find(database, two_orgs[0], "parking lot parking garage")).hits
    async with database.transaction(two_orgs[0].id) as db:
        near = await wordings.compare(db, two_orgs[0].id, draft.question, [shown])

    assert {each.wording for each in near} == {draft.question, *variants}
    assert curated.choose(draft.question, near, LOCAL.model) is not None


async def test_an_import_waits_for_its_questions_before_the_shelf(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    drafts = [Draft(question=f"Question {at}?", answer="Yes.") for at in range(3)]
    last = [await save(database, alder, draft) for draft in drafts][-1]
    table = b"question,answer\n" + b"".join(b"Question %d?,No.\n" % at for at in range(3))
    shelf = text("select pg_advisory_xact_lock(hashtextextended('shelf:' || :o, 0))")

    async with database.transaction(alder.id) as db:
        await faqs.lock(db, alder.id, last.id)
        importing = asyncio.create_task(
            faqimport.take_in(database.transaction, MODELS, alder.id, faqcsv.read(table))
        )
        await asyncio.sleep(0.5)
        # As a worker does that is about to shelve the document it holds.
        await db.execute(shelf, {"o": str(alder.id)})

    assert (await importing).changed == 3

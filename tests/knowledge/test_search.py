"""Hybrid search: what is found, in which order, how sure we are, and never another
organisation's.
"""

import math
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import bands, claims, index, lexical, search
from knowledge.bands import Band, Evidence
from knowledge.embed import LocalEmbedder
from knowledge.errors import KnowledgeError
from knowledge.reading.split import Piece
from knowledge.search import SearchResult
from knowledge.tables import Status

EMBEDDER = LocalEmbedder()
SHOP = {
    "Shipping": "Parcels leave the warehouse on working days and arrive within three days.",
    "Returns": "Goods may be sent back within thirty days; the refund takes five days.",
    "Payment": "We accept cards, bank transfer and invoices for companies.",
    "Warranty": "Electrical devices have a warranty of two years from the day of purchase.",
    "Stores": "Our store in Harbour Street is open from nine to six, except on Sundays.",
}


async def shelve(
    database: Database, org: Org, name: str, texts: list[str], cfg: str = "english"
) -> None:
    """Put passages on the shelf without the detour over a file."""
    async with database.transaction(org.id) as db:
        await index.add(db, org.id, name=name, body=name.encode(), media_type="text/plain")
    async with database.transaction(org.id) as db:
        claim = await claims.claim(db, org.id)
    assert claim is not None
    vectors = await EMBEDDER.embed(texts)
    async with database.transaction(org.id) as db:
        await claims.progress(db, claim, 0.5, Status.INDEXING)
        assert await claims.replace_passages(
            db,
            claim,
            pieces=[Piece(one, None, page, 10) for page, one in enumerate(texts, start=1)],
            vectors=vectors,
            model=EMBEDDER.model,
            cfg=cfg,
            pages=len(texts),
        )


async def ask(
    database: Database, org: Org, question: str, *, by_words: bool = False, limit: int = 12
) -> SearchResult:
    vector = None if by_words else (await EMBEDDER.embed([question]))[0]
    async with database.transaction(org.id) as db:
        return await search.passages(
            db, org.id, question, vector, model=EMBEDDER.model, limit=limit
        )


@pytest.fixture
async def shop(database: Database, two_orgs: tuple[Org, Org]) -> Org:
    for title, body in SHOP.items():
        await shelve(database, two_orgs[0], title, [body])
    return two_orgs[0]


async def test_a_question_finds_its_passage_first_with_all_a_citation_needs(
    database: Database, shop: Org
):
    result = await ask(database, shop, "Within how many days may goods be sent back?")

    first = result.hits[0]
    assert (first.passage.title, first.passage.page, first.passage.ord) == ("Returns", 1, 0)
    assert first.passage.text == SHOP["Returns"]
    assert [hit.score for hit in result.hits] == sorted(
        (hit.score for hit in result.hits), reverse=True
    )
    assert result.band is Band.ANSWERED


async def test_words_are_found_in_their_other_forms_and_titles_count(database: Database, shop: Org):
    assert (await ask(database, shop, "accepting card?", by_words=True)).hits[
        0
    ].passage.title == "Payment"
    assert (await ask(database, shop, "shipping", by_words=True)).hits[
        0
    ].passage.title == "Shipping"


async def test_a_question_in_other_words_is_at_least_offered_its_sources(
    database: Database, shop: Org
):
    result = await ask(database, shop, "How long do I have to send goods back?")

    assert result.hits[0].passage.title == "Returns"
    assert result.band in {Band.PARTIAL, Band.ANSWERED}


async def test_what_the_knowledge_base_does_not_have_is_unknown(database: Database, shop: Org):
    for question in ("Who won the chess championship in 1972?", "the of and", "???", ""):
        assert (await ask(database, shop, question)).band is Band.UNKNOWN


async def test_another_organisation_finds_nothing_and_changes_nothing(
    database: Database, two_orgs: tuple[Org, Org], shop: Org
):
    _, birch = two_orgs
    alone = await ask(database, shop, "warranty of devices")

    await shelve(database, birch, "Secret", ["The warranty of our devices is secret. " * 5])

    assert [
        hit.passage.title for hit in (await ask(database, birch, "warranty of devices")).hits
    ] == ["Secret"]
    assert await ask(database, shop, "warranty of devices") == alone
    async with database.transaction(birch.id) as db:
        leaked = await search.passages(db, shop.id, "warranty", None, model=EMBEDDER.model)
        assert leaked.hits == []
        found = alone.hits[0].passage
        assert await search.neighbours(db, birch.id, [found]) == [[found]]


async def test_scores_are_bm25_and_cosine(database: Database, shop: Org):
    question = "refund within thirty days"

    result = await ask(database, shop, question)

    async with database.transaction(shop.id) as db:
        rows = await db.execute(
            text("select no, n_lex, lexemes::text as lexemes, id from passages where org_id = :o"),
            {"o": shop.id},
        )
        lengths = {row.id: row.n_lex for row in rows}
        terms = list(
            await db.scalars(
                text("select lexeme from unnest(to_tsvector('english', :q))"),
                {"q": lexical.fold(question)},
            )
        )
        frequencies = {
            (row.lexeme, row.id): row.tf
            for row in await db.execute(
                text(
                    "select lexeme, tf, id from postings p"
                    " join passages q on q.org_id = p.org_id and q.no = p.passage_no"
                    " where p.org_id = :o"
                ),
                {"o": shop.id},
            )
        }
    vector = (await EMBEDDER.embed([question]))[0]
    average = sum(lengths.values()) / len(lengths)
    for hit in result.hits:
        expected = 0.0
        for term in terms:
            df = sum(lexeme == term for lexeme, _ in frequencies)
            idf = math.log(1 + (len(lengths) - df + 0.5) / (df + 0.5))
            tf = frequencies.get((term, hit.passage.id), 0)
            expected += (
                idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths[hit.passage.id] / average))
            )
        stored = (await EMBEDDER.embed([f"{hit.passage.text}"]))[0]
        assert hit.lexical == pytest.approx(expected, rel=1e-6)
        assert hit.vector == pytest.approx(float(vector @ stored), abs=2e-3)


async def test_documents_of_several_languages_are_found_each_by_its_own_words(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    await shelve(
        database, alder, "Lieferung", ["Die Pakete werden an Werktagen verschickt."], "german"
    )
    await shelve(database, alder, "退货", ["您可以在三十天内退回商品并获得全额退款。"], "simple")
    await shelve(database, alder, "Delivery", ["Parcels are shipped on working days."], "english")

    for question, title in (
        ("Werden Pakete verschickt?", "Lieferung"),
        ("多少天内可以退回商品", "退货"),
        ("When is my parcel shipped?", "Delivery"),
    ):
        result = await ask(database, alder, question, by_words=True)
        assert result.hits[0].passage.title == title
        # Stop words of one language are no evidence missing in another.
        assert result.hits[0].coverage > 0.5


async def test_a_passage_found_twice_is_shown_once(database: Database, two_orgs: tuple[Org, Org]):
    alder, _ = two_orgs
    for name in ("one", "two", "three"):
        await shelve(database, alder, name, [SHOP["Returns"], SHOP["Stores"]])

    result = await ask(database, alder, "refund", limit=4)

    assert sorted(hit.passage.text for hit in result.hits) == sorted(
        [SHOP["Returns"], SHOP["Stores"]]
    )


async def test_a_vector_alone_finds_what_has_no_word_in_common(database: Database, shop: Org):
    question = "reimbursement deadline"

    assert (await ask(database, shop, question, by_words=True)).hits == []
    assert (await ask(database, shop, question)).hits


async def test_neighbours_come_in_order_and_end_with_the_document(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    await shelve(database, alder, "book", list(SHOP.values()))
    found = [
        (await ask(database, alder, question)).hits[0].passage
        for question in ("warehouse parcels", "invoices for companies")
    ]

    async with database.transaction(alder.id) as db:
        windows = await search.neighbours(db, alder.id, found, reach=1)

    assert [[passage.ord for passage in window] for window in windows] == [[0, 1], [1, 2, 3]]


async def test_a_question_is_data_and_never_syntax(database: Database, shop: Org):
    for question in (
        "'; drop table passages; --",
        "a & b | !c <-> d:*",
        "\\",
        ":org",
        "%s %(org)s",
    ):
        await ask(database, shop, question)

    assert (await ask(database, shop, "warranty")).hits


async def test_an_empty_knowledge_base_answers_nothing(
    database: Database, two_orgs: tuple[Org, Org]
):
    result = await ask(database, two_orgs[0], "anything")

    assert (result.hits, result.band) == ([], Band.UNKNOWN)
    async with database.transaction(two_orgs[0].id) as db:
        with pytest.raises(KnowledgeError):
            await index.passages(db, two_orgs[0].id, uuid4())


@given(
    st.floats(0, 1),
    st.floats(0, 2.2),
    st.floats(-1, 1),
    st.sampled_from([bands.LOCAL, bands.LEXICAL]),
)
def test_more_evidence_never_lowers_the_band(
    coverage: float, strength: float, cosine: float, scale: bands.Scale
):
    order = [Band.UNKNOWN, Band.PARTIAL, Band.ANSWERED]
    less = bands.band(Evidence(coverage, strength, cosine), scale)
    more = bands.band(Evidence(min(1.0, coverage + 0.1), strength + 0.1, cosine + 0.1), scale)

    assert order.index(more) >= order.index(less)


def test_cosines_of_a_model_that_was_not_calibrated_do_not_count():
    weak_words = Evidence(coverage=0.1, strength=0.1, cosine=0.9)

    assert bands.band(weak_words, bands.scale_for("some-hosted-model")) is Band.UNKNOWN
    assert np.isclose(
        bands.support(weak_words, bands.LEXICAL),
        bands.support(Evidence(0.1, 0.1, 0.0), bands.LEXICAL),
    )


async def test_stop_words_of_the_question_do_not_weigh_in_documents_of_another_language(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    kettles = "The warranty on every kettle lasts 36 months from the day of purchase."
    french = (
        "Les résumés de requêtes sont utiles pour les analystes et pour leurs collègues. Ils les "
        "lisent dans une salle de la maison, avec une tasse de thé, et ils sont contents de la "
        "méthode que nous proposons dans cet article pour une base de données du commerce. "
        "Long ago: how the cube is built, and on the top of it what is in the field."
    )
    await shelve(database, alder, "Kettles", [kettles])
    for number in range(4):
        await shelve(database, alder, f"Cups {number}", [f"Cup number {number} holds warm tea."])
    await shelve(database, alder, "Résumés", [french], cfg="french")

    found = await ask(database, alder, "What is the warranty on the kettle?")

    by_words = [hit.passage.title for hit in found.hits if hit.lexical > 0]
    assert by_words == ["Kettles"]
    assert found.band == "answered"


@pytest.mark.parametrize("question", ["x", "What is 7?", "7 x"])
async def test_letters_and_small_numbers_are_no_evidence(
    database: Database, two_orgs: tuple[Org, Org], question: str
) -> None:
    alder, _ = two_orgs
    await shelve(database, alder, "Codes", ["Press x or 7 to leave the menu."])
    for number in range(20, 26):
        await shelve(database, alder, f"Cups {number}", [f"Cup number {number} holds warm tea."])

    found = await ask(database, alder, question)
    beside = await ask(database, alder, "Which menu has 7?")

    assert found.hits[0].passage.title == "Codes"
    assert found.band == "unknown"
    assert beside.band == "answered"

"""What search does beyond matching words: typing errors, repetitions, audiences, neighbours."""

import asyncio
from collections.abc import Sequence

import pytest

from chatbot.answering import evidence
from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import audience, index, language, neardup, retrieve, typos
from knowledge.bands import Band
from knowledge.embed import Embedder, Vectors
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.retrieve import Retriever, widen
from knowledge.search import FoundPassage
from tests.knowledge import shelves

SHIPPING = "Parcels to Norway need a customs declaration and travel for nine days."
PRICES = "A parcel costs eight euros at home and nineteen euros abroad, insurance included."
INTERNAL = "Colleagues refund parcels up to fifty euros without asking the foreman."


async def texts(database: Database, org: Org, question: str, **given: object) -> list[str]:
    labels = given.get("labels")
    found = await shelves.find(
        database, org, question, labels=labels if isinstance(labels, list) else None
    )
    return [hit.passage.text for hit in found.hits]


async def test_a_mistyped_word_finds_what_was_meant_and_says_so(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    await shelves.put(database, alder, "shipping.txt", SHIPPING)
    await shelves.put(database, alder, "prices.txt", PRICES)
    await shelves.put(database, birch, "costums.txt", "Costumes are declared at carnival.")

    found = await shelves.find(database, alder, "custmos decalration")
    right = await shelves.find(database, alder, "customs declaration")

    assert found.hits[0].passage.text == SHIPPING
    assert found.corrections == {"custmo": "custom", "decalr": "declar"}
    assert right.corrections == {}
    assert 0 < found.hits[0].lexical < right.hits[0].lexical
    assert found.evidence.coverage < right.evidence.coverage


async def test_a_single_mistyped_word_is_enough(database: Database, two_orgs: tuple[Org, Org]):
    alder, _ = two_orgs
    await shelves.put(database, alder, "shipping.txt", SHIPPING)

    found = await shelves.find(database, alder, "Norwya")

    assert found.corrections == {"norwya": "norway"}
    assert found.hits[0].lexical > 0


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("pasword", "password"),
        ("passwrod", "password"),
        ("accomodation", "accommodation"),
        ("refnd", "refund"),
        ("cat", None),  # too short: every letter makes another word
        ("xyzzy", None),
        ("b2024", None),
        ("zürich", "züric"),
    ],
)
def test_a_word_is_corrected_only_to_one_that_is_near(word: str, meant: str | None):
    known = [("password", 3), ("accommodation", 2), ("refund", 9), ("car", 5), ("züric", 1)]

    near = typos.closest(word, known) if len(word) >= typos.WORD_CHARS_MIN else None

    assert near == meant


def test_of_two_words_equally_near_the_commoner_one_is_meant():
    assert typos.closest("retrn", [("retorn", 1), ("return", 8)]) == "return"


def test_what_is_said_twice_is_shown_once_unless_a_number_differs():
    said = " ".join(f"word{'abcdefghijklmnopqrstuvwxyz'[at]}" for at in range(24))
    found = [said, said.upper() + "!", said + " besides", "Price 10 euros", "Price 12 euros"]

    kept = neardup.once_each(found, str, 10)

    assert kept == [said, "Price 10 euros", "Price 12 euros"]
    assert neardup.once_each(["b a", "a b"], str, 10) == ["b a", "a b"]
    assert neardup.once_each(found, str, 1) == [said]


async def test_labels_decide_inside_the_search_who_finds_what(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    await shelves.put(database, alder, "prices.txt", PRICES)
    await shelves.put(database, alder, "refunds.txt", INTERNAL, labels=["Staff only", "b2b"])
    question = "parcel euros"

    assert set(await texts(database, alder, question)) == {PRICES, INTERNAL}
    assert await texts(database, alder, question, labels=[]) == [PRICES]
    assert await texts(database, alder, question, labels=["partners"]) == [PRICES]
    assert set(await texts(database, alder, question, labels=["staff only"])) == {PRICES, INTERNAL}


async def test_what_nobody_may_find_takes_no_place_from_what_he_may(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    many = "\n\n".join(f"# Parcel {n}\n\nParcel euros, {n} times parcel euros." for n in range(130))
    await shelves.put(database, alder, "internal.md", many, labels=["staff"])
    await shelves.put(database, alder, "prices.txt", PRICES)

    assert await texts(database, alder, "parcel euros", labels=[]) == [PRICES]


async def test_labels_change_at_once_and_are_listed(database: Database, two_orgs: tuple[Org, Org]):
    alder, birch = two_orgs
    document = await shelves.put(database, alder, "prices.txt", PRICES)

    async with database.transaction(alder.id) as db:
        labelled = await index.label(db, alder.id, document.id, ["  B2B ", "b2b", "Austria"])
        assert labelled.labels == ["austria", "b2b"]
        assert list(await index.labels(db, alder.id)) == ["austria", "b2b"]
    assert await texts(database, alder, "parcel", labels=["shop"]) == []
    async with database.transaction(birch.id) as db:
        assert list(await index.labels(db, birch.id)) == []
        with pytest.raises(KnowledgeError, match="not_found"):
            await index.label(db, birch.id, document.id, [])


@pytest.mark.parametrize("labels", [["x" * 41], ["a,b"], ["-a"], [f"l{n}" for n in range(21)]])
def test_labels_are_short_words(labels: list[str]):
    with pytest.raises(KnowledgeError, match="bad_labels"):
        audience.checked(labels)


def found_passage(n: int, *, heading: str = "h", tokens: int = 10) -> FoundPassage:
    return shelves.found(f"p{n}", heading=heading, tokens=tokens)


def test_neighbours_are_added_while_the_budget_lasts_and_said_once():
    one, two, three, other = (found_passage(n) for n in (1, 2, 3, 4))
    elsewhere = found_passage(5, heading="another")
    windows = [[one, two, three], [two, three, elsewhere], [three, other]]

    assert widen([two, three], windows[:2], 40) == ["p1\np2", "p3"]
    assert widen([two], windows[:1], 20) == ["p1\np2"]
    assert widen([two], windows[:1], 0) == ["p2"]
    assert widen([], [], 100) == []


async def test_the_retriever_widens_what_it_found(database: Database, two_orgs: tuple[Org, Org]):
    alder, _ = two_orgs
    long = " ".join(f"Sentence number {n} tells a little about kettles." for n in range(60))
    await shelves.put(database, alder, "kettles.txt", f"{long} Samovars sing at five o'clock.")
    retriever = Retriever(database.transaction, Models(shelves.LOCAL))

    found = await retriever.find(alder.id, "When do samovars sing?", limit=1)
    [context] = await retriever.widened(alder.id, found, tokens_max=2_000)
    at_once = await retriever.find(alder.id, "When do samovars sing?", limit=1, reach=1)

    assert await retriever.widened(alder.id, at_once, tokens_max=2_000) == [context]
    assert [window[0].id for window in at_once.windows.values()] != [found.hits[0].passage.id]
    assert "Samovars sing" in found.hits[0].passage.text
    assert context.endswith(found.hits[0].passage.text)
    assert len(context) > len(found.hits[0].passage.text)


async def test_every_passage_tells_by_which_words_it_was_found(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    await shelves.put(database, alder, "shipping.txt", SHIPPING)
    await shelves.put(database, alder, "prices.txt", PRICES)
    retriever = Retriever(database.transaction, Models(shelves.LOCAL))

    tried = await evidence.tried(retriever, alder.id, "What does a parcel to Norwya cost?")

    by_text = {hit.passage.text: tried.words[hit.passage.id] for hit in tried.found.hits}
    assert [(each.lexeme, each.corrected_from) for each in by_text[SHIPPING]] == [
        ("norway", "norwya"),
        ("parcel", None),
    ]
    assert {each.lexeme for each in by_text[PRICES]} == {"cost", "parcel"}


async def test_a_terse_text_has_the_language_of_the_others(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    await shelves.put(database, alder, "guide.txt", f"{SHIPPING} It is the way that we do it. " * 4)
    terse = "Kettles, pots, samovars"

    for org, cfg in ((alder, "english"), (birch, language.SIMPLE)):
        document = await shelves.put(database, org, "list.txt", terse)
        assert {row.cfg for row in await shelves.passages(database, org, document)} == {cfg}


class Down:
    """A service that answers late or not at all."""

    model = "hosted-model"
    dimensions = 3

    def __init__(self, *, late: bool) -> None:
        self._late = late

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if self._late:
            await asyncio.sleep(60)
        raise KnowledgeError("embedding_failed")


class AllDown(Models):
    """No model of this install answers."""

    def named(self, model: str | None) -> Embedder:
        return self.current


@pytest.mark.parametrize("late", [True, False])
async def test_without_the_embedding_service_words_alone_find(
    database: Database, two_orgs: tuple[Org, Org], late: bool, monkeypatch: pytest.MonkeyPatch
):
    alder, _ = two_orgs
    await shelves.put(database, alder, "shipping.txt", SHIPPING)
    monkeypatch.setattr(retrieve, "_EMBED_S_MAX", 0.05)
    retriever = Retriever(database.transaction, AllDown(Down(late=late)))

    found = await retriever.find(alder.id, "customs declaration for Norway")

    assert found.hits[0].passage.text == SHIPPING
    assert found.hits[0].vector == 0
    assert found.band is Band.ANSWERED

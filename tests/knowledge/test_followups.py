"""Questions that follow others: the turn before helps, but never where the visitor has gone on."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest

from chatbot.database import Database
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from knowledge import bands, followups, index
from knowledge.bands import LOCAL, Band, Evidence
from knowledge.embed import LocalEmbedder
from knowledge.followups import Said
from knowledge.ingest import ingest_next
from knowledge.models import Models
from knowledge.retrieve import Retriever
from knowledge.search import Hit, SearchResult
from knowledge.tables import new_id
from tests.knowledge import shelves

MODELS = Models(LocalEmbedder())
PAGES = {
    "warranty.txt": "The warranty on every kettle lasts 36 months from the day of purchase. It "
    "covers the heating element, the lid and the switch.",
    "returns.txt": "A kettle that does not please may be sent back within 30 days. We pay the "
    "postage and return the money within a week.",
    "descaling.txt": "Descale the kettle once a month with a spoon of citric acid in a litre of "
    "water and rinse it twice.",
    "opening.txt": "The workshop in Leeds is open from nine to five on working days. Visitors are "
    "welcome on Saturdays in summer.",
    "jobs.txt": "We look for engineers who like small teams. Send an application with a "
    "photograph of something that you repaired.",
    "history.txt": "The company was founded in 1921 by two sisters who repaired bicycles and "
    "lamps before they built their first whistle.",
}
WARRANTY = "How long is the warranty on a kettle?"


@pytest.fixture(scope="module")
async def alder(database: Database) -> Org:
    """One for all tests here: they only ask."""
    org = await sites.create_org(database, "Alder", slug=f"alder-{new_id().hex[-12:]}")
    for name, body in PAGES.items():
        async with database.transaction(org.id) as db:
            await index.add(db, org.id, name=name, body=body.encode())
        assert await ingest_next(database.transaction, MODELS, org.id)
    return org


@pytest.fixture
def retriever(database: Database) -> Retriever:
    return Retriever(database.transaction, MODELS)


def hit(passage_id: UUID, coverage: float, strength: float, cosine: float) -> Hit:
    passage = shelves.found(passage_id=passage_id)
    return shelves.hit(passage, coverage=coverage, strength=strength, cosine=cosine)


def result(hits: Sequence[Hit], **more: object) -> SearchResult:
    best = Evidence(hits[0].coverage, hits[0].strength, hits[0].vector)
    band = bands.band(best, LOCAL)
    return SearchResult(hits=list(hits), band=band, evidence=best, scale=LOCAL, **more)  # pyright: ignore[reportArgumentType]


HERE, THERE = new_id(), new_id()
TOGETHER = result([hit(HERE, 0.6, 0.4, 0.6), hit(THERE, 0.1, 0.1, 0.3)])
STRONG, WEAK, SOME = (0.9, 0.7, 0.6), (0.1, 0.1, 0.2), (0.6, 0.4, 0.4)
RARE = Said(2.0, frozenset(), 2)


def test_a_first_turn_is_searched_as_it_is() -> None:
    assert followups.together("And its price?", []) is None


def test_a_follow_up_is_searched_twice_with_the_turn_before() -> None:
    both = followups.together("And its price?", ["A", "The kettle?"])

    assert both == "And its price?\nAnd its price?\nThe kettle?"


def test_a_long_turn_does_not_push_the_other_out() -> None:
    both = followups.together("x" * 9_000, ["The kettle?" + "y" * 9_000])

    assert both is not None
    assert "The kettle?" in both[: followups.QUERY_CHARS_MAX]


@pytest.mark.parametrize("said", [Said(0.0, frozenset()), Said(0.9, frozenset(), 1)])
def test_a_word_or_two_that_all_know_go_on_from_the_turn_before(said: Said) -> None:
    alone = result([hit(THERE, *STRONG)])

    assert followups.choose(said, alone, TOGETHER) == TOGETHER


@pytest.mark.parametrize("rarity", [0.5, 2.0])
def test_a_whole_question_is_not_pulled_away_by_the_turn_before(rarity: float) -> None:
    weaker = result([hit(HERE, 0.7, 0.5, 0.4), hit(THERE, 0.1, 0.1, 0.3)])
    surer = result([hit(THERE, 1.0, 1.2, 0.6), hit(HERE, 0.9, 0.9, 0.5)])
    in_part = result([hit(THERE, 0.9, 1.2, 0.6), hit(HERE, 0.9, 0.9, 0.5)])

    assert followups.choose(Said(rarity, frozenset(), 2), surer, weaker) is None
    assert followups.choose(Said(rarity, frozenset(), 1), surer, weaker) is not None
    assert followups.choose(Said(rarity, frozenset(), 2), in_part, weaker) is not None


def test_a_turn_that_says_nothing_of_the_passage_stands_alone() -> None:
    elsewhere = result([hit(THERE, *STRONG)])
    little = result([hit(THERE, *STRONG), hit(HERE, *WEAK)])

    assert followups.choose(RARE, elsewhere, TOGETHER) is None
    assert followups.choose(RARE, little, TOGETHER) is None


def test_a_turn_that_speaks_of_the_passage_is_judged_by_the_better_reading() -> None:
    alone = result([hit(THERE, *STRONG), hit(HERE, *SOME)])
    whole = result([hit(HERE, *STRONG)])

    gone_on = followups.choose(RARE, alone, TOGETHER)
    complete = followups.choose(RARE, whole, TOGETHER)

    assert gone_on is not None
    assert gone_on.evidence == TOGETHER.evidence
    assert complete is not None
    assert complete.evidence == Evidence(*STRONG)
    assert complete.band is Band.ANSWERED


def test_a_word_that_nobody_wrote_has_to_be_a_typo_to_go_on() -> None:
    said = Said(0.5, frozenset({"lidd"}), 0)
    alone = result([hit(THERE, 0.0, 0.0, 0.4)])
    mended = result([hit(THERE, 0.0, 0.0, 0.4)], corrections={"lidd": "lid"})

    assert followups.choose(said, alone, TOGETHER) is None
    assert followups.choose(said, mended, TOGETHER) == TOGETHER


async def test_what_a_turn_leaves_out_is_taken_from_the_turn_before(
    retriever: Retriever, alder: Org
) -> None:
    for question in ("And on the lid?", "Why?", "And for how many months?"):
        found = await followups.find(retriever, alder.id, question, ["Hello", WARRANTY])
        assert found.result.hits[0].passage.title == "warranty", question
        assert found.result.band is not Band.UNKNOWN, question


@pytest.mark.parametrize(
    "question",
    [
        *["asdf qwer", "lkjh", "do you sell pizza?", "what is the capital of France?"],
        *["x", "What is 36?", "a b 9"],
    ],
)
async def test_nonsense_and_other_topics_end_unknown_after_a_good_question(
    retriever: Retriever, alder: Org, question: str
) -> None:
    found = await followups.find(retriever, alder.id, question, [WARRANTY])

    alone = await followups.find(retriever, alder.id, question)

    assert found.query == question
    assert found.result.band is Band.UNKNOWN
    assert alone.result.band is Band.UNKNOWN


async def test_a_new_question_of_its_own_is_answered_as_if_it_were_the_first(
    retriever: Retriever, alder: Org
) -> None:
    question = "When is the workshop in Leeds open?"

    first = await followups.find(retriever, alder.id, question)
    later = await followups.find(retriever, alder.id, question, [WARRANTY])

    assert first.result.band is Band.ANSWERED
    assert later.result.band is Band.ANSWERED
    assert later.result.hits[0].passage.title == "opening"


async def test_no_more_is_given_than_asked_for(
    retriever: Retriever, alder: Org, two_orgs: tuple[Org, Org]
) -> None:
    _, birch = two_orgs

    alone = await followups.find(retriever, alder.id, "asdf kettle", [WARRANTY], limit=2)
    foreign = await followups.find(retriever, birch.id, "And on the lid?", [WARRANTY])

    assert len(alone.result.hits) == 2
    assert foreign.result.hits == []
    assert foreign.result.band is Band.UNKNOWN


async def test_what_a_model_made_of_it_is_searched(retriever: Retriever, alder: Org) -> None:
    standalone = "May I send a kettle back?"

    found = await followups.find(
        retriever, alder.id, "And that one?", [WARRANTY], standalone=standalone
    )

    assert found.query == standalone
    assert found.result.hits[0].passage.title == "returns"


@pytest.mark.parametrize(
    ("question", "standalone"),
    [("asdf qwer", WARRANTY), ("And on the lid?", "Who won the football match?")],
)
async def test_a_model_is_not_believed_where_it_cannot_be_right(
    retriever: Retriever, alder: Org, question: str, standalone: str
) -> None:
    found = await followups.find(retriever, alder.id, question, [WARRANTY], standalone=standalone)

    assert found.query != standalone


async def test_words_are_told_apart_from_stop_words_and_unknown_ones(
    database: Database, retriever: Retriever, alder: Org
) -> None:
    async with database.transaction(alder.id) as db:
        said = await followups.turn(db, alder.id, "What is a kettle, asdf?")
        nothing = await followups.turn(db, alder.id, "what?")

    assert said.unknown == {"asdf"}
    assert said.known == 1
    assert 1 < said.rarity < 2
    assert nothing == Said(0.0, frozenset(), 0, 1)
    assert not said.is_nonsense
    assert np.isfinite(said.rarity)

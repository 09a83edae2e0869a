"""Questions to ask next: what was found beside the answer and reads like a question or a topic."""

from uuid import UUID, uuid4

import pytest

from chatbot.answering.curated import Curated
from chatbot.answering.evidence import Evidence
from chatbot.answering.voice import suggestions
from chatbot.conversations.wire import Confidence
from knowledge import bands, search
from knowledge.bands import Band
from knowledge.search import FoundPassage, Hit, SearchResult

MANUAL = uuid4()


def hit(
    heading: str | None, *, kind: str = "document", document: UUID = MANUAL, score: float = 0.8
) -> Hit:
    passage = FoundPassage(
        id=uuid4(),
        no=1,
        document_id=document if kind == "document" else uuid4(),
        version=1,
        ord=0,
        kind=kind,
        title=(heading or "") if kind == "faq" else "Manual",
        url=None,
        heading=heading,
        page=None,
        text="It is so.",
        tokens=4,
    )
    return Hit(passage=passage, lexical=1, vector=0.5, score=score, coverage=0.5, strength=0.3)


def found(
    *hits: Hit,
    band: Confidence = "answered",
    query: str = "How long is it?",
    curated: Curated | None = None,
) -> Evidence:
    result = SearchResult(
        hits=list(hits),
        band=Band(band),
        evidence=search.Evidence(0.5, 0.5, 0.5),
        scale=bands.LOCAL,
    )
    return Evidence(band, (), result, query, curated)


def test_answered_questions_come_before_titles_and_three_are_enough() -> None:
    evidence = found(
        hit("Warranty"),
        hit("Manual › Repairs abroad"),
        hit("Who pays for the parcel?", kind="faq"),
        hit("Manual › How do I register?"),
        hit("Manual › Spare parts"),
    )

    assert suggestions.of(evidence, [1]) == [
        "Who pays for the parcel?",
        "Repairs abroad",
        "How do I register?",
    ]


def test_what_was_asked_or_served_is_not_suggested() -> None:
    served = hit("Who pays for the parcel?", kind="faq")
    curated = Curated(served.passage.document_id, served.passage.id, "Who pays?", "We do.", 1.0)

    asked = found(
        hit("Warranty terms"),
        hit("Is it waterproof?", kind="faq"),
        hit("Manual › Warranty terms"),
        query="is it WATERPROOF",
    )
    given = found(served, hit("Where is it made?", kind="faq"), curated=curated)

    assert suggestions.of(asked, [1]) == []
    assert suggestions.of(given, [1]) == ["Where is it made?"]


def test_the_same_topic_is_suggested_once() -> None:
    evidence = found(
        hit(None), hit("Spare parts"), hit("A › Spare parts"), hit("Spare parts?", kind="faq")
    )

    assert suggestions.of(evidence, [1]) == ["Spare parts?"]


def test_titles_of_documents_that_are_not_cited_are_left_out() -> None:
    evidence = found(hit("Warranty terms"), hit("Spare parts", document=uuid4()))

    assert suggestions.of(evidence, [1]) == []


@pytest.mark.parametrize(
    "heading",
    [
        "x" * 81,
        "NOTE 11. COMMITMENTS",
        "3.1 Operating segments",
        "Chapter 4",
        "glxz-10k.htm",
        "See https://example.org/a",
        "OS-Other information 30 06 2023",
        "as follows:",
        "Index",
        "<b>Bold title</b>",
        None,
    ],
)
def test_what_is_no_question_and_no_topic_is_left_out(heading: str | None) -> None:
    assert suggestions.of(found(hit("Warranty terms"), hit(heading)), [1]) == []


@pytest.mark.parametrize(
    "heading", ["¿Cómo devuelvo algo?", "반품 안내", "退货说明", "Wie geht das?"]
)
def test_titles_of_other_languages_are_suggested_as_they_stand(heading: str) -> None:
    assert suggestions.of(found(hit("Warranty terms"), hit(heading)), [1]) == [heading]


def test_nothing_is_suggested_where_nothing_was_known_or_little_fits() -> None:
    faq = hit("Who pays for the parcel?", kind="faq")
    far = hit("Who pays for the parcel?", kind="faq", score=0.1)

    assert suggestions.of(found(faq, band="unknown"), []) == []
    assert suggestions.of(found(hit("Warranty"), far), [1]) == []
    assert suggestions.of(found(), []) == []

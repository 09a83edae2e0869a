"""When an answer is given word for word: the same question, and certainly that one."""

from uuid import uuid4

import pytest

from chatbot.answering import curated
from knowledge.bands import LOCAL_MODEL
from knowledge.wordings import Wording


def wording(
    text: str,
    *,
    overlap: float = 0.95,
    cosine: float = 0.95,
    exact: bool = False,
    word_for_word: bool = True,
) -> Wording:
    return Wording(
        document_id=uuid4(),
        passage_id=uuid4(),
        question=text,
        wording=text,
        answer=f"Answer to {text}",
        word_for_word=word_for_word,
        overlap=overlap,
        cosine=cosine,
        exact=exact,
    )


RETURN = "How do I return a kettle?"


def is_served(question: str, *found: Wording, model: str = LOCAL_MODEL) -> bool:
    return curated.choose(question, found, model) is not None


def test_a_close_wording_is_served_with_its_match() -> None:
    near = wording(RETURN, overlap=0.9, cosine=1.0)

    chosen = curated.choose("How can I return my kettle?", [near], LOCAL_MODEL)

    assert chosen is not None
    assert (chosen.answer, chosen.match) == (near.answer, pytest.approx(0.95))
    assert chosen.document_id == near.document_id


def test_nothing_found_is_nothing_served() -> None:
    assert not is_served(RETURN)


@pytest.mark.parametrize(("overlap", "cosine"), [(0.8, 0.85), (1.0, 0.6), (0.6, 1.0), (0.0, 0.0)])
def test_a_wording_that_is_not_near_enough_is_not_served(overlap: float, cosine: float) -> None:
    assert not is_served("How can I return it?", wording(RETURN, overlap=overlap, cosine=cosine))


def test_the_same_words_are_served_whatever_the_vectors_say() -> None:
    assert is_served(RETURN, wording(RETURN, overlap=0.0, cosine=0.0, exact=True))
    assert is_served(RETURN, wording(RETURN, exact=True), wording("How do I return a cup?"))


def test_of_two_answers_nearly_as_near_none_is_served() -> None:
    one, other = wording(RETURN), wording("How do I return a cup?", overlap=0.9, cosine=0.9)

    assert not is_served("How can I return it?", one, other)
    assert is_served("How can I return it?", one)


def test_two_wordings_of_one_answer_do_not_compete() -> None:
    one = wording(RETURN)
    same = Wording(
        document_id=one.document_id,
        passage_id=uuid4(),
        question=one.question,
        wording="How can a kettle be returned?",
        answer=one.answer,
        word_for_word=True,
        overlap=0.94,
        cosine=0.94,
        exact=False,
    )

    assert is_served("How can I return it?", one, same)


@pytest.mark.parametrize(
    ("question", "known"),
    [
        ("When was it founded?", "Where was it founded?"),
        ("Who founded it?", "When was it founded?"),
        ("Why should I return it?", "How should I return it?"),
        ("How much is it?", "How is it?"),
        ("How long is it?", "How much is it?"),
        ("I can't return it", "I can return it"),
        ("I can’t return it", "I can return it"),
        ("Is it not red?", "Is it red?"),
        ("May I return it after 60 days?", "May I return it after 30 days?"),
        ("Wann kommt es?", "Wo kommt es her?"),
        ("Das geht nicht", "Das geht"),
        ("Wie viele sind es?", "Wie sind sie?"),
        ("¿Cuándo llega?", "¿Dónde llega?"),
        ("Ce n'est pas rouge", "C'est rouge"),
    ],
)
def test_who_asks_for_something_else_is_not_served(question: str, known: str) -> None:
    assert not is_served(question, wording(known))
    assert is_served(known.lower(), wording(known)), "the wording itself would be"


def test_without_known_cosines_words_alone_decide() -> None:
    assert is_served(RETURN, wording("x", overlap=0.95, cosine=0.0), model="hosted")
    assert not is_served(RETURN, wording("x", overlap=0.88, cosine=1.0), model="hosted")


def test_an_answer_that_may_be_put_in_other_words_is_not_served() -> None:
    assert not is_served(RETURN, wording(RETURN, exact=True, word_for_word=False))

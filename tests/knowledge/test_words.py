"""Folding of words, language detection, token counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge import language, lexical, tokens


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("The “quick” and/or brown—fox’s", "the quick and or brown fox s"),
        ("costs 1,000.50 in v3.11. Yes.", "costs 1000.50 in v3.11 yes"),
        ("ＡＢＣ ﬁsh naïve", "abc fish naïve"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("北京大学在哪里？ABC", "北京 京大 大学 学在 在哪 哪里 abc"),
        ("我", "我"),
    ],
)
def test_words_are_folded_alike_for_passages_and_questions(text: str, folded: str):
    assert lexical.fold(text) == folded


@given(st.text())
def test_folding_leaves_short_words_between_single_spaces(text: str):
    folded = lexical.fold(text)

    assert folded == " ".join(folded.split())
    assert all(len(word) <= 64 for word in folded.split())


@pytest.mark.parametrize(
    ("text", "cfg"),
    [
        ("Our opening hours are Monday to Friday.", "english"),
        ("Wir haben von Montag bis Freitag geöffnet und am Samstag nicht.", "german"),
        ("Nous sommes ouverts du lundi au vendredi pour vous.", "french"),
        ("El pedido llega en una semana, ¿cómo está usted?", "spanish"),
        ("Det er en god dag i dag og vi kan ikke klage af det", "danish"),
        ("Det er en god dag i dag og vi kan ikke klage av det", "norwegian"),
        ("Привет, как дела у вас сегодня", "russian"),
        ("Привіт, як у вас справи, її немає", "simple"),
        ("Αυτό είναι ένα κείμενο", "greek"),
        ("北京大学在哪里", "simple"),
        ("price list SKU 1234 EUR", "simple"),
        ("", "simple"),
    ],
)
def test_the_language_is_told_by_script_and_common_words(text: str, cfg: str):
    assert language.detect(text) == cfg


def test_tokens_are_counted_offline_and_special_ones_as_plain_text():
    assert tokens.count("hello world") == 2
    assert tokens.count("<|endoftext|>") > 1


@given(st.text(max_size=60), st.integers(0, 20))
def test_clipped_text_begins_like_the_text_and_fits(text: str, tokens_max: int):
    clipped = tokens.clip(text, tokens_max)

    assert text.startswith(clipped)
    assert tokens.count(clipped) <= max(tokens_max, 0)


def test_words_of_asking_are_left_out_unless_nothing_else_is_said():
    assert language.without_fillers("how much does flange 37 cost") == "how does flange 37 cost"
    assert language.without_fillers("how many please") == "how"
    assert language.without_fillers("much please") == "much please"


def test_letters_and_small_numbers_name_nothing_by_themselves():
    assert all(map(lexical.is_sign, ["x", "7", "42", "4.5", "é"]))
    assert not any(map(lexical.is_sign, ["ok", "429", "2026", "茶", "b2"]))

"""Courtesies in seven languages: answered when nothing else is said."""

import pytest

from chatbot.answering.voice import phrases, smalltalk
from chatbot.answering.voice.phrases import Phrase

COURTESIES = {
    Phrase.GREETING: (
        "Hello",
        "hi there!",
        "Good morning everyone",
        "Guten Tag",
        "Moin moin",
        "Grüß Gott",
        "Bonjour",
        "salut !",
        "¡Hola!",
        "Buenos días",
        "Ciao",
        "Buongiorno",
        "Olá",
        "Bom dia",
        "Hoi",
        "Goedemorgen",
    ),
    Phrase.WELCOME: (
        "thank you very much",
        "thx",
        "ok thanks",
        "Vielen Dank",
        "Alles klar, danke",
        "Danke schön",
        "Merci beaucoup",
        "Muchas gracias",
        "Grazie mille!",
        "Muito obrigada",
        "dank u wel",
        "Hello and thank you",
    ),
    Phrase.GOODBYE: (
        "bye",
        "thanks, bye",
        "Vielen Dank und tschüss",
        "Auf Wiedersehen",
        "Au revoir",
        "¡Hasta luego!",
        "Arrivederci",
        "Tchau",
        "Tot ziens",
    ),
    Phrase.HOW_ARE_YOU: (
        "how are you?",
        "Hi, how are you",
        "Wie geht’s?",
        "Ça va ?",
        "¿Qué tal?",
        "Come stai?",
        "Tudo bem?",
        "Hoe gaat het?",
    ),
    Phrase.ALRIGHT: (
        "ok",
        "Okay.",
        "no thanks",
        "nein danke",
        "d'accord",
        "de acuerdo",
        "va bene",
        "está bem",
        "nee bedankt",
    ),
    Phrase.A_BOT: (
        "Are you a bot?",
        "hello, are you human?",
        "Am I talking to a real person?",
        "Bist du ein Roboter?",
        "Sind Sie ein Mensch?",
        "Êtes-vous un robot ?",
        "¿Eres un robot?",
        "Sei un bot?",
        "Você é um robô?",
        "Ben je een robot?",
    ),
}


@pytest.mark.parametrize(
    ("phrase", "text"), [(phrase, text) for phrase, said in COURTESIES.items() for text in said]
)
def test_a_courtesy_is_returned_in_kind_and_in_the_language_of_the_answer(
    phrase: Phrase, text: str
) -> None:
    assert smalltalk.courtesy(text) is phrase
    assert smalltalk.reply(text, "it") == phrases.say(phrase, "it")


@pytest.mark.parametrize(
    "text",
    [
        "hello, how long is the warranty",
        "good warranty?",
        "thanks?",
        "ok?",
        "",
        "!!!",
        "👍",
        "hi kettle",
        "good price",
        "no refund",
        "are you open",
        "how are you made?",
        "Was kostet das, danke",
        "hi 5",
        "hello " * 20,
        "bonjour" * 1_000,
    ],
)
def test_a_question_is_no_courtesy(text: str) -> None:
    assert smalltalk.reply(text) is None


def test_a_greeting_is_returned_by_name_where_the_bot_has_one() -> None:
    assert smalltalk.reply("Hallo", "de", name="Ada") == (
        "Guten Tag, ich bin Ada. Was möchten Sie wissen?"
    )
    assert smalltalk.reply("Hallo", "de", name="Assistant") == "Guten Tag! Was möchten Sie wissen?"


@pytest.mark.parametrize(
    ("text", "language"),
    [("Danke", "de"), ("Merci !", "fr"), ("¡Gracias!", "es"), ("Grazie", "it"), ("Obrigado", "pt")],
)
def test_a_courtesy_tells_its_language(text: str, language: str) -> None:
    assert phrases.language_of(text, locale="en", policy="visitor") == language

"""Greetings, thanks and goodbyes: answered without a search. Pure."""

import re

_WORDS = re.compile(r"[^\W\d_]+")
WORDS_MAX = 4
_GREETINGS = {"hello", "hi", "hey", "hallo", "moin", "servus", "bonjour", "hola", "ciao"}
_GREETING_FILL = {
    "there",
    "good",
    "morning",
    "day",
    "afternoon",
    "evening",
    "guten",
    "tag",
    "zusammen",
}
_THANKS = {"thanks", "thank", "thx", "danke", "merci", "gracias", "grazie"}
_THANKS_FILL = {
    "you",
    "very",
    "much",
    "a",
    "lot",
    "so",
    "schön",
    "sehr",
    "vielen",
    "dank",
    "beaucoup",
}
_GOODBYES = {"bye", "goodbye", "tschüss", "ciao", "adieu"}

GREETING = "Hello! What would you like to know?"
WELCOME = "You are welcome. Is there anything else you would like to know?"
GOODBYE = "Goodbye! You can come back to this conversation at any time."


def reply(text: str) -> str | None:
    """The reply to a message that is nothing but a courtesy; None for anything else."""
    words = [word.lower() for word in _WORDS.findall(text)]
    if not 0 < len(words) <= WORDS_MAX or "?" in text:
        return None
    if words[0] in _GREETINGS | {"good", "guten"} and set(words) <= _GREETINGS | _GREETING_FILL:
        return GREETING
    if set(words) & (_THANKS | {"dank"}) and set(words) <= _THANKS | _THANKS_FILL:
        return WELCOME
    if set(words) <= _GOODBYES:
        return GOODBYE
    return None

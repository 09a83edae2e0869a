"""How text becomes the words that search compares: the same for passages and for questions. Pure.

Postgres' parser depends on the cluster's locale (under "C" it takes curly quotes for letters) and
knows no words in scripts written without spaces. So text is folded here first: lower case,
compatibility forms unified, punctuation gone, and runs of Chinese, Japanese, Korean, Thai, Lao,
Khmer and Burmese replaced by their overlapping pairs of characters. Stemming and stop words stay
with Postgres.
"""

import re
import unicodedata
from typing import Final

# Thai and Lao, Burmese, Khmer, kana, ideographs, hangul.
_DENSE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
_DENSE_RUN: Final = re.compile(f"[{_DENSE}]+")
_DIGIT_GROUPS: Final = re.compile(r"(?<=\d),(?=\d)")
_LONE_POINT: Final = re.compile(r"(?<!\d)\.|\.(?!\d)")
# Postgres refuses lexemes of 2,047 bytes; nobody asks for a word of more than 64 characters.
_WORD_CHARS_MAX: Final = 64
_SIGN_DIGITS_MAX: Final = 2  # longer ones are years, codes and articles


def fold(text: str) -> str:
    """The lower-case words of `text` with one space between them, ready for `to_tsvector`."""
    plain = unicodedata.normalize("NFKC", text).lower()
    plain = _LONE_POINT.sub(" ", _DIGIT_GROUPS.sub("", plain))
    words = plain.translate(
        {ord(character): " " for character in set(plain) - {"."} if _parts(character)}
    )
    return " ".join(word[:_WORD_CHARS_MAX] for word in _DENSE_RUN.sub(_pairs, words).split())


def dense_share(text: str) -> float:
    """How much of the letters of `text` is in scripts written without spaces, from 0 to 1."""
    letters = sum(not _parts(character) for character in text)
    return sum(map(len, _DENSE_RUN.findall(text))) / letters if letters else 0.0


def is_sign(word: str) -> bool:
    """Whether a folded word is a letter or a number of one or two digits: it stands everywhere, in
    lists and in codes, and by itself names nothing. In a dense script one character is a word.
    """
    if word.replace(".", "").isdigit():
        return len(word.replace(".", "")) <= _SIGN_DIGITS_MAX
    return len(word) == 1 and not _DENSE_RUN.match(word)


def _parts(character: str) -> bool:
    """Whether the character stands between words; marks (vowel signs, accents) belong to their
    letter.
    """
    return not character.isalnum() and not unicodedata.category(character).startswith("M")


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    if len(run) == 1:
        return f" {run} "
    return f" {' '.join(run[at : at + 2] for at in range(len(run) - 1))} "

"""Words that an organisation never says, taken out of a stream. Pure.

Words are compared as a reader sees them: whole, whatever their case and accents, whatever marks of
emphasis stand in them, however many spaces between them. However the text is cut into pieces, the
pieces given back add up to the same.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from chatbot.answering.outgoing.links import LEFT_OUT

HELD_CHARS_MAX: Final = 150

# Thai, Lao, Burmese, Khmer, kana, ideographs, hangul.
_DENSE: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_ACCENT: Final = re.compile("[\u0300-\u036f]")
# Emphasis, code, escapes and joiners do not part a word.
_IGNORED: Final = frozenset("*_~`\\\u200c\u200d\u00ad")


class Phrases:
    """What is never said, made ready; the same for all answers of a persona."""

    def __init__(self, never_say: tuple[str, ...]) -> None:
        folded = {_folded(phrase)[0].strip() for phrase in never_say}
        self.all = sorted((each for each in folded if each), key=len, reverse=True)
        self.prefixes = frozenset(each[:n] for each in self.all for n in range(1, len(each) + 1))
        self.firsts = frozenset(each[0] for each in self.all)
        self.chars_max = max(map(len, self.all), default=0)
        self.pattern = re.compile("|".join(map(_whole, self.all)) or r"(?!)")
        self.begins = re.compile(_beginnings(self.firsts), re.IGNORECASE)


_phrases = lru_cache(maxsize=256)(Phrases)


class Unsaid:
    """A stream in which a mark stands for each of the words."""

    def __init__(self, never_say: tuple[str, ...]) -> None:
        self._phrases = _phrases(never_say)
        self._begins = self._phrases.begins.search
        self._held = ""
        self._last = " "

    def feed(self, text: str) -> str:
        if not self._phrases.all:
            return text
        # most pieces of most answers have nothing that could begin a phrase
        if not self._held and text.isascii() and not self._begins(self._last + text, 1):
            self._last = text[-1:] or self._last
            return text
        return self._through(self._held + text, final=False)

    def rest(self) -> str:
        """What was held back, now that nothing follows."""
        return self._through(self._held, final=True) if self._held else ""

    def _through(self, text: str, *, final: bool) -> str:
        folded, places = _folded(text)
        plain = self._last + folded  # the character before tells where a word begins
        shown: list[str] = []
        done, at = 0, 1
        while True:
            held = len(plain) if final else self._undecided(plain, at, places)
            found = self._phrases.pattern.search(plain, at)
            if found is None or found.start() >= held:
                break
            start, end = places[found.start() - 1], places[found.end() - 2] + 1
            at = found.end()
            if end - start > HELD_CHARS_MAX:
                continue
            while _ACCENT.match(text, end):
                end += 1
            shown += text[done:start], LEFT_OUT
            done = end
        cut = len(text) if held == len(plain) else max(done, places[held - 1])
        shown.append(text[done:cut])
        self._held = text[cut:]
        self._last = plain[held - 1]
        return "".join(shown)

    def _undecided(self, plain: str, at: int, places: Sequence[int]) -> int:
        """From where on a phrase may yet be completed, or go on."""
        known = self._phrases
        for start in range(max(at, len(plain) - known.chars_max), len(plain)):
            first = plain[start]
            if (
                first in known.firsts
                and (not plain[start - 1].isalnum() or not _has_bounds(first))
                and plain[start:] in known.prefixes
                and places[-1] - places[start - 1] < HELD_CHARS_MAX
            ):
                return start
        return len(plain)


def _whole(phrase: str) -> str:
    """As a pattern: between word ends, except in scripts that have no spaces between words."""
    before = r"(?<![^\W_])" if _has_bounds(phrase[0]) else ""
    after = r"(?![^\W_])" if _has_bounds(phrase[-1]) else ""
    return before + re.escape(phrase) + after


def _beginnings(firsts: Iterable[str]) -> str:
    """As a pattern: where a phrase may begin in ASCII, or something stands that is not compared."""
    bounded = "".join(re.escape(each) for each in firsts if _has_bounds(each))
    unbounded = "".join(re.escape(each) for each in firsts if not _has_bounds(each))
    starts = rf"|(?<![^\W_])[{bounded}]" if bounded else ""
    return rf"[*_~`\\{unbounded}]{starts}"


def _has_bounds(character: str) -> bool:
    return character.isalnum() and not _DENSE.match(character)


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """Characters as they are compared, and where each stands in `text`: small, without accents,
    one space for several.
    """
    found: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for each in _fold(character):
            if each != " " or not found or found[-1] != " ":
                found.append(each)
                places.append(place)
    return "".join(found), places


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    if character in _IGNORED:
        return ""
    if character.isspace():
        return " "
    if _DENSE.match(character):
        return character
    return _ACCENT.sub("", unicodedata.normalize("NFKD", character)).casefold()

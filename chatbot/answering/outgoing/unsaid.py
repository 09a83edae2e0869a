"""Words that an organisation never says, taken out of a stream. Pure.

Words are compared as a reader sees them: whole, whatever their case and accents, whatever marks of
emphasis, line ends or links stand in them, written as entities or not, however many spaces between
them. However the text is cut into pieces, the pieces given back add up to the same.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from chatbot.answering.outgoing.links import LEFT_OUT

HELD_CHARS_MAX: Final = 300
BLANKS_MAX: Final = 40
"""Between two words; what is more is left out, for the words to be seen together."""

# Thai, Lao, Burmese, Khmer, kana, ideographs, hangul.
_DENSE: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_ACCENT: Final = re.compile("[\u0300-\u036f]")
# Emphasis, code, escapes and joiners do not part a word.
_IGNORED: Final = frozenset("*_~`\\\u200c\u200d\u00ad")
_BREAK: Final = "\x02"  # a forced line end, which may part words or stand within one
_AFTER_LABEL: Final = r"\]\((?:[^\s()]|\([^\s()]*\))*\)"
# What is more than a character and read as one or none.
_MARKUP: Final = re.compile(
    r"(?P<entity>&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z][a-zA-Z\d]{1,31});)"
    rf"|(?P<line><br>|\\\n)|\[(?=[^\[\]]*\]\()|{_AFTER_LABEL}"
)
_CUT_MARKUP: Final = re.compile(r"(?:&#?[a-zA-Z\d]{0,32}|\\)\Z")
_DESTINATION: Final = re.compile(_AFTER_LABEL)
_MANY_BLANKS: Final = re.compile(rf"(\s{{{BLANKS_MAX}}})\s+")


class Phrases:
    """What is never said, made ready; the same for all answers of a persona."""

    def __init__(self, never_say: tuple[str, ...]) -> None:
        folded = {_folded(phrase)[0].strip() for phrase in never_say}
        self.all = frozenset(each for each in folded if each)
        squeezed = {_squeezed(each) for each in self.all}
        self.prefixes = frozenset(each[:n] for each in squeezed for n in range(1, len(each) + 1))
        self.firsts = frozenset(each[0] for each in self.all)
        bounded = [each for each in self.all if _has_bounds(each[0])]
        other = [each for each in self.all if not _has_bounds(each[0])]
        self.pattern = re.compile(
            rf"(?<![^\W_]){_tree(bounded)}|{_tree(other)}" if self.all else r"(?!)"
        )
        self.begins = re.compile(_beginnings(self.firsts), re.IGNORECASE)
        self.starts = re.compile("|".join(map(re.escape, sorted(self.firsts))) or r"(?!)")


_phrases = lru_cache(maxsize=256)(Phrases)


class Unsaid:
    """A stream in which a mark stands for each of the words."""

    def __init__(self, never_say: tuple[str, ...]) -> None:
        self._never_say = never_say
        self._phrases = _phrases(never_say)
        self._begins = self._phrases.begins.search
        self._held = ""
        self._last = " "
        self._blanks = 0

    def feed(self, text: str) -> str:
        if not self._phrases.all or not text:
            return text
        if self._blanks or text[-1].isspace() or len(text) > BLANKS_MAX:
            text = self._close_up(text)
        if "](" in text:
            text = _DESTINATION.sub(self._destination, text)
        # most pieces of most answers have nothing that could begin a phrase
        if not self._held and text.isascii() and not self._begins(self._last + text, 1):
            self._last = text[-1:] or self._last
            return text
        return self._through(self._held + text, final=False)

    def rest(self) -> str:
        """What was held back, now that nothing follows."""
        return self._through(self._held, final=True) if self._held else ""

    def _close_up(self, text: str) -> str:
        """The text with no more blanks in a row than BLANKS_MAX."""
        said = text.lstrip()
        lead = text[: len(text) - len(said)]
        kept = lead[: max(0, BLANKS_MAX - self._blanks)]
        if not said:
            self._blanks = min(BLANKS_MAX, self._blanks + len(lead))
            return kept
        self._blanks = min(BLANKS_MAX, len(said) - len(said.rstrip()))
        return kept + _MANY_BLANKS.sub(r"\1", said)

    def _destination(self, found: re.Match[str]) -> str:
        """An address is not read, so that words go on after it; they may not hide in it either."""
        inside = Unsaid(self._never_say)
        return f"]({inside.feed(found[0][2:-1])}{inside.rest()})"

    def _through(self, text: str, *, final: bool) -> str:
        unfinished = None if final else _CUT_MARKUP.search(text)
        body = text[: unfinished.start()] if unfinished else text
        folded, places = _folded(body)
        plain = self._last + folded  # the character before tells where a word begins
        shown: list[str] = []
        done, at = 0, 1
        held = len(plain) if final else self._undecided(plain, at, places, len(body))
        while found := self._phrases.pattern.search(plain, at):
            if found.start() >= held:
                break
            start, end = places[found.start() - 1][0], places[found.end() - 2][1]
            at = found.end()
            if at > held:
                held = self._undecided(plain, at, places, len(body))
            if end - start > HELD_CHARS_MAX:
                continue
            while _ACCENT.match(body, end):
                end += 1
            shown += body[done:start], LEFT_OUT
            done = end
        cut = len(body) if held == len(plain) else max(done, places[held - 1][0])
        shown.append(body[done:cut])
        self._held = text[cut:]
        self._last = plain[held - 1]
        return "".join(shown)

    def _undecided(
        self, plain: str, at: int, places: Sequence[tuple[int, int]], length: int
    ) -> int:
        """From where on a phrase may yet be completed, or go on."""
        known = self._phrases
        first = max(at, len(plain) - HELD_CHARS_MAX - 1)
        for begun in known.starts.finditer(plain, first):
            start = begun.start()
            if (
                (not plain[start - 1].isalnum() or not _has_bounds(begun[0]))
                and length - places[start - 1][0] < HELD_CHARS_MAX
                and _squeezed(plain[start:]) in known.prefixes
            ):
                return start
        return len(plain)


def _squeezed(phrase: str) -> str:
    return phrase.replace(" ", "").replace(_BREAK, "")


def _tree(phrases: Iterable[str], before: str = "") -> str:
    """A pattern of what may follow `before`, the longest first, in which no character is looked at
    twice; a line end may stand within a word.
    """
    branches: dict[str, list[str]] = {}
    for phrase in phrases:
        branches.setdefault(phrase[:1], []).append(phrase[1:])
    found: list[str] = []
    for first in sorted(branches, reverse=True):  # where a phrase ends comes last
        if not first:
            found.append(r"(?![^\W_])" if _has_bounds(before) else "")
            continue
        gap = f"{_BREAK}?" if before.strip() and first != " " else ""
        this = f"[ {_BREAK}]" if first == " " else re.escape(first)
        found.append(gap + this + _tree(branches[first], first))
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found) or '(?!)'})"


def _beginnings(firsts: Iterable[str]) -> str:
    """As a pattern: where a phrase may begin in ASCII, or something stands that is not compared."""
    bounded = "".join(re.escape(each) for each in firsts if _has_bounds(each))
    unbounded = "".join(re.escape(each) for each in firsts if not _has_bounds(each))
    starts = rf"|(?<![^\W_])[{bounded}]" if bounded else ""
    return rf"[*_~`\\&<{unbounded}]|\]\({starts}"


def _has_bounds(character: str) -> bool:
    return character.isalnum() and not _DENSE.match(character)


def _folded(text: str) -> tuple[str, Sequence[tuple[int, int]]]:
    """Characters as they are compared, and where each stands in `text`: small, without accents,
    one space for several.
    """
    found: list[str] = []
    places: list[tuple[int, int]] = []
    at = 0
    for markup in _MARKUP.finditer(text):
        _fold_into(found, places, text, (at, markup.start()))
        at = markup.end()
        read = _BREAK if markup["line"] else html.unescape(markup["entity"] or "")
        for each in "".join(map(_fold, read)):
            _put(found, places, each, (markup.start(), at))
    _fold_into(found, places, text, (at, len(text)))
    return "".join(found), places


def _fold_into(
    found: list[str], places: list[tuple[int, int]], text: str, part: tuple[int, int]
) -> None:
    for place in range(*part):
        for each in _fold(text[place]):
            _put(found, places, each, (place, place + 1))


def _put(
    found: list[str], places: list[tuple[int, int]], each: str, place: tuple[int, int]
) -> None:
    if each in (" ", _BREAK) and found and found[-1] in (" ", _BREAK):
        found[-1] = " "
        return
    found.append(each)
    places.append(place)


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    if character in _IGNORED:
        return ""
    if character.isspace():
        return " "
    if _DENSE.match(character):
        return character
    return _ACCENT.sub("", unicodedata.normalize("NFKD", character)).casefold()

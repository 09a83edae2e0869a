"""The model's instructions kept back: a run of their words ends a stream before it is whole. Pure.

Eight consecutive words of our own frame are a leak, twelve of what the owner wrote (which may well
be meant to be said in part). From the fourth word of a run on the text is held back until the run
breaks. However the text is cut into pieces, the pieces given back add up to the same.
"""

import re
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final

FRAME_WORDS: Final = 8
OWNERS_WORDS: Final = 12
SHOWN_WORDS: Final = 3
WORD_CHARS_MAX: Final = 40
GAP_CHARS_MAX: Final = 12
CODE: Final = "cut_instructions"

# Without the punctuation that stands among them (“、”, “「”): it parts words, as any other does.
_DENSE: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3041-\u30ff\u3400-\u9fff"
# A character of a script without spaces is a word; two of them count as one.
_PARTS: Final = re.compile(rf"[{_DENSE}]|[^\W_{_DENSE}]+|[^\w{_DENSE}]+|_+")
_WORDS: Final = re.compile(rf"[{_DENSE}]|[^\W_{_DENSE}]+")
_IS_DENSE: Final = re.compile(rf"[{_DENSE}]")


class Instructions:
    """Where each word of them stands, and how many words up to there make a leak."""

    def __init__(self, text: str, owners: str) -> None:
        begin = text.rfind(owners) if owners else len(text)
        self.at: dict[str, list[int]] = {}
        self.limits: list[int] = []
        for place, found in enumerate(_WORDS.finditer(text)):
            self.at.setdefault(found[0].lower(), []).append(place)
            inside = begin >= 0 and begin <= found.start() < begin + len(owners)
            most = OWNERS_WORDS if inside else FRAME_WORDS
            self.limits.append(most * 2 if _IS_DENSE.match(found[0]) else most)


_instructions = lru_cache(maxsize=128)(Instructions)


class Leaks:
    """A stream that ends where instructions begin to be repeated; then `cut` says so. A run that
    also stands in what may be quoted (`known`, asked for only then) is none.
    """

    def __init__(self, text: str, owners: str, known: Callable[[], str]) -> None:
        self._secret = _instructions(text, owners)
        self._known = known
        self._known_words: str | None = None
        self._run: dict[int, int] = {}
        self._length = 0
        self._said: deque[str] = deque(maxlen=2 * OWNERS_WORDS)
        self._word = ""
        self._gap = 0
        self._held: list[str] = []
        self.cut: str | None = None

    def feed(self, text: str) -> str:
        if self.cut is not None or not self._secret.limits:
            return "" if self.cut else text
        shown: list[str] = []
        for part in _PARTS.findall(text):
            if not (part[0].isalnum() or _IS_DENSE.match(part)):
                self._end_word(shown)
                self._gap += len(part)
                if self._gap > GAP_CHARS_MAX and self._run:
                    self._forget(shown)
                self._put(shown, part)
            else:
                if self._word and (_IS_DENSE.match(part) or _IS_DENSE.match(self._word)):
                    self._end_word(shown)
                if not self._word and self._length >= SHOWN_WORDS:
                    self._held.append("")
                self._gap = 0
                self._word = (self._word + part)[: WORD_CHARS_MAX + 1]
                if len(self._word) > WORD_CHARS_MAX and self._run:
                    self._forget(shown)
                self._put(shown, part)
            if self.cut is not None:
                break
        return "".join(shown)

    def rest(self) -> str:
        """What was held back, now that nothing follows."""
        shown: list[str] = []
        self._end_word(shown)
        if self.cut is None:
            shown += self._held
            self._held.clear()
        return "".join(shown)

    def _put(self, shown: list[str], part: str) -> None:
        if self.cut is not None:
            return
        if self._held:
            self._held[-1] += part
        else:
            shown.append(part)

    def _end_word(self, shown: list[str]) -> None:
        """A word is whole: how long is the run that it ends?"""
        if not self._word or self.cut is not None:
            return
        word, self._word = self._word.lower(), ""
        self._said.append(word)
        places = self._secret.at.get(word)
        if not places:
            if self._run:
                self._forget(shown)
            return
        before, limits = self._run, self._secret.limits
        self._run = {place: before.get(place - 1, 0) + 1 for place in places}
        self._length = max(self._run.values())
        if any(length >= limits[place] for place, length in self._run.items()):
            if not self._is_known(self._length):
                self.cut = CODE
                self._held.clear()
                return
            self._forget(shown)
        while len(self._held) > max(0, self._length - SHOWN_WORDS):
            shown.append(self._held.pop(0))

    def _forget(self, shown: list[str]) -> None:
        """The run is broken: nothing is held back any more."""
        self._run, self._length = {}, 0
        shown += self._held
        self._held.clear()

    def _is_known(self, words: int) -> bool:
        if self._known_words is None:
            self._known_words = f" {' '.join(_WORDS.findall(self._known().lower()))} "
        return f" {' '.join(list(self._said)[-words:])} " in self._known_words

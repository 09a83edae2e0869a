"""Citations while they stream: a marker that names no passage never reaches the visitor. Pure.

Models write markers in many ways: `[1, 2]`, `[1][2]`, `[1-3]`, `[^1]`, one within another, with
full-width brackets and digits. All become `[n]`. What may still become a marker is held back, at
most a few characters.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chatbot.answering.quoting import quotable
from chatbot.answering.voice.prompt import Excerpt
from chatbot.conversations.wire import Source
from knowledge import lexical
from knowledge.reading import split

QUOTE_CHARS_MAX: Final = 300
RUN_CHARS_MAX: Final = 60
SAID_CHARS_MAX: Final = 600
_RANGE_MAX: Final = 20

_OPENING: Final = re.compile(r"[\[【［〔]")
# From an opening bracket on, all that a group of markers may be made of.
_RUN: Final = re.compile(rf"[\[【［〔][\[\]【】［］〔〕\d\s,;:、，；^–—‐-]{{0,{RUN_CHARS_MAX}}}")
_ASCII: Final = str.maketrans("【】［］〔〕", "[][][]")
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\]")
_KEPT: Final = 0xE000  # + n: a marker that is true, among characters that no run has
_ITEM: Final = re.compile(r"([\ue000-\ue3e7])|(\d+)(?:\s*[-–—‐]\s*\^?(\d+))?")
_KEPT_ITEM: Final = re.compile(r"[\ue000-\ue3e7]")
_BRACKETS: Final = re.compile(r"[\[\]]")


class Citations:
    """Feeds on the model's text, gives it back with only true markers, and knows which were
    used. `allows` says which sentences may be shown as quotes, `cleaned` what of a title.
    """

    def __init__(
        self,
        excerpts: Sequence[Excerpt],
        allows: Callable[[str], bool] = quotable.anything,
        cleaned: Callable[[str], str] = str,
    ) -> None:
        self._excerpts = {excerpt.n: excerpt for excerpt in excerpts}
        self._allows = allows
        self._cleaned = cleaned
        self._held = ""
        self._said = ""
        self._statements: dict[int, str] = {}
        self.used: list[int] = []
        """Whose markers were given back; who holds some of that back leaves those out."""
        self.found: list[int] = []
        """The same with those that are held back further on."""

    def feed(self, text: str) -> str:
        """What may be shown now; what may become a marker is held back."""
        if not self._held and not _OPENING.search(text):
            self._say(text)
            return text
        return self._through(self._held + text, final=False)

    def rest(self) -> str:
        """What was held back and can no longer become a marker."""
        return self._through(self._held, final=True)

    def sources(self, quotes: Mapping[int, str] | None = None) -> list[Source]:
        """The passages cited, in order of first mention, each with a quote that stands in it: the
        one in `quotes`, or the sentence that fits what was said before the marker best.
        """
        return [
            self._source(self._excerpts[n], (quotes or {}).get(n) or self._quote(n))
            for n in self.used
        ]

    def _through(self, text: str, *, final: bool) -> str:
        self._held = ""
        shown: list[str] = []
        at = 0
        for run in _RUN.finditer(text):
            self._show(shown, text[at : run.start()])
            at = run.end()
            if at == len(text) and len(run[0]) <= RUN_CHARS_MAX and not final:
                self._held = run[0]
                break
            shown.append(self._resolved(run[0]))
        self._show(shown, text[at:])
        return "".join(shown)

    def _show(self, shown: list[str], text: str) -> None:
        if text:
            shown.append(text)
            self._say(text)

    def _say(self, text: str) -> None:
        self._said += text
        if len(self._said) > 4 * SAID_CHARS_MAX:
            self._said = self._said[-SAID_CHARS_MAX:]

    def _resolved(self, run: str) -> str:
        """The run with true markers only; what is no marker stays as it is written."""
        if len(run) > RUN_CHARS_MAX:
            return _BRACKETS.sub("", run.translate(_ASCII))
        text, before = run.translate(_ASCII), ""
        while text != before:
            text, before = _BRACKETED.sub(self._kept, text), text
        found = _KEPT_ITEM.findall(text)
        if not found and text == run.translate(_ASCII):
            return run
        self._note([ord(each) - _KEPT for each in found])
        self._say(" ")
        return _KEPT_ITEM.sub(lambda each: f"[{ord(each[0]) - _KEPT}]", text)

    def _kept(self, bracketed: re.Match[str]) -> str:
        """A bracket's true numbers; the bracket itself where it is no marker (a year, `[ ]`)."""
        kept: list[str] = []
        items = list(_ITEM.finditer(bracketed[1]))
        if not items or any(len(item[2] or "") > 3 or len(item[3] or "") > 3 for item in items):
            return bracketed[0] if not _KEPT_ITEM.search(bracketed[1]) else bracketed[1]
        for item in items:
            if item[1]:
                kept.append(item[1])
                continue
            first = int(item[2])
            last = min(int(item[3] or first), first + _RANGE_MAX)
            numbers = range(first, max(first, last) + 1)
            kept += [chr(_KEPT + n) for n in numbers if n in self._excerpts]
        return "".join(dict.fromkeys(kept))

    def _note(self, numbers: Sequence[int]) -> None:
        for n in numbers:
            if n not in self.found:
                self.found.append(n)
                said = split.sentences(self._said[-SAID_CHARS_MAX:])
                self._statements[n] = said[-1] if said else ""
            if n not in self.used:
                self.used.append(n)

    def _quote(self, n: int) -> str:
        """The sentence of the passage that shares most with the statement; of none the first."""
        text = self._excerpts[n].text
        units = [unit.text for unit in quotable.units(text) if unit.is_quotable]
        allowed = [each for each in units if self._allows(each)]
        if not self._statements.get(n) or not units:
            return text if self._allows(text) else next(iter(allowed), "")
        said = set(lexical.fold(self._statements[n]).split())
        return max(allowed, key=lambda each: _fit(said, each), default="")

    def _source(self, excerpt: Excerpt, quote: str) -> Source:
        return Source(
            n=excerpt.n,
            passage_id=excerpt.passage_id,
            document_id=excerpt.document_id,
            title=self._cleaned(excerpt.title),
            heading=None if excerpt.heading is None else self._cleaned(excerpt.heading),
            url=excerpt.url,
            page=excerpt.page,
            version=excerpt.version,
            quote=quote if len(quote) <= QUOTE_CHARS_MAX else quote[: QUOTE_CHARS_MAX - 1] + "…",
        )


def _fit(said: set[str], sentence: str) -> float:
    """Shared words, long ones more, against the length of both (cosine of the sets)."""
    words = set(lexical.fold(sentence).split())
    shared = sum(min(len(word), 8) for word in words & said)
    return shared / (1 + sum(min(len(word), 8) for word in words)) ** 0.5

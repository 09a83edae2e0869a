"""Citations while they stream: a marker that names no passage never reaches the visitor. Pure."""

import re
from collections.abc import Sequence

from chatbot.answering.prompt import Excerpt
from chatbot.conversations.wire import Source

QUOTE_CHARS_MAX = 300
_MARKER = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_OPEN_MARKER = re.compile(r"\[[\d\s,]{0,24}\Z")


class Citations:
    """Feeds on the model's text, gives it back with only true markers, and knows which were
    used.
    """

    def __init__(self, excerpts: Sequence[Excerpt]) -> None:
        self._excerpts = {excerpt.n: excerpt for excerpt in excerpts}
        self._held = ""
        self.used: list[int] = []

    def feed(self, text: str) -> str:
        """What may be shown now; an unfinished `[1` at the end is held back."""
        text = self._held + text
        held = _OPEN_MARKER.search(text)
        self._held = held.group() if held else ""
        return _MARKER.sub(self._checked, text[: len(text) - len(self._held)])

    def rest(self) -> str:
        """What was held back and can no longer become a marker."""
        held, self._held = self._held, ""
        return held

    def sources(self, quotes: dict[int, str] | None = None) -> list[Source]:
        """The passages cited, in order of first mention, each with a quote that stands in it."""
        return [
            _source(self._excerpts[n], (quotes or {}).get(n) or self._excerpts[n].text)
            for n in self.used
        ]

    def _checked(self, marker: re.Match[str]) -> str:
        kept = [n for n in map(int, marker.group(1).split(",")) if n in self._excerpts]
        for n in kept:
            if n not in self.used:
                self.used.append(n)
        return "".join(f"[{n}]" for n in kept)


def _source(excerpt: Excerpt, quote: str) -> Source:
    return Source(
        n=excerpt.n,
        passage_id=excerpt.passage_id,
        document_id=excerpt.document_id,
        title=excerpt.title,
        heading=excerpt.heading,
        url=excerpt.url,
        page=excerpt.page,
        version=excerpt.version,
        quote=quote if len(quote) <= QUOTE_CHARS_MAX else quote[: QUOTE_CHARS_MAX - 1] + "…",
    )

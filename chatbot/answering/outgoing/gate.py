"""Everything on its way to the visitor passes here, while it streams. Pure.

What comes out has no image, no HTML, no link but to where the organisation's answers may lead, no
character that nobody sees, no marker that names no passage, none of the words that are never said,
and no instructions. One stage follows another in an order that matters: what an earlier one takes
out cannot make its neighbours into something that a later one would have stopped. However the
text is cut into pieces, the pieces given back add up to the same.
"""

import re
from collections.abc import Sequence
from typing import Final

from chatbot.answering.outgoing.citations import Citations
from chatbot.answering.outgoing.leaks import Leaks
from chatbot.answering.outgoing.links import Destinations, Links, host_of
from chatbot.answering.outgoing.markup import KEPT, Fences, Tags, Unseen
from chatbot.answering.outgoing.unsaid import Unsaid
from chatbot.answering.voice import persona as personas
from chatbot.answering.voice import prompt
from chatbot.answering.voice.persona import Persona
from chatbot.answering.voice.prompt import Excerpt

HELD_CHARS_MAX: Final = 2_200
"""What all stages hold back: 350 for a tag, 60 markers, 810 a link, 350 words, 500 instructions."""
BLOCK_CHARS: Final = 2_000
"""What is looked at in one go: a piece of the longest answer must not cost its square."""
CHARS_MAX: Final = 24_000
"""Of an answer, as it comes in and as it goes out."""
TOO_LONG: Final = "cut_length"
_MARKER_CHARS_MAX: Final = 5

# A script with something in it, and tags that run something or hide it.
_ACTS: Final = re.compile(
    r"<(script|style)\b[^>]*>\s*[^<\s].*?</\1|<[^<>]*[\s/\"'](?:on\w+|style)\s*=",
    re.IGNORECASE | re.DOTALL,
)
_MARKER: Final = re.compile(r"\[(\d{1,3})\]")


class Outgoing:
    """`own_origins` are those of the site; pages that were found are the organisation's too.
    `secrets` is what the model was told. After each piece look at `cut`: a code when the answer
    must end here, and nothing comes any more.
    """

    def __init__(
        self,
        excerpts: Sequence[Excerpt],
        *,
        persona: Persona = personas.DEFAULT,
        own_origins: Sequence[str] = (),
        secrets: str = "",
    ) -> None:
        self._excerpts = excerpts
        self._destinations = _destinations(excerpts, persona, own_origins)
        self._never_say = persona.never_say
        self._unseen = Unseen()
        self._tags = Tags()
        self.citations = Citations(excerpts, self.allows, self.cleaned)
        self._links = Links(self._destinations.allow)
        self._unsaid = Unsaid(persona.never_say)
        self._fences = Fences()
        self._fed, self._given = 0, 0
        self._tail = ""
        self._seen: dict[int, None] = {}
        self._leaks = Leaks(secrets, prompt.as_data(persona.instructions), self._quotable)

    @property
    def cut(self) -> str | None:
        return self._leaks.cut or (TOO_LONG if self._is_too_long else None)

    @property
    def _is_too_long(self) -> bool:
        return self._fed > CHARS_MAX or self._given > CHARS_MAX

    def feed(self, text: str) -> str:
        """What may be shown now; of what comes after CHARS_MAX nothing."""
        if self.cut is not None:
            return ""
        room = CHARS_MAX - self._fed
        self._fed += len(text)
        if len(text) <= BLOCK_CHARS and len(text) <= room:
            return self._through(text)
        text = text[:room]
        blocks = range(0, len(text), BLOCK_CHARS)
        return "".join(self._through(text[at : at + BLOCK_CHARS]) for at in blocks)

    def rest(self) -> str:
        """What was held back, now that the model has ended."""
        text = self.citations.feed(self._tags.rest()) + self.citations.rest()
        text = self._links.feed(text) + self._links.rest()
        text = self._fences.feed(self._unsaid.feed(text) + self._unsaid.rest())
        return self._show(self._leaks.feed(text) + self._leaks.rest())

    def _through(self, text: str) -> str:
        text = self.citations.feed(self._tags.feed(self._unseen.feed(text)))
        text = self._fences.feed(self._unsaid.feed(self._links.feed(text)))
        return self._show(self._leaks.feed(text))

    def allows(self, sentence: str) -> bool:
        """Whether a sentence of a document may be quoted as it stands. HTML in it is text like any
        other, if it loads, runs and hides nothing: documents about websites are full of it.
        """
        return self.cleaned(sentence) == sentence and not _ACTS.search(sentence)

    def cleaned(self, text: str) -> str:
        """A line of a document, such as its title, without what may not be shown."""
        text = Unseen().feed(text)
        for stage in (
            Tags(code=True),
            Links(self._destinations.allow),
            Unsaid(self._never_say),
        ):
            text = stage.feed(text) + stage.rest()
        return text.replace(KEPT, "<")

    def _show(self, text: str) -> str:
        """What is given back; only what is cited in it counts as cited."""
        room = CHARS_MAX - self._given
        self._given += len(text)
        text = text[: max(0, room)]
        said = self._tail + text
        if "]" in text:
            self._seen |= dict.fromkeys(map(int, _MARKER.findall(said)))
        self._tail = said[1 - _MARKER_CHARS_MAX :]
        used = self.citations.used
        if len(used) != len(self._seen) or "]" in text:
            used[:] = [n for n in self._seen if n in self.citations.found]
        return text

    def _quotable(self) -> str:
        return "\n".join(excerpt.context or excerpt.text for excerpt in self._excerpts)


def _destinations(
    excerpts: Sequence[Excerpt], persona: Persona, own_origins: Sequence[str]
) -> Destinations:
    pages = [excerpt.url for excerpt in excerpts if excerpt.url]
    own = [host for host in map(host_of, (*own_origins, *pages)) if host]
    return Destinations([*own, *persona.link_hosts], pages)

"""The model that needs no key and no network: it quotes the sentences that answer, and says so.

Every part of the best passages is weighed (`relevance.py`), and quoted are as few as it takes to
hold the answer nine times out of ten, by that weight; at most three. A list or a table row is
quoted whole, sentences that follow one another as they stand.
"""

import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import accumulate
from typing import Final

import msgspec

from chatbot.answering.models.model import Usage
from chatbot.answering.quoting import relevance
from chatbot.answering.quoting.quotable import Kind, Unit, anything
from chatbot.answering.quoting.relevance import Candidate, Weighed
from chatbot.answering.voice.prompt import Excerpt, Prompt
from knowledge import lexical

PARTS_MAX: Final = 3
CHANCE_WANTED: Final = 0.93
ROW_TIE: Final = 0.35
LED_MIN: Final = 0.3
SECTION_MIN: Final = 0.8  # so much of a question in a title is answered by what stands below it
SECTION_CHARS_MAX: Final = 500
LIST_ITEMS_MAX: Final = 12
LIST_CHARS_MAX: Final = 900
# Of 866 questions in English and German that were answered without a doubt 7 % have less, and 30 %
# of these answers were wrong; of the others 9 %. Pairs of characters are met less often.
SUPPORT_MIN: Final = 0.4
SUPPORT_DENSE_MIN: Final = 0.2
# With what a sentence begins that is about the one before it.
_BACK: Final = re.compile(
    r"(?:It|Its|They|Their|This|These|Those|He|She|His|Her|Er|Dies|Diese[mnrs]?|Dabei|Damit|"
    r"Dadurch|Elles?|Ils|Cela|Ceci|Celles?-ci|Celui-ci|Esto|Ello|Questo|Questa|Ciò|Ess[aeio]|"
    r"Isto|Isso|El[ae]s?|Hij|Dit|Deze)\b"
)
# A few words at a time, as a model would speak.
_PIECE: Final = re.compile(r"\s*\S+(?:\s+\S+){0,3}")


class Extract(msgspec.Struct, frozen=True):
    """An answer made of quotes: its text in pieces of a few words, and the quote of each number.

    `support` is the share of the question's telling words that are in what is quoted or in the
    titles it stands under, from 0 to 1; where it is small the answer must not sound certain, even
    if the documents have the topic. Without anything to quote there are no pieces.
    """

    pieces: list[str]
    quotes: dict[int, str]
    support: float = 0.0
    is_certain: bool = False


class ExtractiveModel:
    """Composes an answer of quoted sentences, each with its number."""

    name = "extractive"

    def answer(self, prompt: Prompt, allowed: Callable[[str], bool] = anything) -> Extract:
        """The answer, without any sentence, item or row that is not `allowed`."""
        weighed = relevance.weigh(prompt)
        chosen = choose(weighed, allowed)
        text = "\n\n".join(filter(None, _blocks(weighed, chosen, allowed)))
        quotes: dict[int, str] = {}
        for candidate in sorted(chosen, key=lambda one: -one.score):
            quotes.setdefault(candidate.excerpt.n, candidate.unit.text)
        support = _support(weighed, chosen)
        least = SUPPORT_DENSE_MIN if weighed.is_dense else SUPPORT_MIN
        return Extract(pieces(text), quotes, support, is_certain=support >= least)

    async def stream(
        self, prompt: Prompt, allowed: Callable[[str], bool] = anything
    ) -> AsyncIterator[str | Usage]:
        for piece in self.answer(prompt, allowed).pieces:
            yield piece


def pieces(text: str) -> list[str]:
    """A text a few words at a time, spaces and line ends as they are."""
    return _PIECE.findall(text.rstrip())  # with spaces at its end it would try each of them


def choose(weighed: Weighed, allowed: Callable[[str], bool] = anything) -> list[Candidate]:
    """The parts that answer best, best first: as few as make it likely that the answer is there.

    What says the same as another is left out, and a table row beside one that fits better. Under
    a title that repeats the question stands the answer, from its first word on.
    """
    complete = [
        one
        for one in weighed.candidates
        if not _breaks_off(weighed.parts[one.excerpt.n], one.unit, allowed)
    ]
    ranked = _once_each(sorted(complete, key=lambda one: -one.score), allowed)
    if not ranked:
        return []
    section = _section(ranked)
    if section:
        return section
    weights = [math.exp(one.score - ranked[0].score) for one in ranked]
    total = sum(weights)
    chosen: list[Candidate] = []
    chance = 0.0
    for candidate, weight in zip(ranked, weights, strict=True):
        if not chosen or _adds(candidate, chosen):
            chosen.append(candidate)
        chance += weight / total
        if chance >= CHANCE_WANTED or len(chosen) == PARTS_MAX:
            break
    return chosen


def _breaks_off(parts: Sequence[Unit], unit: Unit, allowed: Callable[[str], bool]) -> bool:
    """Whether it announces what cannot be quoted, or is not there."""
    for after in (*parts[unit.at + 1 :], None):
        if unit.kind is Kind.ITEM or not unit.text.endswith((":", "：")):
            return False
        if after is None or not after.is_quotable or not allowed(after.text):
            return True
        unit = after
    return False


def _section(ranked: Sequence[Candidate]) -> list[Candidate]:
    """The beginning of the section whose title repeats the question, if the best part is in it: up
    to three parts from its first one on, or from the best one where that comes later and the title
    does not ask.
    """
    best = ranked[0]
    if best.named < SECTION_MIN:
        return []
    where = (best.excerpt.n, best.unit.under)
    below = [one for one in ranked if (one.excerpt.n, one.unit.under) == where]
    below.sort(key=lambda one: one.unit.at)
    begun = _within(below)
    asks = (best.unit.under or best.excerpt.heading or "").endswith(("?", "？"))
    return begun if asks or best in begun else _within(below[below.index(best) :])


def _within(candidates: Sequence[Candidate]) -> list[Candidate]:
    """As many as an answer holds, one at least."""
    sizes = accumulate(len(one.unit.text) for one in candidates)
    fitting = sum(size <= SECTION_CHARS_MAX for size in sizes)
    return list(candidates[: max(1, min(fitting, PARTS_MAX))])


def _once_each(candidates: Sequence[Candidate], allowed: Callable[[str], bool]) -> list[Candidate]:
    seen: set[str] = set()
    kept: list[Candidate] = []
    for candidate in candidates:
        plain = lexical.fold(candidate.unit.text)
        if plain and plain not in seen and allowed(candidate.unit.text):
            kept.append(candidate)
        seen.add(plain)
    return kept


def _adds(candidate: Candidate, chosen: Sequence[Candidate]) -> bool:
    """Whether something that is quoted beside the best may belong to the answer: it speaks of what
    is asked, or goes on where such a part ends.
    """
    unit, best = candidate.unit, chosen[0]
    goes_on = any(
        (one.excerpt.n, one.unit.line, one.unit.at + 1) == (candidate.excerpt.n, unit.line, unit.at)
        for one in chosen
    )
    if candidate.is_fragment or not (candidate.said or candidate.led or goes_on):
        return False
    rows = unit.kind is Kind.ROW and best.unit.kind is Kind.ROW
    return not rows or candidate.score >= best.score - ROW_TIE


def _blocks(
    weighed: Weighed, chosen: Sequence[Candidate], allowed: Callable[[str], bool]
) -> list[str]:
    """The answer's paragraphs and lists: passage by passage, each in its own order."""
    blocks: list[str] = []
    for n in dict.fromkeys(candidate.excerpt.n for candidate in chosen):
        of_it = [candidate for candidate in chosen if candidate.excerpt.n == n]
        parts = weighed.parts[n]
        wanted = sorted(
            at for at in _whole(parts, of_it) if parts[at].is_quotable and allowed(parts[at].text)
        )
        blocks.append(_written(of_it[0].excerpt, [parts[at] for at in wanted]))
    return blocks


def _whole(parts: Sequence[Unit], chosen: Sequence[Candidate]) -> set[int]:
    """Which parts to quote of a passage: with an announcement what it announces, with an item what
    announces it, and the whole list where that is the answer; with “It …” the sentence before.
    """
    wanted = {candidate.unit.at for candidate in chosen}
    for candidate in chosen:
        unit = candidate.unit
        if unit.kind is Kind.LEAD:
            wanted |= _announced(parts, unit.at)
        elif unit.kind in (Kind.ITEM, Kind.ROW):
            first = unit.at
            while first > 0 and parts[first - 1].kind is unit.kind:
                first -= 1
            items = _items(parts, first)
            least = LED_MIN if unit.kind is Kind.ITEM else SECTION_MIN
            if candidate.named >= least or (unit.kind is Kind.ITEM and len(wanted & items) > 1):
                wanted |= items
            if first > 0 and parts[first - 1].kind is Kind.LEAD:
                wanted.add(first - 1)
    return wanted | {at - 1 for at in wanted if at - 1 not in wanted and _refers_back(parts, at)}


def _announced(parts: Sequence[Unit], lead: int) -> set[int]:
    after = parts[lead + 1].kind if lead + 1 < len(parts) else None
    if after in (Kind.ITEM, Kind.ROW):
        return _items(parts, lead + 1)
    if after is Kind.LEAD:
        return {lead + 1} | _announced(parts, lead + 1)
    return set() if after is None else {lead + 1}


def _refers_back(parts: Sequence[Unit], at: int) -> bool:
    """Whether a sentence goes on about what the one before it in its paragraph speaks of."""
    unit, before = parts[at], parts[at - 1] if at else None
    follows = before is not None and before.line == unit.line and before.kind is Kind.SENTENCE
    return follows and unit.kind in (Kind.SENTENCE, Kind.LEAD) and bool(_BACK.match(unit.text))


def _items(parts: Sequence[Unit], first: int) -> set[int]:
    """The list or table from `first` on, as far as an answer can hold it."""
    found: set[int] = set()
    size = 0
    for unit in parts[first : first + LIST_ITEMS_MAX]:
        size += len(unit.text)
        if unit.kind is not parts[first].kind or size > LIST_CHARS_MAX:
            break
        found.add(unit.at)
    return found


def _written(excerpt: Excerpt, quoted: Sequence[Unit]) -> str:
    """Parts of one passage: what follows one another as it stands, with the marker at its end."""
    text = ""
    for at, unit in enumerate(quoted):
        before = quoted[at - 1] if at else None
        if before is not None:
            follows = _follows(excerpt, before, unit)
            joined = follows or (before.kind is Kind.LEAD and unit.kind is Kind.ITEM)
            mark = "" if joined else f" [{excerpt.n}]"
            text += mark + _between(excerpt, before, unit)
        text += unit.text
    return f"{text} [{excerpt.n}]" if text else ""


def _follows(excerpt: Excerpt, before: Unit, unit: Unit) -> bool:
    """Whether nothing but space stands between the two."""
    return before.at + 1 == unit.at and not excerpt.text[before.end : unit.start].strip()


def _between(excerpt: Excerpt, before: Unit, unit: Unit) -> str:
    if before.line == unit.line:
        follows = _follows(excerpt, before, unit)
        return excerpt.text[before.end : unit.start] if follows else " "
    listed = unit.kind is Kind.ITEM and before.kind in (Kind.ITEM, Kind.LEAD)
    return "\n" if listed else "\n\n"


def _support(weighed: Weighed, chosen: Sequence[Candidate]) -> float:
    said: set[str] = set()
    for candidate in chosen:
        said |= candidate.said | candidate.titled
    return round(weighed.asked.share(said), 4)

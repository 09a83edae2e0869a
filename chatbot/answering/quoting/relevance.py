"""How well each part of the passages answers a question, from its words alone. Pure.

The share of the question's rare words counts most; then how well the passage fits, two words side
by side as in the question, the words of the part before, and whether it has a number where one is
asked for. The weights are a listwise fit on 350 questions of SQuAD 2.0 and 150 of XQuAD in German
(both CC BY-SA 4.0); questions left out of it gained as much.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from chatbot.answering.quoting.quotable import Kind, Unit, units
from chatbot.answering.voice import commonwords
from chatbot.answering.voice.prompt import Excerpt, Prompt
from knowledge import lexical
from knowledge.reading import split

PASSAGES_USED: Final = 4
WORDS_MAX: Final = 200  # of a question; more say nothing new
STEM_CHARS: Final = 7
HEADING_REACH: Final = 4  # parts
HEADING_JOINT: Final = " › "
_RUNS: Final = (Kind.ITEM, Kind.ROW)
WORDS_MIN: Final = 4  # less is a fragment (“Legal proceedings.”) unless it has a number

DENSE_SHARE_MIN: Final = 0.3

_COVERED: Final = 5.4
_BEFORE: Final = 1.3
_PASSAGE: Final = 2.2
_FIRST: Final = 1.0
_AMOUNT: Final = 1.0
_MOST: Final = 1.0
_PAIRS: Final = 1.5
_LED: Final = 5.4  # a heading that repeats the question is answered by what follows it
_FRAGMENT: Final = -2.0

_DIGIT: Final = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|first|second|"
    r"third|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|hundert|tausend)\b|"
    r"[一二三四五六七八九十百千万両]",
    re.IGNORECASE,
)
_ASKS_NUMBER: Final = re.compile(
    r"\b(?:when|how (?:many|much|long|old|large|far|tall|big|often|high|fast)|"
    r"(?:what|which) (?:year|date|time|day|percent\w*|number|amount|price|size)|"
    r"wann|wie ?viele?|wie (?:lange|hoch|groß|alt|oft|weit|teuer|spät)|was kostet|"
    r"welche[smnr]? (?:jahr|datum|tag)\w*|quand|combien|quelle année|cuándo|cuánt[oa]s?|"
    r"quando|quant[oaie]s?|wanneer|hoeveel|hoe (?:lang|oud|groot|vaak|laat))\b|"
    r"多少|几|多长|多久|多大|何时|什么时候|哪一?年|얼마|몇|언제|いくら|いつ|何[日年月時円人個]|どのくらい",
    re.IGNORECASE,
)


class Candidate(msgspec.Struct, frozen=True):
    """A part of a passage that may be quoted, and how well it answers: the difference of two scores
    is the logarithm of how much likelier one of them holds the answer. `said` are the words of the
    question in it, `titled` those in the titles above it, `named` how much of the question its
    own title repeats, and `led` the same, less with every part between.
    """

    excerpt: Excerpt
    unit: Unit
    score: float
    named: float
    led: float
    said: frozenset[str]
    titled: frozenset[str]
    is_fragment: bool


class Asked(msgspec.Struct, frozen=True):
    """A question: what each of its words counts, which stand side by side, and whether it wants a
    number.
    """

    worth: dict[str, float]
    pairs: frozenset[frozenset[str]]
    wants_number: bool

    def share(self, said: Iterable[str]) -> float:
        """How much of the question these words are, from 0 to 1."""
        total = sum(self.worth.values())
        known = frozenset(said)
        # In the question's order, so that equal sets have equal sums.
        held = sum(worth for word, worth in self.worth.items() if word in known)
        return held / total if total else 0.0


class Weighed(msgspec.Struct, frozen=True):
    """What may be quoted with its scores, and all parts of each passage by its number. `is_dense`:
    the question is written without spaces, so that its words are pairs of characters.
    """

    asked: Asked
    is_dense: bool
    candidates: list[Candidate]
    parts: dict[int, list[Unit]]


class _Spoken(msgspec.Struct, frozen=True):
    """A passage in parts, and the words of each; of its title and headings, of the innermost of
    them, and of each title within it. `firsts` is where the list or table of a part begins,
    `labels` the last title within the passage that is before a part (-1: none).
    """

    excerpt: Excerpt
    units: list[Unit]
    words: list[list[str]]
    above: frozenset[str]
    topic: frozenset[str]
    under: dict[str | None, frozenset[str]]
    firsts: list[int]
    labels: list[int]


def weigh(prompt: Prompt) -> Weighed:
    """Every part of the best passages that can be quoted, with its score."""
    language = commonwords.guess(prompt.question)
    best = sorted(prompt.excerpts, key=lambda excerpt: -excerpt.score)[:PASSAGES_USED]
    passages = [_spoken(excerpt, language) for excerpt in best]
    asked = _asked(prompt.question, language, passages)
    found = [
        _candidate(asked, passage, at)
        for passage in passages
        for at, unit in enumerate(passage.units)
        if unit.is_quotable
    ]
    most = max((asked.share(one.said) for one in found), default=0.0)
    bonus = {best[0].n: _FIRST} if best else {}
    scored = [
        msgspec.structs.replace(
            one,
            score=one.score
            + bonus.get(one.excerpt.n, 0.0)
            + (_MOST if asked.share(one.said) >= most else 0.0),
        )
        for one in found
    ]
    dense = lexical.dense_share(prompt.question) >= DENSE_SHARE_MIN
    return Weighed(asked, dense, scored, {passage.excerpt.n: passage.units for passage in passages})


def words(text: str, language: str | None = None) -> list[str]:
    """Content words, cut to their beginnings so that “prices” meets “price”; of scripts without
    spaces the pairs of characters that search compares too.
    """
    common = commonwords.CLOSED["en"] | commonwords.CLOSED.get(language or "en", frozenset())
    return [_stem(word) for word in lexical.fold(text).split() if word not in common]


def _spoken(excerpt: Excerpt, language: str | None) -> _Spoken:
    found = units(excerpt.text)
    heading = excerpt.heading or ""
    firsts: list[int] = []
    labels: list[int] = []
    for unit, before in zip(found, [None, *found], strict=False):
        goes_on = before is not None and unit.kind in _RUNS and before.kind is unit.kind
        is_below = before is not None and before.kind is Kind.LABEL
        firsts.append(firsts[-1] if goes_on else unit.at)
        labels.append(unit.at - 1 if is_below else labels[-1] if labels else -1)
    return _Spoken(
        excerpt,
        found,
        [words(unit.text, language) for unit in found],
        above=frozenset(words(f"{excerpt.title} {heading}", language)),
        topic=frozenset(words(heading.rpartition(HEADING_JOINT)[2], language)),
        under={
            under: frozenset(words(under or "", language))
            for under in {unit.under for unit in found}
        },
        firsts=firsts,
        labels=labels,
    )


def _asked(question: str, language: str | None, passages: Sequence[_Spoken]) -> Asked:
    """A word counts by how few parts have it, most when none has."""
    wanted = words(question, language)[:WORDS_MAX]
    spoken = [set(part) for passage in passages for part in passage.words]
    counts = Counter(word for part in spoken for word in part)
    worth = {
        word: math.log(1 + len(spoken) / counts[word])
        if counts[word]
        else math.log(2 + len(spoken))
        for word in wanted
    }
    pairs = frozenset(map(frozenset, pairwise(wanted)))
    return Asked(worth, pairs, _ASKS_NUMBER.search(question) is not None)


def _candidate(asked: Asked, passage: _Spoken, at: int) -> Candidate:
    unit, spoken = passage.units[at], passage.words[at]
    said = asked.worth.keys() & set(spoken)
    before = asked.worth.keys() & set(passage.words[at - 1]) if at else set[str]()
    pairs = asked.pairs & frozenset(map(frozenset, pairwise(spoken)))
    has_number = _DIGIT.search(unit.text) is not None
    is_fragment = _is_fragment(unit) and not has_number
    heading, distance = _heading(passage, unit)
    named = asked.share(heading)
    led = named * max(0.0, 1 - distance / HEADING_REACH)
    score = (
        _COVERED * asked.share(said)
        + _BEFORE * asked.share(before - said)
        + _PASSAGE * passage.excerpt.score
        + _PAIRS * len(pairs) / max(1, len(asked.pairs))
        + (_AMOUNT * (1 if has_number else -1) if asked.wants_number else 0.0)
        + _LED * led
        + (_FRAGMENT if is_fragment else 0.0)
    )
    titled = asked.worth.keys() & (passage.above | passage.under[unit.under])
    return Candidate(
        passage.excerpt,
        unit,
        score,
        named=named,
        led=led,
        said=frozenset(said),
        titled=frozenset(titled),
        is_fragment=is_fragment,
    )


def _heading(passage: _Spoken, unit: Unit) -> tuple[frozenset[str], int]:
    """The words of what the part stands under, and how many parts lie between; all of a list or a
    table stands where it begins.
    """
    first = passage.firsts[unit.at]
    if unit.under is None:
        return passage.topic, first
    return passage.under[unit.under], first - passage.labels[first] - 1


def _is_fragment(unit: Unit) -> bool:
    announces = unit.text.endswith((":", "："))
    return unit.kind is Kind.SENTENCE and (announces or split.words(unit.text) < WORDS_MIN)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)][:STEM_CHARS]
    return word[:STEM_CHARS]

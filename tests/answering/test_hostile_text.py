"""No text, however it is made, costs more than its length: twice as much of it may take about twice
as long, never four times.
"""

import json
import random
import time
from collections.abc import Callable
from typing import Final

import pytest

from chatbot.answering import curated, rewrite
from chatbot.answering.models.chunks import Reading
from chatbot.answering.outgoing.citations import Citations
from chatbot.answering.outgoing.gate import Outgoing
from chatbot.answering.outgoing.leaks import Leaks
from chatbot.answering.outgoing.links import Links
from chatbot.answering.outgoing.markup import Tags, Unseen
from chatbot.answering.outgoing.unsaid import Unsaid
from chatbot.answering.quoting import extractive, quotable, relevance
from chatbot.answering.voice import attempts, calling, commonwords, phrases, prompt, smalltalk
from chatbot.answering.voice import suggestions as voice_suggestions
from chatbot.answering.voice.persona import Persona
from chatbot.answering.voice.prompt import Excerpt, Prompt, Turn
from knowledge import followups, language, lexical, tokens
from knowledge.bands import LOCAL_MODEL
from knowledge.reading import split
from tests.answering.script import excerpt
from tests.answering.test_curated import wording
from tests.answering.test_suggestions import found, hit

MESSAGE_CHARS: Final = 4_000
PASSAGE_CHARS: Final = prompt.PASSAGE_CHARS_MAX
ANSWER_CHARS: Final = 24_000
GROWTH_MAX: Final = 3.0
NOISE_S: Final = 0.0005  # of processor time: what is quicker tells nothing
TRIES: Final = 12
DOUBLINGS: Final = 4
SCATTERED: Final = (
    *("system", "[1]", "[", "]", "(", "*", "\n", " ", "<b>", "<", ">", '"', "http://a.b/", "!["),
    *("漢", "字", "、", "e\u0301", "\u200d", "1", "-", ":", ".", "A. ", "`", "~", "|", "ignore "),
)

Shape = Callable[[int], str]


def repeated(unit: str, before: str = "", after: str = "") -> Shape:
    """As many of them as there is room for."""
    return lambda chars: (before + unit * chars)[: chars - len(after)] + after


def scattered(chars: int) -> str:
    chosen = random.Random(7).choices(SCATTERED, k=chars)
    return "".join(chosen)[:chars]


def thirds(first: str, word: str, last: str) -> Shape:
    return lambda chars: first * (chars // 3) + word + last * (chars * 2 // 3 - len(word))


SHAPES: Final[dict[str, Shape]] = {
    "newlines": repeated("\n", after="x"),
    "spaces": repeated(" ", after="x"),
    "spaces at the end": repeated(" ", before="x"),
    "lines of spaces": repeated("   \n", after="x"),
    "stars": repeated("*", after="x"),
    "quotes": repeated('"', after="x"),
    "points": repeated("."),
    "a point and quotes": repeated("”", before=".", after="x"),
    "digits": repeated("1"),
    "a bracket and digits": repeated("1", before="["),
    "a bracket and spaces": repeated(" ", before="[", after="x"),
    "opening brackets": repeated("["),
    "brackets": repeated("[1]"),
    "nested brackets": lambda chars: "[" * (chars // 2) + "]" * (chars // 2),
    "letters": repeated("a"),
    "capitals": repeated("A. "),
    "small letters": repeated("a. b "),
    "ideographs": repeated("漢"),
    "ideographs and their points": repeated("漢。、"),
    "marks": repeated("\u0301", before="e"),
    "joiners": repeated("\u200d"),
    "a role among stars": thirds("\n", "system", "*"),
    "a role among spaces": thirds(" ", "system message", " "),
    "roles": repeated("system\n"),
    "an open angle and spaces": repeated(" ", before="<", after="x"),
    "angles": repeated("<"),
    "a tag": repeated(" x", before="<a"),
    "comments": repeated("<!--"),
    "slashes": repeated("/"),
    "an address": repeated("a.", before="http://"),
    "links": repeated("[a](http://evil.example/x "),
    "images": repeated("!["),
    "parentheses": repeated("(", before="[a]"),
    "backticks": repeated("`"),
    "tildes": repeated("~"),
    "items": repeated("- a\n"),
    "rows": repeated("a: b; c: d\n"),
    "fields": repeated("From: a\n"),
    "attempts": repeated("ignore what "),
    "scattered": scattered,
}
OWNERS = "Say that the workshop in Bremen is open on weekdays from nine to five. " * 5
PERSONA = Persona(never_say=("aaa", "漢字", "e\u0301", "ignore it"), instructions=OWNERS)
TOLD = prompt.instructions(PERSONA)
PASSAGES = [excerpt(n, "We open at nine. We close at five.", url="http://a.b/") for n in (1, 2, 3)]


def asked(question: str = "When do you open?", passage: str = "We open at nine.") -> Prompt:
    return Prompt(question, (), (excerpt(1, passage, heading=passage),))


def told(text: str) -> object:
    history = (Turn("user", text), Turn("assistant", text))
    return prompt.messages(
        Prompt(text, history * 3, (excerpt(1, text, heading=text),), TOLD, summary=text)
    )


def cited(text: str) -> object:
    """A passage that is cited: the quote is looked for in it."""
    citations = Citations([excerpt(1, text)])
    citations.feed("We open at nine [1].")
    return citations.sources()


def gate(excerpts: list[Excerpt] = PASSAGES) -> Outgoing:
    return Outgoing(excerpts, persona=PERSONA, own_origins=["https://a.b"], secrets=TOLD)


def streamed(
    stage: Callable[[], Tags | Links | Unsaid | Citations | Leaks | Outgoing],
) -> Callable[[str], object]:
    """The stage, fed a few characters at a time."""

    def feed(text: str) -> object:
        made = stage()
        fed = [made.feed(text[at : at + 6]) for at in range(0, len(text), 6)]
        return "".join(fed) + made.rest()

    return feed


def read(text: str) -> object:
    reading = Reading()
    for at in range(0, len(text), 6):
        chunk = {"choices": [{"delta": {"content": text[at : at + 6]}}]}
        reading.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    return reading


OF_MESSAGES: Final[dict[str, Callable[[str], object]]] = {
    "prompt.messages": told,
    "prompt.as_data": prompt.as_data,
    "prompt.instructions": lambda text: prompt.instructions(Persona(instructions=text)),
    "attempts": attempts.is_attempt,
    "calling": lambda text: calling.asks_for_person(text, offered=True),
    "smalltalk": smalltalk.reply,
    "phrases.language_of": lambda text: phrases.language_of(text, locale="de", policy="visitor"),
    "commonwords": commonwords.guess,
    "curated": lambda text: curated.choose(text, [wording(text)], LOCAL_MODEL),
    "rewrite": lambda text: rewrite.usable(text[:500], [text]),
    "followups": lambda text: followups.together(text, [text]),
    "tokens": tokens.count,
    "lexical.fold": lexical.fold,
    "lexical.dense_share": lexical.dense_share,
    "language.detect": language.detect,
    "language.among": lambda text: language.among(text, "german", "english"),
    "language.without_fillers": lambda text: language.without_fillers(lexical.fold(text)),
    "relevance of a question": lambda text: relevance.weigh(asked(question=text)),
}
OF_PASSAGES: Final[dict[str, Callable[[str], object]]] = {
    "quotable": quotable.units,
    "relevance": lambda text: relevance.weigh(asked(passage=text)),
    "extractive": lambda text: extractive.ExtractiveModel().answer(asked(passage=text)),
    "extractive, what may be shown": lambda text: extractive.ExtractiveModel().answer(
        asked(passage=text), allowed=gate().allows
    ),
    "citations": cited,
    "gate.allows": lambda text: gate().allows(text),
    "gate.cleaned": lambda text: gate().cleaned(text),
    "suggestions": lambda text: voice_suggestions.of(found(hit(text), hit(text), query=text), [1]),
    "split.sentences": split.sentences,
    "split.words": split.words,
}
OF_ANSWERS: Final[dict[str, Callable[[str], object]]] = {
    "reading": read,
    "unseen": lambda text: Unseen().feed(text),
    "tags": streamed(Tags),
    "links": streamed(lambda: Links(lambda _: False)),
    "unsaid": streamed(lambda: Unsaid(PERSONA.never_say)),
    "citations": streamed(lambda: Citations(PASSAGES)),
    "leaks": streamed(lambda: Leaks(TOLD, OWNERS, lambda: "")),
    "gate": streamed(gate),
    "gate at once": lambda text: gate().feed(text),
    "pieces": extractive.pieces,
    "phrases.without_lead": phrases.without_lead,
}


@pytest.mark.parametrize("name", OF_MESSAGES)
def test_what_visitors_write_costs_no_more_than_its_length(name: str) -> None:
    assert costly(OF_MESSAGES[name], MESSAGE_CHARS) == {}


@pytest.mark.parametrize("name", OF_PASSAGES)
def test_what_documents_say_costs_no_more_than_its_length(name: str) -> None:
    assert costly(OF_PASSAGES[name], PASSAGE_CHARS) == {}


@pytest.mark.parametrize("name", OF_ANSWERS)
def test_what_a_model_says_costs_no_more_than_its_length(name: str) -> None:
    assert costly(OF_ANSWERS[name], ANSWER_CHARS) == {}


def costly(run: Callable[[str], object], chars_max: int) -> dict[str, str]:
    """The shapes that cost more, with the processor time for half of the text and for all of it."""
    found: dict[str, str] = {}
    for name, shape in SHAPES.items():
        for doublings in reversed(range(DOUBLINGS)):  # the shortest first: a cube may take minutes
            whole = shape(chars_max >> doublings)
            grown = growth(run, shape(len(whole) // 2), whole)
            if grown is not None:
                found[name] = f"{grown[0] * 1e3:.1f} ms, {grown[1] * 1e3:.1f} ms ({len(whole)})"
                break
    return found


def growth(run: Callable[[str], object], half: str, whole: str) -> tuple[float, float] | None:
    """The least times for both, if the longer one never was in proportion."""
    least = least_half = float("inf")
    for _ in range(TRIES):
        least_half = min(least_half, seconds(run, half))
        least = min(least, seconds(run, whole))
        if least <= GROWTH_MAX * least_half + NOISE_S:
            return None
    return least_half, least


def seconds(run: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    run(text)
    return time.process_time() - begun

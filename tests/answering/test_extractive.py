"""The model that only quotes: what can be quoted, what is chosen, how it is put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatbot.answering.quoting import extractive, quotable, relevance
from chatbot.answering.quoting.extractive import Extract, ExtractiveModel
from chatbot.answering.quoting.quotable import Kind
from chatbot.answering.voice.prompt import Excerpt, Prompt
from tests.answering.script import excerpt

MAIL = """\
From: Anna Berg
To: Support Desk
Date: Mon, 3 Mar 2025 09:12:00 +0100
Hello,
my kettle broke after two weeks. I would like a refund.
We refund broken goods within 14 days. The money arrives five days later.
Kind regards Anna"""
PLANS = """\
Our plans are billed monthly. You can change the plan at any time.
Plan: Starter; Price: 9 €; Seats: 2
Plan: Team; Price: 29 €; Seats: 10
Plan: Business; Price: 99 €; Seats: 50"""
PAYMENT = """\
We accept:
- credit cards (Visa, Mastercard)
- SEPA direct debit
- invoice, for Business plans only
Prices include taxes."""


def answer(question: str, *excerpts: Excerpt) -> Extract:
    return ExtractiveModel().answer(Prompt(question, (), excerpts))


def said(question: str, *excerpts: Excerpt) -> str:
    return "".join(answer(question, *excerpts).pieces)


def kinds(text: str) -> list[tuple[Kind, str]]:
    return [(unit.kind, unit.text) for unit in quotable.units(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "Garantie gilt ab Kauf, d. h. ab Rechnung. Teile wie z. B. Dichtungen nicht. Am 3. März"
            " endet sie. Das war 1998. Dann nicht mehr.",
            [
                "Garantie gilt ab Kauf, d. h. ab Rechnung.",
                "Teile wie z. B. Dichtungen nicht.",
                "Am 3. März endet sie.",
                "Das war 1998.",
                "Dann nicht mehr.",
            ],
        ),
        (
            "La livraison est gratuite dès 50 € ; sinon 4,90 €. M. Dupont répond. Oui !",
            [
                "La livraison est gratuite dès 50 € ; sinon 4,90 €.",
                "M. Dupont répond.",
                "Oui !",
            ],
        ),
        (
            "배송은 3일 걸립니다. 제주도는 더 걸립니다.",
            ["배송은 3일 걸립니다.", "제주도는 더 걸립니다."],
        ),
        (
            "保修期为三年。电池除外！可以退吗？可以。",
            ["保修期为三年。", "电池除外！", "可以退吗？", "可以。"],
        ),
        (
            "「未開封」に限ります。送料は500円です。",
            ["「未開封」に限ります。", "送料は500円です。"],
        ),
        (
            "Mr. Hagerty joined. Mark A. Lipparelli left.",
            ["Mr. Hagerty joined.", "Mark A. Lipparelli left."],
        ),
    ],
)
def test_sentences_end_where_readers_of_that_language_think(
    text: str, sentences: list[str]
) -> None:
    assert [unit.text for unit in quotable.units(text)] == sentences


def test_every_part_is_where_it_says_in_its_passage() -> None:
    for text in (MAIL, PLANS, PAYMENT, " \n x \n\n y. Z is.\t\n"):
        for unit in quotable.units(text):
            assert text[unit.start : unit.end] == unit.text


def test_the_fields_of_a_mail_and_its_salutation_are_labels() -> None:
    labels = [text for kind, text in kinds(MAIL) if kind is Kind.LABEL]

    assert labels == [*MAIL.splitlines()[:3], "Hello,"]


def test_a_field_of_a_mail_is_a_label_even_where_it_ends_like_a_sentence() -> None:
    units = quotable.units("From: Acme Inc.\nTo: Bolt Ltd.\nWe pay for the parcel.")

    assert [unit.kind for unit in units] == [Kind.LABEL, Kind.LABEL, Kind.SENTENCE]
    assert units[2].under is None


def test_a_line_with_a_colon_in_an_ordinary_text_is_no_field() -> None:
    assert kinds("Date: 3 March 2025.\nWe meet at noon.")[0][0] is Kind.SENTENCE


@pytest.mark.parametrize(
    "line",
    [
        "Plan: Team; Price: 29 €; Seats: 10",
        "Nespresso; Sales (a): 3190; Profit (b): 777; Costs: —",
        "Name: Mark A. Lipparelli, Director(1); 1,918,250; 8.13%",
        "In millions of CHF | January–June 2023",
        "code: too_large; what to do: split the file. Then upload it again.",
    ],
)
def test_a_table_row_is_one_part(line: str) -> None:
    assert kinds(f"Before it.\n{line}\nAfter it.")[1] == (Kind.ROW, line)


@pytest.mark.parametrize(
    "line",
    [
        "There are three: one is old; one is new; one is lost.",
        "The rainforest (Portuguese: Floresta; Spanish: Selva) is large; it covers most of it.",
        "La livraison est gratuite ; sinon elle coûte 4,90 €.",
    ],
)
def test_a_sentence_with_colons_and_semicolons_is_no_row(line: str) -> None:
    assert kinds(f"{line}\nAfter it.")[0] == (Kind.SENTENCE, line)


def test_a_title_inside_a_passage_is_not_quoted_but_says_what_follows_is_about() -> None:
    units = quotable.units("It lasts three years.\nShipping\nParcels take two days.")

    assert [unit.kind for unit in units] == [Kind.SENTENCE, Kind.LABEL, Kind.SENTENCE]
    assert units[2].under == "Shipping"
    assert not units[1].is_quotable


def test_a_passage_of_nothing_but_titles_can_still_be_quoted() -> None:
    units = quotable.units("Quarterly revenue\nGroup performance\nCash flow")

    assert all(unit.is_quotable for unit in units)


def test_what_was_announced_is_no_title_whatever_it_looks_like() -> None:
    units = quotable.units("Paste one line. It is called the tag:\n<script src=x></script>\nDone.")

    assert [unit.kind for unit in units] == [
        Kind.SENTENCE,
        Kind.LEAD,
        Kind.SENTENCE,
        Kind.SENTENCE,
    ]


def test_a_mail_is_answered_from_its_text() -> None:
    text = said("When do I get my refund for broken goods?", excerpt(1, MAIL))

    assert "We refund broken goods within 14 days." in text
    assert "From:" not in text
    assert "Hello" not in text


def test_the_row_that_fits_comes_alone() -> None:
    text = said("What does the Team plan cost?", excerpt(1, PLANS))

    assert "Plan: Team; Price: 29 €; Seats: 10 [1]" in text
    assert "Starter" not in text
    assert "Business" not in text


def test_a_table_without_any_sentence_is_still_made_of_rows() -> None:
    cups = "Stanley Cups\nTeam: Blues; Cups: 1\nTeam: Flyers; Cups: 2\nTeam: Leafs; Cups: 13"

    text = said("How many cups did the Flyers win?", excerpt(1, cups))

    assert text == "Team: Flyers; Cups: 2 [1]"


def test_rows_that_fit_equally_come_together() -> None:
    hours = "Day: Monday; Opens: 9:00\nDay: Tuesday; Opens: 10:00\nDay: Friday; Opens: 11:00"

    text = said("What are your opening hours?", excerpt(1, hours, heading="Opening hours"))

    assert text == hours.replace("\n", "\n\n") + " [1]"


def test_a_list_comes_whole_under_what_announces_it() -> None:
    asked = "Which payment methods do you accept?"

    text = said(asked, excerpt(1, PAYMENT, heading="Payment methods"))

    assert text == "\n".join(PAYMENT.splitlines()[:4]) + " [1]"


def test_a_single_item_keeps_what_announces_it() -> None:
    text = said("Can I pay by SEPA direct debit?", excerpt(1, PAYMENT))

    assert text.startswith("We accept:\n- SEPA direct debit [1]")
    assert "credit cards" not in text


def test_sentences_that_follow_one_another_are_a_paragraph_with_one_marker() -> None:
    passage = "Cups break. The parcel takes two days. The parcel to Bern takes five days. Bye now."

    text = said("How long does the parcel take?", excerpt(1, passage))

    assert "The parcel takes two days. The parcel to Bern takes five days. [1]" in text


def test_a_section_whose_title_repeats_the_question_is_quoted_from_its_beginning() -> None:
    about = excerpt(
        1,
        "It says so and offers a person. It never invents. Three cases exist.",
        heading="Answers › What happens when the bot does not know?",
    )
    other = excerpt(2, "The bot may know what happens next.", score=0.4)

    text = said("What happens when the bot does not know?", about, other)

    assert text == "It says so and offers a person. It never invents. Three cases exist. [1]"


def test_a_word_that_only_heads_the_next_sentence_is_not_added() -> None:
    passage = "Opening the chat costs something. Cost. It is paid by the month."

    assert said("What does it cost?", excerpt(1, passage)) == (
        "Opening the chat costs something. [1]"
    )


def test_what_two_passages_say_in_the_same_words_is_said_once() -> None:
    passage = "The warranty of the kettle lasts 36 months."

    text = said("How long is the warranty?", excerpt(1, passage), excerpt(2, passage, score=0.8))

    assert text == f"{passage} [1]"


def test_what_is_not_allowed_is_not_quoted_not_even_within_a_list() -> None:
    asked = Prompt("Which payment methods do you accept?", (), (excerpt(1, PAYMENT),))

    found = ExtractiveModel().answer(asked, lambda sentence: "SEPA" not in sentence)

    text = "".join(found.pieces)
    assert "credit cards" in text
    assert "SEPA" not in text
    assert all("SEPA" not in quote for quote in found.quotes.values())


def test_markers_of_the_source_are_not_taken_for_those_of_the_answer() -> None:
    passage = (
        "It was founded in 1998.[3] It moved to Bern in 2004. [2][12] As shown in [8, 34] it grew."
    )

    units = quotable.units(passage)
    text = said("When was it founded and when did it move to Bern?", excerpt(1, passage))

    assert [unit.text for unit in units] == [
        "It was founded in 1998.",
        "It moved to Bern in 2004.",
        "As shown in [8, 34] it grew.",
    ]
    assert not units[2].is_quotable
    assert text == "It was founded in 1998. [1] It moved to Bern in 2004. [1]"


def test_nothing_to_quote_is_no_answer() -> None:
    prompt = Prompt("Which payment methods?", (), (excerpt(1, PAYMENT),))

    assert answer("Why?").pieces == []
    assert ExtractiveModel().answer(prompt, lambda _: False).pieces == []
    assert extractive.choose(relevance.weigh(Prompt("Why?", (), ()))) == []


@pytest.mark.parametrize(
    ("question", "is_certain"),
    [
        ("How long is the warranty of the kettle?", True),
        ("Can purple elephants marry a kettle in Antarctica?", False),
    ],
)
def test_an_answer_that_speaks_of_something_else_is_not_certain(
    question: str, is_certain: bool
) -> None:
    found = answer(question, excerpt(1, "The warranty of the kettle lasts 36 months."))

    assert found.is_certain is is_certain


@pytest.mark.parametrize(
    ("question", "passage", "wanted"),
    [
        ("Was kostet die Rücksendung?", "Wir sind da. Die Rücksendung kostet 5 €.", "5 €. [1]"),
        (
            "반품 배송비는 누가 부담하나요?",
            "배송은 빠릅니다. 반품 배송비는 고객이 부담합니다.",
            "고객이 부담합니다. [1]",
        ),
        ("保修期多长？", "我们在北京。所有产品保修期为三年。", "所有产品保修期为三年。 [1]"),
        ("送料はいくらですか", "返品可能。送料は全国一律500円です。", "全国一律500円です。 [1]"),
    ],
)
def test_other_languages_are_quoted_too(question: str, passage: str, wanted: str) -> None:
    assert wanted in said(question, excerpt(1, passage))


@pytest.mark.parametrize(
    "question",
    ["Team plan", "refund", "accept", "How much?", "x", "?", "kettle money Berlin seats price"],
)
def test_every_quoted_line_stands_in_the_passage_that_its_marker_names(question: str) -> None:
    texts = {1: MAIL, 2: PLANS, 3: PAYMENT, 4: "Cups break.  Really.\n\n- a\n- b\nc: d; e: f"}

    text = said(question, *(excerpt(n, each) for n, each in texts.items()))

    *quoted, rest = text.split("]")
    assert rest == ""
    for part in quoted:
        quote, _, number = part.rpartition(" [")
        for line in quote.strip().splitlines():
            assert line.strip() in texts[int(number)]


def test_what_announces_something_comes_with_it_or_not_at_all() -> None:
    passage = "The parcel goes by post. Put this on the parcel:\nsecret label\nIt is brown."
    asked = Prompt("What do I put on the parcel?", (), (excerpt(1, passage),))

    whole = ExtractiveModel().answer(asked)
    without = ExtractiveModel().answer(asked, lambda sentence: "secret" not in sentence)

    assert "Put this on the parcel:\n\nsecret label" in "".join(whole.pieces)
    assert ":" not in "".join(without.pieces)
    assert answer("What do you accept?", excerpt(1, "We accept:")).pieces == []


def test_a_sentence_about_the_one_before_it_does_not_begin_an_answer() -> None:
    passage = "Paste one line into your pages. It is called the tag. The sky is blue."

    text = said("What is the tag called?", excerpt(1, passage))

    assert text == "Paste one line into your pages. It is called the tag. [1]"


async def test_it_streams_what_it_answers() -> None:
    prompt = Prompt("How much is Team?", (), (excerpt(1, PLANS),))

    streamed = [piece async for piece in ExtractiveModel().stream(prompt)]

    assert streamed == ExtractiveModel().answer(prompt).pieces
    assert len(streamed) > 1


def test_a_huge_question_is_answered_from_huge_passages() -> None:
    found = answer(
        "kettle " * 4_000, *(excerpt(n, "The kettle boils. " * 250) for n in range(1, 7))
    )

    assert found.pieces


@given(
    some.lists(
        some.sampled_from(
            [
                *["From: a", "To: b", "- item", "1. step", "a: b; c: d", "We sell:", "Title", "\n"],
                *[
                    "z. B. ",
                    "It is so. ",
                    "Is it? ",
                    "“Yes.” ",
                    "。",
                    "반품. ",
                    "\r\n",
                    "\u2028",
                    " ",
                ],
                *["[1] ", "[7]", "[2, 3]", "a | b", "kettle ", "; ", ": ", "…", "x" * 950],
            ]
        ),
        max_size=30,
    )
)
def test_whatever_a_passage_is_made_of_it_is_quoted_as_it_stands(parts: list[str]) -> None:
    text = "".join(parts)

    units = quotable.units(text)
    found = answer("Where is the kettle item?", excerpt(1, text))

    assert all(text[unit.start : unit.end] == unit.text for unit in units)
    assert [unit.at for unit in units] == list(range(len(units)))
    assert all(quote in text for quote in found.quotes.values())
    for line in "".join(found.pieces).removesuffix(" [1]").split("\n"):
        assert all(part.strip() in text for part in line.split(" [1]"))
        assert "[7]" not in line
        assert "[2" not in line

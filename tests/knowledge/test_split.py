"""Blocks to passages: size, bounds, headings, pages, tables, scripts without spaces."""

import pytest

from knowledge import tokens
from knowledge.reading.blocks import Block, BlockKind
from knowledge.reading.split import TOKENS_MAX, WORDS_MAX, WORDS_MIN, Piece, sentences, split, words
from knowledge.reading.tokenestimate import estimate

SENTENCE = "The order is sent on the day after it was paid."


def heading(text: str, level: int = 1, page: int | None = None) -> Block:
    return Block(BlockKind.HEADING, text, level=level, page=page)


def prose(count: int, page: int | None = None, sentence: str = SENTENCE) -> Block:
    return Block(BlockKind.PARAGRAPH, " ".join([sentence] * count), page=page)


def table(*rows: list[str]) -> Block:
    return Block(BlockKind.TABLE, rows=list(rows))


def pieces_of(*blocks: Block) -> list[Piece]:
    return split(blocks, tokens.count)


def test_a_long_paragraph_becomes_passages_of_whole_sentences_and_nothing_is_lost_or_repeated():
    block = prose(100)

    pieces = pieces_of(block)

    assert all(WORDS_MIN <= words(piece.text) <= WORDS_MAX for piece in pieces[:-1])
    assert all(piece.text.endswith(".") for piece in pieces)
    assert " ".join(piece.text for piece in pieces) == block.text


def test_a_passage_knows_the_headings_above_it():
    pieces = pieces_of(
        heading("Returns"),
        heading("Within the EU", level=2),
        prose(10),
        heading("Elsewhere", level=2),
        prose(10),
        heading("Payment"),
        prose(10),
    )

    assert [piece.heading for piece in pieces] == [
        "Returns › Within the EU",
        "Returns › Elsewhere",
        "Payment",
    ]


def test_a_tiny_section_goes_on_with_the_next_one_and_keeps_its_heading_as_a_line():
    pieces = pieces_of(heading("Phone"), prose(1), heading("Mail"), prose(1))

    assert [piece.text for piece in pieces] == [f"{SENTENCE}\nMail\n{SENTENCE}"]


def test_an_answer_under_a_question_stands_alone_however_short():
    answer = "Yes, within thirty days of delivery, if the label is still on the box."

    pieces = pieces_of(
        heading("Can I send it back?", level=2),
        Block(BlockKind.PARAGRAPH, answer),
        heading("Who pays the postage?", level=2),
        Block(BlockKind.PARAGRAPH, answer),
    )

    assert [piece.heading for piece in pieces] == ["Can I send it back?", "Who pays the postage?"]


def test_a_passage_carries_the_page_it_begins_on_and_a_full_one_ends_with_its_page():
    pieces = pieces_of(prose(9, page=3), prose(9, page=4), prose(1, page=5))

    assert [piece.page for piece in pieces] == [3, 4, 5]


def test_each_row_of_a_table_says_its_columns():
    pieces = pieces_of(
        table(
            ["Prices 2026", "", ""],
            ["Plan", "Seats", "Price"],
            ["Team", "10", "49 €"],
            ["Solo", "1", "9 €"],
        )
    )

    assert [piece.text for piece in pieces] == [
        "Prices 2026\nPlan: Team; Seats: 10; Price: 49 €\nPlan: Solo; Seats: 1; Price: 9 €"
    ]


def test_a_table_of_numbers_without_names_is_read_as_it_is():
    assert pieces_of(table(["1", "2"], ["3", "4"]))[0].text == "1 | 2\n3 | 4"


def test_a_row_too_long_for_one_passage_becomes_a_section_under_its_first_cell():
    pieces = pieces_of(table(["Question", "Answer"], ["Is it safe?", prose(40).text]))

    assert len(pieces) > 1
    assert {piece.heading for piece in pieces} == {"Question: Is it safe?"}
    assert pieces[0].text.startswith(f"Answer: {SENTENCE}")


def test_text_without_spaces_is_cut_by_characters():
    sentence = "您可以在三十天内退回商品并获得全额退款。"

    pieces = pieces_of(prose(60, sentence=sentence))

    assert "".join(piece.text for piece in pieces).replace(" ", "") == sentence * 60
    assert all(words(piece.text) <= WORDS_MAX for piece in pieces)


def test_no_passage_has_more_tokens_than_allowed_even_without_any_bound():
    pieces = pieces_of(Block(BlockKind.PARAGRAPH, "x7Q" * 4_000))

    assert "".join(piece.text for piece in pieces) == "x7Q" * 4_000
    assert all(piece.tokens <= TOKENS_MAX for piece in pieces)
    assert all(piece.tokens == tokens.count(piece.text) for piece in pieces)


def test_a_document_of_headings_alone_can_still_be_found():
    assert [piece.text for piece in pieces_of(heading("Opening hours: 9 to 5"))] == [
        "Opening hours: 9 to 5"
    ]


def test_abbreviations_and_numbers_do_not_end_a_sentence():
    text = 'Dr. Ames pays 3.5 % at most. She said "No." Then e.g. Bob left. 你好。再见！'

    assert sentences(text) == [
        "Dr. Ames pays 3.5 % at most.",
        'She said "No."',
        "Then e.g. Bob left.",
        "你好。",
        "再见！",
    ]


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE * 5,
        "Plan: Team; Seats: 10; Price: 49 €; Term: 12 months\nPlan: Solo; Seats: 1; Price: 9.50 €",
        "Die Rückgabe ist innerhalb von 30 Tagen möglich und größere Geräte holen wir ab.",
        "Zwrot towaru jest możliwy w ciągu trzydziestu dni od dostawy do naszego magazynu.",
        "Возврат товара возможен в течение тридцати дней после доставки.",
        "يمكن إرجاع المنتج خلال ثلاثين يوما من التسليم.",
        "商品は到着後三十日以内であれば返品できます。製品をお送りください。",
        "您可以在三十天内退回商品并获得全额退款。",
        "상품은 배송 후 삼십 일 이내에 반품할 수 있습니다.",
    ],
)
def test_the_estimate_of_tokens_is_near_their_number(text: str):
    assert 0.7 * tokens.count(text) <= estimate(text) <= 1.4 * tokens.count(text)


def test_marks_without_a_letter_are_no_lines_of_a_passage():
    blocks = [Block(BlockKind.LIST_ITEM, "•"), Block(BlockKind.PARAGRAPH, "--"), prose(1)]

    assert [piece.text for piece in pieces_of(*blocks)] == [SENTENCE]


def test_a_table_that_says_where_its_header_is_needs_no_guess():
    rows = [["2025", "2026"], ["one", "two"]]

    (piece,) = pieces_of(Block(BlockKind.TABLE, rows=rows, headed=True))

    assert piece.text == "2025: one; 2026: two"

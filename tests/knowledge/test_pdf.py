"""PDF, which has places but no structure: columns, headings, tables, edges of pages."""

from tests.knowledge import files
from tests.knowledge.reading import read, texts, through_the_child

LINES = [f"Line {at} says that parcels are sent on working days." for at in range(8)]


async def test_a_pdf_keeps_its_page_numbers():
    result = await through_the_child("guide.pdf", files.pdf([LINES * 2, LINES * 2, LINES * 2]))

    assert result.pages == 3
    assert [piece.page for piece in result.pieces] == [1, 2, 3]
    assert result.cfg == "english"


def test_a_pdf_set_in_two_columns_is_read_down_the_first_and_then_the_second():
    def column(left: int, name: str) -> str:
        return "".join(
            files.text_at(left, 700 - 14 * at, f"the {name} column goes on in line {at} and then")
            for at in range(20)
        )

    result = read("paper.pdf", files.pdf_of(column(50, "left") + column(320, "right")))

    found = texts(result.pieces)
    assert found.rindex("left column") < found.index("right column")
    assert "line 0 and then the left column goes on in line 1 and then" in found


def test_two_columns_that_a_program_wrote_across_are_read_one_after_the_other():
    content = "".join(
        files.text_at(left, 700 - 14 * at, f"the {name} column goes on in line {at} and")
        for at in range(20)
        for left, name in ((50, "left"), (320, "right"))
    )

    found = texts(read("paper.pdf", files.pdf_of(content)).pieces)

    assert found.rindex("left column") < found.index("right column")


def test_larger_and_bold_lines_of_a_pdf_are_headings_and_words_that_begin_a_line_bold_are_not():
    def prose(bottom: int) -> str:
        return "".join(
            files.text_at(50, bottom - 14 * at, "Parcels are sent on working days and always will")
            for at in range(8)
        )

    content = (
        files.text_at(50, 740, "Handbook", size=24, bold=True)
        + files.text_at(50, 700, "1 Returns", size=10, bold=True)
        + prose(680)
        + files.text_at(50, 540, "2 Payment", size=10, bold=True)
        + files.text_at(50, 520, "Note", bold=True)
        + files.text_at(80, 520, "that parcels cost nothing at all here")
        + prose(506)
    )

    result = read("handbook.pdf", files.pdf_of(content))

    assert [piece.heading for piece in result.pieces] == [
        "Handbook › 1 Returns",
        "Handbook › 2 Payment",
    ]
    assert "Note that parcels cost nothing" in result.pieces[1].text


def test_columns_of_a_pdf_s_table_are_found_and_said_with_every_row():
    rows = [("Plan", "Seats", "Price"), ("Team", "10", "49 EUR"), ("Solo for one", "1", "9 EUR")]
    cells = "".join(
        files.text_at(left, 700 - 16 * at, cell)
        for at, row in enumerate(rows)
        for left, cell in zip((60, 200, 300), row, strict=True)
    )

    result = read("prices.pdf", files.pdf_of(cells))

    assert texts(result.pieces) == (
        "Plan: Team; Seats: 10; Price: 49 EUR\nPlan: Solo for one; Seats: 1; Price: 9 EUR"
    )


def test_what_stands_at_the_edge_of_every_page_of_a_pdf_is_left_out():
    pages = [
        [
            "Handbook of Example Ltd",
            *(f"On page {at} line {n} of the text." for n in range(9)),
            f"{at}",
        ]
        for at in range(1, 7)
    ]

    found = texts(read("handbook.pdf", files.pdf(pages)).pieces)

    assert "Example Ltd" not in found
    assert "On page 6 line 8 of the text." in found

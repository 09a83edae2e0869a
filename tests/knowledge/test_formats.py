"""What comes out of every format: headings, tables with their columns, places, languages."""

import json

import pytest

from knowledge.reading.split import WORDS_MAX
from tests.knowledge import files
from tests.knowledge.reading import message, read, refusal, texts

LINES = [f"Line {at} says that parcels are sent on working days." for at in range(8)]
PROSE = "This paragraph is long enough to stand alone on its page of the book. " * 9


def test_a_docx_keeps_headings_tables_and_the_pages_word_left_in_it():
    body = (
        files.paragraph("Returns", style="Heading1")
        + files.paragraph(PROSE)
        + files.paragraph(PROSE, marked=True)
        + files.docx_table([["Plan", "Price"], ["Team", "49 EUR"]])
    )

    result = read("book.docx", files.docx(body))

    assert result.pages == 2
    assert [piece.page for piece in result.pieces[:2]] == [1, 2]
    assert "Plan: Team; Price: 49 EUR" in texts(result.pieces)


def test_a_docx_without_marks_has_no_pages_rather_than_wrong_ones():
    result = read("book.docx", files.docx(files.paragraph("Parcels are sent on Mondays.")))

    assert result.pages is None
    assert result.pieces[0].page is None


def test_a_pptx_keeps_its_slides():
    slides = [
        [
            "Welcome",
            "We show how the product is built, sold and mended, in twelve short words or so.",
        ],
        ["Prices", "The team plan costs 49 euros a month and has ten seats for everyone in it."],
    ]

    result = read("talk.pptx", files.pptx(slides))

    assert result.pages == 2
    assert [(piece.page, piece.heading) for piece in result.pieces] == [
        (1, "Welcome"),
        (2, "Prices"),
    ]


def test_a_slide_is_read_from_its_title_down_and_its_table_keeps_its_columns():
    def box(bottom: int, text: str, kind: str = "") -> str:
        place = f'<p:nvPr><p:ph type="{kind}"/></p:nvPr>' if kind else ""
        return (
            f'<p:sp>{place}<p:spPr><a:off x="0" y="{bottom}"/></p:spPr>'
            f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def row(*cells: str) -> str:
        said = "".join(
            f"<a:tc{' vMerge=' + chr(34) + '1' + chr(34) if not cell else ''}><a:txBody><a:p><a:r>"
            f"<a:t>{cell}</a:t></a:r></a:p></a:txBody></a:tc>"
            for cell in cells
        )
        return f"<a:tr>{said}</a:tr>"

    rows = row("Plan", "Term", "Price") + row("Team", "month", "49") + row("", "year", "490")
    table = f'<p:graphicFrame><a:off x="0" y="5"/><a:tbl>{rows}</a:tbl></p:graphicFrame>'
    spaces = 'xmlns:p="p" xmlns:a="a"'
    slide = box(9, "At the bottom") + table + box(3, "7", "sldNum") + box(8, "Prices", "title")
    parts = files.parts_of(files.pptx([["a"]]))
    parts["ppt/slides/slide1.xml"] = f"<p:sld {spaces}>{slide}</p:sld>".encode()

    (piece,) = read("talk.pptx", files.archive(parts)).pieces

    assert piece.heading == "Prices"
    assert piece.text == (
        "Plan: Team; Term: month; Price: 49\nPlan: Team; Term: year; Price: 490\nAt the bottom"
    )


def test_an_xlsx_says_columns_with_every_row_and_names_its_sheets():
    many = [["Plan", "Price"], *([f"Plan {at}", at] for at in range(60))]

    result = read("prices.xlsx", files.xlsx({"Plans": many, "Old plans": many}))

    assert {(piece.page, piece.heading) for piece in result.pieces} == {
        (1, "Plans"),
        (2, "Old plans"),
    }
    assert len(result.pieces) > 2
    assert all(piece.text.startswith("Plan: Plan ") for piece in result.pieces)
    assert "Plan: Plan 59; Price: 59" in result.pieces[-1].text


def test_cells_of_an_xlsx_are_said_as_the_sheet_shows_them():
    parts = files.parts_of(files.xlsx({"Fares": [["x"]], "Hidden": [["secret"]]}))
    spaces = 'xmlns="s"'
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace(
        b'name="Hidden"', b'name="Hidden" state="hidden"'
    )
    parts["xl/styles.xml"] = (
        f'<styleSheet {spaces}><numFmts><numFmt numFmtId="170" formatCode="#,##0.00\\ &quot;€'
        '&quot;"/>'
        '</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/>'
        '<xf numFmtId="14"/><xf numFmtId="9"/><xf numFmtId="170"/><xf numFmtId="22"/></cellXfs>'
        "</styleSheet>"
    ).encode()
    names = ["Line", "From", "Share", "Price", "Seen"]
    shared = "".join(f"<si><t>{name}</t></si>" for name in names)
    rich = "<si><r><t>North </t></r><r><t>line</t></r><rPh><t>reading</t></rPh></si>"
    parts["xl/sharedStrings.xml"] = f"<sst {spaces}>{shared}{rich}</sst>".encode()
    head = "".join(f'<c t="s"><v>{at}</v></c>' for at in range(5))
    parts["xl/worksheets/sheet1.xml"] = (
        f'<worksheet {spaces}><sheetData><row r="1">{head}</row><row r="2">'
        '<c r="A2" t="s"><v>5</v></c><c r="B2" s="1"><v>46027</v></c>'
        '<c r="C2" s="2"><v>0.25</v></c>'
        '<c r="D2" s="3"><v>49.5</v></c><c r="E2" s="4"><v>46027.4375</v></c></row><row r="3">'
        '<c r="C3" s="2"><v>0.3</v></c><c r="D3" t="str"><v>free_x000D_</v></c></row></sheetData>'
        '<mergeCells><mergeCell ref="A2:A3"/></mergeCells></worksheet>'
    ).encode()

    result = read("fares.xlsx", files.archive(parts))

    assert result.pages == 1
    assert texts(result.pieces) == (
        "Line: North line; From: 2026-01-05; Share: 25%; Price: 49.5 €; Seen: 2026-01-05 10:30\n"
        "Line: North line; Share: 30%; Price: free"
    )


def test_an_odt_keeps_headings_lists_tables_and_the_spaces_it_writes_as_elements():
    body = (
        "<text:tracked-changes><text:p>deleted text</text:p></text:tracked-changes>"
        '<text:h text:outline-level="1">Returns</text:h>'
        "<text:p>Send it<text:s/><text:span>back</text:span><text:tab/>soon.</text:p>"
        "<text:list><text:list-item><text:p>Keep the label</text:p></text:list-item></text:list>"
        + files.odf_table([["Plan", "Price"], ["Team", "49 EUR"], ["Solo", "9 EUR"]])
    )

    result = read("guide.odt", files.odf("text", body))

    assert [piece.heading for piece in result.pieces] == ["Returns"]
    assert result.pieces[0].text == (
        "Send it back soon.\n- Keep the label\nPlan: Team; Price: 49 EUR\nPlan: Solo; Price: 9 EUR"
    )


def test_an_odp_keeps_its_slides_and_an_ods_its_sheets():
    def slide(title: str) -> str:
        return (
            f'<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>{title}'
            "</text:p></draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>The team "
            "plan costs 49 euros a month and has ten seats for everyone.</text:p></draw:text-box>"
            "</draw:frame><presentation:notes><text:p>secret</text:p></presentation:notes>"
            "</draw:page>"
        )

    sheets = "".join(
        files.odf_table([["Plan", "Price"], *([f"P{at}", f"{at} EUR"] for at in range(40))], name)
        for name in ("Plans", "Old plans")
    )

    talk = read("talk.odp", files.odf("presentation", slide("Welcome") + slide("Prices")))
    prices = read("prices.ods", files.odf("spreadsheet", sheets))

    assert [(piece.page, piece.heading) for piece in talk.pieces] == [(1, "Welcome"), (2, "Prices")]
    assert "secret" not in texts(talk.pieces)
    assert (talk.pages, prices.pages) == (2, 2)
    assert {(piece.page, piece.heading) for piece in prices.pieces} == {
        (1, "Plans"),
        (2, "Old plans"),
    }
    assert all(piece.text.startswith("Plan: P") for piece in prices.pieces)


def test_repeated_empty_cells_of_an_ods_keep_columns_in_their_place():
    body = (
        '<table:table table:name="S"><table:table-row>'
        + "".join(
            f"<table:table-cell><text:p>{name}</text:p></table:table-cell>" for name in "ABCD"
        )
        + "</table:table-row><table:table-row><table:table-cell><text:p>one</text:p>"
        '</table:table-cell><table:table-cell table:number-columns-repeated="2"/>'
        "<table:table-cell><text:p>four</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="16380"/></table:table-row></table:table>'
    )

    assert texts(read("s.ods", files.odf("spreadsheet", body)).pieces) == "A: one; D: four"


def test_an_epub_is_read_in_the_order_of_its_spine_under_the_titles_of_its_chapters():
    chapters = {
        "b": f"<header><h1>The second</h1></header><p>{PROSE}</p>",
        "a": f'<script src="x"/><h1>The first</h1><p>{PROSE}</p>',
        "c": f"<p>{PROSE}</p>",
    }
    contents = (
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>The '
        'last</text></navLabel><content src="c.xhtml#x"/></navPoint></navMap></ncx>'
    )

    result = read(
        "book.epub",
        files.epub(
            chapters,
            title="Garden",
            spine=["a", "b", "c"],
            extra={"OEBPS/toc.ncx": contents},
            items='<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>',
        ),
    )

    assert [piece.heading for piece in result.pieces] == [
        "Garden › The first",
        "Garden › The second",
        "Garden › The last",
    ]


def test_html_is_read_without_what_stands_around_its_text():
    page = f"""<!doctype html><title>Help</title><body>
        <nav><a href=/>Home</a></nav><script>"<!-- secret()"</script>
        <main><h1>Returns</h1><p>{" ".join(LINES)}</p><ul><li>Keep the label</ul>
        <table><tr><th>Plan<th>Price<tr><td>Team<td>49</table></main>
        <div hidden>invisible</div><footer>Imprint</footer>"""

    result = read("help.html", page.encode())

    found = texts(result.pieces)
    assert result.pieces[0].heading == "Help › Returns"
    assert "- Keep the label" in found
    assert "Plan: Team; Price: 49" in found
    assert not any(word in found for word in ("Home", "secret", "invisible", "Imprint"))


def test_cells_that_span_columns_and_rows_of_html_leave_the_others_under_their_names():
    page = """<table>
        <tr><th>Kind<th>Name<th>Price
        <tr><td rowspan=2>Drinks<td>Cola<td>2 EUR
        <tr><td>Tea<td>3 EUR
        <tr><td colspan=2>Delivery<td>5 EUR
    </table>"""

    assert texts(read("menu.html", page.encode()).pieces) == (
        "Kind: Drinks; Name: Cola; Price: 2 EUR\n"
        "Kind: Drinks; Name: Tea; Price: 3 EUR\n"
        "Kind: Delivery; Price: 5 EUR"
    )


def test_signs_in_columns_of_their_own_join_their_amounts_and_years_may_name_columns():
    page = """<table><tr><td><td colspan=3>2021<td colspan=3>2020
        <tr><td>Revenue<td>$<td>19<td><td>$<td>(10<td>)
        <tr><td>Share<td>5<td>%<td><td>6<td>%<td></table>"""

    assert texts(read("report.html", page.encode()).pieces) == (
        "Revenue; 2021: $19; 2020: $(10)\nShare; 2021: 5%; 2020: 6%"
    )


def test_markdown_keeps_headings_lists_tables_and_code():
    source = (
        "# Set-up\n\nRun *this*, says [the guide][g]:\n\n```\nmake demo\n```\n\n- one\n- two\n\n"
        "| 2025 | 2026 |\n|---|---|\n| x | y |\n\n[g]: https://example.org\n"
    )

    result = read("README.md", source.encode())

    assert result.pieces[0].heading == "Set-up"
    assert result.pieces[0].text == (
        "Run this, says the guide:\nmake demo\n- one\n- two\n2025: x; 2026: y"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize(("delimiter", "ending"), [(",", "csv"), (";", "csv"), ("\t", "tsv")])
def test_a_csv_is_read_in_any_usual_encoding_and_with_any_usual_delimiter(
    encoding: str, delimiter: str, ending: str
):
    source = delimiter.join(["Stadt", "Straße"]) + "\n" + delimiter.join(["Köln", '"Ring, 7"'])

    result = read(f"städte.{ending}", source.encode(encoding))

    assert texts(result.pieces) == "Stadt: Köln; Straße: Ring, 7"


def test_a_header_of_two_lines_is_joined_and_one_that_comes_again_is_not_a_row():
    source = "Class,People,Results,\n,,Accuracy,Time\nBlind,5,34 %,1199 s\n"
    broken = "Plan,Price\nTeam,49\nPlan,Price\nSolo,9\n"

    assert texts(read("a.csv", source.encode()).pieces) == (
        "Class: Blind; People: 5; Results, Accuracy: 34 %; Results, Time: 1199 s"
    )
    assert texts(read("b.csv", broken.encode()).pieces) == (
        "Plan: Team; Price: 49\nPlan: Solo; Price: 9"
    )


def test_a_table_over_several_passages_says_its_columns_in_each():
    rows = "".join(f"Plan {at},{at} EUR,ten seats for everyone in it\n" for at in range(60))

    result = read("plans.csv", f"Plan,Price,Seats\n{rows}".encode())

    lines = texts(result.pieces).split("\n")
    assert len(result.pieces) > 3
    assert len(lines) == 60
    assert all(line.startswith("Plan: Plan ") and "; Price: " in line for line in lines)


@pytest.mark.parametrize(
    ("encoding", "language", "text"),
    [
        ("cp1252", "german", "Die Rückgabe ist innerhalb von 30 Tagen möglich und größere Geräte "),
        (
            "iso-8859-1",
            "french",
            "Le café est ouvert tous les jours et les élèves ont une réduction ",
        ),
        ("koi8-r", "russian", "Возврат товара возможен в течение тридцати дней после доставки. "),
        ("cp1251", "russian", "Возврат товара возможен в течение тридцати дней после доставки. "),
        ("cp1253", "greek", "Η επιστροφή του προϊόντος είναι δυνατή εντός τριάντα ημερών. "),
        (
            "shift_jis",
            "simple",
            "商品は到着後三十日以内であれば返品できます。製品をお送りください。",
        ),
        ("gb18030", "simple", "商品在送达后三十天内可以退货。请填写表格并将设备寄回我们的仓库。"),
        ("euc-kr", "simple", "상품은 배송 후 삼십 일 이내에 반품할 수 있습니다. "),
        ("utf-16-le", "english", "The order is sent on the day after it was paid. "),
        ("utf-16-be", "russian", "Возврат товара возможен в течение тридцати дней. "),
    ],
)
def test_the_encoding_and_the_language_of_a_text_are_found(encoding: str, language: str, text: str):
    result = read("note.txt", (text * 3).encode(encoding))

    assert texts(result.pieces).startswith(text.strip())
    assert result.cfg == language


def test_a_few_umlauts_are_enough():
    (piece,) = read("x.md", "# können\n\näöüß".encode("latin-1")).pieces

    assert (piece.heading, piece.text) == ("können", "äöüß")


def test_plain_text_becomes_its_paragraphs():
    result = read("note.txt", b"First paragraph.\r\nStill first.\r\n\r\nSecond one.")

    assert texts(result.pieces) == "First paragraph. Still first.\nSecond one."


def test_json_becomes_headings_labels_and_records_that_stay_together():
    content = {
        "shop": {"name": "Example", "open": True, "days": ["Mon", "Tue"]},
        "plans": [
            {"name": "Team", "price": {"amount": 49, "currency": "EUR"}},
            {"name": "Solo", "price": {"amount": 9, "currency": "EUR"}, "note": None},
        ],
    }

    result = read("shop.json", json.dumps(content).encode())

    assert result.pieces[0].heading == "shop"
    assert texts(result.pieces) == (
        "name: Example\nopen: yes\ndays\n- Mon\n- Tue\nplans\n"
        "name: Team; price.amount: 49; price.currency: EUR\n"
        "name: Solo; price.amount: 9; price.currency: EUR"
    )


def test_a_record_of_json_is_never_torn_from_its_fields():
    records = [{"id": at, "text": "word " * 40, "answer": f"a{at}"} for at in range(9)]

    result = read("answers.json", json.dumps(records).encode())

    for at in range(9):
        (home,) = [piece for piece in result.pieces if f"answer: a{at}" in piece.text]
        assert f"id: {at}; text: word" in home.text
        assert len(home.text.split()) <= WORDS_MAX


def test_lines_of_json_are_one_table_and_a_bad_line_is_named():
    good = b'{"q": "Where?", "a": "Here."}\n\n{"q": "When?", "a": "Now."}\n'

    assert texts(read("faq.jsonl", good).pieces) == "q: Where?; a: Here.\nq: When?; a: Now."
    assert refusal("faq.jsonl", good + b"{oops}\n") == "malformed"
    assert refusal("faq.json", b'{"q": oops}') == "malformed"


def test_an_e_mail_says_subject_sender_date_and_text_and_names_what_is_attached():
    result = read("mail.eml", message(attached="preise.pdf"))

    assert result.pieces[0].heading == "Größere Pakete"
    assert result.pieces[0].text.split("\n") == [
        "From: Ames",
        "Date: Mon, 05 Jan 2026 10:00:00 +0100",
        "Attachments: preise.pdf",
        "Pakete über 31 kg holt die Spedition.",
        "Bis bald",
    ]


def test_of_an_e_mail_in_two_forms_the_one_with_tables_is_read():
    table = "<table><tr><th>Plan<th>Price<tr><td>Team<td>49</table>"

    found = texts(read("mail.eml", message(html=f"<p>Prices:</p>{table}")).pieces)

    assert "Plan: Team; Price: 49" in found
    assert "Spedition" not in found


def test_an_e_mail_in_an_old_or_wrong_encoding_is_read():
    fields = {
        "From": "a@example.org",
        "Subject": "=?iso-8859-1?Q?Gr=F6=DFe?=",
        "MIME-Version": "1.0",
    }
    right = files.eml(
        {**fields, "Content-Type": "text/plain; charset=koi8-r"}, "Возврат товара".encode("koi8-r")
    )
    wrong = files.eml(
        {**fields, "Content-Type": "text/plain; charset=nonsense"}, "Rückgabe".encode("latin-1")
    )

    assert "Возврат товара" in texts(read("a.eml", right).pieces)
    assert "Rückgabe" in texts(read("b.eml", wrong).pieces)
    assert read("a.eml", right).pieces[0].heading == "Größe"

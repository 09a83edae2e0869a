"""Tables of questions: read in any shape people export, reported row by row, written and read
again.
"""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import text

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import faqcsv, faqimport, faqs
from knowledge.embed import LocalEmbedder, Vectors
from knowledge.errors import MESSAGES, KnowledgeError
from knowledge.faqimport import Outcome, Report
from knowledge.faqs import Draft
from knowledge.models import Models

MODELS = Models(LocalEmbedder())
TABLE = """question,answer,variants,url,labels,enabled
How do I pay?,By card or invoice.,Can I pay by card?|Is there an invoice?,https://a.example/pay,,yes
Is it red?,"Scarlet,
from lid to base.",,,shop;Staff,no
"""


def drafts(body: str | bytes) -> list[Draft]:
    rows = faqcsv.read(body if isinstance(body, bytes) else body.encode())
    return [row.over(None) for row in rows if row.error is None]


def errors(body: str) -> list[tuple[int, str]]:
    return [
        (row.row, row.error.code) for row in faqcsv.read(body.encode()) if row.error is not None
    ]


async def take_in(database: Database, org: Org, body: str | bytes, **more: object) -> Report:
    rows = faqcsv.read(body if isinstance(body, bytes) else body.encode())
    models = more.pop("models", MODELS)
    return await faqimport.take_in(database.transaction, models, org.id, rows, **more)  # pyright: ignore[reportArgumentType]


async def kept(database: Database, org: Org) -> list[Draft]:
    async with database.transaction(org.id) as db:
        return [entry.draft async for entry in faqs.all_of(db, org.id)]


def test_columns_are_known_by_name_and_cells_by_kind() -> None:
    pay, red = drafts(TABLE)

    assert pay == Draft(
        question="How do I pay?",
        answer="By card or invoice.",
        variants=("Can I pay by card?", "Is there an invoice?"),
        url="https://a.example/pay",
    )
    assert red.answer == "Scarlet,\nfrom lid to base."
    assert (red.labels, red.enabled) == (("shop", "staff"), False)


@pytest.mark.parametrize(
    "body",
    [
        "Antwort;Frage;Sprache\nJa.;Ist er rot?;de\n",
        "FRAGEN\tAntworten\nIst er rot?\tJa.\n",
        "id|Frage|Antwort\n7|Ist er rot?|Ja.\n",
        '"Frage","Antwort"\r\n"Ist er rot?","Ja."\r\n\r\n,\r\n',
        "\ufeffquestion,answer\nIst er rot?,Ja.\n",
        "Frage,Antwort\nIst er rot?,Ja.\n".encode("utf-16"),
    ],
)
def test_any_delimiter_order_language_and_encoding_is_read(body: str | bytes) -> None:
    assert drafts(body) == [Draft(question="Ist er rot?", answer="Ja.")]


def test_latin_letters_of_old_programs_are_read() -> None:
    (draft,) = drafts("Frage;Antwort\nGröße?;Für Füße.\n".encode("cp1252"))

    assert (draft.question, draft.answer) == ("Größe?", "Für Füße.")


def test_several_columns_of_variants_are_one() -> None:
    (draft,) = drafts("question,answer,variant 1,variant 2\nRed?,Yes.,Is it red?,Is it scarlet?\n")

    assert draft.variants == ("Is it red?", "Is it scarlet?")


def test_a_row_that_cannot_be_used_has_its_code_and_the_others_stand() -> None:
    body = (
        "question,answer,url,enabled\n"
        "One?,Yes.,,\n"
        ",Nobody asked.,,\n"
        "Three?,,,\n"
        "Four?,Yes.,ftp://a.example,\n"
        "Five?,Yes.,,perhaps\n"
        f"Six?,{'x' * 4_001},,\n"
        "ONE?,Again.,,\n"
        "Eight?\n"
    )

    assert errors(body) == [
        (3, "bad_question"),
        (4, "bad_answer"),
        (5, "bad_faq_url"),
        (6, "bad_switch"),
        (7, "bad_answer"),
        (8, "duplicate_in_file"),
        (9, "bad_answer"),
    ]
    assert [draft.question for draft in drafts(body)] == ["One?"]


def test_a_row_that_cannot_be_used_names_the_column_as_its_file_does() -> None:
    body = "Frage;Antwort;Web Adresse;Aktiv\nA?;;;\nB?;Ja.;ftp://b;\nC?;Ja.;;vielleicht\n"

    messages = [row.error.message for row in faqcsv.read(body.encode()) if row.error]

    assert [message.partition(":")[0] for message in messages] == [
        "Column “Antwort”",
        "Column “Web Adresse”",
        "Column “Aktiv”",
    ]
    assert messages[2].endswith(MESSAGES["bad_switch"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"x" * (faqcsv.BODY_BYTES_MAX + 1), "too_large"),
        (b"name,text\nIs it red?,Yes.\n", "no_columns"),
        (b"\x00\x01\x02\xff\xfe", "no_columns"),
        (b"question,answer\n" + b"a,b\n" * (faqcsv.ROWS_MAX + 1), "too_many_rows"),
        (b"question,answer\n" + b"a," + b"b" * 200_000 + b"\n", "malformed"),
    ],
)
def test_a_file_that_cannot_be_read_has_its_code(body: bytes, code: str) -> None:
    with pytest.raises(KnowledgeError, match=code):
        faqcsv.read(body)


WORDING = some.text(
    some.sampled_from(["a", "é", "你", "=", "+", "-", "@", "'", '"', ",", ";", "|", " "]),
    min_size=1,
    max_size=12,
).map(lambda said: f"{said}b")


@given(
    some.lists(
        some.tuples(WORDING, some.text(max_size=20).map(lambda said: f"{said}c"), some.booleans()),
        max_size=5,
        unique_by=lambda row: faqs.key(row[0]),
    )
)
def test_what_is_written_is_read_again_and_no_cell_is_a_formula(
    rows: list[tuple[str, str, bool]],
) -> None:
    given_drafts = [
        Draft(question=question.replace("|", "/"), answer=_readable(answer), enabled=enabled)
        for question, answer, enabled in rows
    ]
    clean = [faqs.checked(draft) for draft in given_drafts]

    body = faqcsv.write(clean)
    cells = [
        cell
        for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""))
        for cell in row
    ]

    assert drafts(body) == clean
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")]


def _readable(answer: str) -> str:
    """Without what no file keeps: control characters, and line ends of other systems."""
    return "".join(letter for letter in answer if letter.isprintable() or letter == "\n")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "'=1", "''@x"])
def test_a_formula_is_disarmed_and_comes_back(cell: str) -> None:
    draft = Draft(question=f"{cell}?", answer=f"{cell}.")

    body = faqcsv.write([draft])

    assert f"'{cell}" in body.decode("utf-8-sig")
    assert drafts(body) == [draft]


@pytest.mark.parametrize("variants", [("a|b",), ("a", "b|c"), ("a",), ("=a", "-b")])
def test_a_stroke_in_a_variant_parts_nothing_when_it_comes_back(variants: tuple[str, ...]) -> None:
    draft = Draft(question="Why?", answer="So.", variants=variants)

    assert drafts(faqcsv.write([draft])) == [draft]


async def test_an_import_adds_then_changes_then_leaves_alone(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs

    first = await take_in(database, alder, TABLE)
    again = await take_in(database, alder, TABLE)
    third = await take_in(database, alder, TABLE.replace("invoice.", "PayPal.") + "New?,Yes.\n")

    assert (first.added, first.changed, first.unchanged, first.failed) == (2, 0, 0, 0)
    assert (again.added, again.changed, again.unchanged, again.failed) == (0, 0, 2, 0)
    assert [(each.row, each.outcome) for each in third.rows] == [
        (2, Outcome.CHANGED),
        (3, Outcome.UNCHANGED),
        (4, Outcome.ADDED),
    ]
    assert {draft.question for draft in await kept(database, alder)} == {
        "How do I pay?",
        "Is it red?",
        "New?",
    }
    assert await kept(database, birch) == []


async def test_long_questions_that_begin_alike_are_told_apart_and_known_again(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    body = "question,answer\n" + "".join(f"{'long ' * 80}{n}?,Yes.\n" for n in range(2))

    first = await take_in(database, alder, body)
    again = await take_in(database, alder, body)

    assert (first.added, again.unchanged) == (2, 2)
    assert {len(each.question) for each in first.rows} == {200}


async def test_what_a_table_does_not_mention_stays(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    await take_in(database, alder, TABLE)

    report = await take_in(database, alder, "question,answer\nHow do I pay?,In cash.\n")

    pay = next(draft for draft in await kept(database, alder) if "pay" in draft.question)
    assert report.changed == 1
    assert (pay.answer, pay.url, len(pay.variants)) == ("In cash.", "https://a.example/pay", 2)


async def test_a_dry_run_reports_the_same_and_writes_nothing(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    body = TABLE + ",Nobody asked.,,,,\nIs it red?,Yes.,,,,\n"

    dry = await take_in(database, alder, body, dry_run=True)
    nothing = await kept(database, alder)
    async with database.transaction(alder.id) as db:
        left = await db.scalar(
            text("select count(*) from documents where org_id = :o"), {"o": alder.id}
        )
    wet = await take_in(database, alder, body)

    assert nothing == []
    assert left == 0
    assert dry.dry_run
    assert not wet.dry_run
    assert dry.rows == wet.rows
    assert [(each.row, each.outcome, each.code) for each in wet.rows] == [
        (2, "added", None),
        (3, "added", None),
        (4, "failed", "bad_question"),
        (5, "failed", "duplicate_in_file"),
    ]


async def test_rows_past_the_limit_fail_and_the_others_are_kept(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    await take_in(database, alder, TABLE)
    body = "question,answer\nIs it red?,Yes.\n" + "".join(f"N {n}?,Yes.\n" for n in range(60))

    dry = await take_in(database, alder, body, dry_run=True, most=57)
    wet = await take_in(database, alder, body, most=57)

    assert (wet.added, wet.changed, wet.failed) == (55, 1, 5)
    assert {each.code for each in wet.rows if each.code} == {"too_many_faqs"}
    assert dry.rows == wet.rows
    assert len(await kept(database, alder)) == 57


class Failing(LocalEmbedder):
    """Answers `times`, then no more."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.left -= 1
        if self.left < 0:
            raise KnowledgeError("embedding_failed")
        return await super().embed(texts)


async def test_when_the_embedding_service_stops_answering_what_was_done_stays(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    body = "question,answer\n" + "".join(f"N {n}?,Yes.\n" for n in range(120))
    failing = Failing(1)

    report = await take_in(database, alder, body, models=Models(failing))

    assert (report.added, report.failed) == (50, 70)
    assert {each.code for each in report.rows if each.code} == {"embedding_failed"}
    assert failing.left == -1, "it is not asked again for every row"
    assert len(await kept(database, alder)) == 50


async def test_what_is_exported_imports_as_unchanged(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    await take_in(database, alder, TABLE + '-5 %?,"=SUM(A1)\n- or less",,,,\n')

    body = faqcsv.write(await kept(database, alder))
    same = await take_in(database, alder, body)
    there = await take_in(database, birch, body)

    assert (same.unchanged, same.failed) == (3, 0)
    assert (there.added, there.failed) == (3, 0)
    assert sorted(draft.question for draft in await kept(database, birch)) == sorted(
        draft.question for draft in await kept(database, alder)
    )

"""Questions with answers as a table: any CSV read row by row, and written so that it can be read
again. Pure.

A spreadsheet takes a cell that begins with = + - @, a tab or a line end for a formula (OWASP, "CSV
Injection"): such cells are written with an apostrophe before them, which reading takes away again.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from knowledge import faqs
from knowledge.errors import MESSAGES, KnowledgeError
from knowledge.faqs import Draft
from knowledge.reading import decoding

BODY_BYTES_MAX: Final = 5 * 1024 * 1024
ROWS_MAX: Final = 2_000
CELLS_A_ROW_MAX: Final = 200
_DELIMITERS: Final = ",;\t|"
_EXPORTED: Final = (
    "question", "answer", "variants", "url", "labels", "word_for_word", "enabled",
)  # fmt: skip
# What people call the columns, in the languages that we expect; letters and digits only.
_NAMES: Final = {
    "question": "question questions q frage fragen pregunta domanda vraag pergunta",
    "answer": "answer answers a antwort antworten réponse reponse respuesta risposta antwoord "
    "resposta",
    "variants": "variants variant variante varianten variantes varianti alternatives alternative "
    "alternativequestions otherquestions otherwordings synonyms paraphrases weiterefragen "
    "alternativefragen andereformulierungen",
    "url": "url link links address source_url sourceurl adresse webadresse enlace lien",
    "labels": "labels label tags tag audience schlagworte schlagwörter zielgruppe etiquetas",
    "word_for_word": "wordforword verbatim literal wörtlich woertlich",
    "enabled": "enabled active published aktiv aktiviert actif activo",
}
# Which column a question that cannot be kept failed for; a switch is known while it is read.
_FAULTY: Final = {
    "bad_question": "question",
    "bad_answer": "answer",
    "bad_variants": "variants",
    "bad_faq_url": "url",
    "bad_labels": "labels",
}
_NAME_CHARS_SHOWN: Final = 40
_ROLES: Final = {name: role for role, names in _NAMES.items() for name in names.split()}
_YES: Final = frozenset("yes y true t 1 x on ja j wahr oui vrai si sí sì sim".split())  # noqa: SIM905
_NO: Final = frozenset("no n false f 0 - off nein falsch non faux não nao nee".split())  # noqa: SIM905
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n]")
_NEUTRALISED: Final = re.compile(r"'+[=+\-@\t\r\n]")
_NOT_NAME: Final = re.compile(r"[\W_]+")
_NUMBERED: Final = re.compile(r"(?<=\D)\d{1,2}$")
_LABELS_PARTED: Final = re.compile(r"[|\n,;]")

Known = Mapping[str, str | tuple[str, ...] | bool | None]
_Column = tuple[str | None, str]  # what it is, and how the file calls it


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table; `row` counts as a spreadsheet does, the names of the columns being row 1.

    `said` has what the row's columns say; `error` says why it cannot be used.
    """

    row: int
    question: str
    said: Known = {}
    error: KnowledgeError | None = None

    def over(self, kept: Draft | None) -> Draft:
        """What this row makes of the question that is there; columns that it has not, or switches
        that it leaves empty, stay as they are. KnowledgeError as `faqs.checked`.
        """
        before = msgspec.structs.asdict(kept) if kept is not None else {}
        return faqs.checked(msgspec.convert(before | dict(self.said), Draft))


def read(body: bytes) -> list[Row]:
    """The rows of a table, empty ones left out, each usable or with its error.

    KnowledgeError `empty`, `too_large`, `no_columns`, `too_many_rows` or `malformed`.
    """
    if not body.strip():
        raise KnowledgeError("empty")
    if len(body) > BODY_BYTES_MAX:
        raise KnowledgeError("too_large", f"The file has at most {BODY_BYTES_MAX // 2**20} MB.")
    content = decoding.decode(body)
    delimiter, columns = _columns(content)
    rows: list[Row] = []
    first: dict[str, int] = {}
    for number, cells in _records(content, delimiter):
        if number == 1 or not any(cell.strip() for cell in cells):
            continue
        if len(rows) == ROWS_MAX:
            raise KnowledgeError(
                "too_many_rows", f"A file has at most {ROWS_MAX:,} rows. Split it."
            )
        rows.append(_once(_row(number, cells, columns), first))
    return rows


def write(drafts: Iterable[Draft]) -> bytes:
    """A table of the questions that spreadsheets open in the right encoding and without harm."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_EXPORTED)
    for draft in drafts:
        cells = (
            draft.question,
            draft.answer,
            _listed(draft.variants),
            draft.url or "",
            ", ".join(draft.labels),
            "yes" if draft.word_for_word else "no",
            "yes" if draft.enabled else "no",
        )
        writer.writerow([_neutralised(cell) for cell in cells])
    return out.getvalue().encode("utf-8-sig")


def _neutralised(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _plain(cell: str) -> str:
    return cell[1:] if _NEUTRALISED.match(cell) else cell


def _columns(content: str) -> tuple[str, list[_Column]]:
    """The delimiter with which the first row names a question and an answer, and the columns."""
    for delimiter in _DELIMITERS:
        _, names = next(_records(content, delimiter), (1, []))
        columns = [(_role(name), " ".join(name.split())) for name in names]
        if {"question", "answer"} <= {role for role, _ in columns}:
            return delimiter, columns
    raise KnowledgeError("no_columns")


def _role(name: str) -> str | None:
    plain = _NOT_NAME.sub("", name.casefold())
    return _ROLES.get(plain) or _ROLES.get(_NUMBERED.sub("", plain))


def _records(content: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows counted from 1. KnowledgeError `malformed`."""
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            message = f"Row {number} is not a row of a table: {error}. Export it as CSV again."
            raise KnowledgeError("malformed", message) from error
        if cells is None:
            return
        yield number, cells[:CELLS_A_ROW_MAX]


def _row(number: int, cells: Sequence[str], columns: Sequence[_Column]) -> Row:
    given: dict[str, list[str]] = {}
    for (role, _), cell in zip(columns, cells, strict=False):
        if role is not None and (role == "variants" or role not in given):
            given.setdefault(role, []).append(_plain(cell))
    question = " ".join(given.get("question", [""])[0].split())
    said: dict[str, str | tuple[str, ...] | bool] = {"question": "", "answer": ""}
    at = ""
    try:
        for at, found in given.items():
            if (value := _value(at, found)) is not None:
                said[at] = value
        row = Row(row=number, question=question, said=said)
        row.over(None)
    except KnowledgeError as error:
        called = next(name for role, name in columns if role == _FAULTY.get(error.code, at))
        message = f"Column “{called[:_NAME_CHARS_SHOWN]}”: {error.message}"
        return Row(row=number, question=question, error=KnowledgeError(error.code, message))
    return row


def _value(role: str, cells: Sequence[str]) -> str | tuple[str, ...] | bool | None:
    """What the cells of one column say; None for a switch that is left as it is."""
    match role:
        case "variants":
            return tuple(part for cell in cells for part in _parts(cell))
        case "labels":
            parts = (part.strip() for part in _LABELS_PARTED.split(cells[0]))
            return tuple(part for part in parts if part)
        case "enabled" | "word_for_word":
            return _switch(cells[0])
        case _:
            return cells[0].strip()


def _listed(variants: Sequence[str]) -> str:
    """One a line; a line end says that a stroke parts nothing."""
    lines = "\n".join(variants)
    return f"{lines}\n" if "|" in lines and "\n" not in lines else lines


def _parts(cell: str) -> list[str]:
    parts = cell.split("\n" if "\n" in cell else "|")
    return [part.strip() for part in parts if part.strip()]


def _switch(cell: str) -> bool | None:
    said = cell.strip().casefold()
    if not said:
        return None
    if said in _YES | _NO:
        return said in _YES
    raise KnowledgeError("bad_switch")


def _once(row: Row, first: dict[str, int]) -> Row:
    """The row, or its error when an earlier one asks the same."""
    if row.error is not None:
        return row
    before = first.setdefault(faqs.key(row.question), row.row)
    if before == row.row:
        return row
    message = f"Row {before} has this question already. {MESSAGES['duplicate_in_file']}"
    return Row(
        row=row.row, question=row.question, error=KnowledgeError("duplicate_in_file", message)
    )

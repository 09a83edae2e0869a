"""What can be quoted of a passage: its sentences, list items and table rows, each exactly as it
stands there. Pure.

Passages come from `knowledge.reading.split`: a line is a paragraph, an item (`- …`), a row
(`Column: cell; Column: cell`) or the title of a section that was too short to stand alone. Titles
and the fields of an e-mail say what the lines after them are about; they are not quoted.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from knowledge.reading import split

UNIT_CHARS_MAX: Final = 900
LABEL_CHARS_MAX: Final = 100
QUESTION_CHARS_MAX: Final = 120
NAME_CHARS_MAX: Final = 80
SALUTATION_CHARS_MAX: Final = 40
ENDING_CHARS_MAX: Final = 16

_ITEM: Final = re.compile(r"(?:[-*•–]|\d{1,2}[.)])\s+\S")
_FIELD: Final = re.compile(
    r"(?:From|To|Cc|Date|Sent|Subject|Attachments|Reply-To|Von|An|Datum|Gesendet|Betreff|De|À|"
    r"Objet|Envoyé|Para|Fecha|Asunto|Da|A|Oggetto|Data|Assunto|Aan|Verzonden|Onderwerp)\s?: ",
)
_FIELDS_MIN: Final = 2
_WITHIN: Final = re.compile(r"[.!?;]\s")
_ENDED: Final = re.compile(r"[.!?…。！？;；,，、][\"'”’»)\]」』）]*$")
_ASKS: Final = re.compile(r"[?？][\"'”’»)\]」』）]*$")
# After a day of the month (“am 3. März”), a letter (“z. B.”) and some abbreviations a sentence may
# go on.
_DAY: Final = re.compile(r"\b\d{1,2}\.$")
_LETTER: Final = re.compile(r"(?<![^\W_])[a-z]\.$")
_NEXT_LETTER: Final = re.compile(r"[^\W\d_]\.")
_SHORT: Final = re.compile(
    r"\b(?:approx|etc|evtl|ggf|inkl|Mio|Mrd|Tel|pp|env|Sra?|Dra?|Sig|Abs|[Vv]ol|[Jj]r|Sen|Gen|Rev|"
    r"Col|Lt|Capt|Mt)\.$"
)
_MONTH: Final = re.compile(
    r"(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|jan|feb|mar|apr|maj|jun|jul|aug|sep|okt|"
    r"nov|dec|Jahrhundert|Jh|Etage|Stock|Platz|Klasse|Auflage|Juni|Juli)"
)
# What would be taken for the answer's own markers (“as shown [8, 34]”); after a sentence it stands
# between this one and the next.
_MARKER: Final = re.compile(r"[\[【［〔][\s,;:、，；^–—‐-]*+\d[\s\d,;:、，；^–—‐-]*+[\]】］〕]")
_AFTER: Final = re.compile(rf"(?<=[.!?…。！？])\s*(?:{_MARKER.pattern}\s*)+(?=\S|\Z)")


class Kind(StrEnum):
    """`lead` is a line that announces those after it (“We accept:”)."""

    SENTENCE = "sentence"
    ITEM = "item"
    ROW = "row"
    LEAD = "lead"
    LABEL = "label"


class Unit(msgspec.Struct, frozen=True):
    """A part of a passage, `text[start:end]` of it; `under` is the title that stands above it in
    the passage itself, `line` counts its lines.
    """

    at: int
    kind: Kind
    text: str
    start: int
    end: int
    line: int
    under: str | None = None

    @property
    def is_quotable(self) -> bool:
        fits = len(self.text) <= UNIT_CHARS_MAX and _MARKER.search(self.text) is None
        return fits and self.kind is not Kind.LABEL


def units(text: str) -> list[Unit]:
    """The parts of a passage in their order; where it has nothing but titles, they are
    sentences.
    """
    lines = _lines(text)
    kinds = _kinds([line for _, line in lines])
    if all(_could_be_title(kind, line) for kind, (_, line) in zip(kinds, lines, strict=True)):
        kinds = [Kind.SENTENCE if _names_something(line) else Kind.LABEL for _, line in lines]
    found: list[Unit] = []
    under: str | None = None
    for number, ((start, line), kind) in enumerate(zip(lines, kinds, strict=True)):
        parts = _sentences(line) if _is_cut(kind, line) else [(0, line)]
        for offset, part in parts:
            begin = start + offset
            announces = kind is Kind.LEAD and begin + len(part) == start + len(line)
            said = Kind.SENTENCE if kind is Kind.LEAD and not announces else kind
            found.append(Unit(len(found), said, part, begin, begin + len(part), number, under))
        if kind is Kind.LABEL and _names_something(line):
            under = line
    return found


def anything(_sentence: str) -> bool:
    """Nothing is forbidden."""
    return True


def _lines(text: str) -> list[tuple[int, str]]:
    """Each line that says something, without the spaces around it, and where it begins."""
    found: list[tuple[int, str]] = []
    at = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            found.append((at + line.index(stripped), stripped))
        at += len(line)
    return found


def _kinds(lines: list[str]) -> list[Kind]:
    fields = sum(bool(_FIELD.match(line)) for line in lines) >= _FIELDS_MIN
    rows = [_is_row(line) for line in lines]
    kinds: list[Kind] = []
    for at, line in enumerate(lines):
        beside = any(rows[max(0, at - 1) : at + 2])
        announced = bool(kinds) and kinds[-1] is Kind.LEAD
        if fields and _FIELD.match(line):
            kinds.append(Kind.LABEL)
        elif _ITEM.match(line):
            kinds.append(Kind.ITEM)
        elif rows[at] or (beside and _is_named(line)):
            kinds.append(Kind.ROW)
        else:
            kinds.append(_prose(line, last=at + 1 == len(lines), announced=announced))
    return kinds


def _prose(line: str, *, last: bool, announced: bool) -> Kind:
    """Of a line that is neither item nor row. What was announced is no title, whatever it looks
    like: a command, an address.
    """
    if line.endswith((":", "：")):
        return Kind.SENTENCE if last else Kind.LEAD
    greets = len(line) <= SALUTATION_CHARS_MAX and line.endswith((",", "，"))
    if greets or not any(map(str.isalpha, line)):
        return Kind.LABEL
    return Kind.LABEL if not last and not announced and _is_title(line) else Kind.SENTENCE


def _is_row(line: str) -> bool:
    """Whether most cells have the name of their column before them, or they stand between bars."""
    cells = line.split("; ")
    if len(cells) < 2:
        return " | " in line
    if any(cell.count("(") != cell.count(")") for cell in cells):
        return False  # a sentence with an aside
    named = sum(map(_is_named, cells))
    return named * 2 >= len(cells) or (named > 0 and not _ENDED.search(line))


def _is_named(cell: str) -> bool:
    """Whether the name of a column stands before a value: no part of a sentence."""
    name, colon, value = cell.partition(": ")
    return bool(colon and value) and len(name) <= NAME_CHARS_MAX and not _WITHIN.search(name)


def _is_title(line: str) -> bool:
    if _ASKS.search(line):
        return len(line) <= QUESTION_CHARS_MAX and len(split.sentences(line)) == 1
    return len(line) <= LABEL_CHARS_MAX and (not _ENDED.search(line) or line.isupper())


def _could_be_title(kind: Kind, line: str) -> bool:
    return kind is Kind.LABEL or (kind is Kind.SENTENCE and _is_title(line))


def _names_something(label: str) -> bool:
    return not _FIELD.match(label) and not label.endswith(",") and any(map(str.isalpha, label))


def _is_cut(kind: Kind, line: str) -> bool:
    return kind in (Kind.SENTENCE, Kind.LEAD) or (kind is Kind.ITEM and len(line) > UNIT_CHARS_MAX)


def _sentences(line: str) -> list[tuple[int, str]]:
    """Where each sentence of a line begins, and what it says; without markers between them."""
    found: list[tuple[int, str]] = []
    begin = 0
    for gap in [*_AFTER.finditer(line), None]:
        part = line[begin : gap.start() if gap else None]
        found += [(begin + at, sentence) for at, sentence in _cut(part)]
        begin = gap.end() if gap else begin
    return found


def _cut(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    at = 0
    for sentence in split.sentences(text):
        at = text.index(sentence, at)
        if found and _continues(found[-1][1], sentence):
            begin = found[-1][0]
            found[-1] = begin, text[begin : at + len(sentence)]
        else:
            found.append((at, sentence))
        at += len(sentence)
    return found


def _continues(before: str, sentence: str) -> bool:
    before = before[-ENDING_CHARS_MAX:]
    if _DAY.search(before):
        return bool(_MONTH.match(sentence))
    if _LETTER.search(before):
        return bool(_NEXT_LETTER.match(sentence))
    return bool(_SHORT.search(before))

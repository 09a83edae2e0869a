"""XLSX (ISO/IEC 29500 SpreadsheetML): visible sheets one by one, values as the sheet shows them.

Read here and not by kreuzberg, which says dates with midnight, shares without their sign, and a
cell that reaches down only in its first row.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Final

import msgspec

from knowledge.errors import KnowledgeError
from knowledge.reading import archive, cellformats, cells, xmlparts
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.cells import CELLS_MAX, COLUMNS_MAX, REPEATED_CHARS_MAX

_MERGES_MAX: Final = 10_000
_REPEATED_MAX: Final = 100_000
_WORKBOOK: Final = "xl/workbook.xml"
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_STRINGS: Final = "xl/sharedStrings.xml"
_STYLES: Final = "xl/styles.xml"
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")


def read(body: bytes) -> Parsed:
    """Pages are sheets; each has its name as heading. KnowledgeError `malformed`, `encrypted`,
    `archive_bomb`, `too_large`.
    """
    archive.check(body)
    with archive.opened(body) as parts:
        names = set(parts.namelist())
        if _WORKBOOK not in names:
            raise KnowledgeError("malformed")
        book = _Book()
        strings = _Strings()
        for name, sink in (
            (_WORKBOOK, book),
            (_RELATIONS, book),
            (_STRINGS, strings),
            (_STYLES, book.formats),
        ):
            if name in names:
                xmlparts.read(parts.read(name), sink)
    sheets = [(name, path) for name, path in book.sheets() if path in names]
    return Parsed(_blocks(body, sheets, strings.found, book.formats), len(sheets))


def _blocks(
    body: bytes,
    sheets: list[tuple[str, str]],
    strings: list[str],
    formats: cellformats.Formats,
) -> Iterator[Block]:
    room = CELLS_MAX
    with archive.opened(body) as parts:
        for number, (name, path) in enumerate(sheets, start=1):
            sheet = _read_sheet(parts, path, strings, formats, room=room)
            room -= sheet.cells
            if rows := sheet.table():
                yield Block(BlockKind.HEADING, name, level=1, page=number)
                yield Block(BlockKind.TABLE, page=number, rows=rows)


def _read_sheet(
    parts: zipfile.ZipFile,
    path: str,
    strings: list[str],
    formats: cellformats.Formats,
    *,
    room: int,
) -> "_Sheet":
    sheet = _Sheet(strings, formats, room)
    xmlparts.read(parts.read(path), sheet)
    return sheet


class _Book(xmlparts.Sink):
    """Names and places of the sheets, in their order."""

    def __init__(self) -> None:
        self.formats = cellformats.Formats()
        self._sheets: list[tuple[str, str, bool]] = []
        self._targets: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match xmlparts.local(name):
            case "sheet":
                relation = next((v for k, v in attributes.items() if k.endswith(" id")), "")
                visible = attributes.get("state", "visible") == "visible"
                self._sheets.append((attributes.get("name", ""), relation, visible))
            case "Relationship":
                self._targets[attributes.get("Id", "")] = attributes.get("Target", "")
            case "workbookPr":
                self.formats.since_1904 = attributes.get("date1904") in {"1", "true"}
            case _:
                pass

    def sheets(self) -> list[tuple[str, str]]:
        """The visible ones; what is hidden is not meant for readers."""
        visible = [one for one in self._sheets if one[2]] or self._sheets
        return [
            (name, posixpath.normpath(posixpath.join("/xl", self._targets[relation]))[1:])
            for name, relation, _ in visible
            if relation in self._targets
        ]


class _Strings(xmlparts.Sink):
    """The texts that cells refer to by number; how to pronounce them is left out."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._text: list[str] = []
        self._says = False
        self._phonetic = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = xmlparts.local(name)
        self._phonetic += tag == "rPh"
        self._says = tag == "t" and not self._phonetic
        if tag == "si":
            self._text = []

    def end(self, name: str) -> None:
        tag = xmlparts.local(name)
        self._phonetic -= tag == "rPh"
        self._says = False
        if tag == "si":
            self.found.append(_unescaped("".join(self._text)))

    def data(self, text: str) -> None:
        if self._says:
            self._text.append(text)


class _Merge(msgspec.Struct, frozen=True):
    column: int
    top: int
    bottom: int


class _Sheet(xmlparts.Sink):
    def __init__(self, strings: list[str], formats: cellformats.Formats, room: int) -> None:
        self.cells = 0
        self._strings = strings
        self._formats = formats
        self._room = room
        self._rows: dict[int, dict[int, str]] = {}
        self._merges: list[_Merge] = []
        self._row = self._column = 0
        self._kind, self._style = "n", 0
        self._text: list[str] = []
        self._says = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match xmlparts.local(name):
            case "row":
                self._row = cells.number(attributes.get("r")) or self._row + 1
                self._column = 0
            case "c":
                found = _REFERENCE.fullmatch(attributes.get("r", ""))
                self._column = _column(found[1]) if found else self._column + 1
                self._kind = attributes.get("t", "n")
                self._style = cells.number(attributes.get("s"))
                self._text = []
            case "v" | "t":
                self._says = True
            case "mergeCell" if len(self._merges) < _MERGES_MAX:
                self._note_merge(attributes.get("ref", ""))
            case _:
                pass

    def end(self, name: str) -> None:
        self._says = False
        if xmlparts.local(name) == "c" and (text := self._value()):
            self.cells += 1
            if self.cells > self._room:
                raise KnowledgeError("too_large", f"A workbook has at most {CELLS_MAX:,} cells.")
            self._rows.setdefault(self._row, {})[self._column] = text

    def data(self, text: str) -> None:
        if self._says:
            self._text.append(text)

    def table(self) -> list[list[str]]:
        """Rows of the columns that are used at all."""
        self._reach_down()
        columns = sorted({column for row in self._rows.values() for column in row})[:COLUMNS_MAX]
        return [
            [row.get(column, "") for column in columns] for _, row in sorted(self._rows.items())
        ]

    def _value(self) -> str:
        text = "".join(self._text)
        match self._kind:
            case "s":
                at = cells.number(text)
                return self._strings[at] if text and at < len(self._strings) else ""
            case "b":
                return {"1": "TRUE", "0": "FALSE"}.get(text, "")
            case "e":
                return ""
            case "n":
                return self._formats.shown(text, self._style)
            case _:
                return _unescaped(text)

    def _note_merge(self, reference: str) -> None:
        ends = [_REFERENCE.fullmatch(end) for end in reference.split(":")]
        if len(ends) == 2 and ends[0] and ends[1]:
            top, bottom = int(ends[0][2]), int(ends[1][2])
            if bottom > top:
                self._merges.append(_Merge(_column(ends[0][1]), top, bottom))

    def _reach_down(self) -> None:
        """A cell over several rows is said in each, so that each can stand alone."""
        numbers, repeated = sorted(self._rows), 0
        for merge in self._merges:
            text = self._rows.get(merge.top, {}).get(merge.column, "")
            if not text or len(text) > REPEATED_CHARS_MAX:
                continue
            for number in numbers:
                if merge.top < number <= merge.bottom and repeated < _REPEATED_MAX:
                    self._rows[number].setdefault(merge.column, text)
                    repeated += 1


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _unescaped(text: str) -> str:
    """Excel writes what XML cannot hold as `_x000D_`."""
    return _ESCAPED.sub(_character, text).strip()


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return " " if code < 0x20 or 0xD800 <= code < 0xE000 else chr(code)

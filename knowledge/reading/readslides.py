"""PPTX (ISO/IEC 29500 PresentationML): slides in the order of the show, each from its title down.

Read here and not by kreuzberg, whose slide numbers are incomplete. What a slide repeats (number,
date, footer) and the speaker's notes are left out.
"""

import posixpath
import re
from typing import Final

from knowledge.errors import KnowledgeError
from knowledge.reading import archive, xmlparts
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.cells import REPEATED_CHARS_MAX

_PRESENTATION: Final = "ppt/presentation.xml"
_RELATIONS: Final = "ppt/_rels/presentation.xml.rels"
_SLIDE: Final = re.compile(r"ppt/slides/slide(\d+)\.xml")
_SHAPES: Final = {"sp", "graphicFrame", "grpSp", "pic", "cxnSp"}
_TITLES: Final = {"title", "ctrTitle"}
_REPEATED: Final = {"sldNum", "dt", "ftr", "hdr"}


def read(body: bytes) -> Parsed:
    """Pages are slides. KnowledgeError `malformed`, `encrypted`, `archive_bomb`, `too_large`."""
    archive.check(body)
    with archive.opened(body) as parts:
        names = set(parts.namelist())
        order = _Order()
        for name in (_PRESENTATION, _RELATIONS):
            if name in names:
                xmlparts.read(parts.read(name), order)
        paths = [path for path in order.paths() if path in names] or sorted(
            (name for name in names if _SLIDE.fullmatch(name)),
            key=lambda name: int(_SLIDE.sub(r"\1", name)),
        )
        if not paths:
            raise KnowledgeError("malformed")
        blocks: list[Block] = []
        for number, path in enumerate(paths, start=1):
            slide = _Slide(number)
            xmlparts.read(parts.read(path), slide)
            blocks += slide.blocks()
    return Parsed(blocks, len(paths))


class _Order(xmlparts.Sink):
    """The list of slides and what its ids stand for."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._targets: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match xmlparts.local(name):
            case "sldId":
                # `id` is a number of its own; the one in the namespace of relations counts.
                self._ids += [value for key, value in attributes.items() if key.endswith(" id")]
            case "Relationship":
                self._targets[attributes.get("Id", "")] = attributes.get("Target", "")
            case _:
                pass

    def paths(self) -> list[str]:
        """Each slide once."""
        targets = [self._targets[one] for one in dict.fromkeys(self._ids) if one in self._targets]
        return [posixpath.normpath(posixpath.join("/ppt", target))[1:] for target in targets]


class _Shape:
    """One thing on a slide, groups as a whole; `place` sorts it from the top down."""

    def __init__(self, at: int) -> None:
        self.blocks: list[Block] = []
        self.place: tuple[int, int, int, int] = (1, 0, 0, at)
        self.placed = False


class _Slide(xmlparts.Sink):
    def __init__(self, number: int) -> None:
        self._number = number
        self._shapes: list[_Shape] = []
        self._depth = 0
        self._silent = 0
        self._holds = ""  # what the shape is a placeholder for
        self._text: list[str] = []
        self._bullet = False
        self._rows: list[list[str]] | None = None
        self._reaches_down = False

    def blocks(self) -> list[Block]:
        ordered = sorted(self._shapes, key=lambda shape: shape.place)
        return [block for shape in ordered for block in shape.blocks]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = xmlparts.local(name)
        field = tag == "fld" and attributes.get("type", "").startswith("slidenum")
        if self._silent or tag == "Fallback" or field:
            self._silent += 1
            return
        if tag in _SHAPES:
            self._open_shape()
        match tag:
            case "ph":
                self._open_placeholder(attributes.get("type", "obj"))
            case "off" if self._shapes and not self._shapes[-1].placed:
                self._place(attributes)
            case "p":
                self._text, self._bullet = [], self._holds in {"obj", "body"}
            case "buChar" | "buAutoNum":
                self._bullet = True
            case "buNone":
                self._bullet = False
            case "br" | "tab":
                self._text.append(" ")
            case "tbl":
                self._rows = []
            case "tr" if self._rows is not None:
                self._rows.append([])
            case "tc" if self._rows:
                self._rows[-1].append("")
                self._reaches_down = attributes.get("vMerge") in {"1", "true"}
            case _:
                pass

    def end(self, name: str) -> None:
        if self._silent:
            self._silent -= 1
            return
        match tag := xmlparts.local(name):
            case "p":
                self._close_paragraph()
            case "tc" if self._rows:
                self._close_cell(self._rows)
            case "tbl":
                self._close_table()
            case _ if tag in _SHAPES:
                self._depth -= 1
                self._holds = ""
            case _:
                pass

    def data(self, text: str) -> None:
        if not self._silent:
            self._text.append(text)

    def _open_shape(self) -> None:
        if not self._depth:
            self._shapes.append(_Shape(len(self._shapes)))
        self._depth += 1
        self._holds = ""

    def _open_placeholder(self, kind: str) -> None:
        self._holds = kind
        if kind in _TITLES and self._shapes:
            self._shapes[-1].place, self._shapes[-1].placed = (0, 0, 0, 0), True

    def _place(self, attributes: dict[str, str]) -> None:
        shape = self._shapes[-1]
        x, y = (_offset(attributes.get(name)) for name in "xy")
        shape.place, shape.placed = (2, y, x, shape.place[3]), True

    def _close_paragraph(self) -> None:
        text = " ".join("".join(self._text).split())
        self._text = []
        if not text or self._holds in _REPEATED or not self._shapes:
            return
        if self._rows is not None:
            if self._rows and self._rows[-1]:
                self._rows[-1][-1] = f"{self._rows[-1][-1]} {text}".strip()
            return
        kind = BlockKind.LIST_ITEM if self._bullet else BlockKind.PARAGRAPH
        block = Block(kind, text, page=self._number)
        if self._holds in _TITLES:
            block = Block(BlockKind.HEADING, text, level=1, page=self._number)
        self._shapes[-1].blocks.append(block)

    def _close_cell(self, rows: list[list[str]]) -> None:
        """A cell that reaches down is said again in each row, so that each can stand alone."""
        column = len(rows[-1]) - 1
        if self._reaches_down and len(rows) > 1 and column < len(rows[-2]):
            above = rows[-2][column]
            rows[-1][column] = above if len(above) <= REPEATED_CHARS_MAX else ""

    def _close_table(self) -> None:
        rows, self._rows = self._rows or [], None
        if self._shapes and any(map(any, rows)):
            table = Block(BlockKind.TABLE, page=self._number, rows=rows)
            self._shapes[-1].blocks.append(table)


def _offset(said: str | None) -> int:
    return int(said) if said and re.fullmatch(r"-?\d{1,12}", said) else 0

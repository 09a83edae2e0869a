"""What readers of set pages share: text on one line, without contents lists; what reads like a
heading.
"""

import re
from typing import Final

from knowledge.reading import split
from knowledge.reading.blocks import Block, BlockKind

_HEADING_CHARS_MAX: Final = 120
_HEADING_WORDS_MAX: Final = 12
_NUMBERING_WORDS_MAX: Final = 2  # as in "3. Training", "Chapter 3. Training"

_CONTENTS_LINE: Final = re.compile(r"^.{2,120}?[.…·_ ]{5,}\s*[\divxlc]+$", re.IGNORECASE)
_CONTENTS_ENTRY: Final = re.compile(r"^.{2,120}[^\W\d][).]?\s*\d{1,3}(?:[-–]\d{1,3})?$")
_CONTENTS_ENTRIES_MIN: Final = 4
# PDFium writes U+0002 or U+FFFE where a word was divided at the end of a line.
_KEPT_HYPHEN: Final = re.compile(r"[\x02\ufffe]\s*(?=[A-ZÀ-Þ\d])")
_DIVIDED_WORD: Final = re.compile(r"[\x02\ufffe]\s*|\u00ad\n|(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])")
# Used for a real hyphen by some programs; at the end of a line it divides a word as well.
_SOFT_HYPHEN: Final = re.compile("\u00ad(?=\\w)")
_CONTENTS_TITLES: Final = {
    "contents", "table of contents", "inhalt", "inhaltsverzeichnis", "sommaire", "índice",
    "table des matières", "indice", "spis treści", "оглавление", "содержание", "目次", "目录",
    "차례",
}  # fmt: skip
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")


def clean(text: str) -> str:
    """A paragraph on one line; lines of a table of contents, which answer nothing, are dropped."""
    joined = _KEPT_HYPHEN.sub("-", text.replace("\r\n", "\n"))
    joined = _SOFT_HYPHEN.sub("-", _DIVIDED_WORD.sub("", joined)).replace("\u00ad", "")
    lines = [line for line in joined.split("\n") if not _CONTENTS_LINE.match(line)]
    return _CONTROLS.sub("", " ".join(" ".join(lines).split()))


def reads_like_heading(text: str) -> bool:
    letters = sum(character.isalpha() for character in text)
    first = split.sentences(text)[0] if text else ""
    return (
        (first == text or len(first.split()) <= _NUMBERING_WORDS_MAX)
        and letters * 2 > len(text)
        and len(text) <= _HEADING_CHARS_MAX
        and len(text.split()) <= _HEADING_WORDS_MAX
        and not text[0].islower()
        and text.lower() not in _CONTENTS_TITLES
        and not text.endswith((",", ";", "-", "–", "("))
        and not (text.endswith(".") and len(text.split()) > 6)
    )


def without_contents(blocks: list[Block]) -> list[Block]:
    """Blocks without a typed table of contents: several short paragraphs on end that close with a
    page number.
    """
    kept: list[Block] = []
    run: list[Block] = []
    for block in [*blocks, Block(BlockKind.HEADING)]:
        if block.kind is BlockKind.PARAGRAPH and _CONTENTS_ENTRY.match(block.text):
            run.append(block)
            continue
        kept += run if len(run) < _CONTENTS_ENTRIES_MIN else []
        kept.append(block)
        run = []
    return kept[:-1]

"""On which page each paragraph of a DOCX stood when Word last set it.

The format has no pages; Word leaves a mark where it broke one (`w:lastRenderedPageBreak`, ISO/IEC
29500-1 §17.3.3.13). Other programs leave none. Then the page is unknown: setting the text here
would need Word's fonts and rules, and counting explicit breaks would name a page that is not the
reader's.
"""

import io
import re
import zipfile
from collections.abc import Iterable
from typing import IO, Final
from xml.etree.ElementTree import Element, ParseError, iterparse

import msgspec

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SEARCHED_AHEAD: Final = 60
_KEY_CHARS: Final = 60


class Placed(msgspec.Struct, frozen=True):
    key: str
    page: int


class Pages:
    """Follows another reader through the same document and says on which page each text is."""

    def __init__(self, paragraphs: Iterable[Placed]) -> None:
        self._paragraphs = list(paragraphs)
        self._at = 0
        self.count = self._paragraphs[-1].page if self._paragraphs else None

    def of(self, text: str) -> int | None:
        """The page of the next paragraph that begins like `text`; where none does, that of the
        last one found.
        """
        key = _key(text)
        ahead = self._paragraphs[self._at : self._at + _SEARCHED_AHEAD]
        for step, paragraph in enumerate(ahead):
            if key and (
                paragraph.key.startswith(key) or (paragraph.key and key.startswith(paragraph.key))
            ):
                self._at += step + 1
                return paragraph.page
        return self._paragraphs[max(0, self._at - 1)].page if self._paragraphs else None


def pages(body: bytes) -> Pages:
    """Pages that know nothing when the document has no marks or cannot be followed."""
    try:
        with (
            zipfile.ZipFile(io.BytesIO(body)) as archive,
            archive.open("word/document.xml") as stream,
        ):
            found = _placed(stream)
    except (KeyError, ParseError, zipfile.BadZipFile):
        return Pages([])
    return Pages(found if found and found[-1].page > 1 else [])


def _placed(stream: IO[bytes]) -> list[Placed]:
    """One entry a paragraph, tables included; the page is the one on which its first character
    stands.
    """
    found: list[Placed] = []
    page = 1
    # Expat resolves no external entities, and this runs in the extraction child, within limits.
    for _, element in iterparse(stream, ("end",)):  # noqa: S314
        if element.tag != f"{_W}p":
            continue
        before, text, after = _read(element)
        page += before
        found.append(Placed(_key(text), page))
        page += after
        element.clear()
    return found


def _read(paragraph: Element) -> tuple[int, str, int]:
    """Marks before the first character, the text, marks after it."""
    text, before, after = "", 0, 0
    for part in paragraph.iter():
        if part.tag == f"{_W}t":
            text += part.text or ""
        elif part.tag == f"{_W}lastRenderedPageBreak":
            before, after = (before, after + 1) if text else (before + 1, after)
    return before, text, after


def _key(text: str) -> str:
    """Letters and digits only, so that two readers of one paragraph agree."""
    return re.sub(r"[\W_]+", "", text)[:_KEY_CHARS]

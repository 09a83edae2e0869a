"""EPUB 2 and 3: the chapters in the order of the spine, under their titles."""

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

import msgspec

from knowledge.errors import KnowledgeError
from knowledge.reading import archive, readhtml, xmlparts
from knowledge.reading.blocks import Block, BlockKind, Parsed
from knowledge.reading.decoding import decode

PARTS_MAX: Final = 2_000
_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_NCX: Final = "application/x-dtbncx+xml"
_CHAPTER_TYPES: Final = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml"}


def read(body: bytes) -> Parsed:
    """KnowledgeError `malformed` for a book without a list of its parts, `encrypted` for a locked
    one.
    """
    archive.check(body)
    with archive.opened(body) as parts:
        package = _package(parts)
        return Parsed(list(_blocks(parts, package)))


class _Item(msgspec.Struct):
    path: str
    media_type: str
    properties: str


class _Package(xmlparts.Sink):
    """The package document (OPF): title, parts, and their order."""

    def __init__(self, folder: str) -> None:
        self.title = ""
        self.items: dict[str, _Item] = {}
        self.spine: list[str] = []
        self._folder = folder
        self._in_title = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "title":
                self._in_title = not self.title
            case "item":
                path = _path(self._folder, attributes.get("href", ""))
                self.items[attributes.get("id", "")] = _Item(
                    path, attributes.get("media-type", ""), attributes.get("properties", "")
                )
            case "itemref":
                self.spine.append(attributes.get("idref", ""))
            case _:
                pass

    def end(self, name: str) -> None:
        self._in_title = False

    def data(self, text: str) -> None:
        if self._in_title:
            self.title += text

    def chapters(self) -> list[_Item]:
        """Each part once, however often the spine comes back to it; the list of contents not."""
        ordered = [self.items[one] for one in dict.fromkeys(self.spine) if one in self.items]
        return [
            item
            for item in ordered
            if item.media_type in _CHAPTER_TYPES and "nav" not in item.properties.split()
        ][:PARTS_MAX]


class _Locations(xmlparts.Sink):
    """Where container.xml and encryption.xml point."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "rootfile":
                self.found.append(attributes.get("full-path", ""))
            case "CipherReference":
                self.found.append(attributes.get("URI", ""))
            case _:
                pass


class _Contents(xmlparts.Sink):
    """Titles of chapters, for those that name none: from an NCX (EPUB 2: `navLabel`, then
    `content`) or a navigation document (EPUB 3: links).
    """

    def __init__(self, folder: str) -> None:
        self.titles: dict[str, str] = {}
        self._folder = folder
        self._text: list[str] = []
        self._link = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "navLabel":
                self._text = []
            case "content":
                self._add(attributes.get("src", ""))
            case "a":
                self._link, self._text = attributes.get("href", ""), []
            case _:
                pass

    def end(self, name: str) -> None:
        if _local(name) == "a":
            self._add(self._link)

    def data(self, text: str) -> None:
        self._text.append(text)

    def _add(self, href: str) -> None:
        path = _path(self._folder, href.partition("#")[0])
        self.titles.setdefault(path, " ".join("".join(self._text).split()))


def _package(parts: zipfile.ZipFile) -> _Package:
    names = set(parts.namelist())
    if _CONTAINER not in names:
        raise KnowledgeError("malformed")
    package_path = next(iter(_locations(parts, _CONTAINER)), "")
    if package_path not in names:
        raise KnowledgeError("malformed")
    package = _Package(posixpath.dirname(package_path))
    xmlparts.read(parts.read(package_path), package)
    # Fonts may be scrambled in a book that anybody may read; chapters not.
    locked = set(_locations(parts, _ENCRYPTION)) if _ENCRYPTION in names else set[str]()
    if any(chapter.path in locked for chapter in package.chapters()):
        raise KnowledgeError("encrypted")
    return package


def _locations(parts: zipfile.ZipFile, name: str) -> list[str]:
    found = _Locations()
    xmlparts.read(parts.read(name), found)
    return found.found


def _blocks(parts: zipfile.ZipFile, package: _Package) -> Iterator[Block]:
    names = set(parts.namelist())
    if title := " ".join(package.title.split()):
        yield Block(BlockKind.HEADING, title, level=0)
    titles = _titles(parts, package)
    for chapter in package.chapters():
        if chapter.path not in names:
            continue
        blocks = readhtml.whole(decode(parts.read(chapter.path)))
        named = [block for block in blocks if block.kind is BlockKind.HEADING and block.level]
        if blocks and not named and (title := titles.get(chapter.path)):
            yield Block(BlockKind.HEADING, title, level=1)
        # Level 0 is the title of the page, which repeats that of the book or of the chapter.
        yield from (block for block in blocks if block.kind is not BlockKind.HEADING or block.level)


def _titles(parts: zipfile.ZipFile, package: _Package) -> dict[str, str]:
    names = set(parts.namelist())
    for item in package.items.values():
        lists_titles = item.media_type == _NCX or "nav" in item.properties.split()
        if lists_titles and item.path in names:
            contents = _Contents(posixpath.dirname(item.path))
            try:
                xmlparts.read(parts.read(item.path), contents)
            except KnowledgeError as error:
                # A book can be read without its list of contents; a trap in it stays a trap.
                if error.code != "malformed":
                    raise
            return contents.titles
    return {}


def _path(folder: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(href)))


def _local(name: str) -> str:
    return name.rpartition(xmlparts.NAMESPACE_END)[2]

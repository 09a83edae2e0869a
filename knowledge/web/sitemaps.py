"""Sitemaps (sitemaps.org): the pages that a website lists itself, or other sitemaps. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final
from xml.parsers import expat

import msgspec

from knowledge.web import inflate
from knowledge.web.weberrors import WebError
from knowledge.web.weburl import URL_BYTES_MAX

BYTES_MAX: Final = 10 * 2**20
ENTRIES_MAX: Final = 5_000
_DEPTH_MAX: Final = 10
_LASTMOD_CHARS: Final = 40
_UTF8_MARK: Final = b"\xef\xbb\xbf"


class Entry(msgspec.Struct, frozen=True):
    """`changed_by` is a moment by which the page had its newest change, None when it does not
    say.
    """

    url: str
    changed_by: datetime | None = None


class Sitemap(msgspec.Struct, frozen=True):
    pages: list[Entry]
    sitemaps: list[Entry]


def read(body: bytes) -> Sitemap:
    """XML, packed or not, or a plain list of addresses. WebError `not_a_sitemap`, `too_large`."""
    content = inflate.gunzipped(body, bytes_max=BYTES_MAX).removeprefix(_UTF8_MARK).lstrip()
    if content.startswith((b"http://", b"https://")):
        lines = content.decode(errors="replace").split()
        return Sitemap([Entry(line) for line in lines[:ENTRIES_MAX] if _fits(line)], [])
    reader = _Reader()
    reader.read(content)
    return Sitemap(reader.pages, reader.sitemaps)


class _Reader:
    """A stream of elements, so that neither depth nor size of the file matter; a document type is
    refused, and with it every entity.
    """

    def __init__(self) -> None:
        self.pages: list[Entry] = []
        self.sitemaps: list[Entry] = []
        self._path: list[str] = []
        self._texts: dict[str, str] = {}
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, content: bytes) -> None:
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as error:
            if not self.pages and not self.sitemaps:  # else it was only cut off
                raise WebError("not_a_sitemap") from error

    def _refuse(self, *_: object) -> None:
        raise WebError("not_a_sitemap")

    def _start(self, tag: str, _: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        root = self._path[0] if self._path else name
        if root not in {"urlset", "sitemapindex"} or len(self._path) >= _DEPTH_MAX:
            raise WebError("not_a_sitemap")
        self._path.append(name)
        if len(self._path) == 2:
            self._texts = {}

    def _text(self, text: str) -> None:
        # Of images and translations inside an entry, nothing is wanted.
        if len(self._path) == 3 and self._path[2] in {"loc", "lastmod"}:
            said = self._texts.get(self._path[2], "")
            self._texts[self._path[2]] = (said + text)[: URL_BYTES_MAX + 1]

    def _end(self, _: str) -> None:
        closed = self._path.pop()
        entries = {"url": self.pages, "sitemap": self.sitemaps}.get(closed)
        url = self._texts.get("loc", "").strip()
        if entries is None or len(self._path) != 1:
            return
        if _fits(url) and len(entries) < ENTRIES_MAX:
            entries.append(Entry(url, _changed_by(self._texts.get("lastmod", ""))))


def _fits(url: str) -> bool:
    return 0 < len(url.encode()) <= URL_BYTES_MAX


def _changed_by(text: str) -> datetime | None:
    """A day names its whole length."""
    text = text.strip()[:_LASTMOD_CHARS]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if "T" not in text:
        found += timedelta(days=1)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

"""What a crawler needs of a page beside its text: where it leads, what it calls itself, and what
it asks of programs.

Found by looking for a few tags, in time that grows with the page and with nothing else, because
this runs in the server on pages that strangers wrote; the text is read elsewhere
(`readpage.py`), in a process that may die.
"""

import html
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from knowledge.reading import decoding
from knowledge.web.robots import AGENT
from knowledge.web.weburl import Target, join

CHARS_MAX: Final = 2_000_000
TAG_CHARS_MAX: Final = 4_096
TAGS_MAX: Final = 20_000
LINKS_MAX: Final = 5_000
TITLE_CHARS_MAX: Final = 200
_SNIFFED_BYTES: Final = 2_048
_TAG: Final = re.compile(
    r"<(?:(a|link|meta|base)(?=[\s/>])|(script|style|textarea|title)\b|!--)", re.IGNORECASE
)
_ATTRIBUTE: Final = re.compile(
    r"([a-zA-Z-]{1,20})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))"
)
_META_CHARSET: Final = re.compile(
    rb"<meta[^>]{1,200}charset=[\"'\s]{0,3}([a-zA-Z0-9_:-]{2,40})", re.IGNORECASE
)
# What browsers know (encoding.spec.whatwg.org), less what Python means by its other names.
_CHARSET: Final = re.compile(
    r"utf-?8|utf-16(?:le|be)?|iso-8859-\d{1,2}|windows-(?:125\d|874)|koi8-[ru]|shift_jis|shift-jis|sjis"
    r"|euc-jp|iso-2022-jp|euc-kr|ks_c_5601-1987|gb2312|gbk|gb18030|big5|tis-620|macintosh",
    re.IGNORECASE,
)
# Pages that claim these mean their supersets.
_MEANT: Final = {
    "iso-8859-1": "cp1252",
    "iso-8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "macintosh": "mac_roman",
}
_ENDS: Final = {
    name: re.compile(end, re.IGNORECASE)
    for name, end in {
        "!--": "-->",
        "script": "</script",
        "style": "</style",
        "textarea": "</textarea",
        "title": "</title",
    }.items()
}
_FOR_PROGRAMS: Final = {"robots", AGENT}
_NOT_PAGES: Final = re.compile(
    r"\.(?:jpe?g|png|gif|webp|avif|svg|ico|bmp|tiff?|css|m?js|map|json|xml|rss|atom|woff2?|ttf|eot|otf"
    r"|mp[34]|m4[av]|og[gv]|webm|wav|avi|mov|zip|gz|tgz|bz2|xz|7z|rar|tar|exe|msi|dmg|apk|iso|bin"
    r"|docx?|xlsx?|pptx?|odt|epub|csv|ics|vcf)$",
    re.IGNORECASE,
)


class PageLinks(msgspec.Struct, frozen=True, kw_only=True):
    """`links` lead to pages, each once, in the order of the page; none when it says nofollow."""

    title: str | None = None
    canonical: Target | None = None
    noindex: bool = False
    links: list[Target] = []


class _Found(msgspec.Struct):
    """What the tags said, before it is put together."""

    title: str = ""
    base: str = ""
    canonical: str = ""
    robots: str = ""
    hrefs: list[str] = msgspec.field(default_factory=list[str])


def read(page: str, url: Target) -> PageLinks:
    found = _Found()
    for at, (tag, inside) in enumerate(_tags(page[:CHARS_MAX])):
        if at >= TAGS_MAX or len(found.hrefs) >= LINKS_MAX:
            break
        _note(found, tag, inside)
    base = str(join(str(url), found.base) or url) if found.base else str(url)
    asked = set(re.split(r"[\s,]+", found.robots.lower()))
    follows = not asked & {"nofollow", "none"}
    targets = (join(base, href) for href in found.hrefs if follows)
    pages = (each for each in targets if each is not None and _may_be_page(each))
    return PageLinks(
        title=_plain(found.title)[:TITLE_CHARS_MAX] or None,
        canonical=join(base, found.canonical) if found.canonical else None,
        noindex=bool(asked & {"noindex", "none"}),
        links=list(dict.fromkeys(pages)),
    )


def decode(body: bytes, charset: str = "") -> str:
    """A page's text: by what the server said of it, what it says itself, or a guess."""
    meta = _META_CHARSET.search(body[:_SNIFFED_BYTES])
    said = charset or (meta[1].decode("ascii") if meta else "")
    known = _CHARSET.fullmatch(said) is not None
    return decoding.decode(body, _MEANT.get(said.lower(), said) if known else None)


def _may_be_page(target: Target) -> bool:
    return _NOT_PAGES.search(target.path.partition("?")[0]) is None


def _tags(page: str) -> Iterator[tuple[str, str]]:
    """Name and inside of each tag that matters, and the text of the title; comments and scripts
    are jumped over. What is never closed ends the page.
    """
    at = 0
    while at >= 0 and (found := _TAG.search(page, at)):
        if found[1] is None:
            name = (found[2] or "!--").lower()
            at, end = _after(page, name, found.end())
            if name == "title":
                yield name, page[found.end() : end].partition(">")[2]
        else:
            closed = page.find(">", found.end(), found.end() + TAG_CHARS_MAX)
            yield found[1].lower(), page[found.end() : max(closed, found.end())]
            at = max(closed, found.end())


def _after(page: str, name: str, at: int) -> tuple[int, int]:
    """Where to go on behind what must not be read as tags (-1: nowhere), and where it ended."""
    end = _ENDS[name].search(page, at)
    return (end.end(), end.start()) if end else (-1, min(len(page), at + TAG_CHARS_MAX))


def _note(found: _Found, tag: str, inside: str) -> None:
    if tag == "title":
        found.title = found.title or inside[:TAG_CHARS_MAX]
        return
    attributes = _attributes(inside)
    href, names = attributes.get("href", ""), attributes.get("rel", "").lower().split()
    if tag == "a" and href and "nofollow" not in names:
        found.hrefs.append(href)
    elif tag == "link" and "canonical" in names:
        found.canonical = found.canonical or href
    elif tag == "base":
        found.base = found.base or href
    elif tag == "meta" and attributes.get("name", "").lower() in _FOR_PROGRAMS:
        found.robots += f",{attributes.get('content', '')}"


def _attributes(inside: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(inside):
        found.setdefault(name.lower(), html.unescape(double or single or bare))
    return found


def _plain(text: str) -> str:
    return " ".join(html.unescape(text).split())

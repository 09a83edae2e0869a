"""Addresses of web pages: read once, strictly, into the parts that a connection is made of.

Whatever is checked and whatever is connected to comes out of the same parse, so that no second
reader can understand the text differently.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote, unquote, urljoin

import idna
import msgspec

from knowledge.web.weberrors import WebError

URL_BYTES_MAX: Final = 2_000
HOST_CHARS_MAX: Final = 253
PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{0,5}))?")
_UNWANTED: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_LINE_BREAKS: Final = re.compile(r"[\t\r\n]")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE: Final = _PATH_SAFE + "?"
_TRACKING: Final = re.compile(
    r"utm_\w+|gclid|gclsrc|dclid|gbraid|wbraid|fbclid|msclkid|yclid|igshid|mc_[ce]id|_ga|_gl|_hs\w+"
    r"|phpsessid|jsessionid",
    re.IGNORECASE,
)
_SESSION_IN_PATH: Final = re.compile(r";(?:jsessionid|phpsessid)=[^/?]*", re.IGNORECASE)


class Target(msgspec.Struct, frozen=True):
    """`host` is in lower-case ASCII, without brackets; `path` has the query with it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self.origin + self.path


def parse(text: str) -> Target:
    """The parts of an http or https address. WebError `bad_url`, or `address_refused` for a number
    that is not written as an address.
    """
    try:
        too_long = len(text.encode()) > URL_BYTES_MAX
    except UnicodeEncodeError as error:
        raise WebError("bad_url") from error
    if too_long:
        raise WebError("bad_url")
    text = _LINE_BREAKS.sub("", text.strip())
    whole = _URL.fullmatch(text)
    if whole is None or _UNWANTED.search(text):
        raise WebError("bad_url")
    authority = _AUTHORITY.fullmatch(whole["authority"])
    if authority is None:
        raise WebError("bad_url")
    scheme = whole["scheme"].lower()
    port = int(authority["port"]) if authority["port"] else PORTS[scheme]
    if not 1 <= port <= 65_535:
        raise WebError("bad_url")
    path = _without_dots(_escaped(whole["path"], _PATH_SAFE))
    query = _escaped(whole["query"] or "", _QUERY_SAFE)
    found = Target(scheme, _host(authority["host"]), port, path + (f"?{query}" if query else ""))
    if len(str(found)) > URL_BYTES_MAX:
        raise WebError("bad_url")
    return found


def canonical(text: str) -> Target:
    """The one spelling under which a page is kept: nothing in it that only says who came from
    where.
    """
    found = parse(text)
    path, _, query = found.path.partition("?")
    kept = [
        part
        for part in query.split("&")
        if part and not _TRACKING.fullmatch(part.partition("=")[0])
    ]
    path = _SESSION_IN_PATH.sub("", path)
    return msgspec.structs.replace(found, path=path + ("?" + "&".join(kept) if kept else ""))


def join(base: str, link: str) -> Target | None:
    """Where a link on the page `base` leads, in its one spelling; None if not to a web page."""
    try:
        return canonical(urljoin(base, _LINE_BREAKS.sub("", link.strip())))
    except (WebError, ValueError):
        return None


class Scope(msgspec.Struct, frozen=True):
    """A part of one website: its host, with or without www, and what its paths begin with."""

    host: str
    port: int
    prefix: str

    def holds(self, target: Target) -> bool:
        path = target.path.partition("?")[0]
        below = path.startswith(self.prefix) or f"{path}/" == self.prefix
        return below and self.same_site(target)

    def same_site(self, target: Target) -> bool:
        return _bare(target) == (self.host, self.port)


def scope_of(start: Target, *, whole_site: bool = False) -> Scope:
    """What lies below the start: its folder when it is a file, else whatever its path begins."""
    host, port = _bare(start)
    path = start.path.partition("?")[0]
    folder, _, last = path.rpartition("/")
    if whole_site:
        return Scope(host, port, "/")
    return Scope(host, port, f"{folder}/" if "." in last or not last else f"{path}/")


def _bare(target: Target) -> tuple[str, int]:
    """Host without www; the two usual ports are one."""
    return target.host.removeprefix("www."), 0 if target.port in PORTS.values() else target.port


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError as error:
            raise WebError("bad_url") from error
    host = _ascii(text).lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > HOST_CHARS_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise WebError("bad_url")
    # A resolver reads 0x7f.1 and 2130706433 as addresses. So do browsers, but nobody means well.
    if _NUMBER.fullmatch(labels[-1]) and not _is_address(host):
        raise WebError("address_refused")
    return host


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except UnicodeError as error:  # idna's errors are some of them
        raise WebError("bad_url") from error


def _is_address(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def _escaped(text: str, safe: str) -> str:
    """Each character in its one spelling: escaped when it must be, plain when it may be."""

    def spell(match: re.Match[str]) -> str:
        plain = unquote(match[0], encoding="latin-1")
        return plain if plain in _UNRESERVED else match[0].upper()

    return _ESCAPE.sub(spell, quote(text, safe=safe))


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4."""
    kept: list[str] = []
    parts = path.split("/")[1:] or [""]
    for at, part in enumerate(parts):
        is_last = at == len(parts) - 1
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
            continue
        if is_last:
            kept.append("")
    return "/" + "/".join(kept)

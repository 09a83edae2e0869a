"""Which web origins may embed a site. Pure; the comparison is exact on scheme, host and port."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

ORIGIN_BYTES_MAX = 255
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(
    r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\]"
)


def normal(origin: str) -> str | None:
    """`scheme://host[:port]` in lower case without a default port; None for anything else.

    `null`, user names, paths, queries and hosts outside ASCII are refused (browsers send punycode).
    A wildcard may stand for the whole leftmost label only.
    """
    plain = origin.isascii() and origin.isprintable()  # urlsplit drops tabs and line ends
    if not origin or len(origin) > ORIGIN_BYTES_MAX or not plain:
        return None
    try:
        parts = urlsplit(origin.lower())
        port = parts.port
    except ValueError:
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else (parts.hostname or "")
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host) or "@" in parts.netloc:
        return None
    if parts.path or parts.query or parts.fragment or origin.endswith(("?", "#", ":")):
        return None
    return f"{parts.scheme}://{host}" + (
        f":{port}" if port and port != _DEFAULT_PORTS[parts.scheme] else ""
    )


def is_allowed(origin: str, allowed: Iterable[str]) -> bool:
    """Whether `origin`, as a browser sent it, is one of `allowed` (as `normal` gave them)."""
    sent = normal(origin)
    if sent is None or "*" in sent:
        return False
    scheme, _, rest = sent.partition("://")
    _, dot, parent = rest.partition(".")
    wildcard = f"{scheme}://*.{parent}" if dot else None
    return any(each in (sent, wildcard) for each in allowed)

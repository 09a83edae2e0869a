"""Images and links taken out of a stream of Markdown, but for links to where an answer may lead.
Pure.

An image goes altogether. Of a link that may not be, its text stays; of a bare address nothing but
a mark that something is left out. However the text is cut into pieces, the pieces given back add
up to the same. What a browser or a renderer could take for an address is one here: any scheme with
`//`, `//host.name`, `www.`, `mailto:`, in whatever case, written plainly or with escapes.

What comes out has no `![`, no `](` but in links that were looked at, and no `]:` that could define
what a link or an image refers to: a space stands between.
"""

import html
import re
from collections.abc import Callable, Collection, Iterable
from typing import Final, Literal
from urllib.parse import urlsplit

from chatbot.answering.outgoing.markup import KEPT

LABEL_CHARS_MAX: Final = 200
URL_CHARS_MAX: Final = 600
LEFT_OUT: Final = "…"
_AGAIN: Final = "\0"  # what follows is to be looked through again; no text has this character

_DENSE: Final = "\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
_START: Final = re.compile(
    r"!?\[|\][(:]|(?<![^\W_])https?:|(?<![^\W_])mailto:|//+|(?<![^\W_])www\."
    # and what may become one of them with the next piece
    r"|(?:(?<![^\W_])(?:h|ht|htt|https?|m|ma|mai|mail|mailt|mailto|w|ww|www)|[!/\]])\Z",
    re.IGNORECASE,
)
_WHOLE: Final = re.compile(r"!?\[|\][(:]|https?:|mailto:|//+|www\.", re.IGNORECASE)
_LABEL: Final = re.compile(rf"[^\[\]\n]{{0,{LABEL_CHARS_MAX}}}")
_ADDRESS: Final = re.compile(rf"[^\s<>\"'`|{KEPT}{_DENSE}]{{0,{URL_CHARS_MAX}}}")
_NUMBERS: Final = re.compile(r"\s*\d[\d,\s]*")
_PARENTHESES: Final = re.compile(r"[()\n]")
_NESTED_MAX: Final = 8
_TRAILING: Final = ".,;:!?*_~])}"
_SEPARATES: Final = re.compile(rf"[\s<>\"'`|{KEPT}]")
_LOOKS_LIKE_HOST: Final = re.compile(r"//+[\w%-]+\.[\w%]")
_MAY_BECOME_HOST: Final = re.compile(r"//+[\w%-]*\.?")
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_AMBIGUOUS: Final = re.compile(r"[\\\[\]]")
_MAILBOX: Final = re.compile(r"[\w.+-]+")
_SCHEMES: Final = frozenset({"http", "https"})
_TARGET_REST: Final = re.compile(r"[^\s)]*\)?")
_ADDRESS_REST: Final = re.compile(rf"[^\s<>\"'`|{KEPT}{_DENSE}]*")
# `f[i](x)`: nothing that could be an address, however it is written.
_CALL: Final = re.compile(r"\[[\w ,+*=-]*\]\([ ,+*=-]*\w[\w ,+*=-]*\)")
# A letter before a bracket in its line: what follows defines nothing.
_MIDWAY: Final = re.compile(r"[^\W\d_] ?\Z")
_PLAIN: Final = re.compile(r"\[[\w ,+*=-]*\]:")
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")

_Took = tuple[str, int] | Literal["wait"]


class Destinations:
    """Where an answer may lead: hosts (`*.` before one: all below it), and single addresses."""

    def __init__(self, hosts: Iterable[str], addresses: Collection[str] = ()) -> None:
        named = {each.lower().rstrip(".") for each in hosts}
        self._hosts = frozenset(each for each in named if not each.startswith("*."))
        self._below = tuple(each[1:] for each in named if each.startswith("*."))
        self._addresses = frozenset(addresses)

    def allow(self, address: str) -> bool:
        """Whether a link may lead there. What browsers and we may read differently may not."""
        if address in self._addresses:
            return True
        if address.lower().startswith("mailto:"):
            mailbox, _, domain = address[7:].partition("?")[0].partition("@")
            return _MAILBOX.fullmatch(mailbox) is not None and self.has(domain.lower())
        given = address if "//" in address else f"//{address}"
        if _AMBIGUOUS.search(given) or not given.isprintable() or given.count("//") > 1:
            return False
        try:
            parts = urlsplit(given)
            host = (parts.hostname or "").rstrip(".")
            plain = parts.port is None or parts.port > 0
        except ValueError:
            return False
        return (
            plain
            and (parts.scheme in _SCHEMES or not parts.scheme)
            and "@" not in parts.netloc
            and self.has(host)
        )

    def has(self, host: str) -> bool:
        """Whether the host, in lower case, is one of them."""
        known = host in self._hosts or host.endswith(self._below)
        return known and _HOST.fullmatch(host) is not None


def host_of(address: str) -> str | None:
    """The host of an address or origin, `*.` kept; None where it has none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


class Links:
    """A stream without images, and with links only to where it may lead."""

    def __init__(self, allow: Callable[[str], bool]) -> None:
        self._allow = allow
        self._held = ""
        self._last = ""
        self._eats: re.Pattern[str] | None = None

    def feed(self, text: str) -> str:
        if not self._held and self._eats is None and not self._starts(text):
            self._last = (self._last + text)[-2:]
            return text
        return self._through(self._held + text, final=False)

    def rest(self) -> str:
        """What was held back, now that nothing follows."""
        return self._through(self._held, final=True)

    def _through(self, text: str, *, final: bool) -> str:
        self._held = ""
        shown: list[str] = []
        while text:
            if self._eats is not None:
                text = self._eat(self._eats, text)
                continue
            # the character before decides whether a word begins
            before = len(self._last)
            start = _START.search(self._last + text, before)
            if start is None or (final and not _WHOLE.fullmatch(start[0])):
                self._show(shown, text)
                break
            at = start.start() - before
            self._show(shown, text[:at])
            took = self._take(text[at:], start[0].lower(), final=final)
            if took == "wait":
                self._held = text[at:]
                break
            output, end = took
            text = text[at + end :]
            if output.startswith(_AGAIN):
                text = output[1:] + text
            else:
                self._show(shown, output)
        return "".join(shown)

    def _show(self, shown: list[str], text: str) -> None:
        if text:
            text = f" {text}" if self._joins(text) else text
            shown.append(text)
            self._last = (self._last + text)[-2:]

    def _starts(self, text: str) -> bool:
        known = len(self._last)
        return self._joins(text) or _START.search(self._last + text, known) is not None

    def _joins(self, text: str) -> bool:
        """Whether what was shown and this would together make more than either is."""
        return (self._last[-1:] + text[:1]) in ("![", "](", "]:")

    def _eat(self, eats: re.Pattern[str], text: str) -> str:
        found = eats.match(text)
        end = found.end() if found else 0
        if end < len(text) or (eats is _TARGET_REST and text.endswith(")")):
            self._eats = None
        return text[end:]

    def _take(self, text: str, start: str, *, final: bool) -> _Took:
        """What to show for what begins at the start of `text`, and where it ends."""
        if start.endswith("["):
            return self._bracket(text, len(start), final=final)
        if not _WHOLE.fullmatch(start):
            return "wait"
        if start.startswith("]"):
            return f"] {start[1]}", 2
        return self._bare(text, start, final=final)

    def _bracket(self, text: str, opening: int, *, final: bool) -> _Took:
        """`[label](target)`, or a bracket like any other."""
        literal = "! [" if opening > 1 else "[", opening
        label = _LABEL.match(text, opening)
        close = label.end() if label else opening
        if close - opening >= LABEL_CHARS_MAX or text[close : close + 1] in ("[", "\n"):
            return literal
        if close + 1 >= len(text):
            return literal if final else "wait"
        if text[close + 1] == ":" and _MIDWAY.search(self._last) and _PLAIN.match(text):
            return text[: close + 2], close + 2
        if text[close + 1] != "(":
            return literal
        end = _closing(text, close + 2)
        if end == "never":
            return literal
        if end == "open":
            if len(text) - close - 2 < URL_CHARS_MAX and not final:
                return "wait"
            if opening == 1:
                return literal  # the address in it is looked at like any other
            end = min(len(text), close + 2 + URL_CHARS_MAX)
            self._eats = _TARGET_REST
        if opening > 1:
            return ("" if self._last[-1:].isspace() or not self._last else " "), end
        if _CALL.fullmatch(text, 0, end):
            return text[:end], end
        return self._link(text[opening:close], text[close + 2 : end - 1]), end

    def _link(self, label: str, target: str) -> str:
        """A link that may be; else its text, to be looked through again."""
        if _NUMBERS.fullmatch(label):
            return f"[{label}]"
        address = (target.split() or [""])[0].strip("<>")
        if self._may_lead_to(address):
            inside = Links(self._allow)
            said = inside.feed(label) + inside.rest()
            return f"[{said}]({address})" if said.strip() else address
        return _AGAIN + (label.strip(":/.\\") or LEFT_OUT)

    def _may_lead_to(self, address: str) -> bool:
        """Whether a renderer may make a link of it, which undoes escapes and entities."""
        meant = html.unescape(_ESCAPED.sub(r"\1", address))
        return address.count("(") == address.count(")") and all(
            each.lower().startswith(("http://", "https://", "mailto:")) and self._allow(each)
            for each in {address, meant}
        )

    def _bare(self, text: str, start: str, *, final: bool) -> _Took:
        if self._is_comment(text, start):
            return start, len(start)
        found = _ADDRESS.match(text)
        end = found.end() if found else 0
        if end == len(text) and end < URL_CHARS_MAX and not final:
            return "wait"
        address = text[:end]
        if not self._is_address(address, start):
            return text[: len(start)], len(start)
        bare = address.rstrip(_TRAILING)
        foreign_scheme = start.startswith("//") and self._last.endswith(":")
        if end < URL_CHARS_MAX and not foreign_scheme and self._allow(bare):
            after = text[end : end + 1]
            apart = " " if after and not _SEPARATES.match(after) else ""
            return address + apart, end
        if start == "mailto:":
            return f"{start} ", len(start)
        if end >= URL_CHARS_MAX:
            self._eats = _ADDRESS_REST
            return LEFT_OUT, end
        return LEFT_OUT + address[len(bare) :], end

    def _is_comment(self, text: str, start: str) -> bool:
        """Whether slashes stand before what is no host for sure."""
        return (
            start.startswith("//")
            and not self._last.endswith(":")
            and not _LOOKS_LIKE_HOST.match(text)
            and not _MAY_BECOME_HOST.fullmatch(text)
        )

    def _is_address(self, address: str, start: str) -> bool:
        if start.startswith("//"):
            return self._last.endswith(":") or _LOOKS_LIKE_HOST.match(address) is not None
        return len(address.rstrip(_TRAILING)) > len(start) - 1


def _closing(text: str, at: int) -> int | Literal["never", "open"]:
    """After the parenthesis that closes the one before `at`, in the same line."""
    depth = 1
    for found in _PARENTHESES.finditer(text, at, at + URL_CHARS_MAX):
        depth += 1 if found[0] == "(" else -1
        if found[0] == "\n" or depth > _NESTED_MAX:
            return "never"
        if depth == 0:
            return found.end()
    return "open"

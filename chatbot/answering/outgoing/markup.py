"""What is no text, taken out of a stream: HTML, and characters that nobody sees. Pure.

However the text is cut into pieces, the pieces given back add up to the same. What is taken out
leaves nothing that makes a tag of its neighbours: a `<` that stays is followed by what cannot begin
one. Only in a fenced block a tag stays; whether something is one is seen last, when nothing more is
taken out.
"""

import re
from typing import Final

from chatbot.answering.voice.prompt import CONTROL, UNSEEN

TAG_CHARS_MAX: Final = 300
RUN_CHARS_MAX: Final = 8
KEPT: Final = "\x01"
"""Stands for the `<` of a tag that may be in code; no text has this character."""

_LOADING: Final = frozenset(
    """
    applet audio base bgsound embed fencedframe feimage form frame frameset iframe image img
    input link meta object picture portal source svg track use video
    """.split()  # noqa: SIM905 - words read better than a list of literals
)
_ELEMENTS: Final = _LOADING | frozenset(
    """
    a abbr acronym address animate area article aside b basefont bdi bdo big blink blockquote
    body br button canvas caption center cite code col colgroup data datalist dd del details dfn
    dialog dir div dl dt em fieldset figcaption figure font footer foreignobject g h1 h2 h3 h4
    h5 h6 head header hgroup hr html i ins isindex kbd keygen label legend li listing main map
    mark marquee math menu menuitem meter nav nobr noembed noframes noscript ol optgroup option
    output p param path plaintext pre progress q rp rt ruby s samp script search section select
    slot small span strike strong style sub summary sup table tbody td template text textarea
    tfoot th thead time title tr tt u ul var wbr xmp
    """.split()  # noqa: SIM905 - words read better than a list of literals
)

# Joiners belong to the letter before them in Arabic and Indic scripts and in emoji.
_JOINERS: Final = "\u200c\u200d"
_UNSEEN: Final = re.compile(
    f"(?<![\u0600-\u08ff\u0900-\u0dff\ufe0f\u2600-\u27bf\U0001f000-\U0001faff])[{_JOINERS}]"
    f"|(?![{_JOINERS}])[{UNSEEN}{CONTROL}]"
)
_MARK: Final = re.compile(rf"`{{1,{RUN_CHARS_MAX}}}|~{{3,{RUN_CHARS_MAX}}}|\n|<")
_MARKED: Final = re.compile(r"[<`~\n]")
_TILDES: Final = re.compile(r"(?<!~)~{1,2}\Z")
_NAME: Final = r"(/?)([a-zA-Z][\w-]{0,40})"
_TAG: Final = re.compile(rf"<{_NAME}((?:[\s/][^<>]{{0,{TAG_CHARS_MAX}}})?)>")
_CUT_TAG: Final = re.compile(rf"<(?:{_NAME}((?:[\s/][^<>]{{0,{TAG_CHARS_MAX}}})?)|/)?\Z")
_LONG: Final = re.compile(rf"<{_NAME}(?=[\s/][^<>]{{{TAG_CHARS_MAX}}}[^<>])")
_BEGUN: Final = re.compile(rf"<{_NAME}(?![\w-])")
_DECLARED: Final = re.compile(r"<(?:!--|[!?](?=[a-zA-Z\[]))")
_CUT_DECLARED: Final = re.compile(r"<(?:!-?|\?)?\Z")
_PLACEHOLDER: Final = re.compile(r"\w+")
_INERT_NEXT: Final = re.compile(r"<(?=[\s\d=-]|https?:|mailto:)", re.IGNORECASE)
_NO_TAG: Final = re.compile(r"<[^a-zA-Z/!?\s\d=-]")
_TAG_END: Final = re.compile(r"[^>\n]*>?")
_COMMENT_END: Final = re.compile(r"(?s:.*?)-->")
_COMMENT_TAIL: Final = re.compile(r"-{1,2}\Z")

_FENCE: Final = re.compile(r"( {0,3})(?:(`{3,})[^`]*|(~{3,}).*)")
_CLOSES: Final = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*")
# What may stand before a block within a list or a quotation.
_BEFORE: Final = r"[\s\d>*+.)-]*"
_LIKE_FENCE: Final = re.compile(rf"{_BEFORE}(?:```|~~~)")
_LIKE_HTML: Final = re.compile(rf"{_BEFORE}<[/a-zA-Z]")


class Unseen:
    """Takes out control characters, zero-width and bidirectional ones."""

    def __init__(self) -> None:
        self._last = ""

    def feed(self, text: str) -> str:
        if text.isascii() and text.isprintable():
            self._last = text[-1:] or self._last
            return text
        before = len(self._last)
        shown = _UNSEEN.sub("", self._last + text)[before:]
        last = shown[-1:] or self._last
        self._last = " " if last in _JOINERS else last
        return shown


class Tags:
    """Takes HTML out, but for `<br>`, which stands for a line end in tables, and placeholders such
    as `<name>`. In what may be code other tags stay, if they load nothing, with KEPT for their `<`.
    `code` says that all is code.
    """

    def __init__(self, *, code: bool = False) -> None:
        self._held = ""
        self._code = "all" if code else ""
        self._eats: re.Pattern[str] | None = None

    def feed(self, text: str) -> str:
        if not self._held and self._eats is None and not _MARKED.search(text):
            return text
        return self._through(self._held + text, final=False)

    def rest(self) -> str:
        """What was held back, now that nothing follows."""
        return self._through(self._held, final=True)

    def _through(self, text: str, *, final: bool) -> str:
        shown: list[str] = []
        at, self._held = 0, ""
        tail = _TILDES.search(text) if not final else None
        while at < len(text):
            if self._eats is not None:
                at = self._eat(self._eats, text, at)
                continue
            mark = _MARK.search(text, at)
            if tail is not None and (mark is None or at <= tail.start() <= mark.start()):
                shown.append(text[at : tail.start()])
                self._held = tail[0]
                break
            if mark is None:
                shown.append(text[at:])
                break
            shown.append(text[at : mark.start()])
            took = self._take(text, mark, final=final)
            if took is None:
                self._held = text[mark.start() :]
                break
            shown.append(took[0])
            at = took[1]
        return "".join(shown)

    def _eat(self, eats: re.Pattern[str], text: str, at: int) -> int:
        """Where what is left out ends; a comment's end may itself be cut in two."""
        found = eats.match(text, at)
        if eats is _COMMENT_END:
            if found is None:
                tail = _COMMENT_TAIL.search(text, at)
                self._held = tail[0] if tail else ""
                return len(text)
            self._eats = None
            return found.end()
        end = found.end() if found else at
        if end < len(text) or text[end - 1 : end] == ">":
            self._eats = None
        return end

    def _take(self, text: str, mark: re.Match[str], *, final: bool) -> tuple[str, int] | None:
        """What to show for the mark, and where it ends; None when that is not known yet."""
        begun = mark[0]
        if begun == "<":
            return self._angle(text, mark.start(), final=final)
        if begun == "\n":
            self._code = "" if len(self._code) in (1, 2) else self._code
        elif mark.end() == len(text) and not final and len(begun) < RUN_CHARS_MAX:
            return None
        elif not self._code:
            self._code = begun
        elif begun == self._code or (len(self._code) >= 3 and begun.startswith(self._code)):
            self._code = ""
        return begun, mark.end()

    def _angle(self, text: str, at: int, *, final: bool) -> tuple[str, int] | None:
        if _NO_TAG.match(text, at):
            return "< ", at + 1
        tag = _TAG.match(text, at)
        if tag is not None:
            return self._tag(tag[2].lower(), tag[3], tag[0]), tag.end()
        cut = _CUT_TAG.match(text, at) or _CUT_DECLARED.match(text, at)
        if cut is not None and not final:
            return None
        declared = _DECLARED.match(text, at)
        if declared is not None and not self._code:
            self._eats = _COMMENT_END if declared[0] == "<!--" else _TAG_END
            return "", declared.end()
        begun = _LONG.match(text, at) or (_BEGUN.match(text, at) if cut is not None else None)
        if begun is not None:
            name = begun[2].lower()
            if name in (_LOADING if self._code else _ELEMENTS):
                self._eats = _TAG_END
                return "", begun.end()
        if _INERT_NEXT.match(text, at) or at + 1 == len(text):
            return "<", at + 1
        return KEPT if self._code else "< ", at + 1

    def _tag(self, name: str, inside: str, whole: str) -> str:
        if name == "br":
            return "<br>"
        if name not in _ELEMENTS and _PLACEHOLDER.fullmatch(name) and not inside.strip(" /"):
            return whole
        if self._code and name not in _LOADING:
            return KEPT + whole[1:]
        return "" if name in _ELEMENTS or "=" in inside else f"< {whole[1:]}"


class Fences:
    """Shows tags as they are written where they stand in a fenced block beyond doubt (CommonMark
    0.31, §4.5), and with a space after their `<` where they do not. Once in doubt about where
    blocks begin, no block is believed any more.
    """

    def __init__(self) -> None:
        self._line: list[str] = []
        self._line_is_code: bool | None = None
        self._fence: tuple[str, int] | None = None  # its marks, and how far it is indented
        self._after_html = False
        self._is_sure = True

    def feed(self, text: str) -> str:
        """All of it: what it shows is never held back."""
        if "\n" not in text and KEPT not in text:
            self._line.append(text)
            return text
        lines = text.split("\n")
        return "\n".join([*map(self._ended, lines[:-1]), self._shown(lines[-1])])

    def _ended(self, text: str) -> str:
        shown = self._shown(text)
        line = "".join(self._line)
        self._line.clear()
        self._line_is_code = None
        if self._fence is None:
            self._between(line)
        else:
            self._within(line, *self._fence)
        return shown

    def _shown(self, text: str) -> str:
        if KEPT in text:
            if self._line_is_code is None:
                self._line_is_code = self._is_code("".join((*self._line, text.partition(KEPT)[0])))
            text = text.replace(KEPT, "<" if self._line_is_code else "< ")
        self._line.append(text)
        return text

    def _is_code(self, line: str) -> bool:
        """Whether a line that begins so is part of the block it stands under."""
        return self._is_sure and self._fence is not None and _indent(line) >= self._fence[1]

    def _between(self, line: str) -> None:
        if not line.strip(" \t"):
            self._after_html = False  # a blank line ends a block of HTML
        elif opens := _FENCE.fullmatch(line):
            self._fence = opens[2] or opens[3], len(opens[1])
            self._is_sure = self._is_sure and not self._after_html
        elif _LIKE_FENCE.match(line):
            self._is_sure = False
        elif _LIKE_HTML.match(line):
            self._after_html = True

    def _within(self, line: str, marks: str, indent: int) -> None:
        """Two blanks before a fence may make it part of a list, which ends where they are missing;
        then it is not known what the line belongs to.
        """
        if not line.strip(" \t"):
            return
        begin, closes = _indent(line), _CLOSES.fullmatch(line)
        if indent >= 2 and begin < indent:
            self._is_sure = False
        if closes is None or not closes[2].startswith(marks):
            return
        if begin <= 3:
            self._fence = None
        elif indent >= 2:
            self._is_sure = False


def _indent(line: str) -> int:
    """Columns before what the line says; a tab is four, or fewer after blanks."""
    blank = line[: len(line) - len(line.lstrip(" \t"))]
    return len(blank.expandtabs(4))

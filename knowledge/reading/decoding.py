"""Bytes to text, in whatever encoding they came."""

import re
from typing import Final

from charset_normalizer import from_bytes

from knowledge.reading import filetype

_SNIFFED_BYTES: Final = 65_536
_GUESSED_FROM_BYTES: Final = 200
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# A soft hyphen says where a word may be divided, and hides the word from a search.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\u00ad]")


def decode(body: bytes, said: str | None = None) -> str:
    """By its mark, as UTF-8, as the document says of itself, or by a guess from a sample."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _clean(body.decode(encoding, errors="replace"))
    if encoding := filetype.utf16(body[:_SNIFFED_BYTES]):
        return _clean(body.decode(encoding, errors="replace"))
    for encoding in ("utf-8", said):
        try:
            if encoding is not None:
                return _clean(body.decode(encoding))
        except (UnicodeDecodeError, LookupError):
            continue
    return _clean(body.decode(_guess(body), errors="replace"))


def _guess(body: bytes) -> str:
    """Short texts make bad guesses: of those with few letters beyond ASCII, the commonest."""
    sample = body[:_SNIFFED_BYTES]
    best = from_bytes(sample).best()
    if best is None or best.encoding.startswith("cp037"):
        return "cp1252"
    beyond_ascii = sum(byte > 0x7F for byte in sample)
    guessable = len(sample) > _GUESSED_FROM_BYTES or beyond_ascii * 2 > len(sample)
    return best.encoding if guessable else "cp1252"


def _clean(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))

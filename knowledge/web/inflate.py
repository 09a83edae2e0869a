"""Unpacks what is sent packed, a piece at a time, and stops at a limit instead of finding out
later.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from knowledge.web.weberrors import WebError

RATIO_MAX: Final = 100
# A short page of blanks may shrink to less than a hundredth, and harms nobody.
RATIO_FREE_BYTES: Final = 2**20
GZIP_MARK: Final = b"\x1f\x8b"
_AUTO: Final = zlib.MAX_WBITS | 32  # gzip or zlib, by what the first bytes say
_RAW: Final = -zlib.MAX_WBITS
_MEMBERS_MAX: Final = 1_000


class Inflater:
    """`encoding` is a Content-Encoding: gzip, deflate, or nothing. Not more than `bytes_max` come
    out.
    """

    def __init__(self, encoding: str, *, bytes_max: int) -> None:
        self._packed = encoding in {"gzip", "x-gzip", "deflate"}
        if encoding not in {"", "identity"} and not self._packed:
            raise WebError("bad_encoding")
        self._bytes_max = bytes_max
        self._inner = zlib.decompressobj(_AUTO)
        self._members = 1
        self._came = 0
        self._gave = 0

    def feed(self, chunk: bytes) -> bytes:
        """What comes out of the next chunk. WebError `too_large` or `bad_encoding`."""
        self._came += len(chunk)
        out = b"".join(self._unpacked(chunk)) if self._packed else chunk
        self._gave += 0 if self._packed else len(out)
        self._check()
        return out

    def _unpacked(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._inner.eof:
                # Gzip files may be put one after the other; anything else behind is padding.
                if not chunk.startswith(GZIP_MARK):
                    return
                self._members += 1
                if self._members > _MEMBERS_MAX:
                    raise WebError("bad_encoding")
                self._inner = zlib.decompressobj(_AUTO)
            out = self._inflated(chunk)
            self._gave += len(out)
            self._check()
            yield out
            chunk = self._inner.unconsumed_tail or self._inner.unused_data

    def _inflated(self, chunk: bytes) -> bytes:
        room = self._bytes_max - self._gave + 1
        try:
            return self._inner.decompress(chunk, room)
        except zlib.error as error:
            if self._gave or self._members > 1:
                raise WebError("bad_encoding") from error
        # Some servers mean the bare format when they say deflate.
        self._inner = zlib.decompressobj(_RAW)
        try:
            return self._inner.decompress(chunk, room)
        except zlib.error as error:
            raise WebError("bad_encoding") from error

    def _check(self) -> None:
        swollen = self._gave > RATIO_FREE_BYTES and self._gave > RATIO_MAX * self._came
        if self._gave > self._bytes_max or swollen:
            raise WebError("too_large")


def gunzipped(body: bytes, *, bytes_max: int) -> bytes:
    """The content of a file that may be packed by gzip. WebError `too_large` or `bad_encoding`."""
    packed = body.startswith(GZIP_MARK)
    return Inflater("gzip", bytes_max=bytes_max).feed(body) if packed else body

"""The process in which a stranger's file is read: `python -m knowledge.reading.extract_child`.

It limits itself before it looks at the first byte of the file, then reads one task from its
standard input and writes to its standard output how far it is, and at last one reply. It has no
database, no secrets and, where the kernel allows it, no network. The parent watches its memory and
the clock.
"""

import ctypes
import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, cast

import msgspec

from knowledge import language
from knowledge.errors import KnowledgeError
from knowledge.reading import filetype, split, tokenestimate
from knowledge.reading.blocks import Block, Parsed, Parser
from knowledge.reading.task import Reply, Task

ADDRESS_SPACE_BYTES: Final = 2 * 2**30
CPU_S: Final = 55
FILE_BYTES: Final = 50 * 2**20
OPEN_FILES: Final = 64
TEXT_CHARS_MAX: Final = 5_000_000
_CPU_SPARE_S: Final = 1
_NICE: Final = 19
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_REPORT_EVERY_S: Final = 0.25

# By name, because a process reads one file and need not wait for the libraries of all others.
_READERS: Final = {
    filetype.PDF: ("knowledge.reading.readpdf", "read"),
    filetype.DOCX: ("knowledge.reading.readoffice", "docx"),
    filetype.PPTX: ("knowledge.reading.readslides", "read"),
    filetype.XLSX: ("knowledge.reading.readsheets", "read"),
    filetype.ODT: ("knowledge.reading.readodf", "text"),
    filetype.ODP: ("knowledge.reading.readodf", "slides"),
    filetype.ODS: ("knowledge.reading.readodf", "sheets"),
    filetype.EPUB: ("knowledge.reading.readbook", "read"),
    filetype.HTML: ("knowledge.reading.readhtml", "read"),
    filetype.WEB_PAGE: ("knowledge.reading.readpage", "read"),
    filetype.MARKDOWN: ("knowledge.reading.readmarkdown", "read"),
    filetype.CSV: ("knowledge.reading.readtext", "table"),
    filetype.JSON: ("knowledge.reading.readjson", "read"),
    filetype.EMAIL: ("knowledge.reading.readmail", "read"),
    filetype.TEXT: ("knowledge.reading.readtext", "plain"),
}


def main() -> None:
    """The task is a line of JSON, the file follows it; each line of the answer but the last is a
    share of 1, the last is the reply.
    """
    confine()
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    body = sys.stdin.buffer.read()
    sys.stdout.buffer.write(msgspec.json.encode(_answer(task.media_type, body)))


def _answer(media_type: str, body: bytes) -> Reply:
    try:
        return read(media_type, body, _Progress())
    except KnowledgeError as error:
        return Reply(code=error.code, message=error.message)
    except MemoryError:
        return Reply(code="limit_memory")
    except RecursionError:
        return Reply(code="malformed")


def read(media_type: str, body: bytes, progress: Callable[[float], None] | None = None) -> Reply:
    """KnowledgeError for whatever is wrong with the file."""
    parsed = parser(media_type)(body)
    pieces = split.split(_within_limits(parsed, progress), tokenestimate.estimate)
    if not any(any(map(str.isalnum, piece.text)) for piece in pieces):
        raise KnowledgeError("no_text")
    cfg = language.detect("\n".join(piece.text for piece in pieces))
    return Reply(pieces=pieces, pages=parsed.pages, cfg=cfg)


def parser(media_type: str) -> Parser:
    module, name = _READERS[media_type]
    return cast("Parser", getattr(importlib.import_module(module), name))


def _within_limits(parsed: Parsed, progress: Callable[[float], None] | None) -> Iterator[Block]:
    """The blocks as they come; where the format has pages, they tell how far the reader is."""
    chars = 0
    for block in parsed.blocks:
        chars += len(block.text) + sum(len(cell) for row in block.rows for cell in row)
        if chars > TEXT_CHARS_MAX:
            raise KnowledgeError(
                "too_large", f"A document has at most {TEXT_CHARS_MAX:,} characters of text."
            )
        if progress is not None and parsed.pages and block.page:
            progress(min(1.0, block.page / parsed.pages))
        yield block


class _Progress:
    """A line to the parent, a few times a second."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, share: float) -> None:
        if time.monotonic() - self._last >= _REPORT_EVERY_S:
            self._last = time.monotonic()
            sys.stdout.buffer.write(b"%.3f\n" % share)
            sys.stdout.buffer.flush()


def confine() -> None:
    """Give up, for good, what reading a file does not need."""
    os.nice(_NICE)
    for limit, value in (
        (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # The signal that names the reason comes at the soft limit; at the hard one, a second
        # later, the kernel kills without a word.
        spare = _CPU_SPARE_S if limit == resource.RLIMIT_CPU and allowed == value else 0
        resource.setrlimit(limit, (allowed - spare, allowed))
    _leave_network()


def _leave_network() -> bool:
    """A network namespace of our own, with nothing in it. Some containers and all other systems do
    not allow that; then we go on without.
    """
    unshare: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is None:
        return False
    return unshare(_CLONE_NEWNET) == 0 or unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0


if __name__ == "__main__":
    main()

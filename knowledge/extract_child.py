"""The process in which a stranger's file is read: `python -m knowledge.extract_child`.

It limits itself before it looks at the first byte of the file, then reads one task from its
standard input and writes one reply to its standard output. It has no database, no secrets and,
where the kernel allows it, no network. The parent watches its memory and the clock.
"""

import ctypes
import os
import resource
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from knowledge import filetype, language, readhtml, readoffice, readtext, split, tokens
from knowledge.blocks import Parsed, Parser
from knowledge.errors import KnowledgeError
from knowledge.task import Reply, Task

ADDRESS_SPACE_BYTES: Final = 2 * 2**30
CPU_S: Final = 55
FILE_BYTES: Final = 50 * 2**20
OPEN_FILES: Final = 64
TEXT_CHARS_MAX: Final = 5_000_000
_NICE: Final = 19
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000

_PARSERS: Final[dict[str, Parser]] = {
    filetype.PDF: readoffice.pdf,
    filetype.DOCX: readoffice.docx,
    filetype.PPTX: readoffice.pptx,
    filetype.XLSX: readoffice.xlsx,
    filetype.HTML: readhtml.read,
    filetype.MARKDOWN: readtext.markdown,
    filetype.CSV: readtext.table,
    filetype.TEXT: readtext.plain,
}


def main() -> None:
    """The task is a line of JSON, the file follows it; the reply is JSON."""
    _confine()
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    body = sys.stdin.buffer.read()
    sys.stdout.buffer.write(msgspec.json.encode(_answer(task.media_type, body)))


def _answer(media_type: str, body: bytes) -> Reply:
    try:
        return read(media_type, body)
    except KnowledgeError as error:
        return Reply(code=error.code, message=error.message)
    except MemoryError:
        return Reply(code="limit_memory")
    except RecursionError:
        return Reply(code="malformed")


def read(media_type: str, body: bytes) -> Reply:
    """KnowledgeError for whatever is wrong with the file."""
    parsed = _PARSERS[media_type](body)
    if _chars(parsed) > TEXT_CHARS_MAX:
        raise KnowledgeError(
            "too_large", f"A document has at most {TEXT_CHARS_MAX:,} characters of text."
        )
    pieces = split.split(parsed.blocks, tokens.count)
    if not any(any(map(str.isalnum, piece.text)) for piece in pieces):
        raise KnowledgeError("no_text")
    cfg = language.detect("\n".join(piece.text for piece in pieces))
    return Reply(pieces=pieces, pages=parsed.pages, cfg=cfg)


def _chars(parsed: Parsed) -> int:
    return sum(
        len(block.text) + sum(len(cell) for row in block.rows for cell in row)
        for block in parsed.blocks
    )


def _confine() -> None:
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
        resource.setrlimit(limit, (allowed, allowed))
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

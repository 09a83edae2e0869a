"""Zip containers, looked at before a parser sees them: what they hold, how much it really unpacks
to, and whether their XML is a trap.
"""

import io
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from knowledge.errors import KnowledgeError
from knowledge.reading import xmlparts

ENTRIES_MAX: Final = 2_000
INFLATED_BYTES_MAX: Final = 100 * 2**20
RATIO_MAX: Final = 100
_RATIO_FROM_BYTES: Final = 10 * 2**20
_CHUNK_BYTES: Final = 256 * 1024
_NESTED_ENDINGS: Final = (
    ".zip",
    ".gz",
    ".tgz",
    ".tar",
    ".7z",
    ".rar",
    ".xz",
    ".bz2",
    ".zst",
    ".jar",
)
_XML_ENDINGS: Final = (".xml", ".rels", ".opf", ".ncx")
_ENCRYPTED_FLAG: Final = 0x1
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    OSError,
    KeyError,
)


def check(body: bytes) -> None:
    """KnowledgeError `malformed`, `encrypted` or `archive_bomb`; unpacks everything once, within
    limits.
    """
    with opened(body) as archive:
        _check_directory(archive.infolist(), len(body))
        _inflate(archive, len(body))


@contextmanager
def opened(body: bytes) -> Generator[zipfile.ZipFile]:
    """KnowledgeError `malformed` for whatever is wrong with the container, now or while it is
    read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            yield archive
    except _DAMAGE as error:
        raise KnowledgeError("malformed") from error


def _check_directory(entries: list[zipfile.ZipInfo], packed_bytes: int) -> None:
    if len(entries) > ENTRIES_MAX:
        raise KnowledgeError("archive_bomb")
    _check_size(sum(entry.file_size for entry in entries), packed_bytes)
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED_FLAG:
            raise KnowledgeError("encrypted")
        if entry.filename.startswith(("/", "\\")) or ".." in entry.filename.split("/"):
            raise KnowledgeError("malformed")
        if entry.filename.lower().endswith(_NESTED_ENDINGS):
            raise KnowledgeError(
                "archive_bomb", "The file has another archive inside. Remove it first."
            )


def _inflate(archive: zipfile.ZipFile, packed_bytes: int) -> None:
    """Headers may lie, so count what comes out."""
    total = 0
    for entry in archive.infolist():
        guard = xmlparts.Guard() if entry.filename.lower().endswith(_XML_ENDINGS) else None
        with archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                total += len(chunk)
                _check_size(total, packed_bytes)
                if guard is not None:
                    guard.feed(chunk)


def _check_size(inflated_bytes: int, packed_bytes: int) -> None:
    swollen = inflated_bytes > _RATIO_FROM_BYTES and inflated_bytes > packed_bytes * RATIO_MAX
    if inflated_bytes > INFLATED_BYTES_MAX or swollen:
        raise KnowledgeError("archive_bomb")

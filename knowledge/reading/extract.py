"""A file to passages, in a process of its own that may die without harm.

The child (`extract_child.py`) limits its address space, CPU and files; this side limits the time
on the clock and the memory it really uses, and kills the whole process group at either limit.
What ended it is told from here, because a parser that runs out of memory reports anything but
that.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
import psutil

from knowledge.errors import KnowledgeError
from knowledge.reading.split import Piece
from knowledge.reading.task import Reply, Task

WALL_S: Final = 60.0
RESIDENT_BYTES_MAX: Final = 512 * 2**20
REPLY_BYTES_MAX: Final = 48 * 2**20
_WATCH_S: Final = 0.05
_CHUNK_BYTES: Final = 256 * 1024
_STDERR_BYTES_KEPT: Final = 4_096
_LINE_BYTES_MAX: Final = 64
ENVIRONMENT: Final = {"LANG": "C.UTF-8", "PYTHONUTF8": "1", "HOME": "/nonexistent"}
_OUT_OF_MEMORY: Final = (
    b"memory allocation",
    b"MemoryError",
    b"Cannot allocate memory",
    b"out of memory",
)

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


Progress = Callable[[float], Awaitable[None]]


class Extracted(msgspec.Struct, frozen=True):
    """`cfg` is the text search configuration of the language; `pages` None where the format knows
    none.
    """

    pieces: list[Piece]
    pages: int | None
    cfg: str


async def extract(
    media_type: str,
    body: bytes | AsyncIterable[bytes],
    *,
    progress: Progress | None = None,
    wall_s: float = WALL_S,
    resident_bytes_max: int = RESIDENT_BYTES_MAX,
) -> Extracted:
    """Read, split and count a file, whole or as it comes. KnowledgeError with a code of
    `errors.MESSAGES` when that fails.

    At most one file a core is read at a time, and one core is left for everything else. `progress`
    hears a share from 0 to 1 a few times a second, where the format has pages to count; what it
    raises ends the reading.
    """
    async with _slot(), child() as process:
        watch = asyncio.create_task(_watch(process, resident_bytes_max))
        try:
            async with asyncio.timeout(wall_s):
                output, complaint = await _talk(process, Task(media_type), body, progress)
                code = await process.wait()
        except TimeoutError as error:
            raise KnowledgeError("limit_time") from error
        finally:
            watch.cancel()
        over = watch.done() and not watch.cancelled()
    if over:
        raise KnowledgeError("limit_memory")
    if code != 0:
        raise KnowledgeError(verdict(code, complaint))
    return _understood(output)


@asynccontextmanager
async def _slot() -> AsyncGenerator[None]:
    loop = asyncio.get_running_loop()
    slots = _slots.setdefault(loop, asyncio.Semaphore(max(1, (os.cpu_count() or 1) - 1)))
    async with slots:
        yield


@asynccontextmanager
async def child() -> AsyncGenerator[asyncio.subprocess.Process]:
    """A fresh process in a session of its own; whatever is left of it at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "knowledge.reading.extract_child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
        env=ENVIRONMENT,
        start_new_session=True,
        limit=_CHUNK_BYTES,
    )
    try:
        yield process
    finally:
        kill(process)
        await process.wait()


async def _talk(
    process: asyncio.subprocess.Process,
    task: Task,
    body: bytes | AsyncIterable[bytes],
    progress: Progress | None,
) -> tuple[bytes, bytes]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("the child was started with three pipes")
    _, output, complaint = await asyncio.gather(
        _send(process.stdin, msgspec.json.encode(task) + b"\n", body),
        _receive(process.stdout, progress),
        _last_words(process.stderr),
    )
    return output, complaint


async def _send(
    stdin: asyncio.StreamWriter, task: bytes, body: bytes | AsyncIterable[bytes]
) -> None:
    # A child that died has said why, or its exit code will.
    with suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(task)
        async for part in _parts(body):
            stdin.write(part)
            await stdin.drain()
    stdin.close()


async def _parts(body: bytes | AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    if isinstance(body, bytes):
        for at in range(0, len(body), _CHUNK_BYTES):
            yield body[at : at + _CHUNK_BYTES]
    else:
        async for part in body:
            yield part


async def _receive(stdout: asyncio.StreamReader, progress: Progress | None) -> bytes:
    """The last line; what comes before it are shares of 1."""
    received = bytearray()
    while chunk := await stdout.read(_CHUNK_BYTES):
        received += chunk
        if len(received) > REPLY_BYTES_MAX:
            raise KnowledgeError("too_large")
        if b"\n" in chunk:
            lines, _, received = received.rpartition(b"\n")
            if progress is not None:
                await progress(_share(bytes(lines)))
    return bytes(received)


def _share(lines: bytes) -> float:
    """What a child says that went wrong is not to be believed."""
    try:
        return min(1.0, max(0.0, float(lines[-_LINE_BYTES_MAX:].split(b"\n")[-1])))
    except ValueError:
        return 0.0


async def _last_words(stderr: asyncio.StreamReader) -> bytes:
    kept = b""
    while chunk := await stderr.read(_CHUNK_BYTES):
        kept = (kept + chunk)[-_STDERR_BYTES_KEPT:]
    return kept


async def _watch(process: asyncio.subprocess.Process, resident_bytes_max: int) -> None:
    """Returns after it killed a process that used too much; otherwise it is cancelled."""
    # The kernel tells nobody, so look again and again.
    while _resident_bytes(process.pid) <= resident_bytes_max:  # noqa: ASYNC110
        await asyncio.sleep(_WATCH_S)
    kill(process)


def _resident_bytes(pid: int) -> int:
    try:
        child = psutil.Process(pid)
        return sum(one.memory_info().rss for one in [child, *child.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def verdict(code: int, complaint: bytes) -> str:
    if code == -signal.SIGXCPU:
        return "limit_time"
    if code == -signal.SIGKILL or any(words in complaint for words in _OUT_OF_MEMORY):
        return "limit_memory"
    return "parser_crashed"


def _understood(output: bytes) -> Extracted:
    try:
        reply = msgspec.json.decode(output, type=Reply)
    except msgspec.MsgspecError as error:
        raise KnowledgeError("parser_crashed") from error
    if reply.code is not None:
        raise KnowledgeError(reply.code, reply.message)
    return Extracted(reply.pieces, reply.pages, reply.cfg)

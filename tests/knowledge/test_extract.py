"""The process in which a file is read: what it may not do, how it ends, how far it says it is."""

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from knowledge.errors import KnowledgeError
from knowledge.reading import extract, extract_child, filetype
from tests.knowledge import files

LINES = [f"Line {at} says that parcels are sent on working days." for at in range(30)]


def confined(what: str) -> subprocess.CompletedProcess[str]:
    """Run `what` in a process that has given up what the child gives up."""
    begin = "from knowledge.reading import extract_child\n"
    return subprocess.run(
        [sys.executable, "-c", begin + textwrap.dedent(what)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if "extract_child" in " ".join(child.cmdline())
    ]


async def test_a_child_over_its_memory_or_time_is_killed_and_named():
    body = files.pdf([LINES])

    with pytest.raises(KnowledgeError) as memory:
        await extract.extract(filetype.PDF, body, resident_bytes_max=2**20)
    with pytest.raises(KnowledgeError) as clock:
        await extract.extract(filetype.PDF, body, wall_s=0.01)

    assert memory.value.code == "limit_memory"
    assert clock.value.code == "limit_time"
    assert not children()


async def test_progress_is_how_many_pages_are_read_and_only_ever_grows():
    shares: list[float] = []

    async def hear(share: float) -> None:
        shares.append(share)

    result = await extract.extract(filetype.PDF, files.pdf([LINES] * 1_500), progress=hear)

    assert result.pages == 1_500
    assert len(shares) >= 2
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1


async def test_whoever_hears_the_progress_can_end_the_reading():
    async def enough(share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await extract.extract(filetype.PDF, files.pdf([LINES] * 1_500), progress=enough)

    assert not children()


async def test_a_child_and_whatever_it_started_are_killed_together():
    starter = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", starter, start_new_session=True
    )
    async with asyncio.timeout(10):
        while not (family := psutil.Process(process.pid).children()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    extract.kill(process)
    await process.wait()

    gone, alive = psutil.wait_procs(family, timeout=5)
    assert (len(gone), alive) == (1, [])


async def test_the_child_is_alone_and_limited_before_it_reads_a_byte(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("CANARY_SECRET", "must not be inherited")

    async with extract.child() as process:
        seen = psutil.Process(process.pid)
        async with asyncio.timeout(10):
            while seen.nice() != 19 or seen.rlimit(psutil.RLIMIT_CORE) != (0, 0):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        environment, limits = seen.environ(), extract_child

        assert set(environment) == set(extract.ENVIRONMENT)
        assert os.getsid(process.pid) == process.pid
        assert seen.rlimit(psutil.RLIMIT_AS) == (limits.ADDRESS_SPACE_BYTES,) * 2
        assert seen.rlimit(psutil.RLIMIT_CPU) == (limits.CPU_S - 1, limits.CPU_S)
        assert seen.rlimit(psutil.RLIMIT_FSIZE) == (limits.FILE_BYTES,) * 2
        assert seen.rlimit(psutil.RLIMIT_NOFILE) == (limits.OPEN_FILES,) * 2


def test_the_child_cannot_write_a_large_file(tmp_path: Path):
    done = confined(f"""
        extract_child.confine()
        with open({str(tmp_path / "large")!r}, "wb") as file:
            for _ in range(extract_child.FILE_BYTES // 2**20):
                file.write(bytes(2**20))
            file.flush()
            try:
                file.write(b"x")
                file.flush()
            except OSError as error:
                print(error.errno)
    """)

    assert done.stdout.split()[:1] == [str(errno.EFBIG)]


def test_the_child_cannot_open_many_files():
    done = confined("""
        extract_child.confine()
        kept = []
        try:
            for _ in range(extract_child.OPEN_FILES):
                kept.append(open("/dev/null"))
        except OSError as error:
            print(error.errno)
    """)

    assert done.stdout.strip() == str(errno.EMFILE)


def test_the_child_cannot_ask_for_more_memory_than_its_limit():
    done = confined("""
        extract_child.confine()
        bytearray(extract_child.ADDRESS_SPACE_BYTES)
    """)

    assert "MemoryError" in done.stderr
    assert extract.verdict(done.returncode, done.stderr.encode()) == "limit_memory"


def test_the_child_cannot_work_longer_than_its_limit_and_the_reason_is_named():
    done = confined("""
        extract_child.CPU_S = 2
        extract_child.confine()
        while True:
            pass
    """)

    assert done.returncode == -signal.SIGXCPU
    assert extract.verdict(done.returncode, b"") == "limit_time"


def test_the_child_has_no_network_where_the_kernel_allows_that():
    allowed = any(
        shutil.which("unshare")
        and subprocess.run(["unshare", flags, "true"], check=False).returncode == 0
        for flags in ("-n", "-rn")
    )
    look = """
        import socket
        from knowledge.reading import extract_child
        there = socket.create_server(("127.0.0.1", 0))
        extract_child.confine()
        try:
            socket.create_connection(there.getsockname(), timeout=2)
            print("reached")
        except OSError:
            print("cut off")
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(look)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ("cut off" if allowed else "reached")


def test_the_server_itself_holds_no_parser():
    look = "import sys, knowledge.ingest; print(*{'kreuzberg', 'pypdfium2'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


def test_the_child_loads_no_reader_but_the_one_it_needs():
    readers = "kreuzberg pypdfium2 markdown_it charset_normalizer tiktoken trafilatura lxml"
    look = f"""
        import sys
        from knowledge.reading import filetype
        assert not set({readers!r}.split()) & set(sys.modules)
        extract_child.parser(filetype.JSON)(b"[1]")
        print(*set({readers!r}.split()) & set(sys.modules))
    """

    done = confined(look)

    assert done.stderr == ""
    assert done.stdout.split() == ["charset_normalizer"]


def test_every_kind_of_file_has_its_reader():
    for media_type in set(filetype.ENDINGS.values()):
        assert callable(extract_child.parser(media_type))

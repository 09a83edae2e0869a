"""A Redis for a moment, which can be killed and come back where it was."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator

import pytest

START_WITHIN_S = 10.0


class Redis:
    """One redis-server that keeps nothing; `url` stays the same however often it is started."""

    def __init__(self, folder: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ("--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir")
        self._process = subprocess.Popen(
            ["redis-server", *words, self._folder], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + START_WITHIN_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            assert time.monotonic() < until, "redis-server did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running() -> Generator[Redis]:
    """A Redis until the end of the block. Without one installed the test is left out, but not in
    CI.
    """
    if shutil.which("redis-server") is None and not os.environ.get("CI"):
        pytest.skip("left out: redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        redis = Redis(folder)
        redis.start()
        try:
            yield redis
        finally:
            redis.kill()

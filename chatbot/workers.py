"""`chatbot serve --workers N`: one process that starts the others, restarts those that die, and
takes all of them down with itself.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog
import uvloop
from prometheus_client import multiprocess

from chatbot import doctor, embedded, logs, serving
from chatbot.app import Service
from chatbot.errors import StartupError
from chatbot.settings import Settings, environment

START_WITHIN_S = 120.0
RESTART_S = (0.5, 30.0)
STEADY_S = 60.0  # who lived this long and dies is restarted at once
LEAVE_WITHIN_S = 40.0  # longer than any part of the way down may take
PROGRAM = (sys.executable, "-m", "chatbot")
WORKERS_MAX = 16
CONNECTIONS_BESIDE = 10  # for other commands, and the superuser's
CONNECTIONS_BESIDE_EACH = 6  # two of the relay, four of the jobs
CONNECTIONS_MIN = 4
METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"

log = structlog.get_logger(__name__)

WorkerOf = tuple[str, int]
"""What the parent of several workers tells each: its name, and its end of the pipe between them."""


class Child:
    """One of the processes: started, restarted, and told to leave."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.name = name
        self.was_ready = False
        self._command = command
        self._environ = environ
        self._leaving = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self) -> int:
        """Run it, again and again, until it is told to leave; how it left.

        Raises StartupError when it ends before it was ever ready: it said why, and would again.
        """
        pause = RESTART_S[0]
        while True:
            began = time.monotonic()
            code = await self._run()
            if self._leaving.is_set():
                return code
            if not self.was_ready:
                raise StartupError(
                    f"worker_failed: {self.name} ended with {code} before it could serve; its last"
                    " line says why."
                )
            pause = RESTART_S[0] if time.monotonic() - began > STEADY_S else pause
            log.error("worker_died", name=self.name, code=code, restart_in_s=pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._leaving.wait()
                return 0
            pause = min(pause * 2, RESTART_S[1])

    def leave(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to end what it does and go."""
        self._leaving.set()
        self._signal(how)

    async def _run(self) -> int:
        """One life. The pipe between us is told by the child when it can serve, and by the system
        when one of us is gone.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command,
                *("--worker-of", self.name, str(theirs.fileno())),
                env=self._environ,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl+C is for the parent, which passes it on once
            )
            theirs.close()
            ours.setblocking(False)
            if self._leaving.is_set():
                self._signal(signal.SIGTERM)
            try:
                await self._wait_ready(ours)
                code = await process.wait()
            except asyncio.CancelledError:
                self._signal(signal.SIGKILL)
                await process.wait()
                raise
        if METRICS_DIR in self._environ:
            multiprocess.mark_process_dead(process.pid, self._environ[METRICS_DIR])
        return code

    async def _wait_ready(self, ours: socket.socket) -> None:
        try:
            async with asyncio.timeout(START_WITHIN_S):
                told = await asyncio.get_running_loop().sock_recv(ours, 1)
        except TimeoutError:
            log.error("worker_did_not_start", name=self.name)
            return self._signal(signal.SIGKILL)
        if told:
            self.was_ready = True
            log.info("worker_ready", name=self.name)
        return None

    def _signal(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(how)


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    count: int = 1,
    no_jobs: bool = False,
    worker_of: WorkerOf | None = None,
) -> int:
    """Serve from this process alone, or from `count` others that share the port and one for the
    jobs; the exit code.
    """
    if count > 1:
        return _serve_together(settings, host, port, count=count, no_jobs=no_jobs)
    life = _life(worker_of)
    listener = serving.bind(host, port, shared=worker_of is not None)
    with serving.ready(settings) as found:
        service = Service(found, run_jobs=not no_jobs)
        uvloop.run(serving.serve([(service.asgi, listener)], crowd=service.realtime, life=life))
    return 0


def work(settings: Settings, worker_of: WorkerOf | None = None) -> None:
    """Run background jobs alone, until told to leave."""
    life = _life(worker_of)

    async def run_jobs(found: Settings) -> None:
        service = Service(found)
        await service.jobs.start(service.resume)
        try:
            await serving.until_told_to_leave(life)
        finally:
            await service.stop()

    with serving.ready(settings) as found:
        uvloop.run(run_jobs(found))


def _life(worker_of: WorkerOf | None) -> serving.Lifeline:
    """The way to the parent, if this process is a worker; its name stands in every line it logs."""
    name, descriptor = worker_of or (None, None)
    logs.name_process(name)
    return serving.Lifeline(descriptor)


def _serve_together(settings: Settings, host: str, port: int, *, count: int, no_jobs: bool) -> int:
    web = (*PROGRAM, "serve", "--host", host, "--port", str(port), "--no-jobs")
    names = [f"web {n}" for n in range(1, count + 1)]
    commands = dict.fromkeys(names, web) | ({} if no_jobs else {"jobs": (*PROGRAM, "worker")})
    if not settings.redis_url:
        log.warning("workers_without_redis", message=doctor.WITHOUT_REDIS)
    with serving.reserve(host, port), serving.ready(settings) as found:
        shared = found if settings.database_url else _sharing_connections(found, len(commands))
        return uvloop.run(supervise(commands, environment(shared), sharing_metrics=names))


def _sharing_connections(settings: Settings, processes: int) -> Settings:
    """The embedded server's connections are divided; one of your own is yours to size."""
    most = (embedded.CONNECTIONS_MAX - CONNECTIONS_BESIDE) // processes - CONNECTIONS_BESIDE_EACH
    connections = max(CONNECTIONS_MIN, min(settings.limits.database_connections, most))
    return replace(settings, limits=replace(settings.limits, database_connections=connections))


async def supervise(
    commands: Mapping[str, Sequence[str]],
    environ: Mapping[str, str],
    *,
    sharing_metrics: Sequence[str] = (),
) -> int:
    """Keep a process of each name running its command until SIGINT or SIGTERM; the exit code.

    0 when all left in order, 1 when one had to be killed or failed. A second signal hurries them.
    Those of `sharing_metrics` count together, so that any of them can tell of all.
    """
    with tempfile.TemporaryDirectory(prefix="chatbot-metrics-") as folder:
        together = {**environ, METRICS_DIR: folder}
        children = [
            Child(name, command, together if name in sharing_metrics else environ)
            for name, command in commands.items()
        ]
        keeping = [asyncio.create_task(each.keep(), name=each.name) for each in children]
        told = asyncio.Event()

        def leave() -> None:
            told.set()
            for each in children:
                each.leave()

        serving.on_signals(leave)
        return await _until_all_left(children, keeping, told)


async def _until_all_left(
    children: Sequence[Child], keeping: Sequence[asyncio.Task[int]], told: asyncio.Event
) -> int:
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait([waiting, *keeping], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not told.is_set():  # one could not start: the others have nothing to stay for
        for each in children:
            each.leave()
    _, late = await asyncio.wait(keeping, timeout=LEAVE_WITHIN_S)
    for task in late:
        log.error("worker_killed", name=task.get_name())
        task.cancel()
    codes = await asyncio.gather(*keeping, return_exceptions=True)
    for each in codes:
        if isinstance(each, StartupError):
            raise each
    return 0 if all(code == 0 for code in codes) else 1

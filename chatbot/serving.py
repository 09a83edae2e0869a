"""Makes a machine ready to serve, and serves: database, secrets, ports, signals, the way down."""

import asyncio
import contextlib
import gc
import secrets
import signal
import socket
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import uvicorn

from chatbot import descriptors, doctor, embedded
from chatbot.errors import StartupError
from chatbot.realtime.sockets.line import Line
from chatbot.realtime.sockets.partings import parting
from chatbot.settings import Settings
from migrations import run

SECRETS_FILE = "secret_keys"
SHUTDOWN_S = 15
COLLECT_AFTER = (10_000, 20, 20)  # objects, rounds of the young, rounds of the middle-aged
LEAVING_WITHIN_S = 15
HURRY_AFTER_S = 1.0
BACKLOG = 4_096  # the most that Linux gives by default since 5.4; macOS gives 128
WS_MESSAGE_BYTES_MAX = 65_536


@contextmanager
def ready(settings: Settings) -> Generator[Settings]:
    """Settings with a database that can be used: the one they name, or the embedded one, migrated;
    and as many descriptors as they let sockets in, if the system has them.

    Raises StartupError, with its code, for anything that must be mended first.
    """
    descriptors.allow(settings.limits)
    if settings.database_url:
        doctor.refuse_unsound(settings)
        yield settings
        return
    with embedded.running(settings.data_dir) as urls:
        run.upgrade(urls.owner)
        found = replace(
            settings,
            database_url=urls.app,
            database_owner_url=urls.owner,
            secret_keys=settings.secret_keys or _kept_secret(settings),
        )
        doctor.refuse_unsound(found)
        yield found


def _kept_secret(settings: Settings) -> tuple[str, ...]:
    """The signing key of this data directory, made once and readable by its user alone."""
    path = settings.data_dir / SECRETS_FILE
    with embedded.turn(settings.data_dir):
        if not path.exists():
            embedded.write_private(path, secrets.token_urlsafe(48))
        return tuple(path.read_text().split(","))


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; StartupError `port_taken` when somebody else has the port.

    `shared` with other processes that ask for it so: the kernel then gives every new connection to
    one of them, by a hash of both addresses.
    """
    listener = _bound(host, port, shared=shared, listening=True)
    listener.setblocking(False)
    return listener


def reserve(host: str, port: int) -> socket.socket:
    """Keep a port that only `shared` sockets of this user can bind from now on; it hears nothing
    itself. StartupError as from `bind`.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise StartupError(
            "workers_unsupported: this system cannot share a port. Leave --workers out."
        )
    _bound(host, port).close()  # a port that others share already is not free
    return _bound(host, port, shared=True)


def _bound(host: str, port: int, *, shared: bool = False, listening: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        if listening:
            listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        code = "port_refused" if isinstance(error, PermissionError) else "port_taken"
        raise StartupError(
            f"{code}: {host}:{port} cannot be had ({error.strerror}). Choose another with --port."
        ) from error
    return listener


class Lifeline:
    """A worker's end of the pipe to the process that started it; none has a process of its own."""

    def __init__(self, descriptor: int | None) -> None:
        self._pipe = None if descriptor is None else socket.socket(fileno=descriptor)

    def tell_ready(self) -> None:
        """The parent may count on this process."""
        if self._pipe is not None:
            self._pipe.send(b"1")

    def on_orphaned(self, leave: Callable[[], None]) -> None:
        """Call `leave` when the parent is gone, however that came about."""
        if self._pipe is None:
            return
        loop, descriptor = asyncio.get_running_loop(), self._pipe.fileno()

        def gone() -> None:
            loop.remove_reader(descriptor)
            leave()

        loop.add_reader(descriptor, gone)


class Crowd(Protocol):
    """Those who stay connected, as the web server sees them."""

    def is_busy(self) -> bool:
        """Whether so many come in that another would only wait."""
        ...

    async def drain(self) -> None:
        """Send them away, before the server closes what is left in its own way."""
        ...


class WebServer(uvicorn.Server):
    """One app on one socket, as we run it everywhere; leaves signals to `serve`, which may run
    two.
    """

    def __init__(
        self,
        app: Any,
        *,
        shutdown_s: int = SHUTDOWN_S,
        on_started: Callable[[], None] = lambda: None,
        crowd: Crowd | None = None,
    ) -> None:
        self._on_started = on_started
        self._crowd = crowd
        self._lines: list[Line] = []
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws=parting(),
                ws_max_size=WS_MESSAGE_BYTES_MAX,
                ws_per_message_deflate=False,
                ws_ping_interval=None,  # Engine.IO has a heartbeat of its own
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=shutdown_s,
            )
        )

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve. The connections of `sockets` are ours to take, and to begin in time."""
        await super().startup([])  # with None uvicorn would bind a port itself
        begin = partial(
            self.config.http_protocol_class,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self._lines = [Line(listener, begin, self._is_busy) for listener in sockets or ()]
        for line in self._lines:
            line.open()
        self._on_started()

    def _is_busy(self) -> bool:
        return self._crowd is not None and self._crowd.is_busy()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so first: what follows closes every connection."""
        if self._crowd is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVING_WITHIN_S):
                    await self._crowd.drain()
        for line in self._lines:
            await line.close()
        await super().shutdown(sockets)


class Leaving:
    """Told to leave, servers do so in order; told again a while later, at once."""

    def __init__(
        self, servers: Sequence[uvicorn.Server], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._servers = servers
        self._clock = clock
        self._told_at: float | None = None

    def tell(self) -> None:
        """A signal. Ctrl+C and systemd tell a whole group, and a parent tells its children again:
        the same wish twice.
        """
        now = self._clock()
        self._told_at = now if self._told_at is None else self._told_at
        for server in self._servers:
            server.should_exit = True
            server.force_exit = now - self._told_at > HURRY_AFTER_S


async def serve(
    apps: Sequence[tuple[Any, socket.socket]],
    *,
    crowd: Crowd | None = None,
    life: Lifeline | None = None,
) -> None:
    """Run each app on its socket until SIGINT or SIGTERM, or the parent's end; then drain the
    crowd, and let what runs end, bounded in time. Raises StartupError when an app cannot start.
    """
    life = life or Lifeline(None)
    servers = [WebServer(app, on_started=life.tell_ready, crowd=crowd) for app, _ in apps]

    leaving = Leaving(servers)
    on_signals(leaving.tell)
    life.on_orphaned(leaving.tell)
    keep_for_good()
    await asyncio.gather(
        *(
            server.serve(sockets=[listener])
            for server, (_, listener) in zip(servers, apps, strict=True)
        )
    )
    if not all(server.started for server in servers):
        raise StartupError("startup_failed: the service could not start. The log says why.")


def keep_for_good() -> None:
    """What is loaded by now stays until the end: the collector need not look through it again (a
    full collection took 140 ms, in which nothing else moves). And it need not look after every 700
    new objects: one connection makes as many.
    """
    gc.set_threshold(*COLLECT_AFTER)
    gc.collect()
    gc.freeze()


async def until_told_to_leave(life: Lifeline) -> None:
    """Wait for SIGINT or SIGTERM, or the parent's end."""
    told = asyncio.Event()
    on_signals(told.set)
    life.on_orphaned(told.set)
    life.tell_ready()
    await told.wait()


def on_signals(leave: Callable[[], None]) -> None:
    """Call `leave` at every SIGINT and SIGTERM, in place of what they do by themselves."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, leave)

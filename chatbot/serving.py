"""Makes a machine ready to serve, and serves: database, secrets, ports, signals, the way down."""

import asyncio
import contextlib
import gc
import secrets
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import uvicorn

from chatbot import doctor, embedded
from chatbot.errors import StartupError
from chatbot.settings import Settings
from migrations import run

SECRETS_FILE = "secret_keys"
SHUTDOWN_S = 15
BACKLOG = 2048
WS_MESSAGE_BYTES_MAX = 65_536


@contextmanager
def ready(settings: Settings) -> Generator[Settings]:
    """Settings with a database that can be used: the one they name, or the embedded one, migrated.

    Raises StartupError, with its code, for anything that must be mended first.
    """
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


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; StartupError `port_taken` when somebody else has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        code = "port_refused" if isinstance(error, PermissionError) else "port_taken"
        raise StartupError(
            f"{code}: {host}:{port} cannot be had ({error.strerror}). Choose another with --port."
        ) from error
    listener.setblocking(False)
    return listener


class WebServer(uvicorn.Server):
    """One app on one socket, as we run it everywhere; leaves signals to `serve`, which may run
    two.
    """

    def __init__(self, app: Any, *, shutdown_s: int = SHUTDOWN_S) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="websockets-sansio",
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


async def serve(apps: Sequence[tuple[Any, socket.socket]]) -> None:
    """Run each app on its socket until SIGINT or SIGTERM; then let what runs end, bounded in
    time.
    """
    servers = [WebServer(app) for app, _ in apps]

    def leave() -> None:
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    _on_signals(leave)
    keep_for_good()
    await asyncio.gather(
        *(
            server.serve(sockets=[listener])
            for server, (_, listener) in zip(servers, apps, strict=True)
        )
    )


def keep_for_good() -> None:
    """What is loaded by now stays until the end: the collector need not look through it again (a
    full collection took 140 ms, in which nothing else moves).
    """
    gc.collect()
    gc.freeze()


async def until_told_to_leave() -> None:
    """Wait for SIGINT or SIGTERM."""
    told = asyncio.Event()
    _on_signals(told.set)
    await told.wait()


def _on_signals(leave: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, leave)

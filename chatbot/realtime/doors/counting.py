"""Counts which topics sockets enter and leave, and looks now and then at what nothing tells: how
late the loop is, and how much waits for the sockets.
"""

import asyncio
from typing import Any, Final

import structlog

from chatbot.realtime import metrics
from chatbot.realtime.sockets.client import Client
from chatbot.realtime.sockets.server import SocketServer

TICK_S: Final = 0.1
LOOK_EVERY: Final = 100  # ticks
LATE_MS: Final = 500.0  # worth a line

log = structlog.get_logger(__name__)


class Counting:
    """A Watcher of both doors, and one task."""

    def __init__(self, server: SocketServer) -> None:
        self._server = server
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._looking = asyncio.create_task(self._look(), name="look at the loop")

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            worst_ms = 0.0
            for _ in range(LOOK_EVERY):
                due_at = loop.time() + TICK_S
                await asyncio.sleep(TICK_S)
                late_ms = max(0.0, (loop.time() - due_at) * 1000)
                metrics.LOOP_LAG.observe(late_ms)
                worst_ms = max(worst_ms, late_ms)
            metrics.LOOP_LAG_MAX.set(worst_ms)
            if worst_ms > LATE_MS:
                log.warning("realtime.loop_late", worst_ms=round(worst_ms))
            sockets: dict[str, Any] = self._server.eio.sockets
            waiting = (each.queue.qsize() for each in list(sockets.values()))
            metrics.QUEUE_DEPTH.set(max(waiting, default=0))

    # ── Watcher ───────────────────────────────────────────────────────────────────────────────────

    def joined(self, sid: str, client: Client[Any], topic: str) -> None:
        metrics.HEARD.labels(metrics.kind(topic)).inc()

    def left(self, sid: str, client: Client[Any], topic: str) -> None:
        kind = metrics.kind(topic)
        metrics.HEARD.labels(kind).dec()
        metrics.LEAVES.labels(kind).inc()

    def gone(self, sid: str, client: Client[Any]) -> None: ...

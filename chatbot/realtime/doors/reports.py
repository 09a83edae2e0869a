"""What clients tell of themselves: how often they put refetches together, which codes they met. All
of it becomes numbers; nothing is kept of who said it.
"""

import asyncio
from typing import Annotated, Any, Literal

import msgspec

from chatbot.errors import TooMany
from chatbot.realtime import metrics
from chatbot.realtime.doors.door import Door
from chatbot.realtime.sockets.client import Client

REPORT_EVERY_S = 10.0
COUNT_MAX = 1_000
CODES_MAX = 20
CODE_CHARS_MAX = 40

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Code = Annotated[str, msgspec.Meta(max_length=CODE_CHARS_MAX)]
Status = Literal["connecting", "connected", "disconnected", "suspended", "failed"]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Since the last report: refetches put together, errors by code, the worst status."""

    throttled: Count
    errors: Annotated[dict[Code, Count], msgspec.Meta(max_length=CODES_MAX)]
    status: Status


class Reports:
    """Takes the reports of the sockets of one process, each seldom."""

    def __init__(self) -> None:
        self._next_at: dict[str, float] = {}

    def serve(self, door: Door[Any]) -> None:
        """Answer `report` at this door."""
        door.add("report", Report, self._take)
        door.hearing.watch(self)

    async def _take(self, sid: str, client: Client[Any], told: Report) -> dict[str, str]:
        now = asyncio.get_running_loop().time()
        if now < self._next_at.get(sid, now):
            metrics.RATE_LIMITED.labels("reports").inc()
            raise TooMany(retry_after_s=int(REPORT_EVERY_S))
        self._next_at[sid] = now + REPORT_EVERY_S
        metrics.REPORTS.labels(told.status).inc()
        metrics.THROTTLED.inc(told.throttled)
        for name, count in told.errors.items():
            metrics.ERRORS.labels(metrics.code(name), "client").inc(count)
        return {}

    # ── Watcher ───────────────────────────────────────────────────────────────────────────────────

    def joined(self, sid: str, client: Client[Any], topic: str) -> None: ...

    def left(self, sid: str, client: Client[Any], topic: str) -> None: ...

    def gone(self, sid: str, client: Client[Any]) -> None:
        self._next_at.pop(sid, None)

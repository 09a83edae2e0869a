"""One socket that proved whose it is, and what it may still send."""

import asyncio
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from chatbot.errors import TooMany

BURST_SECONDS = 2


class Person(Protocol):
    @property
    def org_id(self) -> UUID: ...
    @property
    def actor(self) -> str: ...


P = TypeVar("P", bound=Person)


class Client(Generic[P]):
    """One socket that proved whose it is."""

    def __init__(
        self, person: P, token: str, origin: str | None, *, block: str, events_per_second: int
    ) -> None:
        self.person = person
        self.token = token
        self.origin = origin
        self.block = block
        self.proven_at = 0.0
        self.expiry: asyncio.TimerHandle | None = None
        self._per_second = events_per_second
        self._events_left = float(events_per_second * BURST_SECONDS)
        self._counted_at = 0.0

    def count_event(self, now: float) -> None:
        """TooMany when the socket sends more than its share."""
        gained = (now - self._counted_at) * self._per_second if self._counted_at else 0.0
        self._counted_at = now
        full = float(self._per_second * BURST_SECONDS)
        self._events_left = min(full, self._events_left + gained)
        if self._events_left < 1:
            raise TooMany(retry_after_s=1)
        self._events_left -= 1

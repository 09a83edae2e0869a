"""One socket that proved whose it is, and what it may still send."""

import asyncio
import math
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from chatbot.errors import TooMany
from chatbot.settings import Limits

BURST_S = 2.0
PRESENCE_WINDOW_S = 30.0


class Person(Protocol):
    @property
    def org_id(self) -> UUID: ...
    @property
    def actor(self) -> str: ...


P = TypeVar("P", bound=Person)


class Bucket:
    """Tokens that come back at a steady rate, up to `full`; everything that is counted per second
    takes from one.
    """

    __slots__ = ("_at", "_full", "_left", "_per_s")

    def __init__(self, per_s: float, *, full: float) -> None:
        self._per_s = per_s
        self._full = full
        self._left = full
        self._at: float | None = None

    def take(self, now: float, count: int = 1) -> float:
        """0 when there were `count` tokens, else the seconds until there are; none is taken then.

        More than the bucket holds at all is given to a full one, which then owes the rest.
        """
        if self._at is not None:
            self._left = min(self._full, self._left + (now - self._at) * self._per_s)
        self._at = now
        needed = min(float(count), self._full)
        if self._left >= needed:
            self._left -= count
            return 0.0
        return (needed - self._left) / self._per_s


def refuse(wait_s: float, code: str, message: str) -> None:
    """TooMany with that code unless there is nothing to wait for."""
    if wait_s > 0:
        raise TooMany(code, message, retry_after_s=max(1, math.ceil(wait_s)))


class Client(Generic[P]):
    """One socket that proved whose it is. Every `count_…` raises TooMany beyond the socket's share,
    with the time after which there is more.
    """

    __slots__ = (
        "_events",
        "_joins",
        "_limits",
        "_presence",
        "block",
        "expiry",
        "origin",
        "person",
        "proven_at",
        "token",
    )

    def __init__(
        self, person: P, token: str, origin: str | None, *, block: str, limits: Limits
    ) -> None:
        self.person = person
        self.token = token
        self.origin = origin
        self.block = block
        self.proven_at = 0.0
        self.expiry: asyncio.TimerHandle | None = None
        self._limits = limits
        self._events = _per_second(limits.events_per_second)
        self._joins: Bucket | None = None
        self._presence: Bucket | None = None

    def count_event(self, now: float) -> None:
        """One event of any sort: `too_many_requests`."""
        refuse(self._events.take(now), TooMany.code, TooMany.message)

    def count_joins(self, now: float, topics: int) -> None:
        """That many topics asked for: `too_many_joins`."""
        if self._joins is None:
            self._joins = _per_second(self._limits.joins_per_second)
        wait_s = self._joins.take(now, topics)
        refuse(wait_s, "too_many_joins", "Too many topics at once. Ask for them a little later.")

    def count_presence(self, now: float) -> None:
        """One announcement of presence: `too_many_presence`."""
        if self._presence is None:
            calls = self._limits.presence_per_half_minute
            self._presence = Bucket(calls / PRESENCE_WINDOW_S, full=calls)
        wait_s = self._presence.take(now)
        refuse(wait_s, "too_many_presence", "Presence changes too often. Announce it less.")


def _per_second(limit: int) -> Bucket:
    return Bucket(limit, full=limit * BURST_S)

"""Who may come in now: so many a second, so many at once from one network, so many in all."""

import asyncio
from collections import Counter
from typing import NoReturn

from chatbot.errors import TooMany, Unavailable
from chatbot.realtime import metrics
from chatbot.realtime.sockets.client import BURST_S, Bucket
from chatbot.settings import Limits

LINE_S_MAX = 30.0
FULL_S = 30  # to wait where there is no room
WAITING_MAX = 150  # to prove whose they are; served well within the time for it
SERVED_MIN = 20  # a second
HEADROOM = 500  # who is above the limit of the process is told so; who is above this is not


class Entrance:
    """How many come in per second. Each who is turned away gets a later second than the one before,
    so that a crowd comes back as a line.
    """

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._bucket = Bucket(per_s, full=per_s * BURST_S)
        self._line_ends_at = 0.0

    def pass_through(self, now: float, count: int = 1) -> None:
        """TooMany `too_many_joins`, with the time to come back, when there is no room for more."""
        if self._bucket.take(now, count) > 0:
            self.turn_away(now, count, self._per_s)

    def turn_away(self, now: float, count: int, per_s: float) -> NoReturn:
        """TooMany `too_many_joins`, when `per_s` are served."""
        metrics.RATE_LIMITED.labels("joins").inc()
        self._line_ends_at = max(self._line_ends_at, now) + count / per_s
        wait_s = min(LINE_S_MAX, 1 + self._line_ends_at - now)
        message = "Many clients arrive right now. Come back a little later."
        raise TooMany("too_many_joins", message, retry_after_s=int(wait_s))


class Served:
    """How many were served in the last whole second."""

    def __init__(self) -> None:
        self._second = 0
        self._now = self._before = 0

    def note(self, now: float) -> None:
        """One more was served."""
        self._turn_to(int(now))
        self._now += 1

    def per_s(self, now: float) -> int:
        """At least SERVED_MIN: a slow second is not for ever."""
        self._turn_to(int(now))
        return max(SERVED_MIN, self._before, self._now)

    def _turn_to(self, second: int) -> None:
        if second != self._second:
            self._before = self._now if second == self._second + 1 else 0
            self._second, self._now = second, 0


class Guests:
    """Every connection by its address block, and which of them are strangers: those that have not
    proven yet whose they are.
    """

    def __init__(self, limits: Limits) -> None:
        self.restarts_in_s: int | None = None
        """Set when this server goes down: nobody comes in any more."""
        self._limits = limits
        self._entrance = Entrance(limits.connects_per_second_process)
        self._served = Served()
        self._blocks: dict[str, str] = {}  # eio_sid → address block
        self._in_block: Counter[str] = Counter()
        self._strangers: dict[str, asyncio.TimerHandle] = {}  # eio_sid → when it is thrown out
        self._strangers_in: Counter[str] = Counter()

    def may_knock(self, block: str) -> bool:
        """Whether a connection from there is taken at all, to hear what it has to say."""
        unproven = self._strangers_in[block]
        return (
            len(self._blocks) < self._limits.sockets_per_process + HEADROOM
            and unproven < self._limits.sockets_unproven_per_block
        )

    def admit(self, eio_sid: str, now: float, *, waiting: int) -> None:
        """Raise the reason why this connection may not come in now, if there is one; `waiting` are
        before it. Who would wait in vain is told at once when to come back.
        """
        if self.restarts_in_s is not None:
            raise restarting(self.restarts_in_s)
        if waiting >= WAITING_MAX:
            self._entrance.turn_away(now, 1, self._served.per_s(now))
        self._entrance.pass_through(now)
        proven = len(self._blocks) - len(self._strangers)
        here = self._in_block[self.block(eio_sid)]
        if proven >= self._limits.sockets_per_process or here > self._limits.sockets_per_block:
            metrics.RATE_LIMITED.labels("connections").inc()
            message = "There are too many connections here. Try again in a while."
            raise TooMany("too_many_connections", message, retry_after_s=FULL_S)

    def block(self, eio_sid: str) -> str:
        """The network of a connection that stands."""
        return self._blocks.get(eio_sid, "unknown")

    def is_here(self, eio_sid: str) -> bool:
        return eio_sid in self._blocks

    def is_stranger(self, eio_sid: str) -> bool:
        return eio_sid in self._strangers

    def strangers(self) -> list[str]:
        return list(self._strangers)

    def came(self, eio_sid: str, block: str) -> None:
        """A connection was taken."""
        self._blocks[eio_sid] = block
        self._in_block[block] += 1

    def expect_proof(self, eio_sid: str, until: asyncio.TimerHandle) -> None:
        """It is a stranger from now on, unless proven before the timer."""
        self.proven(eio_sid)
        self._strangers[eio_sid] = until
        self._strangers_in[self._blocks[eio_sid]] += 1

    def served(self, now: float) -> None:
        """One more came in."""
        self._served.note(now)

    def proven(self, eio_sid: str) -> None:
        """It is no stranger any more."""
        timer = self._strangers.pop(eio_sid, None)
        if timer is not None:
            timer.cancel()
            _count_down(self._strangers_in, self._blocks[eio_sid])

    def left(self, eio_sid: str) -> None:
        """The connection is gone."""
        self.proven(eio_sid)
        block = self._blocks.pop(eio_sid, None)
        if block is not None:
            _count_down(self._in_block, block)


def restarting(within_s: int) -> Unavailable:
    """What a client hears when this server goes down."""
    return Unavailable(
        "server_restarting",
        "This server restarts. Connect again at a random moment of the next seconds.",
        retry_after_s=within_s,
    )


def _count_down(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]

"""A circuit breaker: after failures in a row an endpoint is left alone for a while, then one caller
at a time may try it.

Own, because the libraries for asyncio let every caller through at once when the pause is over, and
take no clock from outside.
"""

import time
from collections.abc import Callable
from typing import Final

FAILURES_MAX: Final = 5
OPEN_S: Final = 30.0


class Breaker:
    """Who is admitted says afterwards how it went, by exactly one of the three."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._closed_from = 0.0
        self._probing = False

    def admit(self) -> bool:
        """Whether to try."""
        if self._failures < FAILURES_MAX:
            return True
        if self._probing or self._clock() < self._closed_from:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        self._failures, self._probing = 0, False

    def failed(self) -> None:
        self._failures += 1
        self._probing = False
        self._closed_from = self._clock() + OPEN_S

    def left(self) -> None:
        """It was given up before anything could be learnt."""
        self._probing = False

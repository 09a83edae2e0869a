"""How often: what happened within the last minute by key, kept in this process's memory."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil

from chatbot.errors import TooMany

WINDOW_S = 60.0
KEYS_MAX = 200_000

Key = tuple[str, ...]
"""(what, whom…)."""


class Throttle:
    """A moving window of a minute for each key. Of more than 200,000 keys within a minute those are
    forgotten that have been quiet longest.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._times: OrderedDict[Key, deque[float]] = OrderedDict()  # the latest to be noted last

    def spend(self, what: str, *whom: str, per_minute: int) -> None:
        """Note one; TooMany, with the seconds to wait, when the minute's share is used up."""
        key = (what, *whom)
        if self.count(key) >= per_minute:
            raise TooMany(retry_after_s=self.wait_s(key, per_minute))
        self.note(key)

    def count(self, key: Key) -> int:
        """How many were noted within the last minute."""
        times, since = self._times.get(key), self.clock() - WINDOW_S
        if times is None:
            return 0
        while times and times[0] <= since:
            times.popleft()
        return len(times)

    def note(self, key: Key) -> None:
        now = self.clock()
        self._times.setdefault(key, deque()).append(now)
        self._times.move_to_end(key)
        while self._is_to_forget(next(iter(self._times)), now):
            self._times.popitem(last=False)

    def wait_s(self, key: Key, most: int) -> int:
        """Whole seconds, one at least, until fewer than `most` lie within the last minute."""
        times = self._times.get(key, deque[float]())
        if len(times) < most:
            return 1
        return max(1, ceil(times[len(times) - most] + WINDOW_S - self.clock()))

    def _is_to_forget(self, key: Key, now: float) -> bool:
        times = self._times[key]
        return len(self._times) > KEYS_MAX or not times or times[-1] <= now - WINDOW_S

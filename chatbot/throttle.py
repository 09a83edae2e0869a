"""How often: limits a minute by key, kept in this process's memory."""

import time
from math import ceil

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from chatbot.errors import TooMany


class Throttle:
    """A moving window a minute for each (what, whom)."""

    def __init__(self) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())

    async def spend(self, what: str, *whom: str, per_minute: int) -> None:
        """Count one; TooMany, with the seconds to wait, when the minute's share is used up."""
        item = RateLimitItemPerMinute(per_minute)
        if await self._window.hit(item, what, *whom):
            return
        stats = await self._window.get_window_stats(item, what, *whom)
        raise TooMany(retry_after_s=max(1, ceil(stats.reset_time - time.time())))

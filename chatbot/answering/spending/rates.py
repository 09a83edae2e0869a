"""How many messages a minute: of one visitor, one address block, one site; the same windows for
HTTP and sockets.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

from chatbot.errors import TooMany
from chatbot.settings import Limits
from chatbot.throttle import WINDOW_S, Key, Throttle
from chatbot.visitors.sessions import Visitor

Pace = Literal["full", "sparing"]
"""Full: answered as well as can be. Sparing: stored, and answered without asking a model."""

REFUSED_AT: Final = 2  # times the limit
REMEMBERED_MAX: Final = 200_000
TOO_MANY_MESSAGES: Final = (
    "Those were many messages in a short time. This one was not sent: wait a moment, then send it"
    " again."
)
TOO_MANY_RETRIES: Final = (
    "Those were many questions in a short time. Wait a moment, then try again."
)

Window = tuple[Key, int]  # and its limit
Sent = tuple[UUID, str]  # visitor, client_id


class Rates:
    """Counts every message once, however often and by whichever door it comes."""

    def __init__(self, throttle: Throttle, limits: Limits) -> None:
        self._throttle = throttle
        self._limits = limits
        self._counted: OrderedDict[Sent, tuple[Pace, float]] = OrderedDict()

    def check(self, visitor: Visitor, block: str, client_id: str) -> Pace:
        """Count the visitor's message from an address block; how it is to be answered.

        TooMany, with the seconds to wait, when twice the limit is used up; such a message does not
        count. The same `client_id` within a minute counts once.
        """
        now, sent = self._throttle.clock(), (visitor.visitor_id, client_id)
        known = self._counted.get(sent)
        if known is not None and now - known[1] < WINDOW_S:
            return known[0]
        windows = self._windows(visitor, block)
        self._count(windows, REFUSED_AT, TOO_MANY_MESSAGES)
        over = any(self._throttle.count(key) > most for key, most in windows)
        pace: Pace = "sparing" if over else "full"
        self._remember(sent, pace, now)
        return pace

    def check_retry(self, visitor: Visitor, block: str) -> None:
        """Count another attempt at an answer, like a message. TooMany from where messages are
        answered sparingly: without a model it would be no better than the first.
        """
        self._count(self._windows(visitor, block), 1, TOO_MANY_RETRIES)

    def _count(self, windows: Sequence[Window], times: int, message: str) -> None:
        """Note one in every window, or in none where one holds so many times its limit."""
        waits = [
            self._throttle.wait_s(key, most * times)
            for key, most in windows
            if self._throttle.count(key) >= most * times
        ]
        if waits:
            raise TooMany(message=message, retry_after_s=max(waits))
        for key, _ in windows:
            self._throttle.note(key)

    def _windows(self, visitor: Visitor, block: str) -> Sequence[Window]:
        limits = self._limits
        return (
            (("messages of visitor", str(visitor.visitor_id)), limits.messages_per_minute),
            (("messages of block", block), limits.messages_per_minute_block),
            (("messages of site", str(visitor.site_id)), limits.messages_per_minute_site),
        )

    def _remember(self, sent: Sent, pace: Pace, now: float) -> None:
        self._counted[sent] = pace, now
        self._counted.move_to_end(sent)
        while len(self._counted) > REMEMBERED_MAX or self._is_over(now):
            self._counted.popitem(last=False)

    def _is_over(self, now: float) -> bool:
        _, since = next(iter(self._counted.values()))
        return now - since >= WINDOW_S

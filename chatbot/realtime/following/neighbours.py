"""Which other nodes hear when one says that it committed; for a node alone, saying it is wasted."""

import math
from collections.abc import Callable

COMMITTED = ""
HERE = "here"
SAY_EVERY_S = 30.0
FORGET_AFTER_S = 100.0


class Neighbours:
    """Nodes by the process of their connection. Each says `here` when it comes and now and then;
    whoever hears a new one says so at once, so that the new one knows it too.

    A node of the release before says only that it committed, which counts as well: until it does,
    it learns of the commits of others when it looks by itself.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard_at: dict[int, float] = {}
        self._said_at = -math.inf

    def hear(self, pid: int) -> bool:
        """Another node said something; whether it is a new one, which waits for an answer."""
        is_new = pid not in self._heard_at
        if is_new:
            self._said_at = -math.inf
        self._heard_at[pid] = self._clock()
        return is_new

    def must_say(self) -> bool:
        """Whether it is time to say `here`; asking counts as having said it."""
        now = self._clock()
        if now - self._said_at < SAY_EVERY_S:
            return False
        self._said_at = now
        return True

    def are_there(self) -> bool:
        """Whether anybody would hear."""
        if not self._heard_at:
            return False
        oldest = self._clock() - FORGET_AFTER_S
        self._heard_at = {pid: at for pid, at in self._heard_at.items() if at > oldest}
        return bool(self._heard_at)

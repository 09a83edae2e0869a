"""Keeps the garbage collector away from connections that stand: it would stop the loop.

A connection is some 170 objects that the collector looks at, so that one full round over ten
thousand of them stands still for more than a second. They live long and end by reference counts
alone (`SocketServer.handle_request` sees to that), so with every fifty newcomers what is alive is
set aside for good. What ends in a cycle after that stays until the sockets have been few for a
while, at night; where they never are, more and more sockets count as few the longer that takes.
"""

import asyncio
import gc

SET_ASIDE_EVERY = 50
LOOK_AGAIN_AFTER = 200  # times that something was set aside
FEW = 50
QUIET_LOOKS = 60  # in a row, a second apart: a crowd that was cut off is back by then


class Kept:
    """Counts the newcomers of one process."""

    def __init__(self) -> None:
        self._came = 0
        self._times = 0
        self._quiet = 0

    def came(self) -> None:
        """One more connection that will stay."""
        self._came += 1
        if self._came % SET_ASIDE_EVERY == 0:
            asyncio.get_running_loop().call_soon(self._set_aside)

    def look(self, sockets: int) -> None:
        """Collect what was set aside and ended in a cycle, when few would notice; asked once a
        second.
        """
        is_due = self._times >= LOOK_AGAIN_AFTER
        is_quiet = sockets <= FEW * self._times // LOOK_AGAIN_AFTER
        self._quiet = self._quiet + 1 if is_due and is_quiet else 0
        if self._quiet >= QUIET_LOOKS:
            self._times = self._quiet = 0
            gc.unfreeze()
            self._set_aside()

    def _set_aside(self) -> None:
        self._times += 1
        gc.collect()
        gc.freeze()

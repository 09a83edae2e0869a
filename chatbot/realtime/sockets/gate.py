"""Lets many through a few at a time, so that the loop comes round between them."""

import asyncio
from collections import deque


class Gate:
    """At most `per_turn` pass in one turn of the event loop; the others wait in their order."""

    def __init__(self, per_turn: int) -> None:
        self._per_turn = per_turn
        self._passed = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_open_again_soon = False

    async def turn(self) -> None:
        """Wait for a turn: none at all while few come."""
        self._open_again_soon()
        if self._passed < self._per_turn and not self._waiting:
            self._passed += 1
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        await mine

    def _open_again_soon(self) -> None:
        if not self._is_open_again_soon:
            self._is_open_again_soon = True
            asyncio.get_running_loop().call_soon(self._open)

    def _open(self) -> None:
        self._is_open_again_soon = False
        self._passed = 0
        while self._waiting and self._passed < self._per_turn:
            waiting = self._waiting.popleft()
            if not waiting.done():  # whoever was cancelled meanwhile needs no turn
                waiting.set_result(None)
                self._passed += 1
        if self._waiting:
            self._open_again_soon()

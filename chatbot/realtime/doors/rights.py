"""Rights that change while sockets are open: whoever is concerned proves itself again, and leaves
what it lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Generic

import structlog

from chatbot.errors import ChatbotError, Forbidden, NotFound, NotSignedIn, Unavailable
from chatbot.realtime import topics
from chatbot.realtime.doors.hearing import Hearing
from chatbot.realtime.events import System
from chatbot.realtime.sockets.client import Client, P

CHECK_WITHIN_S = 20.0
RENEW_WITHIN_S = 0.5  # after the session behind a token ended: time to show its successor
CHECKS_AT_ONCE = 8

_LESS = System("access_changed", "refetch", "Your rights changed. Load again.")
log = structlog.get_logger(__name__)


class Rights(Generic[P]):
    """The checks of one namespace. `prove(sid, client)` asks again whose token it is (NotSignedIn,
    Forbidden or NotFound when it is worth nothing), `dismiss(sid, error)` ends a socket.
    """

    def __init__(
        self,
        hearing: Hearing[P],
        *,
        find_client: Callable[[str], Client[P] | None],
        prove: Callable[[str, Client[P]], Awaitable[None]],
        dismiss: Callable[[str, ChatbotError], Coroutine[Any, Any, None]],
        tell: Callable[[str, str, object], None],
    ) -> None:
        self._hearing = hearing
        self._find = find_client
        self._prove = prove
        self._dismiss = dismiss
        self._tell = tell
        self._turns = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def changed(self, topic: topics.Topic) -> None:
        """Someone's rights changed: check every socket that it concerns."""
        self._hearing.rights_changed(topic)
        if topic.scope == "conversation":
            rooms = (f"conversation:{topic.id}:{feature}" for feature in ("messages", "staff"))
            concerned = {sid for room in rooms for sid in self._hearing.sids(room)}
            self._check(concerned, delay_s=0)
        else:
            self._check(self._hearing.sids(f"{topic.scope}:{topic.id}"), delay_s=RENEW_WITHIN_S)

    def kinds_changed(self) -> None:
        """Some kinds of topics may no longer be for everybody who hears them."""
        for sid in self._hearing.leave_closed():
            self._tell(sid, "system", _LESS)

    def missed(self, sids: Iterable[str]) -> None:
        """Changes may have gone unheard: check all of these."""
        self._hearing.rights_changed()
        self._check(sids, delay_s=0)

    def _check(self, sids: Iterable[str], *, delay_s: float) -> None:
        for sid in sids:
            task = asyncio.get_running_loop().create_task(self._check_one(sid, delay_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _check_one(self, sid: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        async with self._turns:
            client = self._find(sid)
            if client is None:
                return
            try:
                async with asyncio.timeout(CHECK_WITHIN_S):
                    await self._prove(sid, client)
                    if await self._hearing.leave_lost(sid, client):
                        self._tell(sid, "system", _LESS)
            except (NotSignedIn, Forbidden, NotFound):
                await self._dismiss(sid, NotSignedIn())
            except Exception as error:
                # Whoever cannot be checked may not stay.
                log.warning("realtime.recheck_failed", error=type(error).__name__)
                await self._dismiss(sid, Unavailable())

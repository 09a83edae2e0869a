"""Who types in which conversation, and for how long that may be believed. Pure.

Clients repeat `on` while keys are pressed. One that is closed, crashes or loses its way says
nothing more: what was not repeated for `lasts_s` is over.
"""

from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from uuid import UUID

from chatbot.realtime.events import Typing

LASTS_S = 5.0
REPEAT_S = 2.0  # what is repeated sooner is not told again
LASTS_ELSEWHERE_S = LASTS_S + REPEAT_S  # the node of the typist forgets it earlier, and says so
TYPISTS_MAX = 20_000

Place = tuple[UUID, str]
"""(conversation, key of the person)"""


class Typist:
    """One person in one conversation, in one window or several."""

    def __init__(self, typing: Typing) -> None:
        self.typing = typing
        self.until = 0.0
        self.told_at = float("-inf")
        self.sids: set[str] = set()


class Typists:
    def __init__(
        self, clock: Callable[[], float], *, lasts_s: float = LASTS_S, repeat_s: float = REPEAT_S
    ) -> None:
        self._clock = clock
        self._lasts_s = lasts_s
        self._repeat_s = repeat_s
        self._typists: dict[Place, Typist] = {}  # the first to be forgotten first
        self._in: Counter[UUID] = Counter()
        self._of_socket: dict[str, set[Place]] = {}

    def start(self, key: str, typing: Typing, sid: str = "") -> bool:
        """Whether to tell the others: they know already what was told a moment ago."""
        place, now = (typing.conversation_id, key), self._clock()
        typist = self._typists.pop(place, None)
        if typist is None:
            if len(self._typists) >= TYPISTS_MAX:
                return False
            typist = Typist(typing)
            self._in[typing.conversation_id] += 1
        self._typists[place] = typist
        typist.until = now + self._lasts_s
        typist.sids.add(sid)
        self._of_socket.setdefault(sid, set()).add(place)
        if now - typist.told_at < self._repeat_s:
            return False
        typist.told_at = now
        return True

    def stop(self, conversation_id: UUID, key: str, sid: str | None = None) -> Typing | None:
        """What to tell the others, None when there is nothing to tell. With `sid` it stopped in
        that window only.
        """
        place = conversation_id, key
        typist = self._typists.get(place)
        if typist is None or (sid is not None and sid not in typist.sids):
            return None
        for each in list(typist.sids) if sid is None else [sid]:
            self._drop(place, typist, each)
        if typist.sids:
            return None
        del self._typists[place]
        self._in[conversation_id] -= 1
        if not self._in[conversation_id]:
            del self._in[conversation_id]
        return _off(typist.typing)

    def leave(self, sid: str, conversation_id: UUID) -> Typing | None:
        """As `stop`, for a socket that hears the conversation no longer."""
        keys = [key for place, key in self._of_socket.get(sid, ()) if place == conversation_id]
        return self.stop(conversation_id, keys[0], sid) if keys else None

    def __len__(self) -> int:
        return len(self._typists)

    def typing_in(self, conversation_id: UUID) -> bool:
        """Whether anybody types there."""
        return conversation_id in self._in

    def expire(self) -> list[tuple[str, Typing]]:
        """Whose typing is over because it was not repeated, and what to tell the others."""
        now = self._clock()
        over = takewhile(lambda item: item[1].until <= now, self._typists.items())
        ended = [(place[1], self.stop(*place)) for place, _ in list(over)]
        return [(key, typing) for key, typing in ended if typing is not None]

    def due(self) -> float | None:
        """When to ask `expire` next."""
        return next((typist.until for typist in self._typists.values()), None)

    def _drop(self, place: Place, typist: Typist, sid: str) -> None:
        typist.sids.discard(sid)
        places = self._of_socket.get(sid, set())
        places.discard(place)
        if not places:
            self._of_socket.pop(sid, None)


def _off(typing: Typing) -> Typing:
    return Typing(typing.conversation_id, typing.kind, typing.name, on=False)

"""Whether a socket may do more than listen on a topic: be shown as present, broadcast. Asked of the
database once a minute at most, or learned with the join, and asked again after rights changed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

from chatbot.database import Database
from chatbot.errors import Forbidden, NotFound
from chatbot.question import ask
from chatbot.realtime import topics
from chatbot.realtime.doors.hearing import Hearing
from chatbot.realtime.sockets.client import Client, Person

Deed = Literal["announce", "broadcast"]
Asked = tuple[str, str, Deed]
ASKED_AT_ONCE = 8  # of a pool that everybody needs
KNOWN_S = 60.0
KNOWN_MAX = 50_000

_MAY = """
select topic, allowed from scope, realtime.may_{}(
    case when scope.org <> '' and scope.actor <> '' then %(topics)s::text[] end)"""
_REFUSED: dict[Deed, str] = {
    "announce": "You may listen on this topic, but are not shown as present. Announce nothing.",
    "broadcast": "You may listen on this topic, but not broadcast. Only listen.",
}


class Deeds:
    """What was asked of late by this process, for every window of a person at once."""

    def __init__(self, database: Database, catalogue: Callable[[], topics.Catalogue]) -> None:
        self._database = database
        self._catalogue = catalogue
        self._known: defaultdict[UUID, dict[Asked, tuple[bool, float]]] = defaultdict(dict)
        self._count = 0
        self._turns = asyncio.Semaphore(ASKED_AT_ONCE)

    async def check(
        self, hearing: Hearing[Any], sid: str, client: Client[Any], topic: str, deed: Deed
    ) -> None:
        """NotFound unless the socket hears the topic, Forbidden unless its person may do that."""
        hearing.must_hear(sid, topic)
        named = self._catalogue().parse(topic)
        if named is None:
            raise NotFound  # its kind was forgotten after the socket joined
        if not _may_ask(named.kind, hearing.listener, deed):
            raise Forbidden(message=_REFUSED[deed])
        allowed = self._find(client.person, topic, deed)
        if allowed is None:
            allowed = await self._ask(client.person, topic, deed)
            hearing.must_hear(sid, topic)  # or else it left while we asked
        if not allowed:
            raise Forbidden(message=_REFUSED[deed])

    def learn(self, person: Person, topic: str, may_announce: bool) -> None:
        """What a join found out by the way; known like an answer, a minute at most."""
        self._note(person, (person.actor, topic, "announce"), may_announce)

    def rights_changed(self, org_id: UUID) -> None:
        """Somebody's rights changed: nothing that was asked in this organisation counts."""
        self._count -= len(self._known.pop(org_id, {}))

    def forget_all(self) -> None:
        """Rights may have changed anywhere."""
        self._count = 0
        self._known.clear()

    def _find(self, person: Person, topic: str, deed: Deed) -> bool | None:
        asked: Asked = (person.actor, topic, deed)
        allowed, until = self._known.get(person.org_id, {}).get(asked, (False, 0.0))
        return allowed if until > asyncio.get_running_loop().time() else None

    async def _ask(self, person: Person, topic: str, deed: Deed) -> bool:
        """Asked again when rights changed in the organisation meanwhile."""
        asked: Asked = (person.actor, topic, deed)
        while True:
            known = self._known[person.org_id]
            async with self._turns:
                [row] = await ask(
                    self._database,
                    _MAY.format(deed),
                    {"topics": [topic]},
                    org_id=person.org_id,
                    actor=person.actor,
                )
            if self._known.get(person.org_id) is known:
                break
        self._note(person, asked, row.allowed)
        return row.allowed

    def _note(self, person: Person, asked: Asked, allowed: bool) -> None:
        if self._count >= KNOWN_MAX:
            self.forget_all()
        known = self._known[person.org_id]
        self._count += asked not in known
        known[asked] = allowed, asyncio.get_running_loop().time() + KNOWN_S


def _may_ask(kind: topics.Kind, listener: topics.Listener, deed: Deed) -> bool:
    return listener in (kind.present if deed == "announce" else kind.broadcasters)

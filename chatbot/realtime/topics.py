"""Names of topics, `{scope}:{id}:{feature}`, and the kinds there are: ours, and those that other
programs registered in the database. Pure.
"""

from collections.abc import Iterable
from typing import Literal
from uuid import UUID

import msgspec

Listener = Literal["visitor", "staff"]

CONVERSATION_CHANGED = "conversation.changed"
MESSAGE_CHANGED = "message.changed"
HANDOFF_REQUESTED = "handoff.requested"
HANDOFF_TAKEN = "handoff.taken"
HANDOFF_ENDED = "handoff.ended"
DOCUMENT_CHANGED = "document.changed"
CRAWL_CHANGED = "crawl.changed"
ANSWER_STOP = "answer.stop"
ACCESS_CHANGED = "access.changed"
AVAILABILITY_CHANGED = "availability.changed"
KINDS_CHANGED = "kinds.changed"


class Kind(msgspec.Struct, frozen=True):
    """One kind of topic: who may ask to listen, to be shown as present and to broadcast, and the
    ids that each of its events names.

    Whether the one who asks really may is decided by the policies of `realtime.messages` that are
    named after the kind. A kind without listeners is heard inside the service only, and nobody can
    subscribe to it.
    """

    scope: str
    feature: str
    listeners: frozenset[Listener]
    events: dict[str, tuple[str, ...]]
    present: frozenset[Listener] = frozenset()
    broadcasters: frozenset[Listener] = frozenset()

    @property
    def policy(self) -> str:
        return f"{self.scope}_{self.feature}"

    @property
    def policies(self) -> frozenset[str]:
        """The names of all policies that let somebody do something on such a topic."""
        asked = {
            self.policy: self.listeners,
            f"{self.policy}_announce": self.present,
            f"{self.policy}_broadcast": self.broadcasters,
        }
        return frozenset(name for name, people in asked.items() if people)


_BOTH: frozenset[Listener] = frozenset({"visitor", "staff"})
_STAFF: frozenset[Listener] = frozenset({"staff"})
_VISITOR: frozenset[Listener] = frozenset({"visitor"})
_NOBODY: frozenset[Listener] = frozenset()

_HANDOFF: dict[str, tuple[str, ...]] = dict.fromkeys(
    (HANDOFF_REQUESTED, HANDOFF_TAKEN, HANDOFF_ENDED), ("conversation_id", "handoff_id")
)
_CONVERSATION: dict[str, tuple[str, ...]] = {CONVERSATION_CHANGED: ("conversation_id",)}
_KNOWLEDGE: dict[str, tuple[str, ...]] = {
    DOCUMENT_CHANGED: ("document_id",),
    CRAWL_CHANGED: ("crawl_id",),
}
_MESSAGE: dict[str, tuple[str, ...]] = {MESSAGE_CHANGED: ("conversation_id", "message_id")}

KINDS: tuple[Kind, ...] = (
    Kind("visitor", "conversations", _VISITOR, _CONVERSATION),
    Kind("conversation", "messages", _BOTH, _MESSAGE | _HANDOFF, present=_VISITOR),
    Kind("conversation", "staff", _STAFF, _MESSAGE, present=_STAFF, broadcasters=_STAFF),
    Kind("org", "inbox", _STAFF, _CONVERSATION | _HANDOFF, present=_STAFF, broadcasters=_STAFF),
    Kind("site", "inbox", _STAFF, _CONVERSATION | _HANDOFF, present=_STAFF),
    Kind("org", "knowledge", _STAFF, _KNOWLEDGE),
    Kind("org", "dashboard", _STAFF, {}, broadcasters=_STAFF),
    Kind("site", "dashboard", _STAFF, {}, broadcasters=_STAFF),
    Kind("org", "public", _BOTH, {AVAILABILITY_CHANGED: ("org_id",)}),
    Kind("staff", "notifications", _STAFF, {}),
    Kind("conversation", "answers", _NOBODY, {ANSWER_STOP: ("answer_id", "conversation_id")}),
    Kind("conversation", "access", _NOBODY, {ACCESS_CHANGED: ("conversation_id", "visitor_id")}),
    Kind("visitor", "access", _NOBODY, {ACCESS_CHANGED: ("visitor_id",)}),
    Kind("staff", "access", _NOBODY, {ACCESS_CHANGED: ("staff_id",)}),
    Kind("service", "kinds", _NOBODY, {KINDS_CHANGED: ("scope", "feature")}),
)
KINDS_TOPIC = f"service:{UUID(int=0)}:kinds"  # of no organisation: every node hears it
_BY_NAME = {(kind.scope, kind.feature): kind for kind in KINDS}


class Topic(msgspec.Struct, frozen=True):
    """One topic of a known kind; `str()` gives its one spelling."""

    kind: Kind
    id: UUID

    def __str__(self) -> str:
        return f"{self.scope}:{self.id}:{self.feature}"

    @property
    def scope(self) -> str:
        return self.kind.scope

    @property
    def feature(self) -> str:
        return self.kind.feature


class Row(msgspec.Struct, frozen=True):
    """A row of `realtime.catalogue()`."""

    scope: str
    feature: str
    listeners: list[Listener]
    present: list[Listener]
    broadcasters: list[Listener]
    registered: bool
    paused: bool


class Catalogue:
    """The kinds on one database at one moment: ours, as the code knows them, and those that other
    programs registered; and which of them are paused. Never changed, only replaced by a newer one.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        rows = list(rows)
        self._kinds = {(row.scope, row.feature): _kind(row) for row in rows if row.registered}
        self._kinds |= _BY_NAME
        self._paused = {(row.scope, row.feature) for row in rows if row.paused}

    def parse(self, name: str) -> Topic | None:
        """The topic of that exact spelling, None when there is no such kind or the id is not a
        plain UUID.
        """
        parts = name.split(":")
        kind = self._kinds.get((parts[0], parts[2])) if len(parts) == 3 else None
        if kind is None:
            return None
        try:
            topic = Topic(kind, UUID(parts[1]))
        except ValueError:
            return None
        return topic if str(topic) == name else None

    def may_ask(self, name: str, listener: Listener) -> bool:
        """Whether this sort of client may ask for the topic; the policies decide the rest."""
        topic = self.parse(name)
        return topic is not None and listener in topic.kind.listeners

    def may_announce(self, name: str, listener: Listener) -> bool:
        """Whether this sort of client may ask to be shown there as present; the same."""
        topic = self.parse(name)
        return topic is not None and listener in topic.kind.present

    def is_paused(self, topic: Topic) -> bool:
        """Whether nothing of this kind is to be told until somebody resumes it."""
        return (topic.scope, topic.feature) in self._paused

    def paused(self) -> frozenset[tuple[str, str]]:
        """(scope, feature) of what is paused."""
        return frozenset(self._paused)


def _kind(row: Row) -> Kind:
    return Kind(
        row.scope,
        row.feature,
        listeners=frozenset(row.listeners),
        events={},
        present=frozenset(row.present),
        broadcasters=frozenset(row.broadcasters),
    )


OURS = Catalogue()


def parse(name: str) -> Topic | None:
    """As `Catalogue.parse`, of our own kinds alone."""
    return OURS.parse(name)


def scope_and_feature(name: str) -> tuple[str, str]:
    """What names the kind of a topic, whether there is such a kind or not."""
    scope, _, rest = name.partition(":")
    return scope, rest.rpartition(":")[2]


def is_room(room: str) -> bool:
    """Whether a room is a topic's; the others are of one person each (`staff:{id}`)."""
    return room.count(":") == 2


def messages(conversation_id: UUID) -> str:
    """Where answer frames and typing of a conversation go."""
    return f"conversation:{conversation_id}:messages"

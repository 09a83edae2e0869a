"""Names of topics, `{scope}:{id}:{feature}`, and the table of every kind there is. Pure."""

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


class Kind(msgspec.Struct, frozen=True):
    """One kind of topic: who may ask to listen, and the ids that each of its events names.

    Whether the one who asks really may is decided by the policy of the same name on
    `realtime.messages`.
    A kind without listeners is heard inside the service only, and nobody can subscribe to it.
    """

    scope: str
    feature: str
    listeners: frozenset[Listener]
    events: dict[str, tuple[str, ...]]

    @property
    def policy(self) -> str:
        return f"{self.scope}_{self.feature}"


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
    Kind("conversation", "messages", _BOTH, _MESSAGE | _HANDOFF),
    Kind("conversation", "staff", _STAFF, _MESSAGE),
    Kind("org", "inbox", _STAFF, _CONVERSATION | _HANDOFF),
    Kind("site", "inbox", _STAFF, _CONVERSATION | _HANDOFF),
    Kind("org", "knowledge", _STAFF, _KNOWLEDGE),
    Kind("org", "dashboard", _STAFF, {}),
    Kind("site", "dashboard", _STAFF, {}),
    Kind("org", "public", _BOTH, {}),
    Kind("staff", "notifications", _STAFF, {}),
    Kind("conversation", "answers", _NOBODY, {ANSWER_STOP: ("answer_id", "conversation_id")}),
    Kind("conversation", "access", _NOBODY, {ACCESS_CHANGED: ("conversation_id", "visitor_id")}),
    Kind("visitor", "access", _NOBODY, {ACCESS_CHANGED: ("visitor_id",)}),
    Kind("staff", "access", _NOBODY, {ACCESS_CHANGED: ("staff_id",)}),
)
_BY_NAME = {(kind.scope, kind.feature): kind for kind in KINDS}


class Topic(msgspec.Struct, frozen=True):
    """One topic of a known kind; `str()` gives its one spelling."""

    scope: str
    id: UUID
    feature: str

    def __str__(self) -> str:
        return f"{self.scope}:{self.id}:{self.feature}"

    @property
    def kind(self) -> Kind:
        return _BY_NAME[self.scope, self.feature]


def parse(name: str) -> Topic | None:
    """The topic of that exact spelling, None when there is no such kind or the id is not a plain
    UUID.
    """
    parts = name.split(":")
    if len(parts) != 3 or (parts[0], parts[2]) not in _BY_NAME:
        return None
    try:
        topic = Topic(parts[0], UUID(parts[1]), parts[2])
    except ValueError:
        return None
    return topic if str(topic) == name else None


def messages(conversation_id: UUID) -> str:
    """Where answer frames and typing of a conversation go."""
    return f"conversation:{conversation_id}:messages"


def may_ask(name: str, listener: Listener) -> bool:
    """Whether this sort of client may ask for the topic at all; the policies decide the rest."""
    topic = parse(name)
    return topic is not None and listener in topic.kind.listeners

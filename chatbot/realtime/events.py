"""The shapes of socket events and their acknowledgements. Unknown fields are refused."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from chatbot.errors import ChatbotError, Retry
from chatbot.realtime.signals import Cursor, Signal
from chatbot.realtime.topics import Listener

TOKEN_CHARS_MAX = 512
TOPIC_CHARS_MAX = 100
TOPICS_ASKED_MAX = 100
CLIENT_ID_CHARS_MAX = 64
PAGE_CHARS_MAX = 2048

TopicName = Annotated[str, msgspec.Meta(max_length=TOPIC_CHARS_MAX)]


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)]


class Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topics: Annotated[list[TopicName], msgspec.Meta(min_length=1, max_length=TOPICS_ASKED_MAX)]
    cursor: Cursor | None = None


class Unsubscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topics: Annotated[list[TopicName], msgspec.Meta(max_length=TOPICS_ASKED_MAX)]


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mid: UUID
    attempt: int
    after: int


class SetTyping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    conversation_id: UUID
    on: bool


class Subscribed(msgspec.Struct, frozen=True):
    """`topics` has `ok` or an error code for each topic asked for. The client's new cursor is
    (epoch, cur).
    """

    topics: dict[str, str]
    epoch: str
    cur: str
    missed: list[Signal]
    reset: bool


class Resumed(msgspec.Struct, frozen=True):
    frames: list["NamedFrame"]


class NamedFrame(msgspec.Struct, frozen=True):
    event: str
    frame: msgspec.Struct


class Renewed(msgspec.Struct, frozen=True):
    expires_at: datetime


class Typing(msgspec.Struct, frozen=True):
    conversation_id: UUID
    kind: Listener
    name: str
    on: bool


StateKey = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]
StateWord = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{0,64}\Z")]
StateNumber = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
State = Annotated[dict[StateKey, bool | StateNumber | StateWord], msgspec.Meta(max_length=8)]
"""What somebody who is there says of it: flags, numbers and ids. No text that could name a person
or quote one, and never more than 1 KB.
"""


class SetPresence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`null` takes it back; the acknowledgement tells who is there in both cases."""

    topic: TopicName
    state: State | None


class Member(msgspec.Struct, frozen=True):
    """Somebody who is there, however many windows are open; the state is that of the latest."""

    key: str
    name: str
    state: State


class Present(msgspec.Struct, frozen=True):
    """Who is there. `members` holds at most 200, `count` counts all."""

    members: list[Member]
    count: int


class Presence(msgspec.Struct, frozen=True):
    """Who came or changed, and who left. `state` when not null is everybody, in place of what was
    known.
    """

    topic: str
    joined: list[Member]
    left: list[str]
    state: list[Member] | None
    count: int


class SendBroadcast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`payload` is at most 1 KB as JSON."""

    topic: TopicName
    event: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_.]{0,59}\Z")]
    payload: dict[str, Any]


class Sender(msgspec.Struct, frozen=True):
    key: str
    name: str


class Broadcast(msgspec.Struct, frozen=True):
    """Said by one client to the others who hear the topic; kept nowhere."""

    topic: str
    event: str
    payload: dict[str, Any]
    sender: Sender = msgspec.field(name="from")


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=CLIENT_ID_CHARS_MAX)]
    text: str
    conversation_id: UUID | None = None
    page: Annotated[str, msgspec.Meta(max_length=PAGE_CHARS_MAX)] | None = None


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mid: UUID


class RetryAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mid: UUID


class System(msgspec.Struct, frozen=True, omit_defaults=True):
    """The event `system`: what the server does to this socket, why, and what the client should do
    next.
    """

    code: str
    retry: Retry
    message: str
    retry_after_s: int | None = None

    @classmethod
    def of(cls, error: ChatbotError) -> "System":
        return cls(error.code, error.retry, error.message, error.retry_after_s)

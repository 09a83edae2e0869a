"""The shapes of socket events and their acknowledgements. Unknown fields are refused."""

from datetime import datetime
from typing import Annotated
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


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=CLIENT_ID_CHARS_MAX)]
    text: str
    conversation_id: UUID | None = None
    page: Annotated[str, msgspec.Meta(max_length=PAGE_CHARS_MAX)] | None = None


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mid: UUID


class RetryAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mid: UUID


class System(msgspec.Struct, frozen=True):
    """The event `system`: what the server does to this socket, why, and what the client should do
    next.
    """

    code: str
    retry: Retry
    message: str

    @classmethod
    def of(cls, error: ChatbotError) -> "System":
        return cls(error.code, error.retry, error.message)

"""The shapes that leave the building, the same on HTTP, on sockets and in TypeScript."""

import re
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from chatbot.conversations.tables import AuthorKind, Conversation, Handoff, Visibility
from chatbot.conversations.tables import Message as MessageRow

State = Literal["bot", "waiting", "staff", "closed"]
Confidence = Literal["answered", "partial", "unknown"]
SNIPPET_CHARS_MAX = 140
_MARKS = re.compile(r"[ \t]?\[\d{1,3}\]|\*\*|__|`|^(?:#{1,6}|>) ", re.MULTILINE)


class Author(msgspec.Struct, frozen=True):
    kind: AuthorKind
    id: UUID | None
    name: str


class Source(msgspec.Struct, frozen=True):
    """Where a statement comes from: `n` is the number in the text, `quote` stands in the
    passage of that `version` of the document (None in answers older than versions).
    """

    n: int
    passage_id: UUID
    document_id: UUID
    title: str
    heading: str | None
    url: str | None
    page: int | None
    quote: str
    version: int | None = None


class Feedback(msgspec.Struct, frozen=True):
    """What the visitor thought of an answer: thumbs up (1) or down (-1), and why."""

    value: Literal[1, -1]
    reason: str | None


class Review(msgspec.Struct, frozen=True):
    """A colleague looked at the answer afterwards."""

    kind: Literal["checked", "corrected"]
    by: str
    at: datetime


class Message(msgspec.Struct, frozen=True):
    """`suggestions` are questions to ask next; `corrects` names the earlier answer that a notice
    corrects.
    """

    id: UUID
    conversation_id: UUID
    seq: int | None
    after_seq: int | None
    rev: int
    client_id: str | None
    author: Author
    text: str
    visibility: Visibility
    created_at: datetime
    version: int
    status: Literal["complete", "stopped", "failed", "interrupted"]
    sources: list[Source]
    confidence: Confidence | None
    page_url: str | None
    feedback: Feedback | None
    review: Review | None
    suggestions: list[str]
    corrects: UUID | None


class Named(msgspec.Struct, frozen=True):
    id: UUID
    name: str | None


class TakenBy(msgspec.Struct, frozen=True):
    """What a visitor learns of a staff member."""

    name: str


class VisitorHandoff(msgspec.Struct, frozen=True):
    requested_at: datetime
    taken_by: TakenBy | None


class VisitorConversation(msgspec.Struct, frozen=True):
    id: UUID
    state: State
    handoff: VisitorHandoff | None
    created_at: datetime
    last_message_at: datetime | None
    rev: int


class LiveAnswer(msgspec.Struct, frozen=True):
    """The running answer as far as it has come; `seq` is the last frame that `text` contains."""

    mid: UUID
    attempt: int
    seq: int
    text: str


class Transcript(msgspec.Struct, frozen=True):
    """What changed after a revision, at most a page of it; `cursor` is the highest revision
    sent.
    """

    items: list[Message]
    answer: LiveAnswer | None
    state: State
    handoff: VisitorHandoff | None
    cursor: int


class HandoffView(msgspec.Struct, frozen=True):
    id: UUID
    reason: str | None
    requested_at: datetime
    taken_at: datetime | None
    taken_by: Named | None


class LastMessage(msgspec.Struct, frozen=True):
    text: str
    author_kind: AuthorKind
    created_at: datetime


class StaffConversation(msgspec.Struct, frozen=True):
    """`earlier_summary` says what the episode before this one was about."""

    id: UUID
    kind: Literal["website"]
    site: Named | None
    visitor: Named | None
    state: State
    handoff: HandoffView | None
    last_message: LastMessage | None
    created_at: datetime
    updated_at: datetime
    rev: int
    episode: int
    earlier_summary: str | None


class StaffTranscript(msgspec.Struct, frozen=True):
    items: list[Message]
    answer: LiveAnswer | None
    conversation: StaffConversation
    cursor: int


class ConversationPage(msgspec.Struct, frozen=True):
    items: list[StaffConversation]
    next: str | None


class VisitorConversations(msgspec.Struct, frozen=True):
    items: list[VisitorConversation]
    next: str | None = None


def state_of(conversation: Conversation, open_handoff: Handoff | None) -> State:
    """Who answers here: derived from records, stored nowhere."""
    if conversation.closed_at is not None:
        return "closed"
    if open_handoff is None:
        return "bot"
    return "waiting" if open_handoff.taken_at is None else "staff"


def message(row: MessageRow) -> Message:
    """What a colleague vouches for is whole and certain, whatever the bot thought of it."""
    review = msgspec.convert(row.review, Review | None)
    status = "complete" if review is not None and review.kind == "corrected" else row.status
    confidence = row.confidence if review is None else "answered"
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        seq=row.seq,
        after_seq=row.after_seq,
        rev=row.rev,
        client_id=row.client_id,
        author=Author(AuthorKind(row.author_kind), row.author_id, row.author_name),
        text=row.text,
        visibility=Visibility(row.visibility),
        created_at=row.created_at,
        version=row.version,
        status=msgspec.convert(status, Literal["complete", "stopped", "failed", "interrupted"]),
        sources=msgspec.convert(row.sources, list[Source]),
        confidence=msgspec.convert(confidence, Confidence | None),
        page_url=row.page_url,
        feedback=_feedback(row),
        review=review,
        suggestions=list(row.suggestions),
        corrects=row.corrects,
    )


def _feedback(row: MessageRow) -> Feedback | None:
    if row.feedback_value is None:
        return None
    return Feedback(1 if row.feedback_value > 0 else -1, row.feedback_reason)


def visitor_handoff(handoff: Handoff | None, names: dict[UUID, str]) -> VisitorHandoff | None:
    if handoff is None:
        return None
    taken_by = TakenBy(names[handoff.taken_by_id]) if handoff.taken_by_id else None
    return VisitorHandoff(handoff.requested_at, taken_by)


def visitor_conversation(
    conversation: Conversation, rev: int, handoff: Handoff | None, names: dict[UUID, str]
) -> VisitorConversation:
    """`rev` is that of the last public message: a colleague's note must not show in it."""
    return VisitorConversation(
        id=conversation.id,
        state=state_of(conversation, handoff),
        handoff=visitor_handoff(handoff, names),
        created_at=conversation.created_at,
        last_message_at=conversation.last_message_at,
        rev=rev,
    )


def handoff_view(handoff: Handoff | None, names: dict[UUID, str]) -> HandoffView | None:
    if handoff is None:
        return None
    taken_by = (
        Named(handoff.taken_by_id, names[handoff.taken_by_id]) if handoff.taken_by_id else None
    )
    return HandoffView(handoff.id, handoff.reason, handoff.requested_at, handoff.taken_at, taken_by)


def plain(text: str) -> str:
    """The beginning of a text for where it stands in a line: without markers of sources and the
    marks of Markdown.
    """
    return _MARKS.sub("", text[: 10 * SNIPPET_CHARS_MAX])


def last_message(row: MessageRow | None) -> LastMessage | None:
    if row is None:
        return None
    snippet = plain(row.text)[:SNIPPET_CHARS_MAX]
    return LastMessage(snippet, AuthorKind(row.author_kind), row.created_at)

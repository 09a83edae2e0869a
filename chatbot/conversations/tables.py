"""Conversations, what was said in them, and who was asked to take over."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.database import Base, new_id, utc_now


class AuthorKind(StrEnum):
    VISITOR = "visitor"
    ASSISTANT = "assistant"
    STAFF = "staff"
    SYSTEM = "system"


class Visibility(StrEnum):
    PUBLIC = "public"
    INTERNAL = "internal"


class Conversation(Base):
    """A talk with one visitor. Its row is the lock under which messages get `seq` and `rev`.

    Messages after `episode_seq` belong to the current episode.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "site_id"], ["sites.org_id", "sites.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "visitor_id"], ["visitors.org_id", "visitors.id"], ondelete="CASCADE"
        ),
        UniqueConstraint("org_id", "visitor_id", "client_id"),
        CheckConstraint("kind in ('website')", name="kind"),
        Index("ix_conversations_inbox", "org_id", "updated_at", "id"),
        Index(
            "ix_conversations_last_message_at",
            "last_message_at",
            postgresql_where=text("closed_at is null"),
        ),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(Text, default="website")
    site_id: Mapped[UUID | None]
    visitor_id: Mapped[UUID | None]
    client_id: Mapped[str | None] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    rev: Mapped[int] = mapped_column(BigInteger, default=0)
    episode: Mapped[int] = mapped_column(default=1)
    episode_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    closed_at: Mapped[datetime | None]
    closed_by_id: Mapped[UUID | None]
    last_message_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)


class Episode(Base):
    """An ended part of a conversation, and what it was about."""

    __tablename__ = "episodes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "conversation_id"],
            ["conversations.org_id", "conversations.id"],
            ondelete="CASCADE",
        ),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_seq: Mapped[int] = mapped_column(BigInteger)
    last_seq: Mapped[int] = mapped_column(BigInteger)
    summary: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime] = mapped_column(default=utc_now)


class Message(Base):
    """One thing said. `seq` orders what everybody sees (gap-free), `rev` orders every change."""

    __tablename__ = "messages"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "conversation_id"],
            ["conversations.org_id", "conversations.id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("org_id", "conversation_id", "seq"),
        UniqueConstraint("org_id", "conversation_id", "rev"),
        UniqueConstraint("org_id", "author_kind", "author_id", "client_id"),
        CheckConstraint(
            "author_kind in ('visitor', 'assistant', 'staff', 'system')", name="author"
        ),
        CheckConstraint("visibility in ('public', 'internal')", name="visibility"),
        CheckConstraint("(visibility = 'public') = (seq is not null)", name="public_has_seq"),
        CheckConstraint("feedback_value in (1, -1)", name="feedback"),
        Index(
            "ix_messages_feedback",
            "org_id",
            "feedback_at",
            postgresql_where=text("feedback_value is not null"),
        ),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[UUID]
    seq: Mapped[int | None] = mapped_column(BigInteger)
    after_seq: Mapped[int | None] = mapped_column(BigInteger)
    rev: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(default=1)
    client_id: Mapped[str | None] = mapped_column(Text)
    author_kind: Mapped[str] = mapped_column(Text)
    author_id: Mapped[UUID | None]
    author_name: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    visibility: Mapped[str] = mapped_column(Text, default=Visibility.PUBLIC)
    status: Mapped[str] = mapped_column(Text, default="complete")
    sources: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    confidence: Mapped[str | None] = mapped_column(Text)
    page_url: Mapped[str | None] = mapped_column(Text)
    feedback_value: Mapped[int | None] = mapped_column(SmallInteger)
    feedback_reason: Mapped[str | None] = mapped_column(Text)
    feedback_at: Mapped[datetime | None]
    review: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    suggestions: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    corrects: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Handoff(Base):
    """A person was asked for. Open until `ended_at`; one open a conversation, by a partial
    index.
    """

    __tablename__ = "handoffs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "conversation_id"],
            ["conversations.org_id", "conversations.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["org_id", "taken_by_id"], ["staff_members.org_id", "staff_members.id"]
        ),
        CheckConstraint("(taken_at is null) = (taken_by_id is null)", name="taken"),
        Index("ix_handoffs_conversation", "org_id", "conversation_id"),
        Index(
            "uq_handoffs_open",
            "org_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("ended_at is null"),
        ),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[UUID]
    requested_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    requested_at: Mapped[datetime] = mapped_column(default=utc_now)
    taken_by_id: Mapped[UUID | None]
    taken_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)
    episode: Mapped[int] = mapped_column(default=1)

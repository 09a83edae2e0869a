"""The bot's turns, how an organisation lets it speak, and what became of its answers."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.database import Base, new_id, utc_now

RUNNING = "running"

Ending = Literal["complete", "stopped", "failed", "withdrawn", "interrupted"]
"""How a turn ended. Withdrawn: a person took over. Interrupted: its process died or was stopped."""


class Answer(Base):
    """`id` is the id of the message that the answer becomes; one runs a conversation at a time."""

    __tablename__ = "answers"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "conversation_id"],
            ["conversations.org_id", "conversations.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint(
            "status in ('running', 'complete', 'stopped', 'failed', 'withdrawn', 'interrupted')",
            name="status",
        ),
        Index(
            "uq_answers_running",
            "org_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("status = 'running'"),
        ),
        Index("ix_answers_conversation", "org_id", "conversation_id"),
        Index("ix_answers_heartbeat", "heartbeat_at", postgresql_where=text("status = 'running'")),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID]
    question_rev: Mapped[int]
    attempt: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(Text, default=RUNNING)
    model: Mapped[str] = mapped_column(Text)
    partial_text: Mapped[str] = mapped_column(Text, default="")
    frame_seq: Mapped[int] = mapped_column(default=0)
    stop_requested_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]
    error_code: Mapped[str | None] = mapped_column(Text)
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    trace: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    persona_version: Mapped[int | None]
    episode: Mapped[int] = mapped_column(default=1)
    reserved_tokens: Mapped[int] = mapped_column(default=0)
    reserved_on: Mapped[date | None]


class PersonaVersion(Base):
    """How the bot speaks. At most one draft (`published_at` is null); the highest published version
    is live.
    """

    __tablename__ = "personas"
    __table_args__ = (
        Index(
            "uq_personas_draft",
            "org_id",
            unique=True,
            postgresql_where=text("published_at is null"),
        ),
    )

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    tone: Mapped[str] = mapped_column(Text)
    length: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    instructions: Mapped[str] = mapped_column(Text)
    never_say: Mapped[list[str]] = mapped_column(ARRAY(Text))
    link_hosts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    published_by_id: Mapped[UUID | None]
    published_at: Mapped[datetime | None]


class AnswerModel(Base):
    """An endpoint of the organisation's own: asked first (`rank` 1), or when the first fails (2).

    `key_sealed` is encrypted; prices are per million tokens, in whatever the organisation counts.
    """

    __tablename__ = "answer_models"
    __table_args__ = (CheckConstraint("rank in (1, 2)", name="rank"),)

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True
    )
    rank: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    model: Mapped[str] = mapped_column(Text)
    base_url: Mapped[str | None] = mapped_column(Text)
    key_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_hint: Mapped[str | None] = mapped_column(Text)
    temperature: Mapped[float | None]
    input_price: Mapped[float | None]
    output_price: Mapped[float | None]
    updated_by_id: Mapped[UUID | None]
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)


class Allowance(Base):
    """What the organisation allows a day: all of it, each of its sites, each visitor. None: the
    install's default.
    """

    __tablename__ = "allowances"
    __table_args__ = (CheckConstraint("scope in ('org', 'site', 'visitor')", name="scope"),)

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True
    )
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    answers_per_day: Mapped[int | None]
    tokens_per_day: Mapped[int | None] = mapped_column(BigInteger)
    updated_by_id: Mapped[UUID | None]
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)


class Spending(Base):
    """What was spent on a day (UTC): what ended, and what running turns have reserved."""

    __tablename__ = "spending"
    __table_args__ = (CheckConstraint("scope in ('org', 'site', 'visitor')", name="scope"),)

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    answers: Mapped[int] = mapped_column(default=0)
    tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cost_micros: Mapped[int] = mapped_column(BigInteger, default=0)


class Citation(Base):
    """That an answer cites a passage, or a notice is about it, as it stood in that version of its
    document.
    """

    __tablename__ = "citations"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "message_id"], ["messages.org_id", "messages.id"], ondelete="CASCADE"
        ),
        Index("ix_citations_passage", "org_id", "document_id", "passage_id"),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document_id: Mapped[UUID]
    passage_id: Mapped[UUID]
    version: Mapped[int | None]


class Review(Base):
    """What a colleague said of an answer afterwards; the history of its text."""

    __tablename__ = "reviews"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "message_id"], ["messages.org_id", "messages.id"], ondelete="CASCADE"
        ),
        CheckConstraint("kind in ('checked', 'corrected', 'withdrawn')", name="kind"),
        Index("ix_reviews_message", "org_id", "message_id", "created_at"),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    staff_id: Mapped[UUID | None]
    staff_name: Mapped[str] = mapped_column(Text)
    original_text: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

"""One row a bot's turn: whose question, how far it came, how it ended."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.database import Base, utc_now

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
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

"""Organisations and their sites."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.database import Base, new_id, utc_now


class Org(Base):
    """A customer of this install; the tenant. Its row is its own: row-level security goes by
    `id`.
    """

    __tablename__ = "orgs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Site(Base):
    """A public website of an organisation: the key in its tag, who may embed it, how it greets.

    Its visitors are answered from documents without labels, and from those with one of `labels`.
    """

    __tablename__ = "sites"
    __table_args__ = (UniqueConstraint("key"),)

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    allowed_origins: Mapped[list[str]] = mapped_column(ARRAY(Text))
    greeting: Mapped[str] = mapped_column(Text)
    starters: Mapped[list[str]] = mapped_column(ARRAY(Text))
    accent: Mapped[str | None] = mapped_column(Text)
    side: Mapped[str] = mapped_column(Text, default="end")
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

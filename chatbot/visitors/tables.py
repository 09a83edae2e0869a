"""Anonymous visitors and the sessions that speak for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.database import Base, new_id, utc_now


class VisitorRecord(Base):
    """Somebody on a public site; nothing is known of them until they say it."""

    __tablename__ = "visitors"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "site_id"], ["sites.org_id", "sites.id"], ondelete="CASCADE"
        ),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID]
    name: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class VisitorSession(Base):
    """A session bound to one site and one origin; the token carries the secret, the row its
    hash.
    """

    __tablename__ = "visitor_sessions"
    __table_args__ = (
        UniqueConstraint("org_id", "secret_hash"),
        ForeignKeyConstraint(
            ["org_id", "visitor_id"], ["visitors.org_id", "visitors.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "site_id"], ["sites.org_id", "sites.id"], ondelete="CASCADE"
        ),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    visitor_id: Mapped[UUID]
    site_id: Mapped[UUID]
    origin: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    revoked_at: Mapped[datetime | None]
    renewed_as: Mapped[UUID | None]

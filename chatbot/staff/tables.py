"""People: accounts that log in, and what they are in each organisation."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from chatbot.database import Base, new_id, utc_now


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    AGENT = "agent"


class Account(Base):
    """A person who logs in, whatever the organisation; seen only by itself (`app.account`)."""

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


Index("uq_accounts_email", func.lower(Account.email), unique=True)


class StaffSession(Base):
    """One log-in of one account; the cookie names it, revoking it ends it."""

    __tablename__ = "staff_sessions"

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    revoked_at: Mapped[datetime | None]


class StaffMember(Base):
    """What an account is in one organisation."""

    __tablename__ = "staff_members"
    __table_args__ = (
        UniqueConstraint("org_id", "account_id"),
        CheckConstraint("role in ('owner', 'admin', 'agent')", name="role"),
    )

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


Index("ix_staff_members_account_id", StaffMember.account_id)


class Attendance(Base):
    """A colleague has the console open on a node; it counts until then, unless it is renewed."""

    __tablename__ = "attendance"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "staff_id"],
            ["staff_members.org_id", "staff_members.id"],
            ondelete="CASCADE",
        ),
    )

    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[datetime]


Index("ix_attendance_until", Attendance.until)

"""The tables of websites that are read: what to read and when, and how each page fared."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from knowledge.tables import Base, goes_with


class CrawlKind(StrEnum):
    """One page, the pages that a sitemap lists, or what links lead to from a page."""

    PAGE = "page"
    SITEMAP = "sitemap"
    SITE = "site"


class Schedule(StrEnum):
    NEVER = "never"
    DAILY = "daily"
    WEEKLY = "weekly"


class CrawlStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class PageStatus(StrEnum):
    """`waiting` to be fetched in this run; `gone` when the site has it no more."""

    WAITING = "waiting"
    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"
    GONE = "gone"


class Crawl(Base):
    """A part of a website that is read; `run` counts how often it was begun."""

    __tablename__ = "crawls"

    org_id: Mapped[UUID]
    id: Mapped[UUID]
    url: Mapped[str]
    kind: Mapped[str]
    depth: Mapped[int] = mapped_column(SmallInteger)
    pages_max: Mapped[int]
    delay_ms: Mapped[int]
    schedule: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    status: Mapped[str]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    run: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "id"),
        UniqueConstraint("org_id", "url", "kind"),
        CheckConstraint("kind IN ('page', 'sitemap', 'site')", name="kind"),
        CheckConstraint("schedule IN ('never', 'daily', 'weekly')", name="schedule"),
        CheckConstraint("status IN ('queued', 'running', 'done', 'failed')", name="status"),
        Index(None, "next_at"),
    )


class CrawlPage(Base):
    """One address of a crawl, in the run that last saw it; `document_id` is what was made of it.

    `sha256` is of the bytes; `etag` and `last_modified` are what the server said, sent back to it.
    """

    __tablename__ = "crawl_pages"

    org_id: Mapped[UUID]
    crawl_id: Mapped[UUID]
    url: Mapped[str]
    document_id: Mapped[UUID | None]
    depth: Mapped[int] = mapped_column(SmallInteger)
    run: Mapped[int]
    status: Mapped[str]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    http_status: Mapped[int | None] = mapped_column(SmallInteger)
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    fetched_at: Mapped[datetime | None]

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "crawl_id", "url"),
        goes_with("crawls", crawl_id="id"),
        ForeignKeyConstraint(
            ["org_id", "document_id"],
            ["documents.org_id", "documents.id"],
            ondelete="SET NULL (document_id)",
        ),
        CheckConstraint(
            "status IN ('waiting', 'fetched', 'unchanged', 'skipped', 'failed', 'gone')",
            name="status",
        ),
        Index(None, "org_id", "document_id"),
    )

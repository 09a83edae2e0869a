"""The tables of the knowledge base, with a MetaData of their own.

What the metadata alone does not say, for whoever writes the migration:

- `passages.no` is `bigint GENERATED ALWAYS AS IDENTITY`: eight bytes in every posting and
  embedding where the public id would take sixteen.
- `embeddings.vector` is `halfvec` without a dimension: one organisation may hold 256-dimensional
  local vectors and 1,536-dimensional hosted ones at the same time, while it moves from one to the
  other.
- `postings` has one index, its primary key `(org_id, lexeme, passage_no) INCLUDE (tf, n_lex)`,
  which answers a search without touching the heap once autovacuum has set the visibility map.
  `lexeme` is compared byte by byte (`COLLATE "C"`), whatever the database's collation.
- `postings` has no foreign keys: it has some 60 rows a passage, written and deleted only together
  with the passage (`postings.py`), and each would be looked up once more. Whoever deletes an
  organisation deletes its postings by `org_id` first; everything else follows by cascade from
  `documents` and `knowledge_stats`, which get the foreign key to the organisation.
"""

import os
import time
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Status(StrEnum):
    QUEUED = "queued"
    EXTRACTING = "extracting"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


class PassageKind(StrEnum):
    DOCUMENT = "document"
    FAQ = "faq"


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
    }


class Document(Base):
    """A named document: its newest upload, and how far that has come.

    `version` counts uploads; `live_version` is the one whose passages are found (null before the
    first).
    """

    __tablename__ = "documents"
    # `updated_at` is Postgres' clock; fetched with the UPDATE, never by a lazy load.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 (read by SQLAlchemy)

    org_id: Mapped[UUID]
    id: Mapped[UUID]
    name: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    progress: Mapped[float] = mapped_column(server_default="0")
    pages: Mapped[int | None]
    passages: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="1")
    live_version: Mapped[int | None]
    url: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    started_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "id"),
        UniqueConstraint("org_id", "name"),
        CheckConstraint(
            "status IN ('queued', 'extracting', 'indexing', 'ready', 'failed')", name="status"
        ),
        CheckConstraint("progress BETWEEN 0 AND 1", name="progress"),
        CheckConstraint("(status = 'failed') = (error_code IS NOT NULL)", name="error"),
        Index(None, "org_id", "status", "created_at"),
    )


class DocumentVersion(Base):
    """What one upload was; rows stay after a newer one replaced it, without bytes and passages."""

    __tablename__ = "document_versions"

    org_id: Mapped[UUID]
    document_id: Mapped[UUID]
    version: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    size_bytes: Mapped[int]
    media_type: Mapped[str]
    cfg: Mapped[str | None]
    pages: Mapped[int | None]
    passages: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "document_id", "version"),
        ForeignKeyConstraint(
            ["org_id", "document_id"], ["documents.org_id", "documents.id"], ondelete="CASCADE"
        ),
    )


class DocumentFile(Base):
    """The bytes of a version, until a newer one replaced it."""

    __tablename__ = "document_files"

    org_id: Mapped[UUID]
    document_id: Mapped[UUID]
    version: Mapped[int]
    body: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "document_id", "version"),
        ForeignKeyConstraint(
            ["org_id", "document_id", "version"],
            [
                "document_versions.org_id",
                "document_versions.document_id",
                "document_versions.version",
            ],
            ondelete="CASCADE",
        ),
    )


class Passage(Base):
    """80 to 150 words of a document, found as one.

    `heading` is the path of headings above it. `lexemes` is what was put into `postings`, kept so
    that those rows can be found again by key when the passage goes; `n_lex` counts them with
    repetitions.
    """

    __tablename__ = "passages"

    org_id: Mapped[UUID]
    no: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    id: Mapped[UUID]
    document_id: Mapped[UUID]
    version: Mapped[int]
    ord: Mapped[int]
    kind: Mapped[str] = mapped_column(server_default=PassageKind.DOCUMENT)
    heading: Mapped[str | None]
    page: Mapped[int | None]
    text: Mapped[str]
    tokens: Mapped[int]
    cfg: Mapped[str]
    lexemes: Mapped[str] = mapped_column(TSVECTOR)
    n_lex: Mapped[int]

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "no"),
        UniqueConstraint("org_id", "id"),
        UniqueConstraint("org_id", "document_id", "version", "ord"),
        ForeignKeyConstraint(
            ["org_id", "document_id", "version"],
            [
                "document_versions.org_id",
                "document_versions.document_id",
                "document_versions.version",
            ],
            ondelete="CASCADE",
        ),
        CheckConstraint("kind IN ('document', 'faq')", name="kind"),
    )


class Posting(Base):
    """That a lexeme occurs `tf` times in a passage of `n_lex` lexemes: all that BM25 asks for."""

    __tablename__ = "postings"

    org_id: Mapped[UUID]
    lexeme: Mapped[str] = mapped_column(Text(collation="C"))
    passage_no: Mapped[int] = mapped_column(BigInteger)
    tf: Mapped[int] = mapped_column(SmallInteger)
    n_lex: Mapped[int]

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "lexeme", "passage_no", postgresql_include=["tf", "n_lex"]),
    )


class Embedding(Base):
    """A passage's vector in the space of one model."""

    __tablename__ = "embeddings"

    org_id: Mapped[UUID]
    passage_no: Mapped[int] = mapped_column(BigInteger)
    model: Mapped[str]
    vector: Mapped[Any] = mapped_column(HALFVEC())

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "passage_no", "model"),
        ForeignKeyConstraint(
            ["org_id", "passage_no"], ["passages.org_id", "passages.no"], ondelete="CASCADE"
        ),
    )


class KnowledgeStats(Base):
    """Live passages and their lexemes by text search configuration, so that no search has to
    count.
    """

    __tablename__ = "knowledge_stats"

    org_id: Mapped[UUID]
    cfg: Mapped[str]
    passages: Mapped[int] = mapped_column(BigInteger)
    lexemes: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (PrimaryKeyConstraint("org_id", "cfg"),)


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)

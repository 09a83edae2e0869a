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
  the tables that get the foreign key to the organisation: `documents`, `knowledge_stats`,
  `lexemes`, `knowledge_settings` and `crawls`.
"""

import os
import time
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
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
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Postgres' clock as it is at that moment; now() stands still for a whole transaction.
CLOCK: Final = func.clock_timestamp(type_=DateTime(timezone=True))


class Status(StrEnum):
    QUEUED = "queued"
    EXTRACTING = "extracting"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


class DocumentKind(StrEnum):
    """Uploaded by a person, fetched from a website, or a question with its answer."""

    FILE = "file"
    PAGE = "page"
    FAQ = "faq"


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


def goes_with(table: str, **columns: str) -> ForeignKeyConstraint:
    """Rows of an organisation's own that are deleted with the row of `table` they refer to."""
    theirs = [f"{table}.{column}" for column in ("org_id", *columns.values())]
    return ForeignKeyConstraint(["org_id", *columns], theirs, ondelete="CASCADE")


class Document(Base):
    """A named document: its newest upload, and how far that has come.

    `version` counts uploads; `live_version` is the one whose passages are found (null before the
    first). The name of a page is its address, that of a FAQ its question; `title` is what a page
    calls itself. A document with `labels` is found only where one of them is asked for.
    """

    __tablename__ = "documents"
    # `updated_at` is Postgres' clock; fetched with the UPDATE, never by a lazy load.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 (read by SQLAlchemy)

    org_id: Mapped[UUID]
    id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(server_default=DocumentKind.FILE)
    name: Mapped[str]
    title: Mapped[str | None]
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
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
        UniqueConstraint("org_id", "kind", "name"),
        CheckConstraint("kind IN ('file', 'page', 'faq')", name="kind"),
        CheckConstraint(
            "status IN ('queued', 'extracting', 'indexing', 'ready', 'failed')", name="status"
        ),
        CheckConstraint("progress BETWEEN 0 AND 1", name="progress"),
        CheckConstraint("(status = 'failed') = (error_code IS NOT NULL)", name="error"),
        Index(None, "org_id", "status", "created_at"),
        # What only some may find is looked up by every search; mostly there is nothing.
        Index("ix_documents_labelled", "org_id", postgresql_where=text("labels <> '{}'")),
    )


class DocumentVersion(Base):
    """What one upload was; rows stay after a newer one replaced it, without passages.

    `content_sha256` is of what was read in it: other bytes that say the same need no new index.
    """

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
    content_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    restored_from: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "document_id", "version"),
        goes_with("documents", document_id="id"),
    )


class DocumentFile(Base):
    """The bytes of a version; of older ones only the newest few are kept (`versions.py`)."""

    __tablename__ = "document_files"

    org_id: Mapped[UUID]
    document_id: Mapped[UUID]
    version: Mapped[int]
    body: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "document_id", "version"),
        goes_with("document_versions", document_id="document_id", version="version"),
    )


class Passage(Base):
    """80 to 150 words of a document, found as one.

    `heading` is the path of headings above it. `lexemes` is what was put into `postings`, kept so
    that those rows can be found again by key when the passage goes; `n_lex` counts them with
    repetitions. A `disabled` passage has neither postings nor vectors. `original` is what was read
    in the document, where a person has written another `text`.
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
    original: Mapped[str | None]
    disabled: Mapped[bool] = mapped_column(server_default="false")
    tokens: Mapped[int]
    cfg: Mapped[str]
    lexemes: Mapped[str] = mapped_column(TSVECTOR)
    n_lex: Mapped[int]

    @property
    def read_text(self) -> str:
        """What was read in the document, whatever a person wrote in its place."""
        return self.text if self.original is None else self.original

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "no"),
        UniqueConstraint("org_id", "id"),
        UniqueConstraint("org_id", "document_id", "version", "ord"),
        goes_with("document_versions", document_id="document_id", version="version"),
        CheckConstraint("kind IN ('document', 'faq')", name="kind"),
    )


class PassageOverride(Base):
    """What a person decided about a passage, found again by what was read in the document.

    `anchor` is the SHA-256 of that text: the decision holds for every later version that says
    exactly the same, and waits while none does. `text` null leaves the words as they are.
    """

    __tablename__ = "passage_overrides"

    org_id: Mapped[UUID]
    document_id: Mapped[UUID]
    anchor: Mapped[bytes] = mapped_column(LargeBinary)
    original: Mapped[str]
    text: Mapped[str | None]
    disabled: Mapped[bool] = mapped_column(server_default="false")
    updated_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "document_id", "anchor"),
        goes_with("documents", document_id="id"),
    )


class Faq(Base):
    """A question with its answer, a document of its own; each way to ask it is a passage."""

    __tablename__ = "faqs"

    org_id: Mapped[UUID]
    document_id: Mapped[UUID]
    question: Mapped[str]
    variants: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    answer: Mapped[str]
    word_for_word: Mapped[bool] = mapped_column(server_default="true")
    enabled: Mapped[bool] = mapped_column(server_default="true")

    __table_args__ = (
        PrimaryKeyConstraint("org_id", "document_id"),
        goes_with("documents", document_id="id"),
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
        goes_with("passages", passage_no="no"),
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


class Lexeme(Base):
    """In how many live passages a lexeme occurs: its df, and the list of all words that are
    known.
    """

    __tablename__ = "lexemes"

    org_id: Mapped[UUID]
    lexeme: Mapped[str] = mapped_column(Text(collation="C"))
    df: Mapped[int]

    __table_args__ = (PrimaryKeyConstraint("org_id", "lexeme", postgresql_include=["df"]),)


class KnowledgeSettings(Base):
    """How an organisation is searched; null where the defaults of the code hold.

    `model` is the one whose vectors are searched, `next_model` the one that is being embedded
    beside it, `previous_model` the way back, `refused_model` one that a person went back from.
    `indexed_model` is the one whose vectors have an approximate index of `indexed_dimensions`.
    """

    __tablename__ = "knowledge_settings"

    org_id: Mapped[UUID]
    model: Mapped[str | None]
    next_model: Mapped[str | None]
    previous_model: Mapped[str | None]
    refused_model: Mapped[str | None]
    switched_at: Mapped[datetime | None]
    indexed_model: Mapped[str | None]
    indexed_dimensions: Mapped[int | None]
    calibration: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    __table_args__ = (PrimaryKeyConstraint("org_id"),)


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)

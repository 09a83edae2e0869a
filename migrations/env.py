"""Alembic's entry: run as a member of `chatbot_owner`, so that every object belongs to that
role.
"""

from alembic import context
from sqlalchemy import Connection, text

from chatbot.answering import tables as answering_tables
from chatbot.conversations import tables as conversation_tables
from chatbot.database import Base
from chatbot.orgs import tables as org_tables
from chatbot.staff import tables as staff_tables
from chatbot.visitors import tables as visitor_tables
from knowledge import tables as knowledge_tables
from knowledge.web import crawltables

# Every module whose tables are in `Base`: importing it is what puts them there.
TABLES = (
    answering_tables,
    conversation_tables,
    crawltables,
    org_tables,
    staff_tables,
    visitor_tables,
)
LOCK_TIMEOUT = "5s"
FOREIGN_TO_KNOWLEDGE = {
    "fk_documents_orgs",
    "fk_knowledge_stats_orgs",
    "fk_lexemes_orgs",
    "fk_knowledge_settings_orgs",
    "fk_crawls_orgs",
}


def _include(name: str | None, kind: str, _parents: object) -> bool:
    """`realtime` and `jobs` are plain SQL; only the schema that the models describe is compared."""
    return kind != "schema" or name in (None, "public")


def _include_object(_thing: object, name: str | None, kind: str, *_rest: object) -> bool:
    """The knowledge library's metadata knows no organisations; its keys to them are ours
    alone.
    """
    return kind != "foreign_key_constraint" or name not in FOREIGN_TO_KNOWLEDGE


def _run(connection: Connection) -> None:
    connection.execute(text("set role chatbot_owner"))
    connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=[Base.metadata, knowledge_tables.Base.metadata],
        include_name=_include,
        include_object=_include_object,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_run(context.config.attributes["connection"])

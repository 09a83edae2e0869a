"""Bring a database to the newest schema, and tell how far it is."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.engine import make_url

HERE = Path(__file__).parent
CONNECT_TIMEOUT_S = 5
ONE_AT_A_TIME = 7_301_126  # a number of our own among the database's advisory locks


def upgrade(owner_url: str, to: str = "head") -> None:
    """Run every migration that `owner_url`'s database lacks; each in a transaction of its own."""
    _alembic(owner_url, lambda config: command.upgrade(config, to))


def check(owner_url: str) -> None:
    """Raise alembic's CommandError when the models and the schema differ."""
    _alembic(owner_url, command.check)


def head() -> str:
    """The newest revision that this code knows."""
    return ScriptDirectory(str(HERE)).get_current_head() or ""


def knows(revision: str) -> bool:
    """Whether this code has that revision; one that it has not is of newer code."""
    return revision in {each.revision for each in ScriptDirectory(str(HERE)).walk_revisions()}


def current(url: str) -> str | None:
    """The revision that the database stands at, None before the first."""
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def _alembic(owner_url: str, work: Callable[[Config], None]) -> None:
    engine = _engine(owner_url)
    config = Config()
    config.set_main_option("script_location", str(HERE))
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            # Two starters at once: the second waits, then finds nothing left to do.
            connection.execute(text(f"select pg_advisory_lock({ONE_AT_A_TIME})"))
            connection.commit()
            work(config)
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        poolclass=NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
    )

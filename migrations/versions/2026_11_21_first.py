"""The first schema: tables, who may see which rows, the job queue, and the signals.

The tables are one piece of SQL, frozen as the models stood that day; `tests/test_schema.py`
compares the models with what the migrations made. The job queue's schema is procrastinate's own,
read from the installed package (docs/decisions/0003).
"""

from importlib.resources import files
from pathlib import Path

from alembic import op

revision = "2026_11_21_first"
down_revision = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for name in ("tables", "security"):
        _run((SQL / f"2026_11_21_{name}.sql").read_text())
    op.execute("create schema jobs")
    op.execute("set local search_path to jobs")
    _run(files("procrastinate").joinpath("sql", "schema.sql").read_text())
    _run((SQL / "2026_11_21_jobs.sql").read_text())
    op.execute("set local search_path to public")
    _run((SQL / "realtime.sql").read_text())


def _run(script: str) -> None:
    """Run a script as it stands: no bound parameters, so colons and percent signs mean
    themselves.
    """
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))

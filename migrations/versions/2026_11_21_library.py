"""Room for the whole knowledge base: audiences, overrides, questions with answers, crawls, and the
words and settings that search reads.

Fills the words' counts and the model of the vectors from what is there already.
"""

from pathlib import Path

from alembic import op

revision = "2026_11_21_library"
down_revision = "2026_11_21_first"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for name in ("tables", "security"):
        script = (SQL / f"2026_11_21_library_{name}.sql").read_text()
        # As it stands: no bound parameters, so colons and percent signs mean themselves.
        op.get_bind().exec_driver_sql(script.replace("%", "%%"))

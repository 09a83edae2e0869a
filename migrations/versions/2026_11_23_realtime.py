"""The rest of the real-time layer in the database: who may broadcast and announce, kinds of topics
as rows, other programs, a switch for each kind, and triggers that signal only what a client shows.
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_realtime"
down_revision = "2026_11_22_answers"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    script = (SQL / "2026_11_23_realtime.sql").read_text()
    # As it stands: no bound parameters, so colons and percent signs mean themselves.
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))

"""Answers that can be trusted and repaired: how an organisation's bot speaks, which models it asks
and what it may spend; a trace for every answer; feedback, checks and corrections; episodes.

Every conversation is in its first episode, and what answers cite is looked up from now on.
"""

from pathlib import Path

from alembic import op

revision = "2026_11_22_answers"
down_revision = "2026_11_21_library"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for name in ("tables", "security"):
        script = (SQL / f"2026_11_22_answers_{name}.sql").read_text()
        # As it stands: no bound parameters, so colons and percent signs mean themselves.
        op.get_bind().exec_driver_sql(script.replace("%", "%%"))

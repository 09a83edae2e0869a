"""Who has the console open, on which node and until when: the truth behind "somebody is here"."""

from pathlib import Path

from alembic import op

revision = "2026_11_24_attendance"
down_revision = "2026_11_23_relay"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    script = (SQL / "2026_11_24_attendance.sql").read_text()
    # As it stands: no bound parameters, so colons and percent signs mean themselves.
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))

"""The service sends within its own organisation only; a visitor's list tells who answers."""

from pathlib import Path

from alembic import op

revision = "2026_11_25_scope"
down_revision = "2026_11_24_attendance"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    script = (SQL / "2026_11_25_scope.sql").read_text()
    # As it stands: no bound parameters, so colons and percent signs mean themselves.
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))

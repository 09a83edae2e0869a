"""A read of the relay costs the same however many signals there were today, and so does what a
client missed.

A row comparison beside `xid >=` made Postgres walk the whole index of the day for every read.
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_relay"
down_revision = "2026_11_23_realtime"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    script = (SQL / "2026_11_23_relay.sql").read_text()
    # As it stands: no bound parameters, so colons and percent signs mean themselves.
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))

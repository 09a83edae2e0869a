"""How long the oldest writing transaction of the database has been open, seen in snapshots."""


class Oldest:
    """Every snapshot names the open transactions; each counts from when it was first named."""

    def __init__(self) -> None:
        self._seen_at: dict[str, float] = {}

    def age(self, snapshot: str, now: float) -> float:
        """Seconds; 0 without one. Right to the time between two snapshots."""
        xids = snapshot.rpartition(":")[2]
        names = xids.split(",") if xids else []
        self._seen_at = {xid: self._seen_at.get(xid, now) for xid in names}
        return now - min(self._seen_at.values(), default=now)

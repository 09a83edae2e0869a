"""What a client did not hear while it was away: all of it, or a reset, never a part of it. Pure."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from chatbot.realtime.signals import Cursor, Row, Signal, fold, signal

MISSED_MAX = 300


class Missed(msgspec.Struct, frozen=True):
    """With `reset` the client must refetch all it shows, and `signals` is empty."""

    signals: list[Signal]
    reset: bool


NOTHING = Missed([], reset=False)
RESET = Missed([], reset=True)


def missed(org_id: UUID, cursor: Cursor, rows: Sequence[Any]) -> Missed:
    """What the rows of `realtime.missed` say to somebody who heard all up to `cursor`.

    It is a reset after more than MISSED_MAX signals, and for a cursor of another epoch, from the
    future, or older than what is kept. Rows without an id are not of `realtime.missed`.
    """
    if any(row.reset for row in rows):
        return RESET
    found = (row for row in rows if row.id is not None)
    signals = (
        signal(Row(row.id, org_id, row.topic, row.event, row.payload, row.inserted_at), cursor)
        for row in found
    )
    return Missed(fold(signals), reset=False)

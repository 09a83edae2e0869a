"""What travels when something changed: its name, the ids to refetch, a version. Never the thing
itself. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

WIRE_BYTES_MAX = 640
IDS_MAX = 3
STARTS_MAX = 50  # of the database, without a moment to read what was said before
REWIND_XIDS = 10_000  # more than a server gives out in the 0.6 s that its WAL may wait for the disk
CURSOR_CHARS_MAX = 96  # a snapshot with more open transactions is sent in its short form

_ID = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_KEY = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SNAPSHOT = re.compile(r"(\d{1,20}):(\d{1,20}):(\d{1,20}(,\d{1,20})*)?")


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place in the stream: the life of the database and a snapshot (`xmin:xmax:open`)."""

    epoch: str
    cur: str


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most WIRE_BYTES_MAX as JSON. `epoch` and `cur` are where to ask from when this is the last
    one heard.
    """

    id: str
    topic: str
    event: str
    ids: dict[str, str]
    version: int | None = None
    at: datetime
    epoch: str
    cur: str


class Part(msgspec.Struct, frozen=True):
    """What was told of a read that was cut short: of the rows that its snapshot `upto` shows, those
    up to (xid, id).
    """

    upto: str
    xid: int
    id: int

    def covers(self, xid: int, number: int) -> bool:
        """Whether the row is among them, if the read began before it."""
        return (xid, number) <= (self.xid, self.id) and visible(xid, self.upto)


class Restart(msgspec.Struct, frozen=True):
    """The database was started anew at `at`, in the middle of a stream of which `seen` was heard.

    A crash lets the last transaction ids be given out again (those whose WAL had not reached the
    disk): `place` lies REWIND_XIDS earlier, and of what is read from there `is_news` keeps what was
    written since the start or had not been heard before it. `part` was heard beyond `seen`;
    `before` is the start before this one, when the database was gone again before all was read.
    """

    seen: str
    at: datetime
    place: str
    part: Part | None = None
    before: "Restart | None" = None
    starts: int = 1

    def is_news(self, xid: int, number: int, inserted_at: datetime) -> bool:
        return inserted_at >= self.at or not self._was_heard(xid, number, inserted_at)

    def _was_heard(self, xid: int, number: int, inserted_at: datetime) -> bool:
        if self.part is not None and self.part.covers(xid, number):
            return True
        if self.before is not None:
            return not self.before.is_news(xid, number, inserted_at)
        return visible(xid, self.seen)


class Row(msgspec.Struct, frozen=True):
    """A row of `realtime.messages` as the relay and catch-up read it."""

    id: int
    org_id: UUID
    topic: str
    event: str
    payload: Mapping[str, Any]
    inserted_at: datetime


def signal(row: Row, cursor: Cursor) -> Signal:
    """The wire form of a row.

    Of the payload only `version` and the first IDS_MAX members that look like ids leave the house:
    a program that signals more than it should cannot reach a browser with it.
    """
    version = row.payload.get("version")
    return Signal(
        id=str(row.id),
        topic=row.topic,
        event=row.event,
        ids=_ids(row.payload),
        version=version if isinstance(version, int) and not isinstance(version, bool) else None,
        at=row.inserted_at,
        epoch=cursor.epoch,
        cur=short(cursor.cur),
    )


def fold(signals: Iterable[Signal]) -> list[Signal]:
    """One signal for each (topic, event, ids): the last one, with the highest version of them all,
    or none when one of them has none, which is fetched whatever is shown.

    The last id stands for the others. Rows come in the order of transaction ids, which is not the
    order of commits, so the last row need not be the newest version.
    """
    last: dict[tuple[str, str, tuple[tuple[str, str], ...]], Signal] = {}
    for each in signals:
        key = (each.topic, each.event, tuple(sorted(each.ids.items())))
        earlier = last.pop(key, None)
        last[key] = _with_version_of(each, earlier) if earlier else each
    return list(last.values())


def bounds(snapshot: str) -> tuple[int, int] | None:
    """(xmin, xmax) of a snapshot's text, None when it is none."""
    match = _SNAPSHOT.fullmatch(snapshot)
    return (int(match[1]), int(match[2])) if match else None


def short(snapshot: str) -> str:
    """The same place, or with many open transactions an earlier one: it repeats some, and misses
    none.
    """
    if len(snapshot) <= CURSOR_CHARS_MAX:
        return snapshot
    xmin = snapshot.partition(":")[0]
    return f"{xmin}:{xmin}:"


def restart(
    seen: str,
    at: datetime,
    now: str,
    floor: int,
    *,
    part: Part | None = None,
    before: Restart | None = None,
) -> Restart | None:
    """How to go on after a restart, when `part` was told beyond `seen`; `before` is an earlier one
    from which all was not read yet. None when signals since then are gone for good.

    They are when they are no longer kept (all up to transaction `floor` is dropped), or when `now`
    lies so far behind that this cannot be the same stream.
    """
    seen, starts = (before.seen, before.starts + 1) if before else (seen, 1)
    mine, current = bounds(seen), bounds(now)
    if starts > STARTS_MAX:
        return None
    if mine is None or current is None or mine[0] > current[0] + REWIND_XIDS or mine[0] <= floor:
        return None
    start = max(floor + 1, min(mine[0], current[0]) - REWIND_XIDS)
    return Restart(seen, at, f"{start}:{start}:", part, before, starts)


def visible(xid: int, snapshot: str) -> bool:
    """Whether a transaction was over when the snapshot was taken."""
    _, xmax, running = snapshot.split(":")
    return xid < int(xmax) and str(xid) not in running.split(",")


def _with_version_of(signal: Signal, earlier: Signal) -> Signal:
    if signal.version is None or earlier.version is None:
        return msgspec.structs.replace(signal, version=None)
    return msgspec.structs.replace(signal, version=max(signal.version, earlier.version))


def _ids(payload: Mapping[str, Any]) -> dict[str, str]:
    texts = ((key, _text(value)) for key, value in sorted(payload.items()) if key != "version")
    named = [(key, text) for key, text in texts if _KEY.fullmatch(key) and _ID.fullmatch(text)]
    return dict(named[:IDS_MAX])


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""

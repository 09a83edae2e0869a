"""The catalogue of channels in the docs says what the code and the database do, no more and no
less.
"""

import re
from collections import defaultdict
from pathlib import Path

import msgspec
from sqlalchemy import text

from chatbot.database import Database
from chatbot.realtime import frames, signals, topics
from chatbot.realtime.events import Broadcast, Presence, Typing
from chatbot.realtime.presence import ephemera, roster
from chatbot.realtime.sockets import line
from chatbot.settings import Limits

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "channels.md").read_text()
TOPIC = r"^\| `(\w+):\{id\}:(\w+)` "
CELL = r"\| ([^|]+) "
WHO = re.compile(TOPIC + CELL * 4 + r"\|$", re.MULTILINE)
ROW = re.compile(TOPIC + CELL * 3 + r"\|$", re.MULTILINE)
EVENT_ROW = re.compile(r"\| `([a-z.]+)` \| .+? \| (`.+`) \|")


def _names(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def _people(cell: str) -> set[str]:
    return set(cell.split(", ")) - {"the service", "-"}


def test_the_catalogue_says_of_every_kind_who_may_do_what() -> None:
    found = {
        (scope, feature): tuple(map(_people, cells[:3]))
        for scope, feature, *cells in WHO.findall(PAGE)
    }

    assert found == {
        (kind.scope, kind.feature): (kind.listeners, kind.present, kind.broadcasters)
        for kind in topics.KINDS
    }


async def test_the_catalogue_says_where_other_programs_may_send(database: Database) -> None:
    async with database.transaction() as db:
        statement = text("select scope, feature, open from realtime.kinds where program is null")
        rows = (await db.execute(statement)).all()

    said = {(scope, feature): last == "yes" for scope, feature, *_, last in WHO.findall(PAGE)}
    assert said == {(row.scope, row.feature): row.open for row in rows}
    sent = {row[:2] for row in ROW.findall(PAGE) if row[2].startswith("other programs")}
    assert sent == {name for name, is_open in said.items() if is_open}


def test_the_catalogue_lists_the_events_of_every_kind_and_their_ids() -> None:
    events: dict[tuple[str, str], dict[str, tuple[str, ...]]] = defaultdict(dict)
    for scope, feature, _, named, ids in ROW.findall(PAGE):
        events[scope, feature] |= dict.fromkeys(_names(named), _names(ids))

    assert events == {(kind.scope, kind.feature): kind.events for kind in topics.KINDS}


async def test_the_catalogue_names_every_table_that_signals(database: Database) -> None:
    async with database.transaction() as db:
        statement = text(
            "select distinct c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
            " join pg_proc p on p.oid = t.tgfoid where p.pronamespace = 'realtime'::regnamespace"
        )
        tables = set((await db.scalars(statement)).all())

    senders = [row[2] for row in ROW.findall(PAGE)]
    named = {name for sender in senders for name in _names(sender) if "trigger" in sender}
    assert named == tables


async def test_every_function_that_the_catalogue_speaks_of_is_there(database: Database) -> None:
    async with database.transaction() as db:
        statement = text(
            "select proname from pg_proc where pronamespace = 'realtime'::regnamespace"
            " union select relname from pg_class where relnamespace = 'realtime'::regnamespace"
            " union values ('quiet')"
        )
        there = set((await db.scalars(statement)).all())

    assert set(re.findall(r"\brealtime\.([a-z]\w+)", PAGE)) - {"md"} <= there


def test_the_catalogue_states_the_bounds_of_a_signal() -> None:
    assert f"`_ . -`: {signals.WIRE_BYTES_MAX} bytes" in PAGE
    assert f"| payload of a broadcast | {ephemera.PAYLOAD_BYTES_MAX:,} bytes |" in PAGE
    assert f"| people in a presence list | {roster.MEMBERS_MAX};" in PAGE
    assert "three ids" in PAGE
    assert signals.IDS_MAX == 3


def test_the_catalogue_lists_the_fields_of_everything_that_is_never_stored() -> None:
    found = dict(EVENT_ROW.findall(PAGE))

    sent = {event: struct for struct, event in frames.EVENTS.items()}
    sent |= {"typing": Typing, "presence": Presence, "broadcast": Broadcast}
    assert {name: _names(cell) for name, cell in found.items()} == {
        event: tuple(each.encode_name for each in msgspec.structs.fields(struct))
        for event, struct in sent.items()
    }


def test_the_page_on_real_time_states_the_bounds_of_the_code() -> None:
    page, limits = (DOCS / "realtime.md").read_text(), Limits()

    assert f"| topics of a socket | {limits.topics_per_socket} |" in page
    for row in (
        f"second (twice that at once) | {limits.joins_per_second} | `too_many_joins`",
        f"all sockets of a process | {limits.joins_per_second_process:,} | `too_many_joins`",
        f"events a second (twice that at once) | {limits.events_per_second} |",
        f"presence calls in 30 s | {limits.presence_per_half_minute} | `too_many_presence`",
        f"one event | {limits.socket_event_bytes_max // 1024} KiB of text | `payload_too_large`",
        f"waiting for one socket | {limits.socket_queue_frames} frames or 1 MB | `slow_consumer`",
        f"proving who you are | {limits.socket_prove_seconds} s |",
        f"per second (twice that at once) | {limits.connects_per_second_process} |",
        f"sockets of one person | {limits.sockets_per_person} | `too_many_connections`",
        f"address block (/32, /64) | {limits.sockets_per_block:,} | `too_many_connections`",
        f"not proven yet | {limits.sockets_unproven_per_block} |",
        f"sockets of a process | {limits.sockets_per_process:,} | `too_many_connections`",
        f"every {limits.socket_ping_seconds} s, answer within {limits.socket_pong_seconds} s |",
        f"a loop that is busy | {line.PATIENCE_S:.0f} s |",
    ):
        assert row in page
    assert limits.socket_queue_bytes == 1_000_000
    assert f"every {frames.FLUSH_EVERY_S * 1000:.0f} ms or {frames.FLUSH_CHARS} char" in page

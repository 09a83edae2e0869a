"""The catalogue of channels in the docs says what the code does, no more and no less."""

import re
from collections import defaultdict
from pathlib import Path

from sqlalchemy import text

from chatbot.database import Database
from chatbot.realtime import frames, topics
from chatbot.realtime.events import Typing
from chatbot.settings import Limits

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"\| `(\w+):\{id\}:(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|")
EVENT_ROW = re.compile(r"\| `([a-z.]+)` \| .+? \| (`.+`) \|")


def _names(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def test_the_catalogue_lists_every_kind_with_its_listeners_and_events() -> None:
    listeners: dict[tuple[str, str], set[str]] = defaultdict(set)
    events: dict[tuple[str, str], dict[str, tuple[str, ...]]] = defaultdict(dict)
    for scope, feature, _, heard_by, named, ids in ROW.findall((DOCS / "channels.md").read_text()):
        listeners[scope, feature] |= set(heard_by.split(", ")) - {"the service"}
        events[scope, feature] |= dict.fromkeys(_names(named), _names(ids))

    assert dict(listeners) == {
        (kind.scope, kind.feature): set(kind.listeners) for kind in topics.KINDS
    }
    assert dict(events) == {(kind.scope, kind.feature): kind.events for kind in topics.KINDS}


async def test_the_catalogue_names_every_table_that_signals(database: Database) -> None:
    async with database.transaction() as db:
        statement = text(
            "select distinct c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
            " join pg_proc p on p.oid = t.tgfoid where p.pronamespace = 'realtime'::regnamespace"
        )
        tables = set((await db.scalars(statement)).all())

    senders = [row[2] for row in ROW.findall((DOCS / "channels.md").read_text())]
    named = {name for sender in senders for name in _names(sender) if "trigger" in sender}
    assert named == tables


def test_the_catalogue_lists_the_fields_of_every_frame() -> None:
    found = dict(EVENT_ROW.findall((DOCS / "channels.md").read_text()))

    sent = {event: struct for struct, event in frames.EVENTS.items()} | {"typing": Typing}
    assert {name: _names(cell) for name, cell in found.items()} == {
        event: struct.__struct_fields__ for event, struct in sent.items()
    }


def test_the_page_on_real_time_states_the_bounds_of_the_code() -> None:
    page, limits = (DOCS / "realtime.md").read_text(), Limits()

    assert f"| topics of a socket | {limits.topics_per_socket} |" in page
    assert f"two seconds' worth) | {limits.events_per_second} |" in page
    assert f"| waiting for one socket | {limits.socket_queue_frames} frames or 1 MB |" in page
    assert f"every {frames.FLUSH_EVERY_S * 1000:.0f} ms or {frames.FLUSH_CHARS} char" in page

"""The wire form of a signal: small, without anything but ids, folded when equal."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.realtime.signals import (
    CURSOR_CHARS_MAX,
    IDS_MAX,
    STARTS_MAX,
    WIRE_BYTES_MAX,
    Cursor,
    Part,
    Row,
    Signal,
    bounds,
    fold,
    restart,
    short,
    signal,
)

HERE = Cursor("0123456789ab", "100:105:101,103")
TOPIC = f"conversation:{UUID(int=1)}:messages"


def row(number: int = 1, payload: Mapping[str, Any] | None = None, topic: str = TOPIC) -> Row:
    at = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)
    return Row(number, uuid4(), topic, "message.changed", payload or {}, at)


def test_the_largest_signal_fits_the_wire() -> None:
    names = [f"{letter * 31}s" for letter in "abcdef"]
    biggest = Row(
        id=2**63 - 1,
        org_id=uuid4(),
        topic=f"{'s' * 20}:{uuid4()}:{'f' * 20}",
        event="e" * 60,
        payload=dict.fromkeys(names, "x" * 40) | {"version": 2**53},
        inserted_at=datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC),
    )

    sent = signal(biggest, Cursor("0123456789ab", "9" * 19 + ":" + ",".join(["9" * 19] * 99)))

    assert len(msgspec.json.encode(sent)) <= WIRE_BYTES_MAX
    assert len(sent.ids) == IDS_MAX
    assert len(sent.cur) <= CURSOR_CHARS_MAX


def test_only_ids_and_the_version_leave_the_house() -> None:
    payload = {
        "message_id": str(UUID(int=7)),
        "version": 12,
        "text": "Dr. Smith called about the results",
        "row": {"name": "Smith"},
        "list": [1],
        "flag": True,
        "none": None,
        "number": 4,
    }

    sent = signal(row(payload=payload), HERE)

    assert sent.ids == {"message_id": str(UUID(int=7)), "number": "4"}
    assert sent.version == 12


@given(st.dictionaries(st.text(), st.recursive(st.text() | st.integers(), st.lists), max_size=8))
def test_no_payload_can_break_or_bloat_a_signal(payload: dict[str, Any]) -> None:
    sent = signal(row(payload=payload), HERE)

    assert len(msgspec.json.encode(sent)) <= WIRE_BYTES_MAX
    assert msgspec.json.decode(msgspec.json.encode(sent), type=Signal) == sent


def test_equal_signals_of_one_read_become_the_last_of_them() -> None:
    other = f"conversation:{UUID(int=2)}:messages"
    rows = [row(1), row(2, topic=other), row(3), row(4, {"message_id": "m"}), row(5)]

    folded = fold(signal(each, HERE) for each in rows)

    assert [(each.id, each.topic) for each in folded] == [
        ("2", other),
        ("4", TOPIC),
        ("5", TOPIC),
    ]


def test_folding_keeps_the_highest_version_whatever_the_order() -> None:
    rows = [row(1, {"version": 6}), row(2, {"version": 5})]

    [folded] = fold(signal(each, HERE) for each in rows)

    assert (folded.id, folded.version) == ("2", 6)


def test_folding_with_one_that_has_no_version_leaves_none() -> None:
    for versions in ([{"version": 6}, {}, {"version": 7}], [{}, {"version": 6}]):
        rows = [row(number, payload) for number, payload in enumerate(versions)]

        [folded] = fold(signal(each, HERE) for each in rows)

        assert folded.version is None


def test_a_long_cursor_is_sent_in_a_form_that_repeats_but_misses_nothing() -> None:
    long = "100:900:" + ",".join(str(each) for each in range(100, 300))

    assert short("100:105:101,103") == "100:105:101,103"
    assert short(long) == "100:100:"


def test_after_a_restart_nothing_is_told_twice_and_nothing_is_missed() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    earlier, later = at - timedelta(minutes=1), at + timedelta(seconds=1)

    again = restart("50010:50020:50012", at, "50015:50018:", 0)

    assert again is not None
    assert again.place == "40010:40010:"
    assert not again.is_news(50011, 1, earlier)  # heard before
    assert again.is_news(50012, 1, earlier)  # was open then, and committed before the crash
    assert again.is_news(50020, 1, earlier)  # began after the last read, committed before the crash
    assert again.is_news(50016, 1, later)  # an id that is given out a second time


def test_a_restart_in_the_middle_of_a_read_tells_no_part_of_it_twice() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    earlier, later = at - timedelta(minutes=1), at + timedelta(seconds=1)
    part = Part("50030:50030:", 50024, 7)

    again = restart("50010:50020:50012", at, "50040:50040:", 0, part=part)

    assert again is not None
    assert not again.is_news(50011, 1, earlier)  # heard before that read
    assert not again.is_news(50023, 9, earlier)  # told by it
    assert not again.is_news(50024, 7, earlier)  # the last one that it told
    assert again.is_news(50024, 8, earlier)
    assert again.is_news(50031, 1, earlier)
    assert again.is_news(50011, 1, later)


def test_a_second_restart_before_all_was_read_still_knows_what_was_heard_before_the_first() -> None:
    first = datetime(2026, 11, 21, tzinfo=UTC)
    second = first + timedelta(seconds=30)
    early, between, late = (
        first - timedelta(seconds=9),
        first + timedelta(seconds=9),
        second + timedelta(seconds=9),
    )
    once = restart("50010:50020:50012", first, "50015:50018:", 0)
    assert once is not None
    part = Part("50600:50600:", 50024, 7)

    again = restart(once.place, second, "50700:50700:", 0, part=part, before=once)

    assert again is not None
    assert again.place == "40010:40010:"
    assert not again.is_news(45000, 1, early)  # heard long before the first
    assert again.is_news(50012, 1, early) is False  # told by the read that the second cut short
    assert again.is_news(50024, 8, early)  # not reached by it
    assert again.is_news(50500, 1, between)  # written between the two, and not reached
    assert not again.is_news(50016, 1, between)  # written between the two, and told
    assert again.is_news(50016, 1, late)  # an id that is given out once more


def test_a_database_that_starts_again_and_again_is_no_stream() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    again = None
    for _ in range(STARTS_MAX):
        again = restart("50010:50020:", at, "50015:50018:", 0, before=again)
        assert again is not None

    assert restart("50010:50020:", at, "50015:50018:", 0, before=again) is None


def test_a_restart_that_cannot_be_bridged_is_said() -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    seen = "50010:50020:50012"

    assert restart(seen, at, "50015:50018:", 50010) is None  # dropped meanwhile
    assert restart(seen, at, "800:800:", 0) is None  # another stream
    assert restart(seen, at, "50015:50018:", 45000).place == "45001:45001:"  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["", "1", "1:2", "a:b:", "1:2:3,", "1:2:-3", "1:2:3 ", "1" * 30])
def test_what_is_no_snapshot_has_no_bounds(text: str) -> None:
    assert bounds(text) is None


def test_a_snapshot_has_bounds() -> None:
    assert bounds("100:105:") == (100, 105)
    assert bounds("100:105:101,103") == (100, 105)

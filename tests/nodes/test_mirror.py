"""Answers of other nodes, frame by frame: whatever the bus loses, doubles or brings late."""

from random import Random
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.realtime.frames import RING_FRAMES, Delta, End, Frame, Snap, Start
from chatbot.realtime.nodes import mirror
from chatbot.realtime.nodes.mirror import Mirror, Mirrors

TALK, MID = uuid4(), uuid4()
START = Start(TALK, MID, 1)


def delta(seq: int, text: str = "x", attempt: int = 1) -> Delta:
    return Delta(MID, attempt, seq, text)


def take(mirrors: Mirrors, *frames: Frame) -> list[bool]:
    return [mirrors.take(TALK, each, 0.0) for each in frames]


def known(mirrors: Mirrors) -> Mirror:
    found = mirrors.find(MID)
    assert found is not None
    return found


def test_frames_in_order_are_news_and_repeats_are_not() -> None:
    mirrors = Mirrors()

    assert take(mirrors, START, delta(1, "a"), delta(2, "b")) == [True, True, True]
    assert take(mirrors, START, delta(2, "b"), delta(1, "a")) == [False, False, False]

    assert (known(mirrors).seq, known(mirrors).text) == (2, "ab")


def test_after_a_gap_nothing_is_passed_on_until_a_snap_closes_it() -> None:
    mirrors = Mirrors()
    take(mirrors, START, delta(1, "a"))

    assert take(mirrors, delta(3, "c"), delta(4, "d")) == [False, False]
    assert known(mirrors).is_behind
    assert known(mirrors).resume(1, 1) is None
    assert take(mirrors, Snap(MID, 1, 4, "abcd"), delta(5, "e")) == [True, True]

    assert not known(mirrors).is_behind
    assert known(mirrors).text == "abcde"
    assert known(mirrors).resume(1, 4) == [delta(5, "e")]
    assert known(mirrors).resume(1, 2) == [Snap(MID, 1, 5, "abcde")]


def test_a_later_attempt_replaces_an_earlier_one_and_never_the_other_way() -> None:
    mirrors = Mirrors()
    take(mirrors, START, delta(1, "first"))

    assert take(mirrors, delta(1, "second", attempt=2)) == [True]
    assert take(mirrors, START, delta(2, "late"), End(MID, 1, 3, "failed", None)) == [False] * 3

    assert known(mirrors).text == "second"
    assert known(mirrors).resume(1, 1) == [Start(TALK, MID, 2), Snap(MID, 2, 1, "second")]
    assert known(mirrors).resume(3, 0) is None


def test_the_end_is_told_once_and_nothing_follows_it() -> None:
    mirrors = Mirrors()
    end = End(MID, 1, 2, "complete", 7)
    take(mirrors, START, delta(1, "a"))

    assert take(mirrors, end, end, delta(2, "b"), Snap(MID, 1, 9, "z")) == [True] + [False] * 3

    assert known(mirrors).resume(1, 0) == [delta(1, "a"), end]
    assert known(mirrors).resume(1, 2) == []


def test_an_answer_stays_in_its_conversation() -> None:
    mirrors = Mirrors()
    take(mirrors, START, delta(1, "secret"))

    assert not mirrors.take(uuid4(), Snap(MID, 1, 5, "forged"), 0.0)
    assert not mirrors.take(uuid4(), Start(uuid4(), MID, 2), 0.0)

    assert known(mirrors).text == "secret"


def test_who_is_ahead_of_this_node_is_not_sent_back() -> None:
    mirrors = Mirrors()
    take(mirrors, START, delta(1))

    assert known(mirrors).resume(1, 5) is None


def test_a_room_that_nobody_hears_is_forgotten() -> None:
    mirrors = Mirrors()
    take(mirrors, START, delta(1))

    mirrors.drop(uuid4())
    assert mirrors.of(TALK) == [known(mirrors)]
    mirrors.drop(TALK)

    assert mirrors.find(MID) is None
    assert mirrors.of(TALK) == []


@pytest.mark.parametrize(("name", "most"), [("MIRRORS_MAX", 3), ("CHARS_MAX", 300)])
def test_memory_is_bounded_and_the_latest_stays(
    name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, name, most)
    mirrors = Mirrors()
    mids = [uuid4() for _ in range(10)]

    for mid in mids:
        mirrors.take(TALK, Start(TALK, mid, 1), 0.0)
        mirrors.take(TALK, Delta(mid, 1, 1, "x" * 100), 0.0)

    assert [mid for mid in mids if mirrors.find(mid)] == mids[-3:]
    assert len(mirrors.of(TALK)) == 3


def test_a_long_answer_keeps_its_last_frames_and_a_snap_for_the_rest() -> None:
    mirrors = Mirrors()
    take(mirrors, START, *(delta(seq) for seq in range(1, RING_FRAMES + 11)))

    assert known(mirrors).resume(1, 3) == [Snap(MID, 1, RING_FRAMES + 10, known(mirrors).text)]
    assert known(mirrors).resume(1, 10) == [delta(seq) for seq in range(11, RING_FRAMES + 11)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_whatever_is_lost_what_was_passed_on_is_a_beginning_of_the_text(
    seed: int, length: int
) -> None:
    random = Random(seed)
    words = [f"w{n} " for n in range(length)]
    mirrors, shown, seq = Mirrors(), "", 0
    said: list[Frame] = [START]
    for n, word in enumerate(words, 1):
        said.append(delta(n, word))
        if random.random() < 0.2:
            said.append(Snap(MID, 1, n, "".join(words[:n])))
    said.append(Snap(MID, 1, length, "".join(words)))
    arriving = [each for each in said[:-1] if random.random() > 0.3] + said[-1:]

    for frame in arriving:
        if not mirrors.take(TALK, frame, 0.0):
            continue
        match frame:
            case Delta():
                assert frame.seq == seq + 1
                shown, seq = shown + frame.text, frame.seq
            case Snap():
                shown, seq = frame.text, frame.seq
            case _:
                pass
        assert "".join(words).startswith(shown)

    assert shown == "".join(words)
    assert msgspec.json.encode(known(mirrors).resume(1, -1))

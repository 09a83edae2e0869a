"""Answer frames under a clock that stands still until told."""

# pyright: reportPrivateUsage=false

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from chatbot.realtime import frames, topics
from chatbot.realtime.frames import FLUSH_CHARS, FLUSH_EVERY_S, KEEP_S, RING_FRAMES, AnswerFrames

ORG, TALK, MID = uuid4(), uuid4(), uuid4()


class Call:
    def __init__(self, at: float, run: Callable[[], object]) -> None:
        self.at, self.run, self.cancelled = at, run, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Time as in an event loop, moved by hand."""

    def __init__(self) -> None:
        self._now = 0.0
        self._calls: list[Call] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Call:
        call = Call(self._now + delay, callback)
        self._calls.append(call)
        return call

    def pass_(self, seconds: float) -> None:
        self._now += seconds
        due = [each for each in self._calls if each.at <= self._now + 1e-9]
        self._calls = [each for each in self._calls if each not in due]
        for each in due:
            if not each.cancelled:
                each.run()


class Room:
    """Remembers what was delivered."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, frame: frames.Frame, room: str) -> None:
        assert room == topics.messages(TALK)
        self.sent.append((event, msgspec.to_builtins(frame)))

    def texts(self) -> list[object]:
        return [frame["text"] for event, frame in self.sent if event == "answer.delta"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def answers(clock: Clock, room: Room) -> AnswerFrames:
    return AnswerFrames(room, clock=clock)


def begin(answers: AnswerFrames, *, attempt: int = 1, mid: UUID = MID) -> frames.Stream:
    return answers.open(org_id=ORG, conversation_id=TALK, mid=mid, attempt=attempt)


def after(answers: AnswerFrames, seq: int, *, attempt: int = 1) -> list[tuple[str, Any]]:
    found = answers.resume(conversation_id=TALK, mid=MID, attempt=attempt, after=seq)
    assert found is not None
    return [(event, msgspec.to_builtins(frame)) for event, frame in found]


def test_the_first_words_leave_at_once_and_the_rest_together(
    answers: AnswerFrames, clock: Clock, room: Room
) -> None:
    stream = begin(answers)

    for word in ("The ", "answer ", "is ", "yes."):
        stream.write(word)

    assert room.texts() == ["The "]
    clock.pass_(FLUSH_EVERY_S)
    assert room.texts() == ["The ", "answer is yes."]
    assert stream.seq == 2
    assert stream.text == "The answer is yes."


def test_a_long_piece_does_not_wait_for_the_clock(answers: AnswerFrames, room: Room) -> None:
    stream = begin(answers)
    stream.write("a")

    stream.write("b" * (FLUSH_CHARS - 1))
    assert room.texts() == ["a"]
    stream.write("c")

    assert room.texts() == ["a", "b" * (FLUSH_CHARS - 1) + "c"]


async def test_frames_are_numbered_from_one_and_the_end_is_the_last(
    answers: AnswerFrames, clock: Clock, room: Room
) -> None:
    stream = begin(answers)
    stream.write("a")
    stream.write("b")

    await stream.end("complete", 7)
    await stream.end("failed", None)
    stream.write("too late")
    clock.pass_(1)

    assert [(event, frame.get("seq")) for event, frame in room.sent] == [
        ("answer.start", None),
        ("answer.delta", 1),
        ("answer.delta", 2),
        ("answer.end", 3),
    ]
    assert room.sent[-1][1]["status"] == "complete"
    assert room.sent[-1][1]["version"] == 7


async def test_who_comes_back_gets_exactly_what_is_missing(
    answers: AnswerFrames, clock: Clock
) -> None:
    stream = begin(answers)
    for word in ("one ", "two ", "three "):
        stream.write(word)
        clock.pass_(FLUSH_EVERY_S)

    assert [frame["seq"] for _, frame in after(answers, 1)] == [2, 3]
    assert after(answers, 3) == []
    await stream.end("complete", 1)
    assert [event for event, _ in after(answers, 2)] == ["answer.delta", "answer.end"]
    assert after(answers, 4) == []


async def test_wherever_a_client_left_it_ends_with_the_same_text(
    answers: AnswerFrames, clock: Clock, room: Room
) -> None:
    stream = begin(answers)
    for number in range(RING_FRAMES + 50):
        stream.write(f"word{number} " * (number % 7))
        clock.pass_(FLUSH_EVERY_S)
    await stream.end("complete", 1)

    for left_at in (0, 1, 49, 50, 51, 500, stream.seq - 1):
        shown = "".join(str(text) for text in room.texts()[:left_at])
        for event, frame in after(answers, left_at):
            match event:
                case "answer.delta":
                    shown += frame["text"]
                case "answer.snap":
                    shown = frame["text"]
                case _:
                    assert frame["seq"] == stream.seq
        assert shown == stream.text


def test_a_gap_that_the_ring_no_longer_covers_is_filled_by_one_snap(
    answers: AnswerFrames, clock: Clock
) -> None:
    stream = begin(answers)
    for _ in range(RING_FRAMES + 10):
        stream.write("x")
        clock.pass_(FLUSH_EVERY_S)

    assert [event for event, _ in after(answers, 3)] == ["answer.snap"]
    assert [event for event, _ in after(answers, -1)] == ["answer.snap"]
    assert [event for event, _ in after(answers, 10**9)] == ["answer.snap"]


def test_a_new_attempt_is_told_from_its_start(answers: AnswerFrames) -> None:
    begin(answers).write("first try")
    begin(answers, attempt=2).write("second")

    found = after(answers, 1, attempt=1)

    assert [event for event, _ in found] == ["answer.start", "answer.snap"]
    assert found[1][1]["text"] == "second"
    assert answers.resume(conversation_id=TALK, mid=MID, attempt=3, after=0) is None


def test_another_conversation_never_gets_these_frames(answers: AnswerFrames) -> None:
    begin(answers).write("secret")

    assert answers.resume(conversation_id=uuid4(), mid=MID, attempt=1, after=0) is None
    assert answers.resume(conversation_id=TALK, mid=uuid4(), attempt=1, after=0) is None


async def test_ended_answers_are_kept_ten_minutes(answers: AnswerFrames, clock: Clock) -> None:
    await begin(answers).end("complete", 1)
    clock.pass_(KEEP_S - 1)
    begin(answers, mid=uuid4())
    assert answers.conversation_of(MID) == TALK

    clock.pass_(2)
    begin(answers, mid=uuid4())

    assert answers.conversation_of(MID) is None


async def test_memory_is_bounded_but_a_running_answer_is_never_dropped(
    answers: AnswerFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "ANSWERS_KEPT_MAX", 3)
    running = begin(answers)
    ended = [uuid4() for _ in range(5)]
    for mid in ended:
        await begin(answers, mid=mid).end("complete", 1)

    kept = [mid for mid in ended if answers.conversation_of(mid) is not None]

    assert answers.conversation_of(running.start.mid) == TALK
    assert kept == ended[-2:]


async def test_memory_is_bounded_in_characters_too(
    answers: AnswerFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "CHARS_KEPT_MAX", 25)
    ended = [uuid4() for _ in range(5)]
    for mid in ended:
        stream = begin(answers, mid=mid)
        stream.write("ten chars.")
        await stream.end("complete", 1)

    begin(answers, mid=uuid4())

    assert [mid for mid in ended if answers.conversation_of(mid) is not None] == ended[-2:]


async def test_what_a_new_attempt_replaced_counts_no_more(answers: AnswerFrames) -> None:
    for attempt in range(1, 4):
        stream = answers.open(org_id=uuid4(), conversation_id=TALK, mid=MID, attempt=attempt)
        stream.write("some words")
        await stream.end("failed", None)
    running = answers.open(org_id=uuid4(), conversation_id=TALK, mid=MID, attempt=4)

    answers.open(org_id=uuid4(), conversation_id=TALK, mid=uuid4(), attempt=1)

    assert answers.conversation_of(running.start.mid) == TALK
    assert (len(answers._ended), answers._ended_chars) == (0, 0)

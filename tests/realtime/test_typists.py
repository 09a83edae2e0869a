"""Who types, and for how long it is believed: by a clock of the test."""

from uuid import UUID

from chatbot.realtime.events import Typing
from chatbot.realtime.presence.typists import LASTS_S, REPEAT_S, Typists
from tests.realtime.clock import Clock

TALK, OTHER = UUID(int=1), UUID(int=2)
ANA = "staff:ana"


def typing(on: bool, talk: UUID = TALK) -> Typing:
    return Typing(talk, "staff", "Ana", on)


def test_the_first_key_is_told_at_once_and_the_next_ones_every_two_seconds() -> None:
    clock = Clock()
    typists = Typists(clock)

    told: list[float] = []
    for tenth in range(50):
        clock.now = 1_000.0 + tenth / 10
        if typists.start(ANA, typing(True), "s"):
            told.append(clock.now)

    assert told == [1_000.0, 1_000.0 + REPEAT_S, 1_000.0 + 2 * REPEAT_S]


def test_what_is_not_repeated_is_forgotten_after_five_seconds_and_the_others_are_told() -> None:
    clock = Clock()
    typists = Typists(clock)
    typists.start(ANA, typing(True), "s")
    clock.now += 1
    typists.start(ANA, typing(True), "s")
    due = typists.due()

    clock.now += LASTS_S - 0.1
    early = typists.expire()
    clock.now += 0.2
    late = typists.expire()

    assert due == 1_001.0 + LASTS_S
    assert (early, late) == ([], [(ANA, typing(False))])
    assert (len(typists), typists.due(), typists.typing_in(TALK)) == (0, None, False)


def test_the_earliest_is_forgotten_first_whoever_began_first() -> None:
    clock = Clock()
    typists = Typists(clock)
    typists.start(ANA, typing(True), "a")
    clock.now += 1
    typists.start("staff:ben", typing(True), "b")
    clock.now += 1
    typists.start(ANA, typing(True), "a")

    assert typists.due() == 1_001.0 + LASTS_S
    clock.now = 1_001.0 + LASTS_S
    assert [key for key, _ in typists.expire()] == ["staff:ben"]


def test_to_stop_in_one_of_two_windows_tells_nobody() -> None:
    typists = Typists(Clock())
    typists.start(ANA, typing(True), "one")
    typists.start(ANA, typing(True), "two")

    assert typists.stop(TALK, ANA, "one") is None
    assert typists.typing_in(TALK)
    assert typists.stop(TALK, ANA, "two") == typing(False)
    assert typists.stop(TALK, ANA, "two") is None


def test_to_send_ends_it_in_all_windows() -> None:
    typists = Typists(Clock())
    typists.start(ANA, typing(True), "one")
    typists.start(ANA, typing(True), "two")

    assert typists.stop(TALK, ANA) == typing(False)
    assert typists.leave("one", TALK) is None


def test_a_socket_that_leaves_one_conversation_goes_on_in_the_other() -> None:
    typists = Typists(Clock())
    typists.start(ANA, typing(True), "s")
    typists.start(ANA, typing(True, OTHER), "s")

    assert typists.leave("s", TALK) == typing(False)
    assert typists.typing_in(OTHER)
    assert typists.leave("s", OTHER) == typing(False, OTHER)


def test_to_begin_again_after_the_end_is_told_at_once() -> None:
    typists = Typists(Clock())
    typists.start(ANA, typing(True), "s")
    typists.stop(TALK, ANA, "s")

    assert typists.start(ANA, typing(True), "s")

"""The checker finds what is wrong: in histories written by hand, and in the real layer with a fault
planted in it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from chatbot import embedded
from chatbot.realtime import layer
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.signals import Signal
from tests.conftest import copy_of
from tests.realtime.conftest import until
from tests.realtime.torture.checker import Applied, History, Read, Sent, Truth, Write, faults
from tests.realtime.torture.client import Client
from tests.realtime.torture.run import Stage, connected, judge, settle, staged

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
TOPIC = "conversation:1:messages"
TRUTH = Truth(
    kept=[Write("a", TOPIC, "m1", 1), Write("b", TOPIC, "m1", 2)],
    sent=[Sent("a", TOPIC, 10, EARLY), Sent("b", TOPIC, 12, LATE)],
    final={TOPIC: {"m1": (2, "b")}},
)


def right() -> History:
    """A client that read `a` when it joined, and was then told of `b`."""
    return History(
        "client",
        frozenset({TOPIC}),
        told=[(TOPIC, "b")],
        acted=["b"],
        applied=[Applied("m1", 1, "a"), Applied("m1", 2, "b")],
        reads=[Read("11:11:", EARLY)],
        final={TOPIC: {"m1": (2, "b")}},
    )


def kinds(history: History) -> set[str]:
    return {fault.kind for fault in faults(TRUTH, [history])}


def test_a_client_that_did_all_right_has_no_fault() -> None:
    assert kinds(right()) == set()


def test_what_was_told_again_and_dropped_is_no_fault() -> None:
    history = right()
    history.told *= 3

    assert kinds(history) == set()


def test_a_signal_that_was_neither_told_nor_read_later_is_lost() -> None:
    history = right()
    history.told = []

    assert kinds(history) == {"lost"}


@pytest.mark.parametrize(
    ("snapshot", "at", "found"),
    [
        ("13:13:", LATE, set[str]()),
        ("12:13:12", LATE, {"lost"}),  # its transaction was still open
        ("13:13:", EARLY, {"lost"}),  # an id given out again after a crash
    ],
)
def test_reading_everything_makes_good_what_was_committed_by_then(
    snapshot: str, at: datetime, found: set[str]
) -> None:
    history = right()
    history.told = []
    history.reads.append(Read(snapshot, at))

    assert kinds(history) == found


def test_a_signal_of_a_write_that_was_taken_back_is_a_phantom() -> None:
    history = right()
    history.told.append((TOPIC, "taken back"))

    assert kinds(history) == {"phantom"}


def test_a_signal_on_a_topic_of_somebody_else_is_a_phantom() -> None:
    history = right()
    history.told.append(("conversation:2:messages", "b"))

    assert kinds(history) == {"phantom"}


def test_showing_what_nobody_wrote_is_a_phantom_and_a_wrong_state() -> None:
    history = right()
    history.applied.append(Applied("m1", 3, "c"))
    history.final = {TOPIC: {"m1": (3, "c")}}

    assert kinds(history) == {"phantom", "wrong_state"}


def test_acting_on_a_signal_again_is_applying_twice() -> None:
    history = right()
    history.acted.append("b")

    assert kinds(history) == {"applied_twice"}


def test_going_back_to_an_older_version_is_applying_twice() -> None:
    history = right()
    history.applied.append(Applied("m1", 1, "a"))

    assert kinds(history) == {"applied_twice"}


def test_showing_less_than_the_database_holds_is_a_wrong_state() -> None:
    history = right()
    history.final = {}

    assert kinds(history) == {"wrong_state"}


# ── The same with the layer, and one thing wrong in it ────────────────────────────────────────────


class AfterTheLastId(Relay):
    """The naive relay: nothing whose number is not above the last one."""

    def listen(self, callback: Callable[[Any, Signal], None], wants: Any = None) -> None:
        last = 0

        def pass_on(org_id: Any, signal: Signal) -> None:
            nonlocal last
            if int(signal.id) > last:
                last = int(signal.id)
                callback(org_id, signal)

        super().listen(pass_on, wants)


@pytest.fixture(scope="module")
async def stage(cluster: embedded.Urls) -> AsyncIterator[Stage]:
    with copy_of(cluster) as urls:
        async with staged(urls, conversations=1) as stage:
            yield stage


async def _judged(
    stage: Stage, clients: dict[str, Client], act: Callable[[], Any], *hopeless: str
) -> dict[str, set[str]]:
    """The kinds of fault of each client after `act`. The `hopeless` will never get there."""
    stage.clients.clear()
    stage.proxy.well_behaved = False
    async with connected(stage, list(clients.values())):
        await act()
        await settle(stage, [each for name, each in clients.items() if name not in hopeless])
    _, found = await judge(stage)
    return {
        name: {fault.kind for fault in found if fault.client == client.history.name}
        for name, client in clients.items()
    }


def _client(stage: Stage, name: str, **faulty: bool) -> Client:
    """One that follows both conversations of the stage, as staff."""
    who = msgspec.structs.replace(stage.who(1), name=name, conversations=tuple(stage.conversations))
    return Client(who, lambda: stage.proxy.url, stage.own, **faulty)


async def test_a_relay_that_reads_after_the_last_id_is_caught(
    cluster: embedded.Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "Relay", AfterTheLastId)
    with copy_of(cluster) as urls:
        async with staged(urls, conversations=1) as stage:
            stage.proxy.well_behaved = True
            others = stage.writer("other")

            async def write() -> None:
                held = asyncio.create_task(stage.writer("held", held=True).hold(0.4))
                await asyncio.sleep(0.1)
                for _ in range(5):
                    await others.transact(stage.conversations[0], open_s=0)
                await held

            found = await _judged(stage, {"client": _client(stage, "client")}, write, "client")

    assert found == {"client": {"lost", "wrong_state"}}


async def test_a_client_that_ignores_a_reset_is_caught(stage: Stage) -> None:
    clients = {
        "honest": _client(stage, "honest"),
        "deaf": _client(stage, "deaf", deaf_to_resets=True),
    }
    writer = stage.writer("resets")

    async def miss_too_much() -> None:
        stage.proxy.refuses = True
        stage.proxy.cut_all()
        for _ in range(4):
            await writer.transact(stage.conversations[0], open_s=0, writes=60)
        stage.proxy.refuses = False
        await until(lambda: all(each.resets for each in clients.values()), 10.0)

    found = await _judged(stage, clients, miss_too_much, "deaf")

    assert found == {"honest": set(), "deaf": {"lost", "wrong_state"}}


async def test_a_client_that_acts_on_every_delivery_is_caught(stage: Stage) -> None:
    clients = {
        "honest": _client(stage, "honest"),
        "forgetful": _client(stage, "forgetful", forgetful=True),
    }
    writer = stage.writer("repeats")

    async def write() -> None:
        for _ in range(60):
            await writer.transact(stage.conversations[0], open_s=0, writes=1)

    found = await _judged(stage, clients, write)

    assert stage.proxy.repeated > 0
    assert found == {"honest": set(), "forgetful": {"applied_twice"}}


async def test_a_signal_that_leaves_before_its_transaction_is_caught(stage: Stage) -> None:
    writer = stage.writer("early", tells_early=True)

    async def write() -> None:
        while not stage.ledger.undone or stage.ledger.undone[-1].token[:5] != "early":
            await writer.transact(stage.conversations[0])

    found = await _judged(stage, {"client": _client(stage, "client")}, write)

    assert found == {"client": {"phantom"}}

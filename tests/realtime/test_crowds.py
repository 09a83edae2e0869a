"""What keeps one loop going when thousands come or leave at once."""

# pyright: reportPrivateUsage=false

import asyncio
import gc
import weakref
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import pytest

from chatbot.database import Database
from chatbot.errors import TooMany
from chatbot.realtime.sockets import kept
from chatbot.realtime.sockets.client import Bucket
from chatbot.realtime.sockets.entrance import WAITING_MAX, Entrance, Guests
from chatbot.realtime.sockets.gate import Gate
from chatbot.realtime.sockets.kept import Kept
from chatbot.settings import Limits
from tests.realtime.conftest import build_house, connected, serving, until


async def test_a_gate_lets_a_few_through_in_each_turn_of_the_loop() -> None:
    gate, passed, turns = Gate(3), list[int](), list[int]()
    loop = asyncio.get_running_loop()

    async def come(number: int) -> None:
        await gate.turn()
        passed.append(number)

    def count() -> None:
        turns.append(len(passed))
        if len(passed) < 10:
            loop.call_soon(count)

    coming = [asyncio.create_task(come(number)) for number in range(10)]
    loop.call_soon(count)
    await asyncio.gather(*coming)

    assert passed == list(range(10))
    steps = [after - before for before, after in pairwise(turns)]
    assert max(steps) <= 3


async def test_who_gives_up_at_the_gate_takes_nobodys_turn() -> None:
    gate = Gate(1)
    coming = [asyncio.create_task(gate.turn()) for _ in range(4)]
    await asyncio.sleep(0)
    coming[1].cancel()
    coming[2].cancel()

    async with asyncio.timeout(1):
        await coming[3]


def test_what_is_counted_by_the_second_comes_back_by_the_second() -> None:
    bucket = Bucket(10, full=20)

    assert [bucket.take(100.0) for _ in range(20)] == [0.0] * 20
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.2) == 0.0
    assert bucket.take(200.0, 20) == 0.0
    assert bucket.take(200.0, 20) == pytest.approx(2.0)
    assert bucket.take(300.0, 50) == 0.0  # more than there ever is: once, and then it owes
    assert bucket.take(301.0) == pytest.approx(2.1)


def test_who_is_turned_away_later_comes_back_later() -> None:
    entrance = Entrance(10)
    for _ in range(20):
        entrance.pass_through(50.0)

    waits: list[int | None] = []
    for _ in range(1000):
        with pytest.raises(TooMany) as refused:
            entrance.pass_through(50.0)
        assert refused.value.code == "too_many_joins"
        waits.append(refused.value.retry_after_s)

    assert waits[0] == 1
    assert waits[50] == 6
    assert waits[-1] == 30


def test_who_would_wait_in_vain_is_sent_away_at_the_speed_of_those_before() -> None:
    guests = Guests(Limits(connects_per_second_process=1_000))
    for number in range(40):
        guests.served(100.0 + number / 50)

    waits: list[int | None] = []
    for _ in range(400):
        with pytest.raises(TooMany) as refused:
            guests.admit("x", 101.0, waiting=WAITING_MAX)
        waits.append(refused.value.retry_after_s)

    assert (waits[0], waits[-1]) == (1, 11)  # 400 at 40 a second
    guests.admit("x", 101.0, waiting=WAITING_MAX - 1)


def look(guard: Kept, sockets: int, *, times: int = 1) -> None:
    for _ in range(times):
        guard.look(sockets)


async def test_connections_that_stand_are_set_aside_and_looked_at_again_when_few_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    collector = {name: partial(done.append, name) for name in ("collect", "freeze", "unfreeze")}
    monkeypatch.setattr(kept, "gc", SimpleNamespace(**collector))
    monkeypatch.setattr(kept, "SET_ASIDE_EVERY", 2)
    monkeypatch.setattr(kept, "LOOK_AGAIN_AFTER", 1)
    guard = Kept()

    guard.came()
    await asyncio.sleep(0)
    assert done == []
    guard.came()
    await asyncio.sleep(0)
    assert done == ["collect", "freeze"]
    look(guard, kept.FEW, times=kept.QUIET_LOOKS - 1)
    look(guard, kept.FEW + 1)
    look(guard, kept.FEW, times=kept.QUIET_LOOKS - 1)
    assert done == ["collect", "freeze"]
    look(guard, kept.FEW)
    assert done[2:] == ["unfreeze", "collect", "freeze"]


async def test_what_was_set_aside_is_looked_through_also_where_sockets_are_never_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    collector = {name: partial(done.append, name) for name in ("collect", "freeze", "unfreeze")}
    monkeypatch.setattr(kept, "gc", SimpleNamespace(**collector))
    guard, many = Kept(), 10 * kept.FEW

    for _ in range(10 * kept.LOOK_AGAIN_AFTER):
        for _ in range(kept.SET_ASIDE_EVERY):
            guard.came()
        await asyncio.sleep(0)
        look(guard, many + 1)

    assert "unfreeze" not in done
    look(guard, many, times=kept.QUIET_LOOKS)
    assert "unfreeze" in done


async def test_a_connection_that_ended_leaves_nothing_for_the_collector(database: Database) -> None:
    """What was set aside is never looked through again: it must go by reference counts alone."""
    house = await build_house(database)
    async with serving(database, Limits(socket_ping_seconds=1)) as service:
        sockets = service.realtime.server.eio.sockets
        gc.collect()
        gc.disable()
        try:
            async with connected(service, "/visitor", house.visitor_token) as ear:
                await ear.ask("subscribe", {"topics": [f"org:{house.org_id}:public"]})
                [below] = [weakref.ref(each) for each in sockets.values()]

            await until(lambda: below() is None)  # its next ping was due within a second
        finally:
            gc.enable()

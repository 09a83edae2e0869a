"""The bus on a real Redis: who follows hears, nobody waits, and it comes back by itself."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from chatbot.errors import StartupError
from chatbot.realtime import metrics
from chatbot.realtime.nodes import bus
from chatbot.realtime.nodes.bus import LocalBus, RedisBus, bus_of, client_of
from tests.nodes.redis import Redis
from tests.nodes.windows import until

ROOM = "conversation:1:messages"


class Ear:
    """A bus, and all that it heard."""

    def __init__(self, url: str) -> None:
        self.bus = RedisBus(url)
        self.heard: list[tuple[str, Any]] = []
        self.rooms: list[str] = []
        self.bus.listen("word", self._note)
        self.bus.listen_for_rooms(self.rooms.append)

    def said(self) -> list[Any]:
        return [data for _, data in self.heard]

    def _note(self, room: str, data: msgspec.Raw) -> None:
        self.heard.append((room, msgspec.json.decode(data)))


@asynccontextmanager
async def two_ears(url: str) -> AsyncGenerator[tuple[Ear, Ear]]:
    """Two buses as of two nodes; both are up."""
    ears = Ear(url), Ear(url)
    for ear in ears:
        await ear.bus.start()
    try:
        await until(lambda: all(ear.bus.is_up for ear in ears))
        yield ears
    finally:
        for ear in ears:
            await ear.bus.stop()


async def test_who_follows_a_room_hears_it_in_order_and_not_itself(one_redis: Redis) -> None:
    async with two_ears(one_redis.url) as (here, there):
        here.bus.follow(ROOM)
        there.bus.follow(ROOM)
        await until(lambda: here.rooms and there.rooms)

        for n in range(1000):
            here.bus.publish(ROOM, "word", n)
            here.bus.publish("conversation:2:messages", "word", "not followed")
            here.bus.publish(ROOM, "other", "not listened to")
        await until(lambda: len(there.heard) == 1000)

        assert there.said() == list(range(1000))
        assert here.heard == []


async def test_a_room_is_heard_until_as_many_left_as_came(one_redis: Redis) -> None:
    async with two_ears(one_redis.url) as (here, there):
        for _ in range(2):
            there.bus.follow(ROOM)
        await until(lambda: there.rooms == [ROOM])
        there.bus.unfollow(ROOM)
        here.bus.publish(ROOM, "word", "still")
        await until(lambda: there.said() == ["still"])

        there.bus.unfollow(ROOM)
        async with client_of(one_redis.url) as redis:
            async with asyncio.timeout(5):
                while (await redis.pubsub_numsub(f"chatbot:{ROOM}"))[0][1]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        there.bus.follow(ROOM)
        await until(lambda: there.rooms == [ROOM, ROOM])
        here.bus.publish(ROOM, "word", "again")
        await until(lambda: len(there.heard) == 2)

    assert there.said() == ["still", "again"]


async def test_after_redis_was_gone_every_room_is_heard_and_said_to_be(one_redis: Redis) -> None:
    async with two_ears(one_redis.url) as (here, there):
        rooms = [f"conversation:{n}:messages" for n in range(20)]
        for room in rooms:
            there.bus.follow(room)
        await until(lambda: len(there.rooms) == 20)

        one_redis.kill()
        here.bus.publish(rooms[0], "word", "lost")
        await until(lambda: not (there.bus.is_up or here.bus.is_up))
        there.bus.unfollow(rooms[0])
        one_redis.start()
        await until(lambda: here.bus.is_up and there.bus.is_up and len(there.rooms) == 39)
        there.heard.clear()
        for room in rooms:
            here.bus.publish(room, "word", "back")

        await until(lambda: len(there.heard) == 19)
    assert {room for room, _ in there.heard} == set(rooms[1:])
    assert set(there.rooms[20:]) == set(rooms[1:])


async def test_without_redis_nobody_waits_and_the_oldest_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus, "WAITING_MAX", 100)
    ear = Ear("redis://127.0.0.1:1/0")
    await ear.bus.start()
    dropped = metrics.totals().get("rt_bus_sent_total{result=dropped}", 0.0)
    ear.bus.follow(ROOM)

    for n in range(5000):
        ear.bus.publish(ROOM, "word", n)

    assert metrics.totals()["rt_bus_sent_total{result=dropped}"] - dropped >= 4800
    assert not ear.bus.is_up
    began = time.monotonic()
    await ear.bus.stop()
    assert time.monotonic() - began < 5


async def test_what_is_no_message_of_ours_is_left_out(one_redis: Redis) -> None:
    async with two_ears(one_redis.url) as (here, there), client_of(one_redis.url) as redis:
        there.bus.follow(ROOM)
        await until(lambda: there.rooms)
        there.bus.listen("word", fail)

        for body in (b"\x80\x04}", b"{}", b'{"v":2,"node":"x","event":"word","data":"newer"}'):
            await redis.publish(f"chatbot:{ROOM}", body)
        here.bus.publish(ROOM, "word", "x" * (bus.MESSAGE_BYTES_MAX + 1))
        here.bus.publish(ROOM, "word", "ours")
        here.bus.publish(ROOM, "word", "ours too")
        await until(lambda: len(there.heard) == 2)

    assert there.said() == ["ours", "ours too"]


def fail(room: str, data: msgspec.Raw) -> None:
    raise ValueError("a hearer's mistake")


def test_an_address_that_is_none_is_told_at_start() -> None:
    with pytest.raises(StartupError, match="CHATBOT_REDIS_URL"):
        bus_of("localhost:6379")

    assert isinstance(bus_of(""), LocalBus)

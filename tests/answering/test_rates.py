"""How fast may be asked: one count for HTTP and sockets, whatever address a caller makes up."""

# pyright: reportPrivateUsage=false

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy import select

from chatbot import throttle
from chatbot.answering.spending import rates
from chatbot.answering.spending.rates import Rates
from chatbot.answering.tables import Answer
from chatbot.database import new_id, utc_now
from chatbot.errors import TooMany
from chatbot.settings import Limits
from chatbot.throttle import Throttle
from chatbot.visitors.sessions import Visitor
from tests import live
from tests.answering.script import Clock, Script
from tests.answering.shop import QUESTION
from tests.conftest import Cluster, copy_of
from tests.journeys.texts import HANDBOOK, upload

BLOCK = "203.0.113.0/32"
PLENTY = 10_000


def limits(*, visitor: int = PLENTY, block: int = PLENTY, site: int = PLENTY) -> Limits:
    return Limits(
        messages_per_minute=visitor,
        messages_per_minute_block=block,
        messages_per_minute_site=site,
        sessions_per_minute=PLENTY,
        events_per_second=PLENTY,
    )


def someone(site_id: UUID) -> Visitor:
    return Visitor(new_id(), site_id, new_id(), new_id(), "https://example.org", utc_now())


def paces(counted: Rates, visitor: Visitor, times: int) -> list[str | int]:
    """What that many messages of a visitor get: a pace, or the seconds to wait."""
    found: list[str | int] = []
    for _ in range(times):
        try:
            found.append(counted.check(visitor, BLOCK, new_id().hex))
        except TooMany as refused:
            found.append(refused.retry_after_s or 0)
    return found


def test_first_all_is_well_then_sparing_then_refused_and_after_a_minute_well_again() -> None:
    clock = Clock()
    counted, visitor = Rates(Throttle(clock), limits(visitor=2)), someone(new_id())

    assert paces(counted, visitor, 3) == ["full", "full", "sparing"]
    clock.now += 20
    assert paces(counted, visitor, 3) == ["sparing", 40, 40]
    clock.now += 40
    assert paces(counted, visitor, 4) == ["full", "sparing", "sparing", 20]
    clock.now += 60
    assert paces(counted, visitor, 1) == ["full"]


@pytest.mark.parametrize("shared", ["block", "site"])
def test_many_visitors_share_the_limit_of_their_block_and_of_their_site(shared: str) -> None:
    counted, site_id = Rates(Throttle(Clock()), limits(**{shared: 3})), new_id()

    found = [paces(counted, someone(site_id), 1)[0] for _ in range(7)]

    assert found == ["full"] * 3 + ["sparing"] * 3 + [60]


def test_a_refused_message_uses_nothing_of_what_others_share() -> None:
    counted, site_id = Rates(Throttle(Clock()), limits(visitor=1, site=3)), new_id()

    loud = paces(counted, someone(site_id), 50)

    assert loud[:3] == ["full", "sparing", 60]
    assert paces(counted, someone(site_id), 1) == ["full"]


def test_one_message_counts_once_however_often_it_is_sent() -> None:
    clock = Clock()
    counted, visitor = Rates(Throttle(clock), limits(visitor=1)), someone(new_id())

    assert {counted.check(visitor, BLOCK, "the same") for _ in range(50)} == {"full"}
    assert paces(counted, visitor, 2) == ["sparing", 60]
    assert counted.check(visitor, BLOCK, "the same") == "full"
    assert counted.check(someone(new_id()), BLOCK, "the same") == "full"


def test_trying_again_counts_like_a_message_and_waits_where_messages_are_only_quoted_to() -> None:
    counted, visitor = Rates(Throttle(Clock()), limits(visitor=2)), someone(new_id())

    counted.check_retry(visitor, BLOCK)
    assert paces(counted, visitor, 2) == ["full", "sparing"]
    with pytest.raises(TooMany) as refused:
        counted.check_retry(visitor, BLOCK)

    assert refused.value.retry_after_s == 60
    assert paces(counted, visitor, 2) == ["sparing", 60]


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "KEYS_MAX", 30)
    monkeypatch.setattr(rates, "REMEMBERED_MAX", 20)
    clock = Clock()
    windows = Throttle(clock)
    counted = Rates(windows, limits())

    for _ in range(100):
        paces(counted, someone(new_id()), 1)
    crowded = len(windows._times), len(counted._counted)
    clock.now += 60
    paces(counted, someone(new_id()), 1)

    assert crowded == (30, 20)
    assert (len(windows._times), len(counted._counted)) == (3, 1)


@asynccontextmanager
async def service(
    cluster: Cluster, allowed: Limits, *, trusted_proxies: tuple[str, ...] = ()
) -> AsyncGenerator[tuple[live.Live, live.Company]]:
    """A service of its own, whose windows nobody else fills."""
    with copy_of(cluster) as urls:
        async with live.running(
            urls.app, model=Script(), limits=allowed, trusted_proxies=trusted_proxies
        ) as running:
            yield running, await live.company(running, "alder")


async def by_http(person: live.Person, talk: str, **changed: str) -> tuple[int, live.Json]:
    body = {"client_id": new_id().hex, "text": QUESTION} | changed
    return await person.call("POST", f"/visitor/conversations/{talk}/messages", body)


async def by_socket(person: live.Person, talk: str) -> live.Json:
    return await person.emit("send", live.question(QUESTION, talk))


def is_refused(reply: live.Json) -> bool:
    """Whether it is the one envelope for too much, with the time to wait."""
    if "error" not in reply:
        return False
    error = reply["error"]
    assert (error["code"], error["retry"]) == ("too_many_requests", "backoff")
    assert 0 < error["retry_after_s"] <= 60
    return True


async def test_http_and_socket_share_one_count(cluster: Cluster) -> None:
    async with (
        service(cluster, limits(visitor=2)) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin()
        accepted = [
            await by_socket(visitor, talk),
            (await by_http(visitor, talk))[1],
            await by_socket(visitor, talk),
            (await by_http(visitor, talk))[1],
        ]
        status, refused = await by_http(visitor, talk)
        also_refused = await by_socket(visitor, talk)
        found = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert not any(is_refused(reply) for reply in accepted)
    assert status == 429
    assert is_refused(refused)
    assert is_refused(also_refused)
    asked = [item["id"] for item in found["items"] if item["author"]["kind"] == "visitor"]
    assert asked == [reply["id"] for reply in accepted]


async def test_whoever_asks_too_fast_is_quoted_to_and_then_asked_to_wait(cluster: Cluster) -> None:
    async with service(cluster, limits(visitor=2)) as (running, alder):
        await upload(running, alder, "handbook.md", HANDBOOK)
        async with live.visitor(running, alder) as visitor:
            talk = await visitor.begin()
            texts: list[str] = []
            for _ in range(4):
                await by_socket(visitor, talk)
                texts.append((await visitor.answer())[0])
            refused = await by_socket(visitor, talk)
        async with running.database.transaction(alder.org_id) as db:
            rows = await db.scalars(
                select(Answer).where(Answer.org_id == alder.org_id).order_by(Answer.started_at)
            )
            degraded = [(row.trace or {})["degraded"] for row in rows]

    assert texts[:2] == ["It lasts 36 months [1]."] * 2
    assert all("36 months" in text and text != texts[0] for text in texts[2:])
    assert degraded == [[], [], ["too_fast"], ["too_fast"]]
    assert is_refused(refused)


async def test_a_stored_message_is_given_back_even_at_the_limit(cluster: Cluster) -> None:
    clock = Clock()
    async with service(cluster, limits(visitor=1)) as (running, alder):
        running.service.throttle.clock = clock
        async with live.visitor(running, alder) as visitor:
            talk = await visitor.begin()
            _, first = await by_http(visitor, talk, client_id="the very same")
            clock.now += 61
            for _ in range(2):
                await by_http(visitor, talk)
            again = await by_http(visitor, talk, client_id="the very same")
            changed = await by_http(visitor, talk, client_id="the very same", text="Another?")

    assert again == (200, first)
    assert changed[0] == 429


async def test_an_address_that_the_caller_made_up_changes_nothing(cluster: Cluster) -> None:
    async with service(cluster, limits(block=2)) as (running, alder):
        replies: list[live.Json] = []
        for number in range(3):
            async with live.visitor(running, alder) as visitor:
                talk = await visitor.begin()
                visitor.headers["X-Forwarded-For"] = f"198.51.100.{number}"
                replies.append((await by_http(visitor, talk))[1])
                await reconnect(visitor, f"192.0.2.{number}")
                replies.append(await by_socket(visitor, talk))

    assert [is_refused(reply) for reply in replies] == [False] * 4 + [True] * 2


async def test_behind_a_proxy_the_callers_network_counts_and_not_one_address_of_it(
    cluster: Cluster,
) -> None:
    numbers = itertools.count(1)
    allowed = limits(block=2)
    async with service(cluster, allowed, trusted_proxies=("127.0.0.1",)) as (running, alder):

        async def ask_from(network: str) -> list[bool]:
            """By HTTP and by socket, each from a fresh address with a fresh lie before it."""
            async with live.visitor(running, alder) as visitor:
                talk = await visitor.begin()
                lie, address = f"198.51.100.{next(numbers)}", f"{network}::{next(numbers):x}"
                visitor.headers["X-Forwarded-For"] = f"{lie}, {address}"
                one = (await by_http(visitor, talk))[1]
                await reconnect(visitor, f"{lie}, {network}:ffff::{next(numbers):x}")
                return [is_refused(one), is_refused(await by_socket(visitor, talk))]

        inside = [await ask_from("2001:db8:1:2") for _ in range(3)]
        beside = await ask_from("2001:db8:1:3")

    assert inside == [[False, False], [False, False], [True, True]]
    assert beside == [False, False]


async def reconnect(visitor: live.Person, forwarded_for: str) -> None:
    """A new socket from the address that the header names."""
    await visitor.close()
    visitor.headers["X-Forwarded-For"] = forwarded_for
    await visitor.connect()

"""The relay's connection: questions, notices, and the ways in which it ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest

from chatbot import embedded
from chatbot.realtime.following.link import Link

STATEMENTS = {
    "all": "select $1::bigint, $2::text, null::text, '2026-11-21 12:00:00.5+00'::timestamptz",
    "divide": "select 1 / $1::integer",
    "wait": "select pg_sleep(60)",
}


class Ends:
    """Both ends of a link: what it heard, and whether it was told to be lost."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.lost = asyncio.Event()

    async def open(self, url: str, statements: dict[str, str] = STATEMENTS) -> Link:
        return await Link.open(
            url,
            statements,
            options="",
            hear=lambda _pid, said: self.heard.put_nowait(said),
            lost=self.lost.set,
            listen="a_channel",
        )


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
async def link(cluster: embedded.Urls, ends: Ends) -> AsyncIterator[Link]:
    link = await ends.open(cluster.of("postgres").app)
    yield link
    await link.close()


async def _end(cluster: embedded.Urls, link: Link) -> None:
    async with await psycopg.AsyncConnection.connect(cluster.superuser) as other:
        await other.execute("select pg_terminate_backend(%s)", (link.pid,))


async def test_an_answer_gives_values_of_each_type(link: Link) -> None:
    answer = await link.ask("all", b"-7", "grüße".encode())

    assert answer.rows == 1
    assert answer.integer(0, 0) == -7
    assert answer.text(0, 1) == "grüße"
    assert not answer.has(0, 2)
    assert answer.time(0, 3) == datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)


async def test_a_question_larger_than_the_socket_takes_at_once_is_sent_whole(link: Link) -> None:
    large = b"x" * 8_000_000

    answer = await link.ask("all", b"1", large)

    assert answer.raw(0, 1) == large
    assert (await link.ask("all", b"2", b"")).integer(0, 0) == 2


async def test_a_notice_of_another_is_heard_without_asking(
    cluster: embedded.Urls, link: Link, ends: Ends
) -> None:
    async with await psycopg.AsyncConnection.connect(cluster.of("postgres").app) as other:
        await other.execute("select pg_notify('a_channel', 'hello')")

    async with asyncio.timeout(5):
        assert await ends.heard.get() == "hello"


async def test_what_the_database_refuses_is_raised(link: Link) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await link.ask("divide", b"0")


async def test_a_statement_that_does_not_exist_is_refused_at_once(
    cluster: embedded.Urls, ends: Ends
) -> None:
    with pytest.raises(psycopg.errors.UndefinedFunction):
        await ends.open(cluster.of("postgres").app, {"wrong": "select nothing_of_that_name()"})


async def test_a_connection_that_breaks_at_rest_is_told(
    cluster: embedded.Urls, link: Link, ends: Ends
) -> None:
    await _end(cluster, link)

    async with asyncio.timeout(5):
        await ends.lost.wait()
    with pytest.raises(psycopg.OperationalError):
        await link.ask("all", b"1", b"")


async def test_a_connection_that_breaks_in_the_middle_of_a_question_raises(
    cluster: embedded.Urls, link: Link, ends: Ends
) -> None:
    question = asyncio.create_task(link.ask("wait"))
    await asyncio.sleep(0.1)

    await _end(cluster, link)

    with pytest.raises(psycopg.OperationalError):
        async with asyncio.timeout(5):
            await question
    assert ends.lost.is_set()


async def test_a_line_that_went_dead_is_given_up(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot.realtime.following.link.ANSWER_WITHIN_S", 0.05)

    with pytest.raises(psycopg.OperationalError, match="in time"):
        await link.ask("wait")


async def test_a_broken_link_leaves_alone_whoever_got_its_number(
    cluster: embedded.Urls, link: Link, ends: Ends
) -> None:
    number = link._socket  # pyright: ignore[reportPrivateUsage]
    await _end(cluster, link)
    async with asyncio.timeout(5):
        await ends.lost.wait()
    pairs = [socket.socketpair() for _ in range(8)]
    [reused] = [each for pair in pairs for each in pair if each.fileno() == number]
    other = next(b if a is reused else a for a, b in pairs if reused in (a, b))
    readable = asyncio.Event()
    asyncio.get_running_loop().add_reader(reused, readable.set)

    await link.close()
    other.send(b"x")

    async with asyncio.timeout(5):
        await readable.wait()
    asyncio.get_running_loop().remove_reader(reused)
    for a, b in pairs:
        a.close()
        b.close()

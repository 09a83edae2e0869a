"""One client that never reads among ten that do: when it is closed, what it costs in memory, and
whether the others notice.

All listen to one conversation in which the server says a great deal. The same is measured without
the stuck client first, in the same process.
"""

import asyncio
import socket
import time
from array import array
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import click
import msgspec
import uvloop

from benchmarks.child import Child, child
from benchmarks.connections import ORIGIN, visitors
from benchmarks.crowd import Talk
from benchmarks.ears import Seat, listen
from benchmarks.report import Metrics, bench_database, percentiles, report
from benchmarks.socket_service import Look, serve
from benchmarks.websocket import frame, handshake
from chatbot.app import Service

LISTENERS: Final = 10
TELLS_PER_S: Final = 50
TEXT: Final = "x" * 20_000
ROUNDS: Final = 3
ROUND_S: Final = 4.0
STUCK_S_MAX: Final = 20.0
WARM_UP_S: Final = 1.0
RECEIVE_BYTES: Final = 8_192

# python-socketio 5.18.1 with its own manager, measured once with one client that had stopped
# reading for 45 s; it has no bound.
STOCK: Metrics = {"memory_mib": 345.0, "closed_of": "never"}


class _End(NamedTuple):
    """How long one stuck client lasted, whether it was closed, and the bytes it took at most."""

    lasted_s: float
    closed: bool
    memory: int


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(as_json: bool) -> None:
    """What one client that never reads does to the rest."""
    metrics = uvloop.run(measure())
    report("slow_client", metrics, {"python-socketio's own": STOCK}, as_json=as_json)


async def measure() -> Metrics:
    """The others' delays with and without it, its end, and the memory that it took."""
    async with bench_database() as database:
        [talk] = await visitors(database, 1)
        topic = talk.topics[-1]
        seats = [Seat(talk.token, ORIGIN, topic)] * LISTENERS
        async with (
            child(serve_and_tell, database.url, {}) as service,
            child(listen, service.said, seats) as ears,
        ):
            await service.ask(f"tell {topic}")
            await asyncio.sleep(WARM_UP_S)
            await ears.ask("late")
            without, beside, ends = array("q"), array("q"), list[_End]()
            for _ in range(ROUNDS):  # in turns, because the machine has good and bad moments
                await asyncio.sleep(ROUND_S)
                without += await ears.ask("late")
                ends.append(await _with_it(service, talk))
                beside += await ears.ask("late")
    return _metrics(without, beside, ends)


def _metrics(without: "array[int]", beside: "array[int]", ends: Sequence[_End]) -> Metrics:
    alone, together = (percentiles([ns / 1e9 for ns in each]) for each in (without, beside))
    told = sum(ROUND_S + end.lasted_s for end in ends) * TELLS_PER_S * LISTENERS
    return {
        "closed_of": f"{sum(end.closed for end in ends)} of {len(ends)}",
        "closed_after_s": round(max(end.lasted_s for end in ends), 1),
        "memory_mib": round(max(end.memory for end in ends) / 2**20, 2),
        **{f"without_{name}": value for name, value in alone.items()},
        **{f"with_{name}": value for name, value in together.items()},
        "p99_ratio": round(together["p99_ms"] / alone["p99_ms"], 2),
        "delivered_share": round((len(without) + len(beside)) / told, 3),
    }


async def _with_it(service: Child, talk: Talk) -> _End:
    before: Look = await service.ask("look")
    loop, rss = asyncio.get_running_loop(), before.rss
    with await _stuck(service.said, talk):
        began = loop.time()
        look: Look = await service.ask("look")
        while look.sockets > LISTENERS and loop.time() - began < STUCK_S_MAX:
            await asyncio.sleep(0.05)
            look = await service.ask("look")
            rss = max(rss, look.rss)
        return _End(loop.time() - began, look.sockets <= LISTENERS, rss - before.rss)


async def _stuck(url: str, talk: Talk) -> socket.socket:
    """A socket that subscribed, and reads no more."""
    address = urlsplit(url)
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    link.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(link, (address.hostname, address.port))
    asked = ["subscribe", {"topics": talk.topics}]
    steps = (
        (handshake(address.netloc, ORIGIN), b'"maxPayload"'),
        (frame(b"40/visitor," + msgspec.json.encode({"token": talk.token})), b"40/visitor"),
        (frame(b"42/visitor,1" + msgspec.json.encode(asked)), b'"ok"'),
    )
    async with asyncio.timeout(STUCK_S_MAX):
        for step, answer in steps:
            await loop.sock_sendall(link, step)
            heard = b""
            while answer not in heard:
                more = await loop.sock_recv(link, 4096)
                if not more:
                    raise ConnectionError(f"closed after {heard[-200:]!r}")
                heard += more
    return link


def serve_and_tell(pipe: Connection, database_url: str, limits: dict[str, int]) -> None:
    """`serve`, which begins to tell when it hears `tell TOPIC`."""
    serve(pipe, database_url, limits, more=_teller)


def _teller(service: Service) -> Callable[[str], None]:
    loop = asyncio.get_running_loop()

    def tell(topic: str, due: float) -> None:
        ids = {"at_id": str(time.monotonic_ns())}
        service.realtime.server.deliver("signal", {"ids": ids, "text": TEXT}, topic)
        loop.call_at(due + 1 / TELLS_PER_S, tell, topic, due + 1 / TELLS_PER_S)

    return lambda word: tell(word.removeprefix("tell "), loop.time())


if __name__ == "__main__":
    main()

"""How long it takes to tell a client that returns what it missed, among a million stored signals.

A socket asks `subscribe` for five topics with a cursor that is 5,000 signals of all topics old; the
acknowledgement holds what was said on its own since, or `reset` when that is more than 300. Who may
hear what is decided on the way.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import click
import msgspec
import psycopg
import uvloop

from benchmarks.report import Metrics, percentiles, report
from benchmarks.signals import ORIGIN, Talk, begin_talks, serving
from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.following.catchup import MISSED_MAX
from chatbot.settings import Limits
from migrations import run

TOPICS = 1_000
OWN_TOPICS = 20
OF_A_CLIENT = 5
BEHIND = 5_000
CALLS = 500
TOGETHER = 8
ANSWER_S_MAX = 30
SIGNALS_MIN = 20_000
LIMITS = Limits(events_per_second=100_000, joins_per_second=100_000)  # one socket asks on and on

# Published limits, not measured here.
PEERS: dict[str, Metrics] = {
    "supabase (published)": {"told_at_most": 25},
    "centrifugo (published)": {"told_at_most": 300},
}

# Every signal has a transaction of its own, as in life. A procedure may commit in its middle.
_SPEND_IDS = """
create procedure pg_temp.spend(amount integer) language plpgsql as $$
begin
  for each in 1 .. amount loop perform pg_current_xact_id(); commit; end loop;
end $$
"""
_FILL = """
insert into realtime.messages (xid, org_id, topic, event, payload, inserted_at)
select (%(first)s + n)::text::xid8, %(org)s,
  coalesce((%(own)s::text[])[n %% %(topics)s + 1],
    concat_ws(':', 'conversation', lpad(to_hex(n %% %(topics)s), 8, '0') || %(tail)s, 'messages')),
  'message.changed', jsonb_build_object('conversation_id', n %% %(topics)s, 'message_id', n,
  'version', n), now() - interval '12 hours' + n * interval '12 hours' / %(amount)s
from generate_series(0, %(amount)s - 1) n
"""
_TAIL = "-0000-0000-0000-000000000000"


class Filled(NamedTuple):
    """Signals numbered without a gap from transaction `first` on."""

    first: int
    amount: int
    seconds: float

    def place(self, behind: int) -> str:
        """The cursor before the last `behind` signals, or before all of them."""
        number = self.first + max(1, self.amount - behind)
        return f"{number}:{number}:"


@click.command()
@click.option(
    "--signals", type=click.IntRange(SIGNALS_MIN, 10_000_000), default=100_000, show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(signals: int, as_json: bool) -> None:
    """Catch-up after a reconnect, on this machine."""
    report("catchup", uvloop.run(measure(signals)), PEERS, as_json=as_json)


async def measure(signals: int) -> Metrics:
    """Percentiles of one catch-up alone, and how many a second a few at a time."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        embedded.running(Path(folder)) as urls,
    ):
        run.upgrade(urls.owner)
        database = Database(urls.app, connections=20)
        try:
            talks = await begin_talks(database, OWN_TOPICS, each=OWN_TOPICS)
            filled = await asyncio.to_thread(_fill, urls.superuser, talks, signals)
            async with serving(database, LIMITS) as url, aiohttp.ClientSession() as http:
                return await _measure(Returning(http, url, talks), filled)
        finally:
            await database.close()


class Returning:
    """Visitors who come back to some of their topics."""

    def __init__(self, http: aiohttp.ClientSession, url: str, talks: Sequence[Talk]) -> None:
        self._http = http
        self._address = f"{url}/socket.io/?EIO=4&transport=websocket"
        self._token = talks[0].token
        self._topics = [each.topic for each in talks]

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
        headers = {"Origin": ORIGIN}
        async with self._http.ws_connect(self._address, headers=headers) as ws:
            await ws.receive_str()
            await ws.send_str(f"40/visitor,{_json({'token': self._token})}")
            await ws.receive_str()
            yield ws

    async def subscribe(
        self, ws: aiohttp.ClientWebSocketResponse, cursor: dict[str, str] | None
    ) -> dict[str, Any]:
        """The acknowledgement. RuntimeError when it is a refusal."""
        asked: dict[str, Any] = {"topics": random.sample(self._topics, OF_A_CLIENT)}
        if cursor is not None:
            asked["cursor"] = cursor
        await ws.send_str(f"42/visitor,1{_json(['subscribe', asked])}")
        async with asyncio.timeout(ANSWER_S_MAX):
            while not (frame := await ws.receive_str()).startswith("43/visitor,1"):
                if frame == "2":
                    await ws.send_str("3")
        [reply] = msgspec.json.decode(frame.removeprefix("43/visitor,1"))
        if set(reply.get("topics", {}).values()) != {"ok"}:
            raise RuntimeError(f"refused: {reply}")
        return reply


async def _measure(returning: Returning, filled: Filled) -> Metrics:
    async with returning.connected() as ws:
        epoch = (await returning.subscribe(ws, None))["epoch"]
        near = {"epoch": epoch, "cur": filled.place(BEHIND)}
        taken: list[float] = []
        told = 0
        for _ in range(CALLS):
            begin = time.perf_counter()
            reply = await returning.subscribe(ws, near)
            taken.append(time.perf_counter() - begin)
            told += len(reply["missed"])
            if reply["reset"]:
                raise RuntimeError("a catch-up that should have been whole was a reset")
        too_far = (MISSED_MAX + 50) * TOPICS // OF_A_CLIENT
        far = {"epoch": epoch, "cur": filled.place(too_far)}
        begin = time.perf_counter()
        too_much = await returning.subscribe(ws, far)
        reset_s = time.perf_counter() - begin
    begin = time.perf_counter()
    await asyncio.gather(*(_lane(returning, near) for _ in range(TOGETHER)))
    per_s = CALLS / (time.perf_counter() - begin)
    return {
        **percentiles(taken[CALLS // 10 :]),
        "together_per_s": round(per_s),
        "told_on_average": round(told / CALLS, 1),
        "told_at_most": MISSED_MAX,
        "more_than_that": "reset" if too_much["reset"] else "a part",
        "reset_ms": round(reset_s * 1000, 1),
        "signals_stored": filled.amount,
        "signals_behind": BEHIND,
        "topics_of_client": OF_A_CLIENT,
        "filled_in_s": round(filled.seconds, 1),
    }


async def _lane(returning: Returning, cursor: dict[str, str]) -> None:
    async with returning.connected() as ws:
        for _ in range(CALLS // TOGETHER):
            await returning.subscribe(ws, cursor)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _fill(superuser: str, talks: Sequence[Talk], amount: int) -> Filled:
    begin = time.perf_counter()
    with psycopg.connect(superuser, autocommit=True) as link:
        link.execute("set synchronous_commit = off")
        [(first,)] = link.execute("select pg_current_xact_id()::text::bigint").fetchall()
        link.execute(_SPEND_IDS)
        link.execute("call pg_temp.spend(%s)", (amount + 1,))
        values = {
            "first": first,
            "org": talks[0].org_id,
            "own": [each.topic for each in talks],
            "topics": TOPICS,
            "amount": amount,
            "tail": _TAIL,
        }
        link.execute(_FILL, values)
        link.execute("checkpoint")
    return Filled(first, amount, time.perf_counter() - begin)


if __name__ == "__main__":
    main()

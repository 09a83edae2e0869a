"""Ways to hear in a test: what a relay told, what was missed, and what a block of code left in the
log.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Row, text

from chatbot.database import Database
from chatbot.realtime import topics
from chatbot.realtime.following import catchup
from chatbot.realtime.following.catchup import MISSED_MAX, Missed
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.signals import Cursor, Signal
from tests.realtime.conftest import House

Found = list[tuple[str, str, dict[str, Any]]]


class Notes:
    """What one relay told, and a way to wait for more."""

    def __init__(self, relay: Relay, org_id: UUID | None = None) -> None:
        self.signals: list[Signal] = []
        self._org_id = org_id
        self._news = asyncio.Event()
        relay.listen(self._note)

    def numbers(self) -> Counter[str]:
        return Counter(each.ids["n_id"] for each in self.signals if "n_id" in each.ids)

    async def until(self, done: Callable[[], bool], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                self._news.clear()
                await self._news.wait()

    def _note(self, org_id: UUID, signal: Signal) -> None:
        if self._org_id in (None, org_id):
            self.signals.append(signal)
            self._news.set()


async def send_from_outside(url: str, topic: str, numbers: Sequence[str]) -> None:
    """Signals written by a program that is none of ours."""
    statement = "select realtime.send(jsonb_build_object('n_id', %s::text), 'n.changed', %s)"
    async with await connect_outside(url, topic) as link:
        for number in numbers:
            await link.execute(statement, (number, topic))


async def connect_outside(
    url: str, topic: str, *, autocommit: bool = False
) -> psycopg.AsyncConnection:
    """A connection beside the service's own, scoped to the organisation of an `org:` topic."""
    link = await psycopg.AsyncConnection.connect(url, autocommit=True)
    await link.execute("select set_config('app.org', %s, false)", (topic.split(":")[1],))
    await link.set_autocommit(autocommit)
    return link


async def missed(database: Database, org_id: UUID, topics: Sequence[str], cursor: Cursor) -> Missed:
    """What somebody of the organisation did not hear on those topics after `cursor`."""
    return catchup.missed(org_id, cursor, await _rows(database, org_id, topics, cursor))


async def _rows(
    database: Database, org_id: UUID, topics: Sequence[str], cursor: Cursor
) -> Sequence[Row[Any]]:
    statement = text("select * from realtime.missed(:topics, :epoch, :cur, :most)")
    values = {"topics": list(topics), "epoch": cursor.epoch, "cur": cursor.cur}
    async with database.transaction(org_id) as db:
        return (await db.execute(statement, values | {"most": MISSED_MAX})).all()


@asynccontextmanager
async def noting(database: Database, house: House, sink: Found) -> AsyncGenerator[None]:
    """Puts into `sink` (topic, event, payload) of what the block signals in that organisation."""
    async with database.transaction() as db:
        place = (await db.execute(text("select epoch, cur from realtime.position()"))).one()
    yield
    kinds = [kind for kind in topics.KINDS if kind.scope != "service"]
    names = [f"{kind.scope}:{{}}:{kind.feature}" for kind in kinds]
    ids = {
        "org": house.org_id,
        "site": house.site_id,
        "visitor": house.visitor.visitor_id,
        "staff": house.staff.staff_id,
        "conversation": house.conversation_id,
    }
    asked = [name.format(ids[name.partition(":")[0]]) for name in names]
    rows = await _rows(database, house.org_id, asked, Cursor(*place))
    sink += [(row.topic, row.event, row.payload) for row in rows]


def kinds(found: Found) -> list[tuple[str, str]]:
    """(policy of the topic, event), sorted."""
    parsed = [(topics.parse(topic), event) for topic, event, _ in found]
    return sorted((topic.kind.policy, event) for topic, event in parsed if topic is not None)

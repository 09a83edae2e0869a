"""A session that is used does not fall asleep, and nobody waits for that to be written."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from chatbot.database import Database, utc_now
from chatbot.errors import NotSignedIn
from chatbot.orgs.tables import Site
from chatbot.visitors import seen, sessions
from chatbot.visitors.seen import Seen
from chatbot.visitors.sessions import DEFAULT_LIFETIME, Sessions
from chatbot.visitors.tables import VisitorSession
from tests.realtime.conftest import SITE_ORIGIN, TOKENS, House, build_house

Houses = tuple[House, House]

ALMOST_ASLEEP = DEFAULT_LIFETIME.idle - timedelta(hours=1)
JUST_NOW = timedelta(minutes=1)
WAITS_FOR_A_ROW = text("select count(*) from pg_locks where not granted")


class Doorman:
    """Lets visitors in, and notes that they were seen."""

    def __init__(self, database: Database) -> None:
        self.seen = Seen(database)
        self._sessions = Sessions(database, TOKENS, self.seen)

    async def admit(self, *tokens: str) -> None:
        for token in tokens:
            await self._sessions.authenticate(token, SITE_ORIGIN)


@pytest.fixture
async def houses(database: Database) -> Houses:
    """Two organisations whose visitors have been silent for almost too long."""
    ours, theirs = await build_house(database), await build_house(database)
    for house in (ours, theirs):
        await fall_silent(database, house, ALMOST_ASLEEP)
    return ours, theirs


@pytest.fixture
def doorman(database: Database) -> Doorman:
    return Doorman(database)


async def fall_silent(database: Database, house: House, since: timedelta) -> None:
    async with database.transaction(house.org_id) as db:
        await db.execute(update(VisitorSession).values(last_seen_at=utc_now() - since))


async def silence(database: Database, house: House) -> timedelta:
    """How long the house's only session was not seen."""
    [at] = await all_seen_at(database, house)
    return utc_now() - at


async def all_seen_at(database: Database, house: House) -> list[datetime]:
    async with database.transaction(house.org_id) as db:
        return list(await db.scalars(select(VisitorSession.last_seen_at)))


async def another_token(database: Database, house: House) -> str:
    """The token of one more visitor of the house."""
    async with database.transaction(house.org_id, actor="system") as db:
        site = await db.get_one(Site, (house.org_id, house.site_id))
        _, _, token = await sessions.issue(db, TOKENS, site, origin=SITE_ORIGIN, locale=None)
    return token


async def until_somebody_waits_for_a_row(database: Database) -> None:
    async with asyncio.timeout(5), database.transaction() as db:
        while not await db.scalar(WAITS_FOR_A_ROW):  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_a_session_that_is_used_lives_on(
    database: Database, houses: Houses, doorman: Doorman
) -> None:
    ours, theirs = houses

    await doorman.admit(ours.visitor_token)
    await doorman.seen.write()

    assert await silence(database, ours) < JUST_NOW
    assert await silence(database, theirs) >= ALMOST_ASLEEP


async def test_a_session_that_was_silent_for_too_long_ends(
    database: Database, houses: Houses, doorman: Doorman
) -> None:
    ours, theirs = houses
    await fall_silent(database, ours, DEFAULT_LIFETIME.idle)

    with pytest.raises(NotSignedIn):
        await doorman.admit(ours.visitor_token)
    await doorman.admit(theirs.visitor_token)
    await doorman.seen.write()

    assert await silence(database, ours) >= DEFAULT_LIFETIME.idle
    assert await silence(database, theirs) < JUST_NOW


async def test_all_sessions_of_all_organisations_are_written_batch_by_batch(
    database: Database, houses: Houses, doorman: Doorman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "ROWS_AT_ONCE", 1)
    ours, theirs = houses
    second = await another_token(database, ours)
    await fall_silent(database, ours, ALMOST_ASLEEP)

    await doorman.admit(ours.visitor_token, theirs.visitor_token, second)
    await doorman.seen.write()

    ours_at = await all_seen_at(database, ours)
    assert len(ours_at) == 2
    assert all(utc_now() - at < JUST_NOW for at in ours_at)
    assert await silence(database, theirs) < JUST_NOW


async def test_what_is_noted_is_written_when_the_process_ends(
    database: Database, houses: Houses, doorman: Doorman
) -> None:
    ours, _ = houses
    await doorman.seen.start()

    await doorman.admit(ours.visitor_token)
    await doorman.seen.stop()

    assert await silence(database, ours) < JUST_NOW


async def test_a_stop_in_the_middle_of_a_write_loses_nothing(
    database: Database, houses: Houses, doorman: Doorman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "WRITE_EVERY_S", 0)
    ours, theirs = houses
    await doorman.admit(ours.visitor_token, theirs.visitor_token)

    async with (
        database.transaction(ours.org_id) as first,
        database.transaction(theirs.org_id) as second,
    ):
        for db in (first, second):
            await db.execute(select(VisitorSession).with_for_update())
        await doorman.seen.start()
        await until_somebody_waits_for_a_row(database)
        stopping = asyncio.create_task(doorman.seen.stop())
        await asyncio.sleep(0)  # the write is cancelled, and only then the rows are free
    await stopping

    assert await silence(database, ours) < JUST_NOW
    assert await silence(database, theirs) < JUST_NOW


async def test_a_stop_does_not_wait_for_long(
    database: Database, houses: Houses, doorman: Doorman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "STOP_WITHIN_S", 0.1)
    ours, _ = houses
    await doorman.admit(ours.visitor_token)

    async with database.transaction(ours.org_id) as db:
        await db.execute(select(VisitorSession).with_for_update())
        async with asyncio.timeout(5):
            await doorman.seen.stop()

    assert await silence(database, ours) >= ALMOST_ASLEEP


async def test_an_organisation_that_cannot_be_written_holds_up_no_other_and_is_tried_again(
    database: Database, houses: Houses, doorman: Doorman, monkeypatch: pytest.MonkeyPatch
) -> None:
    await doorman.admit(*(house.visitor_token for house in houses))
    transaction, asked = database.transaction, list[UUID]()

    def fail_the_first(org_id: UUID, **how: Any) -> AbstractAsyncContextManager[AsyncSession]:
        asked.append(org_id)
        if len(asked) == 1:
            raise OSError("nobody there")
        return transaction(org_id, **how)

    with monkeypatch.context() as failing, capture_logs() as logs:
        failing.setattr(database, "transaction", fail_the_first)
        await doorman.seen.write()
    meanwhile = {house.org_id: await silence(database, house) for house in houses}
    await doorman.seen.write()

    failed, other = asked
    assert meanwhile[failed] >= ALMOST_ASLEEP
    assert meanwhile[other] < JUST_NOW
    assert [each["event"] for each in logs] == ["seen_not_written"]
    assert [await silence(database, house) < JUST_NOW for house in houses] == [True, True]


async def test_more_than_can_be_kept_waits_for_its_next_use(
    database: Database, houses: Houses, doorman: Doorman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "NOTED_MAX", 1)
    ours, theirs = houses
    await doorman.admit(ours.visitor_token, theirs.visitor_token)

    await doorman.seen.write()
    without_room = await silence(database, ours), await silence(database, theirs)
    await doorman.admit(theirs.visitor_token)
    await doorman.seen.write()

    assert without_room[0] < JUST_NOW
    assert without_room[1] >= ALMOST_ASLEEP
    assert await silence(database, theirs) < JUST_NOW

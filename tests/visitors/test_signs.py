"""A session that is used does not fall asleep, and nobody waits for that to be written."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from chatbot.database import Database, utc_now
from chatbot.errors import NotSignedIn
from chatbot.visitors import sessions, signs
from chatbot.visitors.signs import Signs
from chatbot.visitors.tables import VisitorSession
from tests.realtime.conftest import SITE_ORIGIN, TOKENS, House, build_house

YESTERDAY = timedelta(hours=23)


async def seen_at(database: Database, house: House) -> datetime:
    async with database.transaction(house.org_id) as db:
        return await db.scalar(select(VisitorSession.last_seen_at)) or utc_now()


async def fall_silent(database: Database, house: House, since: timedelta) -> None:
    async with database.transaction(house.org_id) as db:
        await db.execute(update(VisitorSession).values(last_seen_at=utc_now() - since))


async def use(database: Database, house: House, noted: Signs) -> UUID:
    visitor = await sessions.authenticate(
        database, TOKENS, house.visitor_token, SITE_ORIGIN, signs=noted
    )
    return visitor.session_id


async def test_a_session_that_is_used_every_day_lives_on(database: Database) -> None:
    house, noted = await build_house(database), Signs(database)
    await fall_silent(database, house, YESTERDAY)

    await use(database, house, noted)
    await noted.write()

    assert utc_now() - await seen_at(database, house) < timedelta(minutes=1)
    await fall_silent(database, house, sessions.DEFAULT_LIFETIME.idle)
    with pytest.raises(NotSignedIn):
        await use(database, house, noted)


async def test_signs_of_several_organisations_are_written_each_in_its_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "ROWS_AT_ONCE", 1)
    houses, noted = [await build_house(database) for _ in range(2)], Signs(database)
    for house in houses:
        await fall_silent(database, house, YESTERDAY)

    for house in houses:
        await use(database, house, noted)
    await noted.write()

    for house in houses:
        assert utc_now() - await seen_at(database, house) < timedelta(minutes=1)


async def test_what_is_noted_is_written_when_the_process_ends(database: Database) -> None:
    house, noted = await build_house(database), Signs(database)
    await fall_silent(database, house, YESTERDAY)
    await noted.start()

    await use(database, house, noted)
    await noted.stop()

    assert utc_now() - await seen_at(database, house) < timedelta(minutes=1)


async def test_a_database_that_is_away_fails_nobody_and_the_next_sign_counts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, noted = await build_house(database), Signs(database)
    await fall_silent(database, house, YESTERDAY)
    await use(database, house, noted)

    def away(*_: object, **__: object) -> None:
        raise OSError("nobody there")

    with monkeypatch.context() as without:
        without.setattr(database, "transaction", away)
        await noted.stop()
    assert utc_now() - await seen_at(database, house) > timedelta(hours=22)

    await use(database, house, noted)
    await noted.write()
    assert utc_now() - await seen_at(database, house) < timedelta(minutes=1)


async def test_more_than_can_be_kept_waits_for_its_next_sign(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "NOTED_MAX", 0)
    house, noted = await build_house(database), Signs(database)
    await fall_silent(database, house, YESTERDAY)

    await use(database, house, noted)
    await noted.write()

    assert utc_now() - await seen_at(database, house) > timedelta(hours=22)

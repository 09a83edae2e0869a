"""Whether somebody is there to help: one truth for all nodes, told whenever it changes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from chatbot import embedded
from chatbot.database import Database
from chatbot.realtime.following.relay import Relay
from chatbot.realtime.presence.attending import Attending, Timing
from chatbot.realtime.sockets.client import Client
from chatbot.staff import attendance
from chatbot.staff.login import Staff
from chatbot.staff.tables import Attendance
from tests.realtime.conftest import House, disable, hire
from tests.realtime.hearing import Found, Notes, noting

# Who leaves is gone soon and what ran out is found soon; nothing else depends on time here.
QUICK = Timing(renew_s=0.1, lasts_s=30.0, sweep_s=0.05, grace_s=0.1, cached_s=60.0)
SLOW = Timing(renew_s=60.0, lasts_s=600.0, sweep_s=60.0, grace_s=60.0)


@asynccontextmanager
async def node(
    database: Database, relay: Relay, name: str, timing: Timing = QUICK
) -> AsyncGenerator[Attending]:
    attending = Attending(database, node=name, timing=timing)
    relay.listen(attending.hear, attending.wants)
    await attending.start()
    try:
        yield attending
    finally:
        await attending.stop()


def socket_of(staff: Staff) -> Client[Any]:
    """As much of a socket as attendance looks at."""

    class Socket:
        person = staff

    return cast("Client[Any]", Socket())


def comes(attending: Attending, staff: Staff, sid: str = "sid") -> None:
    attending.joined(sid, socket_of(staff), f"org:{staff.org_id}:inbox")


def goes(attending: Attending, staff: Staff, sid: str = "sid") -> None:
    attending.gone(sid, socket_of(staff))


def superuser(database: Database, cluster: embedded.Urls) -> str:
    """Where somebody above row-level security logs in to this database."""
    return cluster.of(str(conninfo_to_dict(database.url)["dbname"])).superuser


def changes(notes: Notes) -> int:
    return sum(each.event == "availability.changed" for each in notes.signals)


async def becomes(wanted: object, ask: Callable[[], Awaitable[object]]) -> None:
    """Wait for what has no event of its own."""
    async with asyncio.timeout(5):
        while await ask() != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def rows(database: Database, org_id: UUID) -> dict[UUID, datetime]:
    """Who attends, until when."""
    async with database.transaction(org_id) as db:
        return {row.staff_id: row.until for row in await db.scalars(select(Attendance))}


async def people(database: Database, house: House) -> set[UUID]:
    return set(await rows(database, house.org_id))


async def test_the_first_to_come_and_the_last_to_go_are_told_to_all(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    notes, strange = Notes(relay, ours.org_id), Notes(relay, theirs.org_id)
    ben = await hire(database, ours.org_id)
    async with node(database, relay, "one") as one, node(database, relay, "two") as two:
        before = await two.is_staffed(ours.org_id)
        comes(one, ours.staff)
        await notes.until(lambda: changes(notes) == 1)
        staffed = await two.is_staffed(ours.org_id)
        comes(two, ben)
        await becomes({ours.staff.staff_id, ben.staff_id}, lambda: people(database, ours))
        goes(one, ours.staff)
        await becomes({ben.staff_id}, lambda: people(database, ours))
        in_between = changes(notes)
        goes(two, ben)
        await notes.until(lambda: changes(notes) == 2)
        after = [await each.is_staffed(ours.org_id) for each in (one, two)]

    assert (before, staffed, after) == (False, True, [False, False])
    assert in_between == 1
    [signal, _] = [each for each in notes.signals if each.event == "availability.changed"]
    assert signal.topic == f"org:{ours.org_id}:public"
    assert signal.ids == {"org_id": str(ours.org_id)}
    assert changes(strange) == 0


async def test_loading_the_page_again_changes_nothing(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    ben = await hire(database, ours.org_id)
    notes = Notes(relay, ours.org_id)
    async with node(database, relay, "one") as one:
        comes(one, ours.staff, "first")
        comes(one, ben)
        await becomes({ours.staff.staff_id, ben.staff_id}, lambda: people(database, ours))
        goes(one, ours.staff, "first")
        goes(one, ben)
        comes(one, ours.staff, "second")
        await becomes({ours.staff.staff_id}, lambda: people(database, ours))

        assert await one.is_staffed(ours.org_id)
        assert changes(notes) == 1


async def test_rows_are_renewed_for_as_long_as_somebody_is_there(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(relay, ours.org_id)
    async with node(database, relay, "one") as one:
        comes(one, ours.staff)
        await notes.until(lambda: changes(notes) == 1)
        first = await rows(database, ours.org_id)

        async def renewed() -> bool:
            return min((await rows(database, ours.org_id)).values()) > max(first.values())

        await becomes(True, renewed)
        await becomes(True, renewed)

    assert changes(notes) == 1


async def test_a_node_that_dies_is_noticed_by_another(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(relay, ours.org_id)
    own, lasts = [ours.staff.staff_id], timedelta(seconds=0.2)
    async with node(database, relay, "other") as other:
        async with database.transaction(ours.org_id) as db:  # what a node left that is no more
            await attendance.attend(db, ours.org_id, own, node="dead", lasts=lasts)
        await notes.until(lambda: changes(notes) == 2)

        assert not await other.is_staffed(ours.org_id)
        assert await rows(database, ours.org_id) == {}


async def test_a_node_that_stops_leaves_time_to_come_back_elsewhere(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    notes = Notes(relay, ours.org_id)
    async with node(database, relay, "old", SLOW) as old:
        comes(old, ours.staff)
        await notes.until(lambda: changes(notes) == 1)
        [before] = (await rows(database, ours.org_id)).values()
    [after] = (await rows(database, ours.org_id)).values()
    async with node(database, relay, "next", SLOW) as following:
        staffed = await following.is_staffed(ours.org_id)

    assert staffed
    assert before - after > timedelta(seconds=(SLOW.lasts_s - SLOW.grace_s) / 2)
    assert changes(notes) == 1


async def test_the_last_two_who_leave_at_the_same_moment_are_noticed(
    database: Database, two_houses: tuple[House, House]
) -> None:
    """Each sees the other's row still standing: without taking turns, nobody would be told."""
    ours, _ = two_houses
    ben = await hire(database, ours.org_id)
    both = [ours.staff.staff_id, ben.staff_id]
    for _ in range(5):
        found: Found = []
        async with noting(database, ours, found):
            async with database.transaction(ours.org_id) as db:
                await attendance.attend(db, ours.org_id, both, node="n", lasts=timedelta(minutes=1))
            async with (
                database.transaction(ours.org_id) as second,
                database.transaction(ours.org_id) as first,
            ):
                await attendance.leave(first, ours.org_id, both[:1], node="n")
                later = asyncio.create_task(
                    attendance.leave(second, ours.org_id, both[1:], node="n")
                )
                early, _pending = await asyncio.wait([later], timeout=0.05)
                await first.commit()
                await later
        assert early == set()
        assert [event for _, event, _ in found] == ["availability.changed"] * 2


async def test_to_renew_what_lasts_signals_nothing_and_to_revive_what_ran_out_does(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    own = [ours.staff.staff_id]

    async def attend(lasts_s: float) -> list[str]:
        found: Found = []
        async with noting(database, ours, found), database.transaction(ours.org_id) as db:
            lasts = timedelta(seconds=lasts_s)
            await attendance.attend(db, ours.org_id, own, node="n", lasts=lasts)
        return [event for _, event, _ in found]

    assert await attend(60) == ["availability.changed"]
    assert await attend(60) == []
    assert await attend(-1) == ["availability.changed"]
    assert await attend(-1) == []
    assert await attend(60) == ["availability.changed"]


async def test_one_who_comes_while_another_returns_is_told_once(
    database: Database, two_houses: tuple[House, House]
) -> None:
    """One statement inserts the one and revives the other: neither was there before it."""
    ours, _ = two_houses
    ana, ben, eve = [ours.staff, *[await hire(database, ours.org_id) for _ in range(2)]]

    async def attend(*staff: Staff, lasts_s: float) -> list[str]:
        found: Found = []
        who, lasts = [each.staff_id for each in staff], timedelta(seconds=lasts_s)
        async with noting(database, ours, found), database.transaction(ours.org_id) as db:
            await attendance.attend(db, ours.org_id, who, node="n", lasts=lasts)
        return [event for _, event, _ in found]

    await attend(ana, lasts_s=-1)
    assert await attend(ana, ben, lasts_s=60) == ["availability.changed"]
    await attend(ana, lasts_s=-1)
    assert await attend(ana, ben, eve, lasts_s=60) == []


async def test_rows_of_two_organisations_that_go_at_once_are_told_to_both(
    database: Database, cluster: embedded.Urls, two_houses: tuple[House, House]
) -> None:
    sinks: list[Found] = [[], []]
    for house in two_houses:
        async with database.transaction(house.org_id) as db:
            own, lasts = [house.staff.staff_id], timedelta(minutes=1)
            await attendance.attend(db, house.org_id, own, node="n", lasts=lasts)

    ours, theirs = two_houses
    async with noting(database, ours, sinks[0]), noting(database, theirs, sinks[1]):
        with psycopg.connect(superuser(database, cluster)) as link:
            link.execute(
                "delete from attendance where org_id = any (%s)", ([ours.org_id, theirs.org_id],)
            )

    told = [[event for _, event, _ in sink] for sink in sinks]
    assert told == [["availability.changed"]] * 2


async def test_an_organisation_whose_rows_are_locked_keeps_no_other_waiting(
    database: Database, cluster: embedded.Urls, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    lock = "select pg_advisory_xact_lock(hashtextextended('attendance:' || %s, 0))"
    async with node(database, relay, "one") as one:
        with psycopg.connect(superuser(database, cluster)) as link:
            link.execute(lock, (str(ours.org_id),))
            comes(one, ours.staff)
            comes(one, theirs.staff)
            await becomes({theirs.staff.staff_id}, lambda: people(database, theirs))
            goes(one, theirs.staff)
            await becomes(set(), lambda: people(database, theirs))
            locked = await people(database, ours)
        await becomes({ours.staff.staff_id}, lambda: people(database, ours))

    assert locked == set()


async def test_what_is_known_is_kept_until_it_changes(
    database: Database,
    relay: Relay,
    two_houses: tuple[House, House],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, _ = two_houses
    asked: list[UUID] = []
    read = attendance.is_staffed

    async def counted(db: Any, org_id: UUID) -> bool:
        asked.append(org_id)
        return await read(db, org_id)

    monkeypatch.setattr(attendance, "is_staffed", counted)
    async with node(database, relay, "one", SLOW) as one:
        for _ in range(3):
            assert not await one.is_staffed(ours.org_id)
        once = len(asked)
        async with node(database, relay, "two", SLOW) as two:
            comes(two, ours.staff)
            await becomes(True, lambda: one.is_staffed(ours.org_id))
        twice = len(asked)
        for number in range(3):  # a crowd that comes back asks the database nothing
            one.joined(f"sid-{number}", visitor_of(ours), f"org:{ours.org_id}:public")
            await one.is_staffed(ours.org_id)

    assert (once, twice) == (1, 2)
    assert len(asked) == 2


def visitor_of(house: House) -> Client[Any]:
    class Socket:
        person = house.visitor

    return cast("Client[Any]", Socket())


async def test_a_visitor_is_nobody_who_could_help(
    database: Database, relay: Relay, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    async with node(database, relay, "one") as one:
        one.joined("sid", visitor_of(ours), f"conversation:{ours.conversation_id}:messages")
        one.gone("sid", visitor_of(ours))

        assert not await one.is_staffed(ours.org_id)


async def test_one_organisation_never_sees_or_moves_the_rows_of_another(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, theirs = two_houses
    lasts = timedelta(minutes=1)
    async with database.transaction(theirs.org_id) as db:
        own = [theirs.staff.staff_id]
        await attendance.attend(db, theirs.org_id, own, node="n", lasts=lasts)
    async with database.transaction(ours.org_id) as db:
        foreign = await attendance.is_staffed(db, theirs.org_id)
        await attendance.leave(db, theirs.org_id, [theirs.staff.staff_id], node="n")
        await attendance.attend(db, ours.org_id, [theirs.staff.staff_id], node="n", lasts=lasts)
        seen = await db.scalar(text("select count(*) from attendance"))
    async with database.transaction(theirs.org_id) as db:
        still = await attendance.is_staffed(db, theirs.org_id)

    assert (foreign, seen, still) == (False, 0, True)


async def test_nobody_attends_for_another_organisation(
    database: Database, two_houses: tuple[House, House]
) -> None:
    """Also when the statement names it itself."""
    ours, theirs = two_houses
    values = {"org": theirs.org_id, "staff": theirs.staff.staff_id}

    with pytest.raises(DBAPIError, match="row-level security"):
        async with database.transaction(ours.org_id) as db:
            await db.execute(
                text("insert into attendance values (:org, :staff, 'n', now() + interval '1 day')"),
                values,
            )

    assert await rows(database, theirs.org_id) == {}


async def test_a_colleague_who_is_disabled_does_not_attend(
    database: Database, two_houses: tuple[House, House]
) -> None:
    ours, _ = two_houses
    await disable(database, ours.staff)
    async with database.transaction(ours.org_id) as db:
        await attendance.attend(
            db, ours.org_id, [ours.staff.staff_id], node="n", lasts=timedelta(minutes=1)
        )
        staffed = await attendance.is_staffed(db, ours.org_id)

    assert not staffed

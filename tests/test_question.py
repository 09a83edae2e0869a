"""One statement of one organisation: its scope is set before anything is read, and a question that
was refused costs no connection.
"""

# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from chatbot.database import Database, new_id
from chatbot.question import _SCOPE, ask
from chatbot.visitors.sessions import _FIND
from tests.realtime.conftest import House, build_house

PID = "select pg_backend_pid() as pid from scope"


@pytest.fixture
async def house(database: Database) -> House:
    return await build_house(database)


@pytest.fixture
async def narrow(database: Database) -> AsyncIterator[Database]:
    """One connection."""
    narrow = Database(database.url, connections=1)
    yield narrow
    await narrow.close()


async def own_process(database: Database, house: House) -> int:
    """The server's process behind the connection that answers."""
    [row] = await ask(database, PID, {}, org_id=house.org_id, actor="")
    return row.pid


@pytest.mark.parametrize("off", ["material", "nestloop", "hashjoin", "indexscan", "bitmapscan"])
async def test_a_session_is_not_read_before_the_scope_however_it_is_planned(
    database: Database, off: str
) -> None:
    """Before it is set, row-level security hides every session: all would be signed out."""
    question = "explain (costs off) " + _SCOPE + _FIND
    async with database.transaction() as db:
        await db.execute(text(f"set local enable_{off} = off"))
        link = await db.connection()
        given = {"org": str(new_id()), "actor": "", "hash": b"unknown"}
        plan = (await link.exec_driver_sql(question, given)).scalars().all()

    _, _, after_scope = "\n".join(plan).partition("CTE Scan on scope")
    assert "on visitor_sessions" in after_scope
    assert "(scope.org)" in after_scope


@pytest.mark.parametrize("said", ["\0", "\ud800", "no uuid"])
async def test_what_cannot_be_asked_costs_no_connection(
    narrow: Database, house: House, said: str
) -> None:
    before = await own_process(narrow, house)

    with pytest.raises((DataError, UnicodeEncodeError)):
        await ask(
            narrow,
            "select %(text)s::uuid from scope",
            {"text": said},
            org_id=house.org_id,
            actor="",
        )

    after = await own_process(narrow, house)
    assert after == before


async def test_a_question_that_was_given_up_gives_up_its_connection(
    narrow: Database, house: House
) -> None:
    before = await own_process(narrow, house)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(
            ask(narrow, "select pg_sleep(10) from scope", {}, org_id=house.org_id, actor=""),
            0.1,
        )

    after = await own_process(narrow, house)
    assert after != before

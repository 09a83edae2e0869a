"""Upkeep while others write: it must not take a busy database for a restored one."""

import asyncio

import psycopg

from chatbot import embedded
from tests.conftest import copy_of

_NOBODY = "00000000-0000-0000-0000-000000000000"
_SIGNAL = (
    "insert into realtime.messages (org_id, topic, event, payload)"
    f" values ('{_NOBODY}', 'org:{_NOBODY}:inbox', 'n.changed', '{{}}')"
)
_HELD_UP = (
    "select count(*) from pg_stat_activity where datname = current_database()"
    " and wait_event_type = 'Lock' and query like '%maintain%'"
)
_KEPT = "select life, (select count(*) from realtime.messages where id > 0) from realtime.epoch"


def _maintain(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute("select realtime.maintain()")


async def test_what_is_written_while_upkeep_looks_is_no_sign_of_another_database(
    cluster: embedded.Urls,
) -> None:
    with (
        copy_of(cluster) as urls,
        psycopg.connect(urls.superuser) as holder,
        psycopg.connect(urls.superuser, autocommit=True) as writer,
    ):
        life = writer.execute("select life from realtime.epoch").fetchone()
        holder.execute("lock table realtime.messages_default in access exclusive mode")
        upkeep = asyncio.create_task(asyncio.to_thread(_maintain, urls.app))
        async with asyncio.timeout(15):
            while writer.execute(_HELD_UP).fetchone() == (0,):  # noqa: ASYNC110 - it is looking then
                await asyncio.sleep(0.01)

        writer.execute(_SIGNAL)
        holder.rollback()
        await upkeep

        assert life is not None
        assert writer.execute(_KEPT).fetchone() == (life[0], 1)

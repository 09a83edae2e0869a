"""Partitions come and go, a restored database begins anew, and nobody waits for it."""

import psycopg

from chatbot import embedded
from tests.conftest import copy_of


async def test_rows_of_a_day_without_a_partition_move_when_it_is_made(
    cluster: embedded.Urls,
) -> None:
    with copy_of(cluster) as urls, psycopg.connect(urls.superuser, autocommit=True) as link:
        link.execute("set timezone = 'UTC'")
        link.execute(
            "do $$ begin execute 'drop table realtime.messages_' || to_char(now(), 'YYYYMMDD');"
            " end $$"
        )
        insert = (
            "insert into realtime.messages (org_id, topic, event, payload) select"
            " gen_random_uuid(), concat_ws(':', 'org', gen_random_uuid(), 'inbox'), 'e', '{}'"
            " from generate_series(1, 5)"
        )
        where = (
            "select tableoid::regclass::text ~ '_default$', count(*) from realtime.messages"
            " where id > 0 group by 1"
        )
        link.execute(insert)
        assert link.execute(where).fetchall() == [(True, 5)]

        assert link.execute("select realtime.maintain()").fetchone() == (0,)

        link.execute(insert)
        assert link.execute(where).fetchall() == [(False, 10)]


async def test_upkeep_never_waits_for_a_writer(cluster: embedded.Urls) -> None:
    with (
        copy_of(cluster) as urls,
        psycopg.connect(urls.superuser) as writer,
        psycopg.connect(urls.owner, autocommit=True) as link,
    ):
        link.execute("set role chatbot_owner")
        link.execute(
            "create table realtime.messages_20200101 partition of realtime.messages"
            " for values from ('2020-01-01 00:00Z') to ('2020-01-02 00:00Z')"
        )
        writer.execute("lock table realtime.messages in row exclusive mode")

        assert link.execute("select realtime.maintain()").fetchone() == (1,)
        writer.rollback()
        assert link.execute("select realtime.maintain()").fetchone() == (0,)
        gone = link.execute("select to_regclass('realtime.messages_20200101')").fetchone()
        assert gone == (None,)


async def test_a_restored_database_begins_a_new_life(cluster: embedded.Urls) -> None:
    with copy_of(cluster) as urls, psycopg.connect(urls.superuser, autocommit=True) as link:
        before = link.execute("select life, epoch from realtime.position()").fetchone()
        link.execute(
            "insert into realtime.messages (xid, org_id, topic, event, payload) values"
            " ('900000000000', gen_random_uuid(),"
            " concat_ws(':', 'org', gen_random_uuid(), 'inbox'), 'e', '{}')"
        )

        link.execute("select realtime.maintain()")

        after = link.execute("select life, epoch from realtime.position()").fetchone()
        rows = link.execute("select count(*) from realtime.messages where id > 0").fetchone()
        assert rows == (0,)
        assert before
        assert after
        assert set(before).isdisjoint(after)

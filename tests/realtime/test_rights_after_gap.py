"""What was lost in a gap may have been a right: everybody is asked again."""

import psycopg

from chatbot import embedded
from tests import live
from tests.conftest import copy_of
from tests.nodes.windows import until


async def test_who_lost_a_right_unheard_leaves_after_a_gap(cluster: embedded.Urls) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app, run_jobs=False) as running:
            company = await live.company(running, "alder")
            async with live.colleague(running, company, 1) as ben:
                disable_unheard(urls, ben)

                running.service.realtime.lose_signals()

                await until(lambda: not ben.socket.connected)


def disable_unheard(urls: embedded.Urls, colleague: live.Person) -> None:
    """As a row from before a gap: no trigger tells of it."""
    with psycopg.connect(urls.superuser, autocommit=True) as link:
        link.execute("set session_replication_role = replica")
        link.execute("update staff_members set disabled_at = now() where id = %s", (colleague.id,))

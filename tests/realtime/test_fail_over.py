"""The primary is lost and its standby promoted: nobody goes on as if nothing had happened."""

import asyncio
import socket
import tempfile
from pathlib import Path

from structlog.testing import capture_logs

from chatbot.database import Database
from chatbot.realtime.following.relay import Relay
from tests.drills.server import Cluster
from tests.nodes.windows import until

IN_RECOVERY = "ReadOnlySqlTransaction"  # said by a server that follows another one


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _pair(folder: Path) -> tuple[Cluster, Cluster]:
    main, standby = Cluster(folder / "main", _free_port()), Cluster(folder / "two", _free_port())
    main.make(fsync="off")
    standby.follow(main)
    return main, standby


def _replace(main: Cluster, standby: Cluster) -> None:
    """The standby answers at the address of the primary, and follows on."""
    main.stop("immediate")
    standby.ask("alter system set primary_conninfo = ''")
    standby.stop("fast")
    standby.port = main.port
    standby.start()


async def test_a_relay_waits_for_a_standby_to_be_promoted_and_then_tells_a_gap() -> None:
    with tempfile.TemporaryDirectory(prefix="cb-", ignore_cleanup_errors=True) as folder:
        main, standby = await asyncio.to_thread(_pair, Path(folder))
        database = Database(main.url("web"), connections=2)
        relay, gaps = Relay(database), asyncio.Event()
        relay.listen_for_gaps(gaps.set)
        await relay.start()
        old = relay.cursor

        with capture_logs() as lines:
            await asyncio.to_thread(_replace, main, standby)
            await until(lambda: IN_RECOVERY in [line.get("error") for line in lines])
        assert not gaps.is_set()
        await asyncio.to_thread(standby.promote)

        async with asyncio.timeout(15):
            await gaps.wait()
        assert relay.cursor.epoch != old.epoch
        await relay.stop()
        await database.close()
        standby.stop("immediate")

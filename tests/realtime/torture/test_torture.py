"""Seven seconds of everything at once; `python -m benchmarks.torture --minutes 10` is the same for
longer.
"""

from structlog.testing import capture_logs

from tests.realtime.torture.checker import count
from tests.realtime.torture.run import Plan, torture

SHORT = Plan(
    seconds=7.0,
    open_s=2.5,
    clients=6,
    relay_every_s=1.1,
    all_every_s=2.0,
    restart_every_s=4.6,
    node_every_s=2.5,
)


async def test_after_quiet_every_client_shows_what_the_database_holds() -> None:
    with capture_logs():  # a database that goes away is told with many words
        outcome = await torture(SHORT)

    assert count(outcome.faults) == {"lost": 0, "phantom": 0, "applied_twice": 0, "wrong_state": 0}
    happened = {
        "writes": len(outcome.truth.kept),
        "writes taken back": len(outcome.ledger.undone),
        "database restarts": outcome.broken.restarts,
        "nodes restarted": outcome.broken.nodes_restarted,
        "relays ended": outcome.broken.relays_ended,
        "connections ended": outcome.broken.connections_ended,
        "sockets cut": outcome.proxy.cuts,
        "frames repeated": outcome.proxy.repeated,
        "frames delayed": outcome.proxy.delayed,
        "caught up": sum(each.caught_up for each in outcome.clients),
    }
    assert [each for each, times in happened.items() if not times] == []
    assert outcome.ledger.longest_open_s >= SHORT.open_s

"""Real time under torture: after quiet every client must show what the database holds.

Writers with rollbacks, savepoints and a 12 s open transaction; relays ended, the database crashed
and restarted, nodes ended, sockets cut, and a proxy that repeats and reorders. A checker over the
recorded histories counts what was lost, invented, applied twice or left wrong.
"""

import logging
import sys

import click
import structlog
import uvloop

from benchmarks.report import Metrics, report
from tests.realtime.torture.checker import count
from tests.realtime.torture.run import Outcome, Plan, torture

# What they promise for messages that were missed; published, not measured here.
PEERS: dict[str, Metrics] = {
    "supabase (published)": {"promise": "none; replay of 25 messages"},
    "centrifugo (published)": {"promise": "recovery of 300 messages, else the application reads"},
}
FAULTS_SHOWN = 20


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1, 120), default=0.5, show_default=True)
@click.option("--clients", type=click.IntRange(1, 100), default=12, show_default=True)
@click.option("--writers", type=click.IntRange(1, 50), default=6, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="of all that is random")
@click.option("--json", "as_json", is_flag=True, help="one JSON object instead of a table")
def main(minutes: float, clients: int, writers: int, seed: int, as_json: bool) -> None:
    """Break everything for a while, then compare every client with the database."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    plan = Plan(
        seconds=minutes * 60,
        clients=clients,
        writers=writers,
        restart_every_s=min(30.0, minutes * 60 * 0.7),
        node_every_s=min(11.0, minutes * 60 * 0.3),
    )
    outcome = uvloop.run(torture(plan, seed=seed))
    report("torture", figures(outcome, minutes), PEERS, as_json=as_json)
    for fault in outcome.faults[:FAULTS_SHOWN]:
        click.echo(f"  {fault.kind}: {fault.client}: {fault.what}", err=True)
    sys.exit(1 if outcome.faults else 0)


def figures(outcome: Outcome, minutes: float) -> Metrics:
    """The faults first, then what there was to get wrong."""
    clients, ledger, broken = outcome.clients, outcome.ledger, outcome.broken
    return {
        **count(outcome.faults),
        "minutes": minutes,
        "writes_committed": len(outcome.truth.kept),
        "writes_taken_back": len(ledger.undone),
        "commits_without_an_answer": len(ledger.doubtful),
        "longest_open_transaction_s": round(ledger.longest_open_s, 1),
        "signals_told": sum(len(each.history.told) for each in clients),
        "repeated_by_proxy": outcome.proxy.repeated,
        "delayed_by_proxy": outcome.proxy.delayed,
        "sockets_cut": outcome.proxy.cuts,
        "connections": sum(each.connections for each in clients),
        "caught_up": sum(each.caught_up for each in clients),
        "resets": sum(each.resets for each in clients),
        "relays_ended": broken.relays_ended,
        "connections_ended": broken.connections_ended,
        "database_restarts": broken.restarts,
        "nodes_restarted": broken.nodes_restarted,
        "equal_after_s": round(outcome.calm_after_s, 2),
    }


if __name__ == "__main__":
    main()

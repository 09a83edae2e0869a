"""Every number that the real-time layer counts, for Prometheus; docs/operations/metrics.md says
what they mean and which alerts are worth having.

Labels are bounded: kinds of topics, codes of the catalogue, names from this file. No id and no
organisation is one: an install may have thousands, and a visitor must not show in a graph.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from engineio.base_server import BaseServer
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from chatbot.realtime import codes, topics
from chatbot.realtime.signals import Signal

OTHER = "other"
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

_REASONS = frozenset(value for name, value in vars(BaseServer.reason).items() if name.isupper())
_KINDS = {(each.scope, each.feature): f"{each.scope}:{each.feature}" for each in topics.KINDS}


def _milliseconds(name: str, text: str, labels: tuple[str, ...] = ()) -> Histogram:
    return Histogram(name, text, labels, buckets=BUCKETS_MS)


def _now(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
    """A number of this moment; of several processes the sum."""
    return Gauge(name, text, labels, multiprocess_mode="livesum")


def _worst(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
    """A number of this moment; of several processes the highest."""
    return Gauge(name, text, labels, multiprocess_mode="livemax")


# ── Sockets ───────────────────────────────────────────────────────────────────────────────────────

IN_LINE = _now("rt_connections_in_line", "Connections that wait to be begun.")
LET_GO = Counter("rt_connections_let_go_total", "Connections that left the line unheard.")
CONNECTIONS = _now("rt_connections", "Sockets that proved whose they are.", ("namespace",))
CONNECTS = Counter("rt_connects_total", "Attempts to connect, by outcome.", ("result",))
DISCONNECTS = Counter("rt_disconnects_total", "Sockets that left, by reason.", ("reason",))
JOINS = Counter("rt_joins_total", "Topics asked for, by kind and outcome.", ("kind", "result"))
LEAVES = Counter("rt_leaves_total", "Topics left: asked so, lost, or gone.", ("kind",))
HEARD = _now("rt_topics_heard", "Topics heard now, each socket's for itself.", ("kind",))
EVENTS = Counter("rt_events_total", "Events that clients sent.", ("event",))
ERRORS = Counter("rt_errors_total", "Codes told to clients (or by them).", ("code", "where"))
RATE_LIMITED = Counter("rt_rate_limited_total", "Refused: more than its share.", ("what",))
SLOW_CONSUMERS = Counter("rt_slow_consumer_total", "Sockets closed because they did not read.")
QUEUE_DEPTH = _worst("rt_queue_depth_max", "Most frames that wait for one socket.")
AUTH_CHECK = _milliseconds("rt_auth_check_ms", "To find what a client may hear.")

# ── Signals ───────────────────────────────────────────────────────────────────────────────────────

SIGNALS = Counter("rt_signals_total", "Signals that the relay read for this process.", ("kind",))
PASSED_OVER = Counter("rt_signals_passed_over_total", "Rows read that are told to nobody here.")
FOLDED = Counter("rt_signals_folded_total", "Signals folded into an equal one.", ("kind",))
PAUSED = Counter("rt_signals_paused_total", "Rows that the kill switch kept back.", ("kind",))
DELIVERIES = Counter("rt_deliveries_total", "Signals handed to a socket.", ("kind",))
LATENCY = _milliseconds(
    "rt_signal_latency_ms",
    "Of one signal: written_read (on the database's clock), read_emit, and both as end_to_end.",
    ("stage", "kind"),
)
RELAY_READS = Counter("rt_relay_reads_total", "Reads of the relay, by what woke it.", ("wake",))
RELAY_READ = _milliseconds("rt_relay_read_ms", "One read of the relay, there and back.")
RELAY_LAG_ROWS = _worst("rt_relay_lag_rows", "Rows of the last read beyond its first page.")
RELAY_READ_AT = Gauge(
    "rt_relay_read_timestamp_seconds", "When the relay last read.", multiprocess_mode="livemin"
)
RELAY_LOST = Counter("rt_relay_lost_total", "Times that the relay lost its connection.")
GAPS = Counter("rt_gaps_total", "Times that all clients were told to load everything again.")
OLDEST_OPEN = _worst("rt_oldest_open_xact_s", "How long the oldest writing transaction is open.")
PAUSED_KINDS = _worst("rt_paused_kinds", "Kinds of topics that the kill switch holds.")
UPKEEP_LEFT = _worst("rt_upkeep_left_over", "Partitions that the last upkeep had to leave.")
UPKEEP_AT = Gauge(
    "rt_upkeep_timestamp_seconds", "When upkeep last ended well.", multiprocess_mode="livemax"
)

# ── Catching up ───────────────────────────────────────────────────────────────────────────────────

CATCHUPS = Counter("rt_catchup_total", "Clients that asked what they missed.", ("result",))
CATCHUP = _milliseconds("rt_catchup_ms", "To find what a client may hear and what it missed.")
CATCHUP_SIGNALS = Counter("rt_catchup_signals_total", "Missed signals told so.", ("kind",))

# ── Presence, broadcast, frames, other nodes ──────────────────────────────────────────────────────

PRESENT = _now("rt_present", "Who is announced on topics of this process.", ("kind",))
PRESENCE = Counter(
    "rt_presence_total", "Members told of: joined (or changed), left.", ("kind", "what")
)
BROADCASTS = Counter("rt_broadcasts_total", "Broadcasts between clients.", ("kind",))
TYPING = Counter("rt_typing_total", "Changes of typing: on, off, forgotten.", ("what",))
STREAMS = _now("rt_stream_active", "Answers being sent as frames.")
RESUMES = Counter("rt_stream_resume_total", "Requests to go on with an answer.", ("result",))
BUS_SENT = Counter("rt_bus_sent_total", "Messages for other nodes, by outcome.", ("result",))
BUS_HEARD = Counter("rt_bus_heard_total", "Messages of other nodes, by outcome.", ("result",))
BUS_UP = Gauge("rt_bus_up", "1 while the bus is there.", multiprocess_mode="livemin")

# ── Clients and the process ───────────────────────────────────────────────────────────────────────

REPORTS = Counter("rt_client_reports_total", "Reports of clients, by their status.", ("status",))
THROTTLED = Counter("rt_refetches_throttled_total", "Refetches that clients put together.")
LOOP_LAG = _milliseconds("rt_loop_lag_ms", "How late the event loop was.")
LOOP_LAG_MAX = _worst("rt_loop_lag_max_ms", "The worst of the last ten seconds.")


class OfKind(NamedTuple):
    """The numbers of one kind that every signal moves, found once."""

    signals: Counter
    folded: Counter
    deliveries: Counter
    written_read: Histogram
    read_emit: Histogram
    end_to_end: Histogram


@cache
def of_kind(kind: str) -> OfKind:
    """By the label that `kind` gives."""
    return OfKind(
        SIGNALS.labels(kind),
        FOLDED.labels(kind),
        DELIVERIES.labels(kind),
        LATENCY.labels("written_read", kind),
        LATENCY.labels("read_emit", kind),
        LATENCY.labels("end_to_end", kind),
    )


@cache
def reads_of(wake: str) -> Counter:
    """The reads of the relay after being woken so."""
    return RELAY_READS.labels(wake)


def kind(topic: str) -> str:
    """The label of a topic's kind, `{scope}:{feature}`; `other` for a program's own kind."""
    return _KINDS.get(topics.scope_and_feature(topic), OTHER)


def code(name: str) -> str:
    """The label of an error code; `other` for one that is not in the catalogue."""
    return name if name in codes.CATALOGUE or name in codes.FROM_CLIENTS else OTHER


def asked(answers: Mapping[str, str]) -> None:
    """Topics that a client asked for, each with `ok` or a code."""
    for topic, answer in answers.items():
        result = answer if answer == "ok" else code(answer)
        JOINS.labels(kind(topic), result).inc()
        if answer != "ok":
            told(answer, "topic")


def reason(name: str) -> str:
    """The label of why a connection ended; `other` when the library says something new."""
    return name if name in _REASONS else OTHER


def caught_up(signals: Sequence[Signal], *, reset: bool) -> None:
    """What a client was told that it missed."""
    CATCHUPS.labels("reset" if reset else "some" if signals else "none").inc()
    for each in signals:
        CATCHUP_SIGNALS.labels(kind(each.topic)).inc()


def told(name: str, where: str) -> None:
    """A client was told this code: `connect`, `ack`, `topic`, `system`; or `client`: it told us."""
    ERRORS.labels(code(name), where).inc()


def exposition() -> bytes:
    """All metrics as Prometheus reads them.

    Several workers share one port, so that a scrape reaches any of them: they share their numbers
    too, in files (`PROMETHEUS_MULTIPROC_DIR`, set by `serve --workers`), and whoever is asked tells
    of all. The process's own memory and time are told where there is one process only.
    """
    shared = CollectorRegistry()
    try:
        MultiProcessCollector(shared)
    except ValueError:  # no such folder is named: one process
        return generate_latest(REGISTRY)
    return generate_latest(shared)


def totals() -> Mapping[str, float]:
    """Every sample of this process by `name{label=value,…}`; for tests and benchmarks."""
    samples = (each for metric in REGISTRY.collect() for each in metric.samples)
    return {_spelled(each.name, each.labels): each.value for each in samples}


def _spelled(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name

"""From the rows of a read to what is heard of them: what nobody here waits for is not even decoded.

The database sends the signals of all organisations and this process picks out its own. Measured at
1,000 signals a second of which one in a hundred is ours, in 200 reads, whatever the number of our
topics: 75 µs of Python and 100 µs of Postgres for a read. With 10,000 topics named in the question
it is 230 µs and 1,800 µs, for the names travel and are looked at every time; named topics are only
cheaper when they are fewer than a hundred.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec
import structlog

from chatbot.realtime import metrics, topics
from chatbot.realtime.following.link import Answer
from chatbot.realtime.signals import Cursor, Restart, Row, Signal, fold, signal

Listener = Callable[[UUID, Signal], None]
Wants = Callable[[str, str], bool]
"""(topic, event) → whether a listener needs such a signal; asked for every row, so it is quick."""

# The columns of realtime.news.
CUR, CLOCK, XID, ID, ORG, TOPIC, EVENT, PAYLOAD, INSERTED_AT = range(9)

log = structlog.get_logger(__name__)


class Telling:
    """The listeners of one relay, what each wants to hear, and which kinds are paused."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._wants: list[Wants] = []
        self._wants_all = False
        self.paused: frozenset[tuple[str, str]] = frozenset()
        """(scope, feature) of what is told to nobody."""

    def add(self, callback: Listener, wants: Wants | None) -> None:
        """Tell `callback` what it wants, or all; it may hear more than it wants."""
        self._listeners.append(callback)
        if wants is None:
            self._wants_all = True
        else:
            self._wants.append(wants)

    def tell(
        self, found: Answer, before: Cursor, *, restarted: Restart | None, asked_at: float
    ) -> None:
        """Tell what is in an answer of `realtime.news` that was asked for at `asked_at` (of
        `time.perf_counter`). Equal signals are told once.

        A signal carries the place from before its read: a connection lost in mid-batch repeats the
        batch.
        """
        arrived_at = time.perf_counter()
        heard = [index for index in range(found.rows) if self._is_heard(found, index, restarted)]
        if found.has(0, ID):
            metrics.PASSED_OVER.inc(found.rows - len(heard))
        if not heard:
            return
        rows = [_row(found, each) for each in heard]
        signals = [signal(row, before) for row in rows]
        told = {each.id: each for each in (fold(signals) if len(signals) > 1 else signals)}
        orgs = {str(row.id): row.org_id for row in rows}
        for each in told.values():
            self._pass_on(orgs[each.id], each)
        emitted_at = time.perf_counter()
        for index, row in zip(heard, rows, strict=True):
            numbers = metrics.of_kind(metrics.kind(row.topic))
            numbers.signals.inc()
            if str(row.id) not in told:
                numbers.folded.inc()
                continue
            age_ms = (found.integer(0, CLOCK) - found.integer(index, INSERTED_AT)) / 1000
            numbers.written_read.observe(age_ms)
            numbers.read_emit.observe((emitted_at - arrived_at) * 1000)
            numbers.end_to_end.observe(age_ms + (emitted_at - asked_at) * 1000)

    def _is_heard(self, found: Answer, index: int, restarted: Restart | None) -> bool:
        if not found.has(index, ID):
            return False  # the one line of a read without news
        topic, event = found.text(index, TOPIC), found.text(index, EVENT)
        if not (self._wants_all or any(wants(topic, event) for wants in self._wants)):
            return False
        if restarted is not None and not restarted.is_news(
            found.integer(index, XID), found.integer(index, ID), found.time(index, INSERTED_AT)
        ):
            return False
        if self.paused and topics.scope_and_feature(topic) in self.paused:
            metrics.PAUSED.labels(metrics.kind(topic)).inc()
            return False
        return True

    def _pass_on(self, org_id: UUID, told: Signal) -> None:
        for callback in self._listeners:
            try:
                callback(org_id, told)
            except Exception:
                # One listener's mistake must not cost the others their signals.
                log.exception("realtime.listener_failed", event_name=told.event)


def _row(found: Answer, index: int) -> Row:
    return Row(
        found.integer(index, ID),
        UUID(bytes=found.raw(index, ORG)),
        found.text(index, TOPIC),
        found.text(index, EVENT),
        _payload(found.raw(index, PAYLOAD)),
        found.time(index, INSERTED_AT),
    )


def _payload(sent: bytes) -> Mapping[str, Any]:
    """What the row says, after the first byte, the version of the format. Nothing when no reader
    takes it (a number beyond all bounds, a thousand brackets): the signal is told all the same.
    """
    try:
        return msgspec.json.decode(sent[1:], type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        log.warning("realtime.unreadable_payload")
        return {}

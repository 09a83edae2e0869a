"""Says from recorded histories what went wrong between a database and its clients. Pure.

`Truth` is what the writers committed and took back, `History` what one client was told, acted on,
applied and showed at the end. Every write sends one signal that carries its own token, so that none
can stand for another.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from chatbot.realtime.signals import visible

Kind = Literal["lost", "phantom", "applied_twice", "wrong_state"]
State = Mapping[str, Mapping[str, tuple[int, str]]]
"""By topic and thing: the version, and the token of the write that made it."""


class Write(msgspec.Struct, frozen=True):
    """One write that was meant to stay: the thing's version after it, and where it was told."""

    token: str
    topic: str
    thing: str
    version: int


class Sent(msgspec.Struct, frozen=True):
    """The signal of a committed write, as the database stores it."""

    token: str
    topic: str
    xid: int
    at: datetime


class Truth(msgspec.Struct, frozen=True):
    """`kept` holds the writes of committed transactions; all others never happened."""

    kept: Sequence[Write]
    sent: Sequence[Sent]
    final: State


class Read(msgspec.Struct, frozen=True):
    """A client read all it shows, at this snapshot of the database and this time of its clock."""

    snapshot: str
    at: datetime


class Applied(msgspec.Struct, frozen=True):
    thing: str
    version: int
    token: str


class History(msgspec.Struct):
    """What one client lived through. `told` counts every delivery, `acted` only what it did not
    drop as known.
    """

    name: str
    topics: frozenset[str]
    told: list[tuple[str, str]] = msgspec.field(default_factory=list[tuple[str, str]])
    acted: list[str] = msgspec.field(default_factory=list[str])
    applied: list[Applied] = msgspec.field(default_factory=list[Applied])
    reads: list[Read] = msgspec.field(default_factory=list[Read])
    final: State = msgspec.field(default_factory=dict[str, dict[str, tuple[int, str]]])


class Fault(msgspec.Struct, frozen=True):
    kind: Kind
    client: str
    what: str


def faults(truth: Truth, histories: Iterable[History]) -> list[Fault]:
    """All that is wrong, client by client."""
    return [
        fault
        for history in histories
        for check in (_lost, _phantoms, _applied_twice, _wrong_state)
        for fault in check(truth, history)
    ]


def count(found: Iterable[Fault]) -> dict[Kind, int]:
    """How many faults of each kind, those that did not occur too."""
    kinds: Counter[Kind] = Counter(fault.kind for fault in found)
    return {
        "lost": kinds["lost"],
        "phantom": kinds["phantom"],
        "applied_twice": kinds["applied_twice"],
        "wrong_state": kinds["wrong_state"],
    }


def _lost(truth: Truth, history: History) -> Iterator[Fault]:
    """A committed signal of the client's topics that it was neither told nor made good by reading
    everything later.
    """
    told = {token for _, token in history.told}
    for sent in truth.sent:
        if sent.topic not in history.topics or sent.token in told:
            continue
        if not any(_covers(read, sent) for read in history.reads):
            yield Fault("lost", history.name, f"{sent.token} on {sent.topic}")


def _covers(read: Read, sent: Sent) -> bool:
    """After a crash transaction ids are given out again, hence the clock beside the snapshot."""
    return visible(sent.xid, read.snapshot) and sent.at <= read.at


def _phantoms(truth: Truth, history: History) -> Iterator[Fault]:
    """Something told or applied that no committed write of that place ever made."""
    kept = {(write.topic, write.token) for write in truth.kept}
    for topic, token in sorted(set(history.told)):
        if (topic, token) not in kept or topic not in history.topics:
            yield Fault("phantom", history.name, f"told {token} on {topic}")
    made = {(write.thing, write.version, write.token) for write in truth.kept}
    for each in history.applied:
        if (each.thing, each.version, each.token) not in made:
            what = f"applied {each.token} as version {each.version} of {each.thing}"
            yield Fault("phantom", history.name, what)


def _applied_twice(truth: Truth, history: History) -> Iterator[Fault]:
    for token, times in Counter(history.acted).items():
        if times > 1:
            yield Fault("applied_twice", history.name, f"acted {times} times on {token}")
    latest: dict[str, int] = {}
    for each in history.applied:
        if each.version <= latest.get(each.thing, -1):
            what = f"version {each.version} of {each.thing} over {latest[each.thing]}"
            yield Fault("applied_twice", history.name, what)
        latest[each.thing] = max(each.version, latest.get(each.thing, -1))


def _wrong_state(truth: Truth, history: History) -> Iterator[Fault]:
    for topic in sorted(history.topics):
        right, shown = truth.final.get(topic, {}), history.final.get(topic, {})
        for thing in sorted(right.keys() | shown.keys()):
            if right.get(thing) != shown.get(thing):
                what = f"{thing} on {topic}: {shown.get(thing)} instead of {right.get(thing)}"
                yield Fault("wrong_state", history.name, what)

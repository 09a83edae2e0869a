"""Who is there, on which topic, as every node comes to see it. Pure: time and messages are given.

Each node numbers its own changes and says every BEAT_S how far it has counted. Whoever finds that
it missed one asks for the whole; a node of which nothing is heard for SILENT_S is forgotten with
all its members. So a lost, doubled or late message costs time, never the truth.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from chatbot.realtime.events import Member

BEAT_S = 5.0
SILENT_S = 12.0
NEWS_EVERY_S = 0.25  # of one topic, and to the other nodes; the first at once
ASK_EVERY_S = 1.0
MEMBERS_MAX = 200  # in a list; beyond, only their number is told
ENTRIES_MAX = 100  # in one message between nodes
AT_ONCE_MAX = 500  # topics to tell of, or changes to send, in one turn of the loop

Each = TypeVar("Each")


class News(msgspec.Struct, frozen=True):
    """What to tell those who hear the topic: who came or changed, who left, how many there are."""

    topic: str
    joined: list[Member]
    left: list[str]
    count: int


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A member as a node announces it to the others; of two nodes' the later stamp counts (ms)."""

    topic: str
    member: Member
    stamp: int


class Change(msgspec.Struct, frozen=True, tag="change"):
    """The `seq`-th change of a node's own members."""

    node: str
    seq: int
    there: list[Entry]
    gone: list[tuple[str, str]]


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """The node lives and has made `seq` changes."""

    node: str
    seq: int


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """`of` (every node when empty) shall send all its members."""

    node: str
    of: str


class Part(msgspec.Struct, frozen=True, tag="part"):
    """One of the `parts` that together are all of a node's members after its change `seq`."""

    node: str
    seq: int
    part: int
    parts: int
    there: list[Entry]


Message = Change | Beat | Ask | Part


class Remote:
    """What is known of another node."""

    def __init__(self, now: float) -> None:
        self.heard_at = now
        self.asked_at = float("-inf")
        self.seq = 0
        self.entries: dict[tuple[str, str], Entry] = {}
        self.parts: dict[int, list[Entry]] = {}
        self.parts_of: tuple[int, int] = (0, 0)


class Told:
    """What the hearers of a topic were told last, and when."""

    def __init__(self) -> None:
        self.at = float("-inf")
        self.members: dict[str, Member] = {}
        self.count = 0


Source = tuple[str, str]
"""(node, socket); the socket is empty for another node, which sends one entry for each member."""


class Roster:
    """The members of every topic on all nodes. `turn()` gives what is to be sent and told, and
    `due()` says when to ask again.
    """

    def __init__(self, node: str, *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._node = node
        self._clock = clock
        self._wall = wall
        self._stamp = 0
        self._there: dict[str, dict[str, dict[Source, Entry]]] = {}
        self._of_socket: dict[str, dict[str, str]] = {}  # sid → topic → key
        self._remotes: dict[str, Remote] = {}
        self._told: dict[str, Told] = {}
        self._changed: set[str] = set()
        self._seq = 0
        self._unsent: dict[tuple[str, str], None] = {}
        self._sent_at = float("-inf")
        self._beat_at = clock()
        self._wanted = False
        self._whole_at = float("-inf")
        self._outbox: list[Message] = [Ask(node, "")]

    # ── This node's sockets ───────────────────────────────────────────────────────────────────────

    def announce(self, sid: str, topic: str, member: Member) -> bool:
        """The socket says that its person is there, in this state. Whether it had before."""
        self._stamp = max(self._stamp + 1, int(self._wall() * 1000))
        was_there = self.leave(sid, topic)
        self._put(Entry(topic, member, self._stamp), (self._node, sid))
        self._of_socket.setdefault(sid, {})[topic] = member.key
        self._unsent[topic, member.key] = None
        return was_there

    def leave(self, sid: str, topic: str) -> bool:
        """The socket is no longer there; whether it was."""
        held = self._of_socket.get(sid, {})
        key = held.pop(topic, None)
        if key is None:
            return False
        if not held:
            del self._of_socket[sid]
        self._remove(topic, key, (self._node, sid))
        self._unsent[topic, key] = None
        return True

    # ── Who is there ──────────────────────────────────────────────────────────────────────────────

    def members(self, topic: str) -> list[Member]:
        """The first MEMBERS_MAX by key."""
        there = self._there.get(topic, {})
        keys = heapq.nsmallest(MEMBERS_MAX, there) if len(there) > MEMBERS_MAX else sorted(there)
        return [_latest(there[key]).member for key in keys]

    def count(self, topic: str) -> int:
        """How many are there, listed or not."""
        return len(self._there.get(topic, {}))

    # ── What is to be done ────────────────────────────────────────────────────────────────────────

    def turn(self) -> tuple[list[Message], list[News]]:
        """What to send to the other nodes and what to tell hearers, now."""
        now = self._clock()
        for node, remote in list(self._remotes.items()):
            if now - remote.heard_at >= SILENT_S:
                self._forget(node)
        return list(self._messages(now)), list(self._news(now))

    def due(self) -> float:
        """When the next turn is, on the clock; earlier once something happened."""
        times = [self._beat_at]
        times += [each.heard_at + SILENT_S for each in self._remotes.values()]
        times += [self._told[topic].at + NEWS_EVERY_S for topic in self._changed]
        if self._unsent:
            times.append(self._sent_at + NEWS_EVERY_S)
        if self._wanted:
            times.append(self._whole_at + ASK_EVERY_S)
        return min(times)

    def _messages(self, now: float) -> Iterator[Message]:
        yield from self._outbox
        self._outbox = []
        whole = self._wanted and now - self._whole_at >= ASK_EVERY_S
        if self._unsent and (whole or now - self._sent_at >= NEWS_EVERY_S):
            yield from self._changes(len(self._unsent) if whole else AT_ONCE_MAX)
            if not self._unsent:
                self._sent_at = now
        if whole:
            self._wanted, self._whole_at = False, now
            yield from self._whole()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_S
            self._tidy(now)
            yield Beat(self._node, self._seq)

    def _changes(self, at_most: int) -> Iterator[Change]:
        unsent = list(islice(self._unsent, at_most))
        for name in unsent:
            del self._unsent[name]
        for names in _chunks(unsent):
            there: list[Entry] = []
            gone: list[tuple[str, str]] = []
            for topic, key in names:
                own = self._own(topic, key)
                if own is None:
                    gone.append((topic, key))
                else:
                    there.append(own)
            self._seq += 1
            yield Change(self._node, self._seq, there, gone)

    def _whole(self) -> Iterator[Part]:
        names = {(topic, key) for held in self._of_socket.values() for topic, key in held.items()}
        found = [own for topic, key in sorted(names) if (own := self._own(topic, key))]
        chunks = list(_chunks(found)) or [[]]
        for number, entries in enumerate(chunks):
            yield Part(self._node, self._seq, number, len(chunks), list(entries))

    def _own(self, topic: str, key: str) -> Entry | None:
        sources = self._there.get(topic, {}).get(key, {})
        own = {source: entry for source, entry in sources.items() if source[0] == self._node}
        return _latest(own) if own else None

    def _news(self, now: float) -> Iterator[News]:
        due = (each for each in self._changed if self._is_due(each, now))
        for topic in list(islice(due, AT_ONCE_MAX)):
            self._changed.discard(topic)
            told = self._told[topic]
            members = {each.key: each for each in self.members(topic)}
            joined = [each for key, each in members.items() if told.members.get(key) != each]
            left = [key for key in told.members if key not in members]
            count = self.count(topic)
            if joined or left or count != told.count:
                told.at = now
                yield News(topic, joined, left, count)
            told.members, told.count = members, count

    def _is_due(self, topic: str, now: float) -> bool:
        return now - self._told[topic].at >= NEWS_EVERY_S

    def _tidy(self, now: float) -> None:
        for topic in [each for each in self._told if each not in self._there]:
            if topic not in self._changed and self._is_due(topic, now):
                del self._told[topic]

    def ask_all(self) -> None:
        """What other nodes said before now may not have been heard: have them say it again."""
        self._outbox.append(Ask(self._node, ""))

    # ── Other nodes ───────────────────────────────────────────────────────────────────────────────

    def hear(self, message: Message) -> None:
        """What another node said; in any order, twice, or not at all."""
        if message.node == self._node:
            return
        now = self._clock()
        if message.node not in self._remotes:
            self._remotes[message.node] = Remote(now)
        remote = self._remotes[message.node]
        remote.heard_at = now
        match message:
            case Change():
                self._hear_change(remote, message)
            case Beat():
                self._catch_up(remote, message.node, message.seq)
            case Part():
                self._hear_part(remote, message)
            case Ask():
                self._wanted |= message.of in ("", self._node)

    def _hear_change(self, remote: Remote, change: Change) -> None:
        if change.seq != remote.seq + 1:
            self._catch_up(remote, change.node, change.seq)
            return
        remote.seq = change.seq
        for entry in change.there:
            remote.entries[entry.topic, entry.member.key] = entry
            self._put(entry, (change.node, ""))
        for topic, key in change.gone:
            remote.entries.pop((topic, key), None)
            self._remove(topic, key, (change.node, ""))

    def _catch_up(self, remote: Remote, node: str, seq: int) -> None:
        """Ask for the whole when the node has made changes that were not heard."""
        now = self._clock()
        if seq > remote.seq and now - remote.asked_at >= ASK_EVERY_S:
            remote.asked_at = now
            self._outbox.append(Ask(self._node, node))

    def _hear_part(self, remote: Remote, part: Part) -> None:
        if part.seq <= remote.seq:
            return  # nothing that is not known
        if remote.parts_of != (part.seq, part.parts):
            remote.parts, remote.parts_of = {}, (part.seq, part.parts)
        remote.parts[part.part] = part.there
        if len(remote.parts) < part.parts:
            return
        entries = [entry for there in remote.parts.values() for entry in there]
        remote.parts, remote.parts_of, remote.seq = {}, (0, 0), part.seq
        before, remote.entries = remote.entries, {}
        for entry in entries:
            remote.entries[entry.topic, entry.member.key] = entry
            self._put(entry, (part.node, ""))
        for topic, key in before.keys() - remote.entries.keys():
            self._remove(topic, key, (part.node, ""))

    def _forget(self, node: str) -> None:
        for topic, key in self._remotes.pop(node).entries:
            self._remove(topic, key, (node, ""))

    def _put(self, entry: Entry, source: Source) -> None:
        topic = self._there.setdefault(entry.topic, defaultdict(dict))
        topic[entry.member.key][source] = entry
        self._touch(entry.topic)

    def _remove(self, topic: str, key: str, source: Source) -> None:
        members = self._there.get(topic, {})
        sources = members.get(key, {})
        if sources.pop(source, None) is None:
            return
        if not sources:
            del members[key]
        if not members:
            del self._there[topic]
        self._touch(topic)

    def _touch(self, topic: str) -> None:
        self._told.setdefault(topic, Told())
        self._changed.add(topic)


def _latest(sources: dict[Source, Entry]) -> Entry:
    """Every node comes to the same, also when two stamps are equal."""
    node = max(sources, key=lambda source: (sources[source].stamp, source[0]))
    return sources[node]


def _chunks(items: Sequence[Each]) -> Iterator[Sequence[Each]]:
    for start in range(0, len(items), ENTRIES_MAX):
        yield items[start : start + ENTRIES_MAX]

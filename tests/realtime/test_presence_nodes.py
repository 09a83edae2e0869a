"""Presence across nodes, without sockets: whatever the bus loses, doubles or reorders and whichever
node dies, all that live agree with the truth once heartbeats have flowed; and so do their hearers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.realtime.events import Member
from chatbot.realtime.presence.roster import (
    AT_ONCE_MAX,
    BEAT_S,
    ENTRIES_MAX,
    MEMBERS_MAX,
    NEWS_EVERY_S,
    SILENT_S,
    Ask,
    Beat,
    Change,
    Message,
    News,
    Part,
    Roster,
)
from tests.realtime.clock import Clock

TOPICS = ("org:1:inbox", "conversation:2:staff")
PEOPLE = ("staff:a", "staff:b")
QUIET_S = 3 * BEAT_S + SILENT_S


def member(key: str, **state: bool | int | str) -> Member:
    return Member(key, key.upper(), dict(state))


@dataclass
class Node:
    """A roster with what its sockets said, and what somebody who hears every topic believes."""

    roster: Roster
    said: dict[tuple[str, str], tuple[float, Member]] = field(default_factory=dict)
    heard: dict[str, dict[str, Member]] = field(default_factory=dict)
    told_at: dict[str, float] = field(default_factory=dict)

    def listen(self, news: list[News], now: float) -> None:
        for each in news:
            assert now - self.told_at.get(each.topic, float("-inf")) >= NEWS_EVERY_S
            self.told_at[each.topic] = now
            members = self.heard.setdefault(each.topic, {})
            members |= {joined.key: joined for joined in each.joined}
            for key in each.left:
                members.pop(key, None)
            assert each.count >= len(members)


class World:
    """Nodes on one bus that loses `loss` of all messages, repeats some, and keeps no order."""

    def __init__(self, seed: int = 0) -> None:
        self.clock = Clock()
        self.random = Random(seed)
        self.loss = 0.0
        self.shuffled = False
        self.nodes: dict[str, Node] = {}
        self.wire: list[tuple[str, Message]] = []
        self._born = 0
        for _ in range(3):
            self.add_node()

    def add_node(self) -> str:
        self._born += 1
        name = f"node{self._born}"
        self.nodes[name] = Node(Roster(name, clock=self.clock, wall=self.clock))
        return name

    def kill(self, name: str) -> None:
        del self.nodes[name]
        self.wire = [(to, message) for to, message in self.wire if to != name]

    def announce(self, name: str, sid: str, topic: str, who: Member) -> None:
        self.clock.now += 0.01
        self.nodes[name].roster.announce(sid, topic, who)
        self.nodes[name].said[sid, topic] = (self.clock.now, who)

    def leave(self, name: str, sid: str, topic: str) -> None:
        self.nodes[name].roster.leave(sid, topic)
        self.nodes[name].said.pop((sid, topic), None)

    def turn(self) -> None:
        """Every node does what is due, then the bus delivers what it does not lose."""
        for name, node in self.nodes.items():
            messages, news = node.roster.turn()
            node.listen(news, self.clock.now)
            others = [other for other in self.nodes if other != name]
            self.wire += [(other, message) for other in others for message in messages]
        if self.shuffled:
            self.random.shuffle(self.wire)
        wire, self.wire = self.wire, []
        for to, message in wire:
            if self.random.random() < self.loss:
                continue
            if self.shuffled and self.random.random() < 0.2:
                self.wire.append((to, message))  # once more, later
            if to in self.nodes:
                self.nodes[to].roster.hear(message)

    def pass_time(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now += 0.2
            self.turn()

    def heal(self) -> None:
        self.loss, self.shuffled = 0.0, False
        self.pass_time(QUIET_S)

    def truth(self, topic: str) -> list[Member]:
        latest: dict[str, tuple[float, Member]] = {}
        for node in self.nodes.values():
            for (_, where), (at, who) in node.said.items():
                if where == topic and latest.get(who.key, (0.0, who))[0] < at:
                    latest[who.key] = (at, who)
        return [latest[key][1] for key in sorted(latest)]

    def disagreements(self) -> Iterator[tuple[str, str]]:
        for name, node in self.nodes.items():
            for topic in TOPICS:
                truth = self.truth(topic)
                believed = list(node.heard.get(topic, {}).values())
                believed.sort(key=lambda each: each.key)
                if node.roster.members(topic) != truth or believed != truth:
                    yield name, topic


ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("announce"),
            st.integers(0, 5),
            st.integers(0, 1),
            st.sampled_from(TOPICS),
            st.sampled_from(PEOPLE),
            st.booleans(),
        ),
        st.tuples(st.just("leave"), st.integers(0, 5), st.integers(0, 1), st.sampled_from(TOPICS)),
        st.tuples(st.just("die"), st.integers(0, 5)),
        st.tuples(st.just("be born")),
        st.tuples(st.just("pass"), st.sampled_from([0.1, 0.3, 1.0, 6.0, 14.0])),
        st.tuples(st.just("weather"), st.sampled_from([0.0, 0.3, 1.0]), st.booleans()),
    ),
    min_size=25,
    max_size=60,
)


def perform(world: World, act: tuple[object, ...]) -> None:
    names = list(world.nodes)
    match act:
        case ("announce", int(n), int(socket), str(topic), str(key), bool(active)):
            name = names[n % len(names)]
            # A socket belongs to one person for ever.
            sid = f"{name}-{key}-{socket}"
            world.announce(name, sid, topic, member(key, active=active))
        case ("leave", int(n), int(socket), str(topic)):
            name = names[n % len(names)]
            for key in PEOPLE:
                world.leave(name, f"{name}-{key}-{socket}", topic)
        case ("die", int(n)) if len(names) > 1:
            world.kill(names[n % len(names)])
        case ("be born",) if len(names) < 5:
            world.add_node()
        case ("pass", float(seconds)):
            world.pass_time(seconds)
        case ("weather", float(loss), bool(shuffled)):
            world.loss, world.shuffled = loss, shuffled
        case _:
            pass


@settings(max_examples=100, deadline=None)
@given(ACTS, st.integers(0, 1_000))
def test_all_nodes_and_all_hearers_agree_with_the_truth_once_heartbeats_flowed(
    acts: list[tuple[object, ...]], seed: int
) -> None:
    world = World(seed)
    for act in acts:
        perform(world, act)

    world.heal()

    assert list(world.disagreements()) == []


def test_a_fault_in_the_bookkeeping_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker above is worth something: without catching up nodes do differ."""

    def catch_up(*_: object) -> None:
        pass

    monkeypatch.setattr(Roster, "_catch_up", catch_up)
    world = World()
    world.pass_time(1)
    world.loss = 1.0
    world.announce("node1", "s", TOPICS[0], member("staff:a"))
    world.pass_time(1)

    world.heal()

    assert {name for name, _ in world.disagreements()} == {"node2", "node3"}


def test_what_one_node_announces_is_told_on_the_others_at_the_next_turn() -> None:
    world = World()
    world.pass_time(1)
    ana = member("staff:ana", active=True)

    world.announce("node1", "s", TOPICS[0], ana)
    world.turn()
    world.turn()

    assert world.nodes["node3"].heard[TOPICS[0]] == {"staff:ana": ana}


def test_one_person_with_two_windows_is_one_member_in_the_state_of_the_later() -> None:
    roster = alone()
    roster.announce("one", TOPICS[0], member("staff:a", active=True))
    roster.announce("two", TOPICS[0], member("staff:a", active=False))

    assert roster.members(TOPICS[0]) == [member("staff:a", active=False)]
    assert roster.count(TOPICS[0]) == 1

    roster.leave("two", TOPICS[0])
    assert roster.members(TOPICS[0]) == [member("staff:a", active=True)]

    roster.leave("one", TOPICS[0])
    assert roster.members(TOPICS[0]) == []


def test_the_first_change_is_told_at_once_and_the_next_ones_together() -> None:
    clock = Clock()
    roster = Roster("n", clock=clock, wall=clock)
    roster.announce("a", TOPICS[0], member("staff:a"))
    _, first = roster.turn()
    roster.announce("b", TOPICS[0], member("staff:b"))
    roster.announce("c", TOPICS[0], member("staff:c"))
    roster.leave("a", TOPICS[0])
    _, at_once = roster.turn()

    assert roster.due() == pytest.approx(clock.now + NEWS_EVERY_S)
    clock.now += NEWS_EVERY_S
    _, later = roster.turn()

    assert first == [News(TOPICS[0], [member("staff:a")], [], 1)]
    assert at_once == []
    assert later == [News(TOPICS[0], [member("staff:b"), member("staff:c")], ["staff:a"], 2)]


def test_who_comes_and_goes_between_two_tellings_is_not_mentioned() -> None:
    clock = Clock()
    roster = Roster("n", clock=clock, wall=clock)
    roster.announce("a", TOPICS[0], member("staff:a"))
    roster.turn()
    roster.announce("b", TOPICS[0], member("staff:b"))
    roster.leave("b", TOPICS[0])
    clock.now += NEWS_EVERY_S

    assert roster.turn()[1] == []


def test_saying_the_same_again_is_no_news_but_the_latest_word_between_nodes() -> None:
    """Another node's word may be on its way: whoever speaks last is right, changed or not."""
    world = World()
    world.pass_time(1)
    world.announce("node1", "s", TOPICS[0], member("staff:a", active=True))
    world.pass_time(1)
    world.announce("node2", "t", TOPICS[0], member("staff:a", active=False))
    before = dict(world.nodes["node1"].told_at)

    world.announce("node1", "s", TOPICS[0], member("staff:a", active=True))
    world.pass_time(1)

    assert world.nodes["node3"].roster.members(TOPICS[0]) == [member("staff:a", active=True)]
    assert world.nodes["node1"].told_at == before
    assert list(world.disagreements()) == []


def test_a_list_holds_two_hundred_and_the_others_are_counted() -> None:
    clock = Clock()
    roster = Roster("n", clock=clock, wall=clock)
    for number in range(MEMBERS_MAX + 1):
        roster.announce(f"s{number}", TOPICS[0], member(f"staff:{number:03}"))
    [news] = roster.turn()[1]
    clock.now += NEWS_EVERY_S
    roster.leave("s7", TOPICS[0])
    [then] = roster.turn()[1]

    assert (len(news.joined), news.count) == (MEMBERS_MAX, MEMBERS_MAX + 1)
    # Whoever was the first beyond the list moves up.
    assert [each.key for each in then.joined] == [f"staff:{MEMBERS_MAX:03}"]
    assert (then.left, then.count) == (["staff:007"], MEMBERS_MAX)


def test_a_silent_node_is_forgotten_and_welcome_when_it_speaks_again() -> None:
    world = World()
    world.announce("node1", "s", TOPICS[0], member("staff:a"))
    world.pass_time(1)
    world.loss = 1.0
    heard = world.nodes["node2"].heard[TOPICS[0]]

    world.pass_time(SILENT_S - 1)
    patient = dict(heard)
    world.pass_time(2)
    forgotten = dict(heard)
    world.loss = 0.0
    world.pass_time(2 * BEAT_S)

    assert list(patient) == ["staff:a"]
    assert forgotten == {}
    assert list(heard) == ["staff:a"]


def test_a_node_that_starts_late_learns_of_all_at_once() -> None:
    world = World()
    for number in range(3):
        world.announce("node1", f"s{number}", TOPICS[0], member(f"staff:{number}"))
    world.pass_time(BEAT_S)
    late = world.add_node()

    world.pass_time(1)

    assert len(world.nodes[late].heard[TOPICS[0]]) == 3


def test_many_members_travel_in_bounded_messages() -> None:
    clock = Clock()
    roster, other = (Roster(name, clock=clock, wall=clock) for name in ("n", "m"))
    for number in range(2 * ENTRIES_MAX + 1):
        roster.announce(f"s{number}", TOPICS[0], member(f"staff:{number:03}"))
    changes = [each for each in roster.turn()[0] if isinstance(each, Change)]
    roster.hear(Ask("m", "n"))
    clock.now += 1
    parts = [each for each in roster.turn()[0] if isinstance(each, Part)]
    for each in reversed(parts):
        other.hear(each)

    assert [len(each.there) for each in changes] == [ENTRIES_MAX, ENTRIES_MAX, 1]
    assert [len(each.there) for each in parts] == [ENTRIES_MAX, ENTRIES_MAX, 1]
    assert other.count(TOPICS[0]) == 2 * ENTRIES_MAX + 1
    assert all(len(encoded) < 32_000 for encoded in map(repr, parts))


def test_a_crowd_is_told_of_in_several_turns_and_nobody_is_forgotten() -> None:
    clock = Clock()
    roster = Roster("n", clock=clock, wall=clock)
    crowd = 2 * AT_ONCE_MAX + 1
    for number in range(crowd):
        roster.announce(f"s{number}", f"topic {number}", member(f"staff:{number}"))

    sizes: list[tuple[int, int]] = []
    while roster.due() <= clock.now:
        messages, news = roster.turn()
        changes = [each for each in messages if isinstance(each, Change)]
        sizes.append((sum(len(each.there) for each in changes), len(news)))

    assert sizes == [(AT_ONCE_MAX,) * 2] * 2 + [(1, 1)]


def test_everybody_asking_at_once_gets_one_answer() -> None:
    clock = Clock()
    roster = Roster("n", clock=clock, wall=clock)
    roster.announce("s", TOPICS[0], member("staff:a"))
    roster.turn()
    clock.now += 1

    for asker in ("m", "o", "p"):
        roster.hear(Ask(asker, "n"))
    first, _ = roster.turn()
    roster.hear(Ask("q", "n"))
    second, _ = roster.turn()

    assert [type(each) for each in first] == [Part]
    assert second == []
    clock.now = roster.due()
    assert [type(each) for each in roster.turn()[0]] == [Part]


def test_a_beat_says_how_far_a_node_has_counted() -> None:
    clock = Clock()
    roster = Roster("n", clock=clock, wall=clock)
    first, _ = roster.turn()
    roster.announce("s", TOPICS[0], member("staff:a"))
    clock.now += BEAT_S
    later, _ = roster.turn()

    assert first == [Ask("n", ""), Beat("n", 0)]
    assert [type(each) for each in later] == [Change, Beat]
    assert later[-1] == Beat("n", 1)


def alone() -> Roster:
    clock = Clock()
    return Roster("alone", clock=clock, wall=clock)

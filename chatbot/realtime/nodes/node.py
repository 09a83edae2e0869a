"""This node among the others: frames of its answers go out, those of other nodes' answers come in.

Words come over the bus as they are written. What the bus does not bring, because there is none, it
is down, or something was lost, comes from the rows that every answer's process writes each second.
Whoever watches hears the same frames in both cases, only in larger pieces.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from chatbot.database import Database
from chatbot.realtime import metrics, topics
from chatbot.realtime.events import Resume
from chatbot.realtime.frames import EVENTS, AnswerFrames, End, Frame, Start
from chatbot.realtime.nodes import checkpoints
from chatbot.realtime.nodes.bus import Bus, end
from chatbot.realtime.nodes.mirror import Mirrors
from chatbot.realtime.sockets.client import Client

ASK: Final = "answer.ask"
WATCH_EVERY_S = 1.0
ASK_EVERY_S = 0.5  # about the same answer
TOLD_WITHIN_S = 0.5

log = structlog.get_logger(__name__)

Named = tuple[str, msgspec.Struct]
"""(event, frame)."""


class Ask(msgspec.Struct, frozen=True):
    """Whoever writes this answer: tell all of it once more."""

    mid: UUID


class Nodes:
    """Knows which topics sockets of this process hear (it is a Watcher of both doors), and sees
    that the answers on them are heard wherever they are written.
    """

    def __init__(
        self, bus: Bus, database: Database, deliver: Callable[[str, object, str], None]
    ) -> None:
        self.frames = AnswerFrames(self._send)
        self._bus = bus
        self._database = database
        self._deliver = deliver
        self._members: Counter[str] = Counter()
        self._writing: set[UUID] = set()  # here
        self._elsewhere: dict[UUID, tuple[UUID, UUID]] = {}  # answer → organisation, conversation
        self._mirrors = Mirrors()
        self._asked_at: dict[UUID, float] = {}
        self._awaited: dict[UUID, asyncio.Event] = {}
        self._watching: asyncio.Task[None] | None = None
        for kind, event in EVENTS.items():
            bus.listen(event, self._hearer(kind))
        bus.listen(ASK, self._hear_ask)
        bus.listen_for_rooms(self._hear_room)

    async def start(self) -> None:
        await self._bus.start()
        self._watching = asyncio.create_task(self._watch(), name="watch answers elsewhere")

    async def stop(self) -> None:
        """Tell the others what is still to be told, then hear and say nothing more."""
        if self._watching is not None:
            await end(self._watching)
        await self._bus.stop()

    async def resume(self, org_id: UUID, heard: Iterable[str], asked: Resume) -> list[Named] | None:
        """The frames of an answer after number `after`, whichever node writes it; None unless it
        belongs to a conversation whose topic is among `heard`.
        """
        talks = {talk for topic in heard if (talk := _conversation_of(topic)) is not None}
        found = self._known(talks, asked)
        if found is None and self._bus.is_up:
            await self._ask_and_wait(talks, asked.mid)
            found = self._known(talks, asked)
        if found is None:
            await self._read(org_id, [asked.mid])
            found = self._known(talks, asked)
        metrics.RESUMES.labels("ok" if found is not None else "not_found").inc()
        return found

    # ── What sockets here hear ────────────────────────────────────────────────────────────────────

    def joined(self, sid: str, client: Client[Any], topic: str) -> None:
        if not _is_shared(topic):
            return
        self._members[topic] += 1
        if self._members[topic] == 1:
            self._bus.follow(topic)

    def left(self, sid: str, client: Client[Any], topic: str) -> None:
        if topic not in self._members:
            return
        self._members[topic] -= 1
        if self._members[topic] == 0:
            del self._members[topic]
            self._bus.unfollow(topic)
            talk = _conversation_of(topic)
            if talk is not None:
                self._mirrors.drop(talk)  # from now on they would fall behind unnoticed

    def gone(self, sid: str, client: Client[Any]) -> None:
        """`left` has said it all."""

    def _known(self, talks: Collection[UUID], asked: Resume) -> list[Named] | None:
        """What this process can say by itself."""
        mirror = self._mirrors.find(asked.mid)
        if mirror is not None and mirror.start.conversation_id in talks:
            frames = mirror.resume(asked.attempt, asked.after)
            return None if frames is None else [(EVENTS[type(each)], each) for each in frames]
        talk = self.frames.conversation_of(asked.mid)
        if talk is None or talk not in talks:
            return None
        return self.frames.resume(
            conversation_id=talk, mid=asked.mid, attempt=asked.attempt, after=asked.after
        )

    # ── Over the bus ──────────────────────────────────────────────────────────────────────────────

    def _send(self, event: str, frame: Frame, room: str) -> None:
        """A frame of an answer that is written here. Whoever writes it hears who asks for it."""
        self._deliver(event, frame, room)
        if isinstance(frame, Start) and frame.mid not in self._writing:
            self._writing.add(frame.mid)
            self._mirrors.forget(frame.mid)  # an earlier attempt of another node
            self._bus.follow(room)
        self._bus.publish(room, event, frame)
        if isinstance(frame, End) and frame.mid in self._writing:
            self._writing.discard(frame.mid)
            self._bus.unfollow(room)
        metrics.STREAMS.set(len(self._writing))

    def _hearer(self, kind: type[Frame]) -> Callable[[str, msgspec.Raw], None]:
        decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)

        def hear(room: str, data: msgspec.Raw) -> None:
            talk = _conversation_of(room)
            if talk is not None:
                self._take(talk, decoder.decode(data))

        return hear

    def _take(self, talk: UUID, frame: Frame) -> None:
        """A frame that another process wrote, or what its row says."""
        room = topics.messages(talk)
        if room not in self._members or frame.mid in self._writing:
            return
        if self._mirrors.take(talk, frame, _now()):
            self._deliver(EVENTS[type(frame)], frame, room)
        mirror = self._mirrors.find(frame.mid)
        if mirror is not None and mirror.is_behind:
            self._ask(room, frame.mid)
        elif not isinstance(frame, Start) and (awaited := self._awaited.pop(frame.mid, None)):
            awaited.set()

    def _ask(self, room: str, mid: UUID) -> None:
        now = _now()
        if now - self._asked_at.get(mid, 0.0) < ASK_EVERY_S:
            return
        self._asked_at = {
            each: at for each, at in self._asked_at.items() if now - at < ASK_EVERY_S
        } | {mid: now}
        self._bus.publish(room, ASK, Ask(mid))

    async def _ask_and_wait(self, talks: Collection[UUID], mid: UUID) -> None:
        known = self._mirrors.find(mid)
        awaited = self._awaited.setdefault(mid, asyncio.Event())
        for talk in talks if known is None else {known.start.conversation_id} & set(talks):
            self._bus.publish(topics.messages(talk), ASK, Ask(mid))
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_WITHIN_S):
                await awaited.wait()
        self._awaited.pop(mid, None)

    def _hear_ask(self, room: str, data: msgspec.Raw) -> None:
        talk, ask = _conversation_of(room), msgspec.json.decode(data, type=Ask)
        if talk is None or ask.mid not in self._writing:
            return
        again = self.frames.resume(conversation_id=talk, mid=ask.mid, attempt=0, after=-1)
        for event, frame in again or ():
            self._bus.publish(room, event, frame)

    def _hear_room(self, room: str) -> None:
        """The room is heard from now on: what was said before may be missing."""
        talk = _conversation_of(room)
        for mirror in self._mirrors.of(talk) if talk is not None else ():
            if mirror.end is None:
                self._ask(room, mirror.start.mid)

    # ── From the rows ─────────────────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                if self._members:
                    await self.look()
            except Exception as error:  # the database may be away; the next look tells
                log.warning("realtime.watch_failed", error=type(error).__name__)

    async def look(self) -> None:
        """Take from the rows what was not heard of answers that are written elsewhere."""
        ours = set(self._writing)  # also what ends here while the rows are read
        running = await checkpoints.running(self._database)
        for mid in (ours | self._writing) & running.keys():
            del running[mid]
        for org_id, mids in _by_org(running, but=self._elsewhere).items():
            found = await checkpoints.conversations(self._database, org_id, mids)
            self._elsewhere |= {mid: (org_id, talk) for mid, talk in found.items()}
        unheard = {
            mid: org_id
            for mid, (org_id, talk) in self._elsewhere.items()
            if topics.messages(talk) in self._members and self._is_unheard(mid, mid in running)
        }
        self._elsewhere = {mid: each for mid, each in self._elsewhere.items() if mid in running}
        for org_id, mids in _by_org(unheard).items():
            await self._read(org_id, mids)

    def _is_unheard(self, mid: UUID, is_running: bool) -> bool:
        """Whether the row of an answer may know more of it than the bus has told."""
        mirror = self._mirrors.find(mid)
        if mirror is None:
            return is_running
        if not is_running:
            return mirror.end is None
        return mirror.is_behind or _now() - mirror.heard_at >= WATCH_EVERY_S

    async def _read(self, org_id: UUID, mids: Collection[UUID]) -> None:
        for talk, frame in await checkpoints.frames(self._database, org_id, mids):
            self._take(talk, frame)


def _by_org(mids: dict[UUID, UUID], but: Collection[UUID] = ()) -> defaultdict[UUID, list[UUID]]:
    """The answers of each organisation."""
    found: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for mid, org_id in mids.items():
        if mid not in but:
            found[org_id].append(mid)
    return found


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_shared(name: str) -> bool:
    """Whether nodes tell each other what goes on there."""
    topic = topics.parse(name)
    return topic is None or bool(topic.kind.present or topic.kind.broadcasters)


def _conversation_of(topic: str) -> UUID | None:
    """The conversation whose messages are heard there."""
    parsed = topics.parse(topic)
    if parsed is None or (parsed.scope, parsed.feature) != ("conversation", "messages"):
        return None
    return parsed.id

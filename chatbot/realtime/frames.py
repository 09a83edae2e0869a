"""Answers on their way to the screen: numbered frames, sent at once or every few milliseconds, kept
for who comes late.

`AnswerFrames` is what the answering room writes to. Nothing here waits for a socket or a database.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from chatbot.realtime import topics

FLUSH_EVERY_S = 0.045
FLUSH_CHARS = 256
RING_FRAMES = 1000  # of one answer; older ones are replaced by one snap
KEEP_S = 600.0
ANSWERS_KEPT_MAX = 2000
CHARS_KEPT_MAX = 8_000_000

Status = Literal["complete", "stopped", "failed", "withdrawn", "interrupted"]


class Start(msgspec.Struct, frozen=True):
    conversation_id: UUID
    mid: UUID
    attempt: int


class Delta(msgspec.Struct, frozen=True):
    mid: UUID
    attempt: int
    seq: int
    text: str


class Snap(msgspec.Struct, frozen=True):
    """All text up to and with frame `seq`."""

    mid: UUID
    attempt: int
    seq: int
    text: str


class End(msgspec.Struct, frozen=True):
    mid: UUID
    attempt: int
    seq: int
    status: Status
    version: int | None


Frame = Start | Delta | Snap | End
EVENTS: dict[type[Frame], str] = {
    Start: "answer.start",
    Delta: "answer.delta",
    Snap: "answer.snap",
    End: "answer.end",
}

Deliver = Callable[[str, Frame, str], None]
"""(event, frame, room): hands a frame to every socket in the room, without waiting."""


class Handle(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """What an event loop offers; tests pass one of their own."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], object], /) -> Handle: ...


class Stream:
    """One attempt at one answer. `seq` is the number of the last frame sent, `text` everything
    written so far.
    """

    def __init__(
        self,
        start: Start,
        deliver: Deliver,
        clock: Clock,
        on_end: "Callable[[Stream], None]" = lambda _: None,
    ) -> None:
        self.seq = 0
        self.text = ""
        self.start = start
        self.ended_at: float | None = None
        self._deliver = deliver
        self._room = topics.messages(start.conversation_id)
        self._clock = clock
        self._on_end = on_end
        self._sent_chars = 0
        self._ring: deque[Delta] = deque(maxlen=RING_FRAMES)
        self._end: End | None = None
        self._muted = False
        self._flush_due: Handle | None = None
        self._send(start)

    def write(self, text: str) -> None:
        """Add text: the first is sent at once, the rest every FLUSH_EVERY_S or FLUSH_CHARS. Ignored
        when muted and after the end.
        """
        if not text or self._muted or self._end is not None:
            return
        self.text += text
        if self.seq == 0 or len(self.text) - self._sent_chars >= FLUSH_CHARS:
            self._flush()
        elif self._flush_due is None:
            self._flush_due = self._clock.call_later(FLUSH_EVERY_S, self._flush)

    def mute(self) -> None:
        """Send nothing more but the end: a person speaks now."""
        self._muted = True
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None

    async def end(self, status: Status, version: int | None) -> None:
        """Send what is left and `answer.end`; ending twice changes nothing."""
        if self._end is not None:
            return
        if not self._muted:
            self._flush()
        self.seq += 1
        mid, attempt = self.start.mid, self.start.attempt
        self._end = End(mid, attempt, self.seq, status, version)
        self.ended_at = self._clock.time()
        self._send(self._end)
        self._on_end(self)

    @property
    def sent(self) -> Snap:
        """The text of all frames sent so far, as one frame."""
        last = self._ring[-1].seq if self._ring else 0
        return Snap(self.start.mid, self.start.attempt, last, self.text[: self._sent_chars])

    def after(self, seq: int) -> list[Frame]:
        """The frames after number `seq`, or one snap in their place when they are no longer all
        here.
        """
        if self._end is not None and seq == self._end.seq:
            return []
        covered = not self._ring or self._ring[0].seq <= seq + 1
        frames: list[Frame]
        if covered and 0 <= seq <= self.seq:
            frames = [each for each in self._ring if each.seq > seq]
        else:
            frames = [self.sent]
        return [*frames, self._end] if self._end is not None else frames

    def _flush(self) -> None:
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        if len(self.text) == self._sent_chars:
            return
        self.seq += 1
        mid, attempt = self.start.mid, self.start.attempt
        delta = Delta(mid, attempt, self.seq, self.text[self._sent_chars :])
        self._sent_chars = len(self.text)
        self._ring.append(delta)
        self._send(delta)

    def _send(self, frame: Frame) -> None:
        self._deliver(EVENTS[type(frame)], frame, self._room)


class AnswerFrames:
    """The streams of this process, kept KEEP_S after their end, within bounds."""

    def __init__(self, deliver: Deliver, *, clock: Clock | None = None) -> None:
        self._deliver = deliver
        self._clock = clock
        self._streams: dict[UUID, Stream] = {}
        self._ended: deque[Stream] = deque()  # in the order of their ends
        self._ended_chars = 0

    def open(self, *, org_id: UUID, conversation_id: UUID, mid: UUID, attempt: int) -> Stream:
        """Send `answer.start`; a new attempt at the same answer replaces the old one."""
        clock = self._clock or asyncio.get_running_loop()
        self._forget(clock.time())
        self._streams.pop(mid, None)
        stream = Stream(Start(conversation_id, mid, attempt), self._deliver, clock, self._note_end)
        self._streams[mid] = stream
        return stream

    def resume(
        self, *, conversation_id: UUID, mid: UUID, attempt: int, after: int
    ) -> list[tuple[str, msgspec.Struct]] | None:
        """The frames of the answer after number `after`; None when this process does not have it.

        When a later attempt has begun since, that attempt from its start.
        """
        stream = self._streams.get(mid)
        if stream is None or stream.start.conversation_id != conversation_id:
            return None
        if attempt > stream.start.attempt:
            return None
        if attempt < stream.start.attempt:
            frames: list[Frame] = [stream.start, *stream.after(-1)]
        else:
            frames = stream.after(after)
        return [(EVENTS[type(each)], each) for each in frames]

    def conversation_of(self, mid: UUID) -> UUID | None:
        """Whose answer it is, None when this process does not have it."""
        stream = self._streams.get(mid)
        return stream.start.conversation_id if stream else None

    def _note_end(self, stream: Stream) -> None:
        self._ended.append(stream)
        self._ended_chars += len(stream.text)

    def _forget(self, now: float) -> None:
        """Drop ended streams that are old, then the oldest ones while there are too many or too
        long ones. What a new attempt replaced is not kept at all.
        """
        while self._ended:
            stream = self._ended[0]
            mid = stream.start.mid
            ended_at = now if stream.ended_at is None else stream.ended_at
            is_kept = self._streams.get(mid) is stream
            too_much = len(self._streams) >= ANSWERS_KEPT_MAX or self._ended_chars > CHARS_KEPT_MAX
            if is_kept and not too_much and now - ended_at <= KEEP_S:
                return
            self._ended.popleft()
            self._ended_chars -= len(stream.text)
            if is_kept:
                del self._streams[mid]

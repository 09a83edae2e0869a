"""Answers that other nodes write, as far as this one has heard of them. Pure."""

from collections import OrderedDict, deque
from uuid import UUID

from chatbot.realtime.frames import KEEP_S, RING_FRAMES, Delta, End, Frame, Snap, Start

MIRRORS_MAX = 2000
CHARS_MAX = 8_000_000


class Mirror:
    """One attempt at one answer, whole up to frame `seq`."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.seq = 0
        self.text = ""
        self.end: End | None = None
        self.heard_at = 0.0
        self._wanted = 0  # the last frame that is known to exist
        self._since = 0  # all frames after this one are in the ring
        self._ring: deque[Delta] = deque()

    def take(self, frame: Delta | Snap | End) -> bool:
        """Whether the frame fits and says something new; a delta after a gap does not fit."""
        match frame:
            case Delta():
                self._wanted = max(self._wanted, frame.seq)
                fits = self.end is None and frame.seq == self.seq + 1
                if fits:
                    self._append(frame)
                return fits
            case Snap():
                fits = self.end is None and frame.seq > self.seq
                if fits:
                    self.seq = self._since = frame.seq
                    self.text = frame.text
                    self._ring.clear()
                return fits
            case End():
                fits, self.end = self.end is None, self.end or frame
                return fits

    @property
    def is_behind(self) -> bool:
        """Whether frames are known to be missing."""
        return self.end is None and self._wanted > self.seq

    def resume(self, attempt: int, after: int) -> list[Frame] | None:
        """The frames after number `after`, as `AnswerFrames.resume` gives them; None when others
        know more.
        """
        if attempt > self.start.attempt or self.is_behind:
            return None
        if attempt < self.start.attempt:
            return [self.start, *self._after(-1)]
        if self.end is not None:
            return [] if after >= self.end.seq else self._after(after)
        return self._after(after) if after <= self.seq else None

    def _after(self, seq: int) -> list[Frame]:
        """Deltas, or one snap in their place when not all are here."""
        frames: list[Frame] = [each for each in self._ring if each.seq > seq]
        if not self._since <= seq and self.seq > 0:
            frames = [Snap(self.start.mid, self.start.attempt, self.seq, self.text)]
        return [*frames, self.end] if self.end is not None else frames

    def _append(self, delta: Delta) -> None:
        self.seq, self.text = delta.seq, self.text + delta.text
        self._ring.append(delta)
        if len(self._ring) > RING_FRAMES:
            self._since = self._ring.popleft().seq


class Mirrors:
    """The mirrors of one process, within bounds: one that is dropped can be asked for again."""

    def __init__(self) -> None:
        self._mirrors: OrderedDict[UUID, Mirror] = OrderedDict()  # the latest heard of last
        self._mids: dict[UUID, set[UUID]] = {}  # by conversation
        self._chars = 0

    def find(self, mid: UUID) -> Mirror | None:
        return self._mirrors.get(mid)

    def of(self, conversation_id: UUID) -> list[Mirror]:
        """The answers of one conversation."""
        return [self._mirrors[mid] for mid in self._mids.get(conversation_id, ())]

    def take(self, conversation_id: UUID, frame: Frame, now: float) -> bool:
        """Whether the frame is news for who watches the conversation.

        An answer never changes its conversation, whatever a message says.
        """
        mirror = self._mirrors.get(frame.mid)
        if mirror is not None and mirror.start.conversation_id != conversation_id:
            return False
        is_new = mirror is None or mirror.start.attempt < frame.attempt
        if mirror is None or is_new:
            mirror = self._begin(Start(conversation_id, frame.mid, frame.attempt))
        if frame.attempt < mirror.start.attempt:
            return False
        mirror.heard_at = now
        self._mirrors.move_to_end(frame.mid)
        if isinstance(frame, Start):
            return is_new
        before = len(mirror.text)
        is_news = mirror.take(frame)
        self._chars += len(mirror.text) - before
        self._make_room(now)
        return is_news

    def drop(self, conversation_id: UUID) -> None:
        """Nobody here watches the conversation any more: what is said there is not heard."""
        for each in self.of(conversation_id):
            self.forget(each.start.mid)

    def _begin(self, start: Start) -> Mirror:
        self.forget(start.mid)
        mirror = self._mirrors[start.mid] = Mirror(start)
        self._mids.setdefault(start.conversation_id, set()).add(start.mid)
        return mirror

    def forget(self, mid: UUID) -> None:
        mirror = self._mirrors.pop(mid, None)
        if mirror is None:
            return
        self._chars -= len(mirror.text)
        of_same = self._mids[mirror.start.conversation_id]
        of_same.discard(mid)
        if not of_same:
            del self._mids[mirror.start.conversation_id]

    def _make_room(self, now: float) -> None:
        """Drop what was not heard of for long; then the longest silent ones, while it is too much.

        The one just heard of stays.
        """
        while len(self._mirrors) > 1:
            mid, mirror = next(iter(self._mirrors.items()))
            too_much = len(self._mirrors) > MIRRORS_MAX or self._chars > CHARS_MAX
            if not too_much and now - mirror.heard_at <= KEEP_S:
                return
            self.forget(mid)

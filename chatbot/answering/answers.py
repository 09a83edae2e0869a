"""The bot's turns as running tasks: owned by this process, not by any socket.

Nothing of the database is held while a model speaks. Every turn ends exactly once: complete,
stopped, failed, withdrawn or interrupted.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from chatbot.answering import recovery, turns
from chatbot.answering.draft import Draft
from chatbot.answering.models.model import ModelFailed
from chatbot.answering.tables import Ending
from chatbot.answering.turns import Asked, Finished, Outcome
from chatbot.answering.voice.phrases import Phrase
from chatbot.answering.writing import Writing
from chatbot.database import Database

log = structlog.get_logger()

CHECKPOINT_S = 1.0
SWEEP_S = 1.5
RECENTLY = timedelta(minutes=1)  # many sweeps: none of them need come in time
LOOK_BACK_EVERY = 20  # sweeps: to look through the last hour takes the longer the more was said
SHUTDOWN_S = 10.0
SILENCE_S = 3.0

Key = tuple[UUID, UUID]  # organisation, conversation


class Sent(Protocol):
    """The frames sent so far as one: their text, and the number of the last."""

    @property
    def seq(self) -> int: ...

    @property
    def text(self) -> str: ...


class AnswerStream(Protocol):
    """Where an answer's frames go while it is written."""

    text: str
    """Everything written so far."""

    @property
    def sent(self) -> Sent: ...

    def write(self, text: str) -> None: ...

    def mute(self) -> None:
        """Send nothing more but the end."""
        ...

    async def end(self, status: Ending, version: int | None) -> None: ...


class Frames(Protocol):
    """Opens a stream to all who watch a conversation."""

    def open(
        self, *, org_id: UUID, conversation_id: UUID, mid: UUID, attempt: int
    ) -> AnswerStream: ...


class _Running:
    """A conversation's task in this process, and what it was told while it runs."""

    def __init__(self) -> None:
        self.sparing = False  # of the questions that are still to be taken up
        self.task: asyncio.Task[None] | None = None
        self.attempt: asyncio.Task[Outcome] | None = None
        self.asked: Asked | None = None
        self.stream: AnswerStream | None = None
        self.retries: deque[Asked] = deque()
        self.may_restart = True
        self.spoke = False
        self.ending: Ending | None = None
        self.again = False

    def end_as(self, status: Ending) -> None:
        self.ending = self.ending or status
        if status == "withdrawn" and self.stream is not None:
            self.stream.mute()
        self._cut()

    def hear_more(self) -> None:
        """A newer question: before the first word the attempt starts over with both."""
        self.again = True
        if self.starts_over:
            self._cut()

    @property
    def starts_over(self) -> bool:
        """Whether the attempt is to be made again with a newer question. An answer that is tried
        again is not: its place is before that question.
        """
        return self.again and self.may_restart and not self.spoke

    def _cut(self) -> None:
        """Cancel the attempt, once: a second time would tear the connection whose query it is just
        calling back.
        """
        if self.attempt is not None and not self.attempt.cancelling():
            self.attempt.cancel()

    @property
    def progress(self) -> recovery.Progress | None:
        """How far the attempt has come; None between attempts."""
        if self.attempt is None or self.asked is None or self.stream is None:
            return None
        sent = self.stream.sent
        return self.asked.mid, self.asked.attempt, sent.text, sent.seq

    def take_sparing(self) -> bool:
        sparing, self.sparing = self.sparing, False
        return sparing

    def rest(self) -> None:
        """Between two turns."""
        self.asked = self.stream = self.ending = None
        self.spoke = self.again = False


class Answers:
    """Starts, stops and withdraws answers, one a conversation."""

    def __init__(
        self, database: Database, writing: Writing, frames: Frames, *, seconds_max: float
    ) -> None:
        self._database = database
        self._writing = writing
        self._frames = frames
        self._seconds_max = seconds_max
        self._running: dict[Key, _Running] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._looking: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Begin to give signs of life, and to look for turns whose process died and for questions
        that nobody took up.
        """
        self._keeping = [
            asyncio.create_task(self._sweep(), name="sweep answers"),
            asyncio.create_task(self._checkpoints(), name="checkpoint answers"),
        ]

    async def close(self) -> None:
        """Interrupt what still runs, keeping its text."""
        self._closed = True
        for task in (*self._keeping, *self._looking):
            task.cancel()
        await asyncio.gather(*self._keeping, *self._looking, return_exceptions=True)
        tasks = [each.task for each in self._running.values() if each.task is not None]
        for running in self._running.values():
            running.end_as("interrupted")
        if tasks:
            await asyncio.wait(tasks, timeout=SHUTDOWN_S)

    def start(self, org_id: UUID, conversation_id: UUID, *, sparing: bool = False) -> None:
        """See that the conversation's open questions get answered (`sparing`: without asking a
        model); returns at once.
        """
        if self._closed:
            return  # another process, or the next start, takes it up
        running = self._task((org_id, conversation_id))
        running.sparing = running.sparing or sparing

    def retry(self, asked: Asked) -> None:
        """Write again the answer of a turn that was opened again."""
        if self._closed:
            return
        self._task((asked.org_id, asked.conversation_id)).retries.append(asked)

    def stop(self, org_id: UUID, conversation_id: UUID, mid: UUID) -> None:
        """Stop that answer if this process runs it; its text so far is kept."""
        running = self._running.get((org_id, conversation_id))
        if running is not None and running.asked is not None and running.asked.mid == mid:
            running.end_as("stopped")

    def hear_takeover(self, org_id: UUID, conversation_id: UUID) -> None:
        """A person is said to have taken over, here or elsewhere, now or a while ago: look whether
        that is so, and if it is, end the answer unheard.
        """
        running = self._running.get((org_id, conversation_id))
        if running is not None and not self._closed:
            looking = asyncio.create_task(self._look(org_id, [running]), name="look for a takeover")
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)

    async def silence(self, org_id: UUID, conversation_id: UUID) -> None:
        """A person has taken over: the answer ends here and is not stored. Returns when nothing
        more can be heard of it, after at most SILENCE_S.
        """
        running = self._running.get((org_id, conversation_id))
        if running is not None and running.task is not None:
            running.end_as("withdrawn")
            await asyncio.wait([running.task], timeout=SILENCE_S)

    def _task(self, key: Key) -> _Running:
        """The conversation's task, begun when there is none."""
        running = self._running.get(key)
        if running is not None:
            running.hear_more()
            return running
        running = self._running[key] = _Running()
        running.task = asyncio.create_task(self._serve(key, running), name="answer")
        return running

    async def _serve(self, key: Key, running: _Running) -> None:
        """Turn after turn until nothing is open. What is heard during the last look starts anew."""
        try:
            while await self._turn(key, running):
                running.rest()
        except Exception as error:
            log.error("answer_task_failed", exc_info=error)
        finally:
            del self._running[key]
        if (running.again or running.retries) and not self._closed:
            fresh = self._task(key)
            fresh.sparing = running.sparing
            fresh.retries.extend(running.retries)

    async def _turn(self, key: Key, running: _Running) -> bool:
        """One turn; whether to look for another."""
        asked = await self._next(key, running)
        if asked is None:
            return False
        draft = Draft(sparing=running.take_sparing())
        while True:
            running.asked = asked
            running.stream = stream = self._open(asked)
            outcome = await self._attempt(asked, draft, stream, running)
            if outcome is None:
                outcome = await self._start_over(asked, draft, running)
            if isinstance(outcome, Outcome):
                break
            asked = outcome
            draft = Draft(sparing=draft.sparing or running.take_sparing(), before=draft.steps)
        status, version, more = await self._finish(asked, draft, outcome)
        if status == "withdrawn":
            stream.mute()
        await stream.end(status, version)
        more = more or running.again or bool(running.retries)
        return more and not self._closed

    async def _start_over(self, asked: Asked, draft: Draft, running: _Running) -> Asked | Outcome:
        """What to answer with the newer question; how the turn ends when it cannot go on."""
        running.again = False
        try:
            async with self._database.transaction(asked.org_id, actor="system") as db:
                fresh = await turns.begin_again(db, asked)
        except Exception as error:
            log.error("answer_not_begun_again", exc_info=error)
            draft.error_code = "internal"
            return draft.outcome("failed", draft.say(Phrase.BROKEN))
        # It was stopped, or is no longer ours: then nothing is written any more.
        return fresh or draft.outcome(running.ending or "stopped", "")

    async def _next(self, key: Key, running: _Running) -> Asked | None:
        """What to answer: a turn that was opened again, else what has been asked since the last."""
        running.may_restart = not running.retries
        if running.retries:
            return running.retries.popleft()
        async with self._database.transaction(
            key[0], actor="system", keeps_plans=True, signals=False
        ) as db:
            return await turns.begin(db, *key)

    def _open(self, asked: Asked) -> AnswerStream:
        return self._frames.open(
            org_id=asked.org_id,
            conversation_id=asked.conversation_id,
            mid=asked.mid,
            attempt=asked.attempt,
        )

    async def _attempt(
        self, asked: Asked, draft: Draft, stream: AnswerStream, running: _Running
    ) -> Outcome | None:
        """One attempt, cut short when told; None to start over with a newer question."""
        running.attempt = asyncio.create_task(self._write(asked, draft, stream, running))
        if running.ending is not None or running.starts_over:
            running.attempt.cancel()
        try:
            return await asyncio.wait_for(running.attempt, self._seconds_max)
        except TimeoutError:
            draft.error_code = "answer_timeout"
            return draft.outcome("failed", stream.text or draft.say(Phrase.BROKEN))
        except asyncio.CancelledError:
            if running.ending is not None:
                return draft.outcome(running.ending, stream.text)
            if running.starts_over:
                return None
            raise
        finally:
            running.attempt = None

    async def _write(
        self, asked: Asked, draft: Draft, stream: AnswerStream, running: _Running
    ) -> Outcome:
        try:
            async with aclosing(self._writing.pieces(asked, draft)) as pieces:
                async for piece in pieces:
                    running.spoke = True
                    stream.write(_storable(piece))
        except ModelFailed:
            return draft.outcome("failed", stream.text or draft.say(Phrase.BROKEN))
        except Exception as error:
            log.error("answer_failed", exc_info=error)
            draft.error_code = "internal"
            return draft.outcome("failed", stream.text or draft.say(Phrase.BROKEN))
        return draft.outcome("complete", stream.text)

    async def _finish(self, asked: Asked, draft: Draft, outcome: Outcome) -> Finished:
        """Store how the turn ended; when its text cannot be stored, that it failed."""
        try:
            async with self._database.transaction(
                asked.org_id, actor="system", keeps_plans=True
            ) as db:
                return await turns.finish(db, asked, outcome)
        except Exception as error:  # whatever it is, who watches must hear an end
            log.error("answer_not_stored", exc_info=error)
        try:
            broken = draft.say(Phrase.BROKEN)
            failed = Outcome(status="failed", text=broken, error_code="not_stored")
            async with self._database.transaction(asked.org_id, actor="system") as db:
                return await turns.finish(db, asked, failed)
        except Exception as error:  # the database is gone: the sweep ends the row when it is back
            log.error("answer_not_ended", error=type(error).__name__)
            return Finished("failed", None, more=True)

    async def _checkpoints(self) -> None:
        """A sign of life of every running answer each second, one statement an organisation."""
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            by_org: dict[UUID, list[_Running]] = {}
            for (org_id, _), running in self._running.items():
                by_org.setdefault(org_id, []).append(running)
            for org_id, all_of_it in by_org.items():
                await self._look(org_id, all_of_it)

    async def _look(self, org_id: UUID, all_of_it: Sequence[_Running]) -> None:
        """Note how far these have come, and hear what the database knows: which are to stop, were
        taken over, or are no longer ours, because signals may be late or lost.
        """
        writing = [(each, each.attempt, came) for each in all_of_it if (came := each.progress)]
        if not writing:
            return
        try:
            async with self._database.transaction(
                org_id, actor="system", keeps_plans=True, signals=False
            ) as db:
                known = await recovery.checkpoint(db, org_id, [came for _, _, came in writing])
        except Exception as error:  # one missed sign of life is no death
            log.warning("checkpoint_failed", error=type(error).__name__)
            return
        for running, attempt, came in writing:
            ending = known.get(came[0], "interrupted")
            if ending is not None and running.attempt is attempt:
                running.end_as(ending)

    async def _sweep(self) -> None:
        """What was just asked is looked through each time, all of it when a question may have come
        open again: at the start, after an interruption, after a failure, and now and then.
        """
        to_look_back = 0
        while True:
            try:
                asked = (each.asked for each in self._running.values())
                mine = {each.mid for each in asked if each is not None}
                if await recovery.interrupt_stale(self._database, mine):
                    to_look_back = 0
                far = recovery.OVERLOOKED_AGE_MAX if to_look_back <= 0 else RECENTLY
                for key in await recovery.overlooked(self._database, age_max=far):
                    self.start(*key)
                to_look_back = LOOK_BACK_EVERY if to_look_back <= 0 else to_look_back - 1
            except Exception as error:
                to_look_back = 0
                log.warning("sweep_failed", error=type(error).__name__)
            await asyncio.sleep(SWEEP_S)


def _storable(piece: str) -> str:
    """Without what Postgres cannot store: NUL and lone surrogates, which a model may send."""
    return piece.replace("\0", "").encode("utf-8", "replace").decode("utf-8")

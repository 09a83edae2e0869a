"""The bot's turns as running tasks: owned by this process, not by any socket.

Nothing of the database is held while a model speaks. Every turn ends exactly once: complete,
stopped, failed, withdrawn or interrupted.
"""

import asyncio
from typing import Protocol
from uuid import UUID

import structlog

from chatbot.answering import turns
from chatbot.answering.model import ModelFailed
from chatbot.answering.tables import Ending
from chatbot.answering.turns import Asked, Outcome
from chatbot.answering.writing import Draft, Writing
from chatbot.database import Database

log = structlog.get_logger()

CHECKPOINT_S = 1.0
SWEEP_S = 5.0
SHUTDOWN_S = 10.0
BROKEN = "Something went wrong while I was answering. Please ask again, or talk to a person."

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

    async def end(self, status: Ending, version: int | None) -> None: ...


class Frames(Protocol):
    """Opens a stream to all who watch a conversation."""

    def open(
        self, *, org_id: UUID, conversation_id: UUID, mid: UUID, attempt: int
    ) -> AnswerStream: ...


class _Running:
    """A conversation's task in this process, and what it was told while it runs."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.attempt: asyncio.Task[Outcome] | None = None
        self.mid: UUID | None = None
        self.spoke = False
        self.ending: Ending | None = None
        self.again = False

    def end_as(self, status: Ending) -> None:
        self.ending = self.ending or status
        if self.attempt is not None:
            self.attempt.cancel()

    def hear_more(self) -> None:
        """A newer question: before the first word the attempt starts over with both."""
        self.again = True
        if self.attempt is not None and not self.spoke:
            self.attempt.cancel()


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
        self._sweeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to look for turns whose process died, and for questions that nobody took up."""
        self._sweeper = asyncio.create_task(self._sweep(), name="sweep answers")

    async def close(self) -> None:
        """Interrupt what still runs, keeping its text."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        tasks = [each.task for each in self._running.values() if each.task is not None]
        for running in self._running.values():
            running.end_as("interrupted")
        if tasks:
            await asyncio.wait(tasks, timeout=SHUTDOWN_S)

    def start(self, org_id: UUID, conversation_id: UUID) -> None:
        """See that the conversation's open questions get answered; returns at once."""
        key = org_id, conversation_id
        running = self._running.get(key)
        if running is not None:
            running.hear_more()
            return
        running = self._running[key] = _Running()
        running.task = asyncio.create_task(self._serve(key, running), name="answer")

    def stop(self, org_id: UUID, conversation_id: UUID, mid: UUID) -> None:
        """Stop that answer if this process runs it; its text so far is kept."""
        running = self._running.get((org_id, conversation_id))
        if running is not None and running.mid == mid:
            running.end_as("stopped")

    def withdraw(self, org_id: UUID, conversation_id: UUID) -> None:
        """A person has taken over: the answer ends here and is not stored."""
        running = self._running.get((org_id, conversation_id))
        if running is not None:
            running.end_as("withdrawn")

    async def _serve(self, key: Key, running: _Running) -> None:
        """Turn after turn until nothing is open. What is heard during the last look starts anew."""
        try:
            while await self._turn(key, running):
                running.spoke, running.ending = False, None
        except Exception as error:
            log.error("answer_task_failed", exc_info=error)
        finally:
            del self._running[key]
        if running.again and running.ending != "interrupted":
            self.start(*key)

    async def _turn(self, key: Key, running: _Running) -> bool:
        """One turn; whether to look for another."""
        running.again, running.mid = False, None
        async with self._database.transaction(key[0], actor="system") as db:
            asked = await turns.begin(db, *key, self._writing.model_name)
        if asked is None:
            return False
        running.mid = asked.mid
        stream = self._open(asked)
        outcome = await self._attempt(asked, stream, running)
        while outcome is None:
            running.again = False
            async with self._database.transaction(key[0], actor="system") as db:
                asked = await turns.begin_again(db, asked) or asked
            stream = self._open(asked)
            outcome = await self._attempt(asked, stream, running)
        status, version = await self._finish(asked, outcome)
        await stream.end(status, version)
        return running.ending != "interrupted"

    def _open(self, asked: Asked) -> AnswerStream:
        return self._frames.open(
            org_id=asked.org_id,
            conversation_id=asked.conversation_id,
            mid=asked.mid,
            attempt=asked.attempt,
        )

    async def _attempt(
        self, asked: Asked, stream: AnswerStream, running: _Running
    ) -> Outcome | None:
        """One attempt, cut short when told; None to start over with a newer question."""
        draft = Draft()
        running.attempt = asyncio.create_task(self._write(asked, draft, stream, running))
        if running.ending is not None:
            running.attempt.cancel()
        checkpoints = asyncio.create_task(self._checkpoints(asked, stream))
        try:
            return await asyncio.wait_for(running.attempt, self._seconds_max)
        except TimeoutError:
            draft.error_code = "answer_timeout"
            return draft.outcome("failed", stream.text or BROKEN)
        except asyncio.CancelledError:
            if running.ending is not None:
                return draft.outcome(running.ending, stream.text)
            if running.again and not running.spoke:
                return None
            raise
        finally:
            running.attempt = None
            checkpoints.cancel()

    async def _write(
        self, asked: Asked, draft: Draft, stream: AnswerStream, running: _Running
    ) -> Outcome:
        try:
            async for piece in self._writing.pieces(asked, draft):
                running.spoke = True
                stream.write(_storable(piece))
        except ModelFailed:
            return draft.outcome("failed", stream.text)
        except Exception as error:
            log.error("answer_failed", exc_info=error)
            draft.error_code = "internal"
            return draft.outcome("failed", stream.text or BROKEN)
        return draft.outcome("complete", stream.text)

    async def _finish(self, asked: Asked, outcome: Outcome) -> tuple[Ending, int | None]:
        """Store how the turn ended; when its text cannot be stored, that it failed."""
        try:
            async with self._database.transaction(asked.org_id, actor="system") as db:
                return await turns.finish(db, asked, outcome)
        except Exception as error:  # whatever it is, who watches must hear an end
            log.error("answer_not_stored", exc_info=error)
        try:
            failed = Outcome("failed", text=BROKEN, error_code="not_stored")
            async with self._database.transaction(asked.org_id, actor="system") as db:
                return await turns.finish(db, asked, failed)
        except Exception as error:  # the database is gone: the sweep ends the row when it is back
            log.error("answer_not_ended", error=type(error).__name__)
            return "failed", None

    async def _checkpoints(self, asked: Asked, stream: AnswerStream) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            try:
                async with self._database.transaction(asked.org_id, actor="system") as db:
                    await turns.checkpoint(db, asked, stream.sent.text, stream.sent.seq)
            except Exception as error:  # one missed sign of life is no death
                log.warning("checkpoint_failed", error=type(error).__name__)

    async def _sweep(self) -> None:
        while True:
            try:
                await turns.interrupt_stale(self._database)
                for key in await turns.overlooked(self._database):
                    self.start(*key)
            except Exception as error:
                log.warning("sweep_failed", error=type(error).__name__)
            await asyncio.sleep(SWEEP_S)


def _storable(piece: str) -> str:
    """Without what Postgres cannot store: NUL and lone surrogates, which a model may send."""
    return piece.replace("\0", "").encode("utf-8", "replace").decode("utf-8")

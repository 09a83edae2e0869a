"""Writers that commit, take back, roll back to savepoints, and hold a transaction open; each knows
what it did.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg.errors import Error as DriverError
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.conversations import transcript
from chatbot.conversations.tables import AuthorKind, Message, Visibility
from chatbot.database import Database
from chatbot.errors import ChatbotError
from tests.realtime.conftest import House
from tests.realtime.torture.checker import Write

MESSAGES_MAX = 60  # of one conversation; then the old ones are changed
UNDONE_STEPS = 0.2
UNDONE_WHOLE = 0.15
PAUSES_S = (0.0, 0.0, 0.002, 0.02)

_SEND = text(
    "select realtime.send(jsonb_build_object('write_id', cast(:token as text)),"
    " 'torture.write', :topic)"
)


@dataclass
class Ledger:
    """What the writers know: `doubtful` are those whose COMMIT got no answer."""

    kept: list[Write] = field(default_factory=list[Write])
    undone: list[Write] = field(default_factory=list[Write])
    doubtful: list[Write] = field(default_factory=list[Write])
    longest_open_s: float = 0.0  # of those that were committed


class _Undo(Exception):
    """Taken back on purpose."""


@dataclass
class Writer:
    """One writer of an organisation's conversations. `tells_early` plants a fault: the signal
    leaves in a transaction of its own, before anybody knows whether the write stays.
    """

    name: str
    database: Database
    house: House
    conversations: Sequence[UUID]
    ledger: Ledger
    tells_early: bool = False

    def __post_init__(self) -> None:
        self._choose = random.Random(self.name)
        self._count = 0

    async def run(self, until: float, *, pause_s: float) -> None:
        """Random transactions until that time of the loop."""
        clock = asyncio.get_running_loop().time
        while clock() < until:
            await self.transact(self._choose.choice(self.conversations))
            await asyncio.sleep(self._choose.uniform(0, 2 * pause_s))

    async def hold(self, seconds: float) -> None:
        """One transaction that has its id early and commits late, while all others go on."""
        began, kept = asyncio.get_running_loop().time(), self._kept()
        await self.transact(self.conversations[0], open_s=seconds, writes=3)
        held_s = asyncio.get_running_loop().time() - began
        if self._kept() > kept:
            self.ledger.longest_open_s = max(self.ledger.longest_open_s, held_s)

    def _kept(self) -> int:
        return sum(each.token.startswith(f"{self.name}-") for each in self.ledger.kept)

    async def transact(
        self, conversation_id: UUID, *, open_s: float | None = None, writes: int | None = None
    ) -> None:
        """One to three writes (or that many), some in savepoints that are taken back, then commit
        or rollback; a transaction held open for `open_s` seconds commits.
        """
        meant: list[Write] = []
        taken_back: list[Write] = []
        try:
            async with self.database.transaction(self.house.org_id, actor="system") as db:
                for _ in range(writes or self._choose.randint(1, 3)):
                    await self._step(db, conversation_id, meant, taken_back)
                await asyncio.sleep(self._choose.choice(PAUSES_S) if open_s is None else open_s)
                if open_s is None and self._choose.random() < UNDONE_WHOLE:
                    raise _Undo
        except _Undo:
            self.ledger.undone += meant + taken_back
        except (SQLAlchemyError, DriverError, OSError, TimeoutError, ChatbotError):
            self.ledger.doubtful += meant
            self.ledger.undone += taken_back
            await asyncio.sleep(0.1)  # the database is away
        else:
            self.ledger.kept += meant
            self.ledger.undone += taken_back

    async def _step(
        self, db: AsyncSession, conversation_id: UUID, meant: list[Write], taken_back: list[Write]
    ) -> None:
        undo = self._choose.random() < UNDONE_STEPS
        try:
            async with db.begin_nested():
                write = await self._write(db, conversation_id)
                (taken_back if undo else meant).append(write)
                if undo:
                    raise _Undo
        except _Undo:
            if not undo:
                raise

    async def _write(self, db: AsyncSession, conversation_id: UUID) -> Write:
        """Say something new or change something old, and signal it under a token of its own."""
        self._count += 1
        token = f"{self.name}-{self._count}"
        talk = await transcript.lock(db, self.house.org_id, conversation_id)
        here = Message.org_id == talk.org_id, Message.conversation_id == talk.id
        amount = await db.scalar(select(func.count()).select_from(Message).where(*here)) or 0
        if amount < MESSAGES_MAX:
            visibility = self._choose.choice((Visibility.PUBLIC, Visibility.INTERNAL))
            said = transcript.Said(AuthorKind.STAFF, token, "Robin", visibility=visibility)
            message, _ = await transcript.say(db, talk, said)
        else:
            place = self._choose.randrange(amount)
            found = select(Message).where(*here).order_by(Message.id).offset(place).limit(1)
            message = (await db.scalars(found.execution_options(populate_existing=True))).one()
            message.text = token
            await transcript.revise(db, talk, message)
        feature = "messages" if message.visibility == Visibility.PUBLIC else "staff"
        topic = f"conversation:{talk.id}:{feature}"
        await self._tell(db, token, topic)
        return Write(token, topic, str(message.id), message.rev)

    async def _tell(self, db: AsyncSession, token: str, topic: str) -> None:
        values = {"token": token, "topic": topic}
        if self.tells_early:
            async with self.database.transaction(self.house.org_id, actor="system") as apart:
                await apart.execute(_SEND, values)
        else:
            await db.execute(_SEND, values)

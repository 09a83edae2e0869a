"""What a visitor does to a conversation, the same by HTTP and by socket: ask, stop, call a
person.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering import turns
from chatbot.answering.answers import Answers
from chatbot.answering.spending.rates import Rates
from chatbot.conversations import episodes, handoff, inbox, transcript, wire
from chatbot.conversations.tables import AuthorKind, Conversation, Message
from chatbot.conversations.transcript import Said
from chatbot.database import Database
from chatbot.errors import Conflict, TooMany
from chatbot.settings import Limits
from chatbot.visitors.sessions import Visitor

VISITOR_NAME = "Visitor"


class Asking:
    """The visitor's verbs; each is one transaction, and what follows it is started after the
    commit.
    """

    def __init__(
        self,
        database: Database,
        answers: Answers,
        limits: Limits,
        rates: Rates,
        is_staffed: Callable[[UUID], Awaitable[bool]],
    ) -> None:
        self._database = database
        self._answers = answers
        self._limits = limits
        self._rates = rates
        self.is_staffed = is_staffed

    async def send(
        self,
        visitor: Visitor,
        *,
        block: str,
        conversation_id: UUID | None,
        client_id: str,
        text: str,
        page_url: str | None,
    ) -> tuple[wire.Message, bool]:
        """Store a message, in a new conversation when none is named; the stored one and whether it
        is new.

        The answer is started once the message is committed. The same `client_id` again changes
        nothing, and is answered however many messages there were; a new one may be TooMany.
        """
        said = Said(
            AuthorKind.VISITOR,
            transcript.checked_text(text, self._limits.message_chars_max),
            VISITOR_NAME,
            author_id=visitor.visitor_id,
            client_id=transcript.checked_client_id(client_id),
            page_url=page_url,
        )
        try:
            pace = self._rates.check(visitor, block, client_id)
        except TooMany:
            known = await self._known(visitor, said)
            if known is None:
                raise
            return known, False
        try:
            message, is_new = await self._store(visitor, conversation_id, said)
        except IntegrityError as error:
            raise Conflict(
                "client_id_reused", "This client_id belongs to another message.", retry="never"
            ) from error
        if is_new:
            sparing = pace == "sparing"
            self._answers.start(visitor.org_id, message.conversation_id, sparing=sparing)
        return message, is_new

    async def stop(self, visitor: Visitor, mid: UUID) -> None:
        """Stop the visitor's answer `mid`; nothing happens when it has ended."""
        async with self._database.transaction(visitor.org_id, actor=visitor.actor) as db:
            conversation_id = await turns.conversation_of(db, visitor.org_id, mid)
            conversation = await self._lock(db, visitor, conversation_id)
            stopping = await turns.request_stop(db, conversation, mid=mid)
        self._stop(visitor, conversation_id, stopping)

    async def stop_in(self, visitor: Visitor, conversation_id: UUID) -> None:
        """Stop whatever answer runs in the visitor's conversation."""
        async with self._database.transaction(visitor.org_id, actor=visitor.actor) as db:
            conversation = await self._lock(db, visitor, conversation_id)
            stopping = await turns.request_stop(db, conversation)
        self._stop(visitor, conversation_id, stopping)

    async def retry(self, visitor: Visitor, mid: UUID, *, block: str) -> None:
        """Have the visitor's last answer written again, under the same `mid`; Conflict when it is
        not one that failed, was interrupted or stopped. It counts as a message does: TooMany.
        """
        self._rates.check_retry(visitor, block)
        async with self._database.transaction(visitor.org_id, actor=visitor.actor) as db:
            conversation_id = await turns.conversation_of(db, visitor.org_id, mid)
            asked = await turns.retry(db, await self._lock(db, visitor, conversation_id), mid)
        self._answers.retry(asked)

    async def call_person(
        self, visitor: Visitor, conversation_id: UUID, reason: str | None
    ) -> tuple[wire.VisitorConversation, bool]:
        """Ask for a person; the conversation as it is now, and whether the request is new."""
        async with self._database.transaction(visitor.org_id, actor=visitor.actor) as db:
            conversation = await self._lock(db, visitor, conversation_id)
            _, is_new = await handoff.request(db, conversation, by=visitor.actor, reason=reason)
            return await inbox.visitor_conversation(db, conversation), is_new

    def _stop(self, visitor: Visitor, conversation_id: UUID, mid: UUID | None) -> None:
        """At once if it runs here; elsewhere the signal of the row tells."""
        if mid is not None:
            self._answers.stop(visitor.org_id, conversation_id, mid)

    async def _lock(self, db: AsyncSession, visitor: Visitor, wanted: UUID) -> Conversation:
        return await transcript.lock(db, visitor.org_id, wanted, visitor_id=visitor.visitor_id)

    async def _known(self, visitor: Visitor, said: Said) -> wire.Message | None:
        """The very message, if it is stored already."""
        async with self._database.transaction(visitor.org_id, actor=visitor.actor) as db:
            row = await db.scalar(
                select(Message).where(
                    Message.org_id == visitor.org_id,
                    Message.author_kind == AuthorKind.VISITOR,
                    Message.author_id == visitor.visitor_id,
                    Message.client_id == said.client_id,
                    Message.text == said.text,
                )
            )
        return None if row is None else wire.message(row)

    async def _store(
        self, visitor: Visitor, conversation_id: UUID | None, said: Said
    ) -> tuple[wire.Message, bool]:
        async with self._database.transaction(
            visitor.org_id, actor=visitor.actor, keeps_plans=True
        ) as db:
            if conversation_id is None:
                most = self._limits.conversations_per_visitor
                conversation, _ = await transcript.begin(
                    db, visitor, said.client_id or "", most=most
                )
            else:
                conversation = await self._lock(db, visitor, conversation_id)
            last_said_at = conversation.last_message_at
            row, is_new = await transcript.say(db, conversation, said)
            if is_new:
                await episodes.come_back(db, conversation, row, last_said_at)
            return wire.message(row), is_new

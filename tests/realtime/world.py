"""An organisation to tell stories of. Each story yields once: before it a screen was looked at,
after it comes what the screen must be told of.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from chatbot.answering import turns
from chatbot.answering.turns import Asked
from chatbot.conversations import handoff, transcript
from chatbot.conversations.tables import Conversation
from chatbot.database import Database
from chatbot.jobs import Jobs
from knowledge import faqs, index
from knowledge.ingest import ingest_next
from knowledge.models import Models
from knowledge.tables import Document, Passage
from knowledge.web import crawl
from knowledge.web.crawl import Wanted
from tests.answering import given
from tests.knowledge.shelves import LOCAL
from tests.realtime.conftest import House

MODELS = Models(LOCAL)
TEXT = "The kettle has a warranty of two years.\n\nIt boils a litre in two minutes."


@dataclass
class World:
    """One organisation in which verbs are tried."""

    database: Database
    house: House
    jobs: Jobs

    def as_visitor(self) -> Any:
        return self.database.transaction(self.house.org_id, actor=self.house.visitor.actor)

    def as_staff(self) -> Any:
        return self.database.transaction(self.house.org_id, actor=self.house.staff.actor)

    async def lock(self, db: Any) -> Conversation:
        return await transcript.lock(db, self.house.org_id, self.house.conversation_id)

    async def asked(self) -> Asked:
        """A turn that runs, for a question that was just put."""
        await given.ask(self.database, self.house)
        async with self.as_visitor() as db:
            begun = await turns.begin(db, self.house.org_id, self.house.conversation_id)
        assert begun is not None
        return begun

    async def taken(self) -> None:
        """Something was said, and a colleague took the conversation over."""
        await given.ask(self.database, self.house)
        async with self.as_staff() as db:
            await handoff.take(db, await self.lock(db), self.house.staff)

    async def document(self, body: str = TEXT, *, name: str = "kettle.txt") -> Document:
        """A document that waits to be taken in."""
        async with self.as_staff() as db:
            return await index.add(db, self.house.org_id, name=name, body=body.encode())

    async def work_off(self) -> None:
        while await ingest_next(self.database.transaction, MODELS, self.house.org_id):
            pass

    async def passage(self) -> Passage:
        """A passage of a document that is ready."""
        document = await self.document()
        await self.work_off()
        async with self.as_staff() as db:
            return (await index.passages(db, self.house.org_id, document.id))[0]

    async def website(self) -> crawl.Crawl:
        async with self.as_staff() as db:
            return await crawl.add(db, self.house.org_id, Wanted(url="https://www.example.org/"))

    async def faq(self, **changed: Any) -> faqs.Entry:
        draft = faqs.Draft(question="How long is the warranty?", answer="Two years.", **changed)
        return await faqs.save(self.database.transaction, MODELS, self.house.org_id, draft)


Story = Callable[[World], AsyncGenerator[None]]
"""What is given, a `yield` at which the old screens are read, and what is done."""

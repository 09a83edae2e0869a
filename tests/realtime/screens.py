"""What the screens of one organisation show, read anew or brought up to date by signals alone.

`reduce` fetches only what a signal names, as the widget and the console do. A screen that a verb
changes without a signal stays behind here, and the test says so.
"""

# pyright: reportPrivateUsage=false

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.conversations import inbox, transcript, wire
from chatbot.conversations.tables import Conversation, Message
from chatbot.database import Database
from chatbot.errors import NotFound
from chatbot.library import crawls, views
from chatbot.realtime import topics
from chatbot.realtime.signals import Cursor, Signal
from knowledge import faqs, index
from knowledge.errors import KnowledgeError
from knowledge.tables import DocumentKind
from knowledge.web import crawl
from tests.realtime.conftest import House
from tests.realtime.hearing import missed

Talks = dict[UUID, dict[UUID, wire.Message]]


@dataclass
class Screens:
    """The console's inbox, transcripts and knowledge base; the widget's list and transcripts."""

    inbox: dict[UUID, wire.StaffConversation] = field(default_factory=dict[Any, Any])
    talks: Talks = field(default_factory=dict[Any, Any])
    visitor_list: dict[UUID, wire.VisitorConversation] = field(default_factory=dict[Any, Any])
    visitor_talks: Talks = field(default_factory=dict[Any, Any])
    documents: dict[UUID, views.DocumentView] = field(default_factory=dict[Any, Any])
    passages: dict[UUID, list[views.PassageView]] = field(default_factory=dict[Any, Any])
    questions: dict[UUID, faqs.Entry] = field(default_factory=dict[Any, Any])
    websites: dict[UUID, crawls.CrawlView] = field(default_factory=dict[Any, Any])


@dataclass
class Watch:
    """Whoever looks at the screens of a house: all it may listen to, and from where."""

    database: Database
    house: House
    names: list[str]
    cursor: Cursor
    screens: Screens


async def watch(database: Database, house: House) -> Watch:
    """Take the place in the stream first, then read."""
    async with database.transaction() as db:
        epoch, cur = (await db.execute(text("select epoch, cur from realtime.position()"))).one()
    shown = await fresh(database, house)
    names = house.topics()
    for each in {*shown.talks, *shown.visitor_talks}:
        names += [f"conversation:{each}:messages", f"conversation:{each}:staff"]
    return Watch(database, house, sorted(set(names)), Cursor(epoch, cur), shown)


async def fresh(database: Database, house: House) -> Screens:
    """Everything, read from the database."""
    shown = Screens()
    async with database.transaction(house.org_id, actor="system") as db:
        ids = (await db.scalars(select(Conversation.id).where(_own(house)))).all()
        for each in ids:
            await _read_inbox(db, house, shown, each)
            await _read_visitor_list(db, house, shown, each)
            await _read_talk(db, house, shown, each)
        await _read_knowledge(db, house, shown)
        for row in await crawl.crawls(db, house.org_id):
            await _read_crawl(db, house, shown, row.id)
    return shown


async def signals_since(watch: Watch) -> list[Signal]:
    """What its sockets would have been told."""
    found = await missed(watch.database, watch.house.org_id, watch.names, watch.cursor)
    assert not found.reset
    return found.signals


async def reduce(watch: Watch, signals: Sequence[Signal]) -> Screens:
    """The old screens after these signals and the fetches that they ask for."""
    shown = copy.deepcopy(watch.screens)
    async with watch.database.transaction(watch.house.org_id, actor="system") as db:
        for each in signals:
            await _take(db, watch.house, shown, each)
    return shown


async def _take(db: AsyncSession, house: House, shown: Screens, signal: Signal) -> None:
    topic = topics.parse(signal.topic)
    assert topic is not None
    ids = {name: UUID(value) for name, value in signal.ids.items()}
    match topic.kind.policy, signal.event:
        case "org_inbox", _:
            await _read_inbox(db, house, shown, ids["conversation_id"])
            await _join(db, house, shown.talks, ids["conversation_id"], internal=True)
        case "visitor_conversations", _:
            await _read_visitor_list(db, house, shown, ids["conversation_id"])
            await _join(db, house, shown.visitor_talks, ids["conversation_id"], internal=False)
        case "conversation_messages", "message.changed":
            for talks in (shown.talks, shown.visitor_talks):
                await _read_message(db, house, talks, ids["message_id"])
        case "conversation_staff", "message.changed":
            await _read_message(db, house, shown.talks, ids["message_id"])
        case "org_knowledge", "document.changed":
            await _read_knowledge(db, house, shown, ids.get("document_id"))
        case "org_knowledge", "crawl.changed":
            await _read_crawl(db, house, shown, ids["crawl_id"])
        case _:
            pass


async def _read_inbox(db: AsyncSession, house: House, shown: Screens, wanted: UUID) -> None:
    """A conversation stands in the inbox once something was said or somebody is asked for."""
    shown.inbox.pop(wanted, None)
    try:
        found = await inbox.conversation(db, house.org_id, wanted)
    except NotFound:
        return
    if found.last_message is not None or found.handoff is not None:
        shown.inbox[wanted] = found


async def _read_visitor_list(db: AsyncSession, house: House, shown: Screens, wanted: UUID) -> None:
    """The revision is left out: it moves with every message, of which this list is not told."""
    own = house.visitor.visitor_id
    shown.visitor_list.pop(wanted, None)
    try:
        row = await transcript.get(db, house.org_id, wanted, visitor_id=own)
    except NotFound:
        return
    listed = await inbox.visitor_conversation(db, row)
    shown.visitor_list[wanted] = msgspec.structs.replace(listed, rev=0)


async def _read_talk(db: AsyncSession, house: House, shown: Screens, wanted: UUID) -> None:
    await _join(db, house, shown.talks, wanted, internal=True)
    await _join(db, house, shown.visitor_talks, wanted, internal=False)


async def _join(
    db: AsyncSession, house: House, talks: Talks, wanted: UUID, *, internal: bool
) -> None:
    """Whoever learns of a conversation opens it; one that is open already follows its own topic."""
    if wanted in talks:
        return
    own = None if internal else house.visitor.visitor_id
    try:
        row = await transcript.get(db, house.org_id, wanted, visitor_id=own)
    except NotFound:
        return
    found = await transcript.since(db, row, 0, internal=internal)
    talks[wanted] = {each.id: wire.message(each) for each in found}


async def _read_message(db: AsyncSession, house: House, talks: Talks, wanted: UUID) -> None:
    row = await db.get(Message, (house.org_id, wanted), populate_existing=True)
    if row is not None and row.conversation_id in talks:
        talks[row.conversation_id][wanted] = wire.message(row)


async def _read_knowledge(
    db: AsyncSession, house: House, shown: Screens, wanted: UUID | None = None
) -> None:
    """One document with its passages, or all; a bulk change names none."""
    if wanted is None:
        shown.documents, shown.passages, shown.questions = {}, {}, {}
        found = await index.documents(db, house.org_id, kinds=list(DocumentKind))
        for each in [row.id for row in found]:
            await _read_knowledge(db, house, shown, each)
        return
    for held in (shown.documents, shown.passages, shown.questions):
        held.pop(wanted, None)
    try:
        row = await index.get(db, house.org_id, wanted)
    except KnowledgeError:
        return
    shown.documents[wanted] = views.document(row)
    passages = await index.passages(db, house.org_id, wanted)
    shown.passages[wanted] = [views.passage(each) for each in passages]
    shown.questions |= {each.id: each for each in await faqs.entries(db, house.org_id, [wanted])}


async def _read_crawl(db: AsyncSession, house: House, shown: Screens, wanted: UUID) -> None:
    shown.websites.pop(wanted, None)
    try:
        row = await crawl.get(db, house.org_id, wanted)
    except KnowledgeError:
        return
    shown.websites[wanted] = await crawls._view(db, row)


def _own(house: House) -> Any:
    return Conversation.org_id == house.org_id

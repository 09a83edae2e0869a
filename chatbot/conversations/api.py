"""HTTP for staff: lists of conversations, one in whole, taking it over, replying, giving it
back.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.conversations import handoff, inbox, transcript, wire
from chatbot.conversations.tables import AuthorKind, Conversation, Visibility
from chatbot.conversations.transcript import Said
from chatbot.database import Database
from chatbot.settings import Settings
from chatbot.staff.login import Staff

Verb = Callable[[AsyncSession, Conversation, Staff], Awaitable[object]]


class Bot(Protocol):
    """What these doors need of the room that answers."""

    async def silence(self, org_id: UUID, conversation_id: UUID) -> None:
        """End the conversation's running answer unheard; returns when this process sends no more
        of it.
        """
        ...


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_id: str
    text: str
    visibility: Visibility = Visibility.PUBLIC


@get("/conversations", operation_id="list_conversations")
async def list_conversations(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    view: FromQuery[inbox.View] = inbox.View.ALL,
    after: FromQuery[str | None] = None,
) -> wire.ConversationPage:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await inbox.conversations(db, staff, view, after)


@get("/conversations/{conversation_id:uuid}", operation_id="get_conversation")
async def get_conversation(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    conversation_id: FromPath[UUID],
) -> wire.StaffConversation:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await inbox.conversation(db, staff.org_id, conversation_id)


@post("/conversations/{conversation_id:uuid}/messages", operation_id="reply")
async def reply(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    conversation_id: FromPath[UUID],
    data: JSONBody[Reply],
) -> Response[wire.Message]:
    said = Said(
        AuthorKind.STAFF,
        transcript.checked_text(data.text, settings.limits.message_chars_max),
        staff.name,
        author_id=staff.staff_id,
        client_id=transcript.checked_client_id(data.client_id),
        visibility=data.visibility,
    )
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        conversation = await transcript.lock(db, staff.org_id, conversation_id)
        row, is_new = await handoff.say(db, conversation, staff, said)
        message = wire.message(row)
    return Response(message, status_code=201 if is_new else 200)


@post(
    "/conversations/{conversation_id:uuid}/handoff/take", status_code=200, operation_id="take_over"
)
async def take_over(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    bot: SkipValidation[NamedDependency[Bot]],
    conversation_id: FromPath[UUID],
) -> wire.StaffConversation:
    """Who gets this reply is not talked over: the bot has fallen silent here, and within a second
    in every other process.
    """
    view = await _handled(staff, database, conversation_id, handoff.take)
    await bot.silence(staff.org_id, conversation_id)
    return view


@post(
    "/conversations/{conversation_id:uuid}/handoff/release",
    status_code=200,
    operation_id="hand_back",
)
async def hand_back(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    conversation_id: FromPath[UUID],
) -> wire.StaffConversation:
    return await _handled(staff, database, conversation_id, handoff.release)


@post("/conversations/{conversation_id:uuid}/close", status_code=200, operation_id="close")
async def close(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    bot: SkipValidation[NamedDependency[Bot]],
    conversation_id: FromPath[UUID],
) -> wire.StaffConversation:
    view = await _handled(staff, database, conversation_id, handoff.close)
    await bot.silence(staff.org_id, conversation_id)
    return view


async def _handled(
    staff: Staff, database: Database, conversation_id: UUID, verb: Verb
) -> wire.StaffConversation:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await verb(db, await transcript.lock(db, staff.org_id, conversation_id), staff)
        return await inbox.conversation(db, staff.org_id, conversation_id)


ROUTES = Router(
    path="/",
    route_handlers=[
        list_conversations,
        get_conversation,
        reply,
        take_over,
        hand_back,
        close,
    ],
)

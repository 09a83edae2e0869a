"""HTTP for visitors: a session, their conversations, what was said since, and their verbs; and what
staff read, which needs the running answer too.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from chatbot import web
from chatbot.answering import turns
from chatbot.answering.asking import Asking
from chatbot.conversations import inbox, transcript, wire
from chatbot.database import Database
from chatbot.errors import NotSignedIn
from chatbot.orgs.sites import site_by_key
from chatbot.orgs.tables import Site
from chatbot.settings import Settings
from chatbot.staff.login import Staff
from chatbot.throttle import Throttle
from chatbot.tokens import Tokens
from chatbot.visitors import doors, sessions
from chatbot.visitors.sessions import Sessions, Visitor

REV_MAX = 2**63 - 1

AfterRev = Annotated[int, QueryParameter(name="after", ge=0, le=REV_MAX)]


class EarlierSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, msgspec.Meta(max_length=512)]


class Knock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page says when it opens the chat; all of it may be left out."""

    page_url: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    referrer: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    locale: Annotated[str, msgspec.Meta(max_length=35)] | None = None
    resume: EarlierSession | None = None


class VisitorView(msgspec.Struct, frozen=True):
    id: UUID


class Theme(msgspec.Struct, frozen=True):
    accent: str | None
    side: Literal["start", "end"]


class Availability(msgspec.Struct, frozen=True):
    """Whether somebody is there to help, and the topic that tells when that changes."""

    staff_online: bool
    topic: str


class SiteView(msgspec.Struct, frozen=True):
    name: str
    greeting: str
    starters: list[str]
    theme: Theme
    availability: Availability


class SessionReply(msgspec.Struct, frozen=True):
    token: str
    expires_at: datetime
    visitor: VisitorView
    site: SiteView
    conversations: list[wire.VisitorConversation]


class NewConversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_id: str


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client_id: str
    text: str
    page_url: str | None = None


class CallPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, msgspec.Meta(max_length=500)] | None = None


@post("/sites/{key:str}/session", operation_id="open_session")
async def open_session(
    *,
    request: Request[Any, Any, Any],
    key: FromPath[str],
    data: JSONBody[Knock],
    database: NamedDependency[Database],
    tokens: NamedDependency[Tokens],
    throttle: NamedDependency[Throttle],
    asking: NamedDependency[Asking],
    settings: NamedDependency[Settings],
    visitor_sessions: NamedDependency[Sessions],
) -> SessionReply:
    """A session for the page's origin: a new visitor, or the one of a valid earlier token."""
    site = await site_by_key(database, key)
    sent = web.origin_of(request, settings.public_url)
    origin = sessions.check_origin(site, sent, settings.public_url)
    web.allow_origin(request, origin)
    block = web.address_block(request.scope, settings.trusted_proxies)
    most = settings.limits.sessions_per_minute
    throttle.spend("session", block, per_minute=most)
    token = data.resume.token if data.resume else doors.bearer(request)
    known = await _known(visitor_sessions, token, origin, site)
    async with database.transaction(site.org_id, actor="system") as db:
        if known is not None:
            session, fresh = await sessions.renew(db, tokens, known)
        else:
            _, session, fresh = await sessions.issue(
                db, tokens, site, origin=origin, locale=data.locale
            )
        conversations = await inbox.visitor_conversations(db, site.org_id, session.visitor_id)
    return SessionReply(
        token=fresh,
        expires_at=session.created_at + visitor_sessions.lifetime.absolute,
        visitor=VisitorView(session.visitor_id),
        site=_site_view(site, staffed=await asking.is_staffed(site.org_id)),
        conversations=conversations,
    )


@get("/visitor/availability", operation_id="read_availability")
async def read_availability(
    visitor: NamedDependency[Visitor], asking: NamedDependency[Asking]
) -> Availability:
    """Ask again when the topic says `availability.changed`, and whenever it was joined anew."""
    return _availability(visitor.org_id, staffed=await asking.is_staffed(visitor.org_id))


@get("/visitor/conversations", operation_id="list_visitor_conversations")
async def list_visitor_conversations(
    visitor: NamedDependency[Visitor], database: NamedDependency[Database]
) -> wire.VisitorConversations:
    async with database.transaction(visitor.org_id, actor=visitor.actor) as db:
        return wire.VisitorConversations(
            await inbox.visitor_conversations(db, visitor.org_id, visitor.visitor_id)
        )


@post("/visitor/conversations", operation_id="begin_conversation")
async def begin_conversation(
    visitor: NamedDependency[Visitor],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    data: JSONBody[NewConversation],
) -> Response[wire.VisitorConversation]:
    async with database.transaction(visitor.org_id, actor=visitor.actor) as db:
        most = settings.limits.conversations_per_visitor
        conversation, is_new = await transcript.begin(db, visitor, data.client_id, most=most)
        view = await inbox.visitor_conversation(db, conversation)
    return Response(view, status_code=201 if is_new else 200)


@get("/visitor/conversations/{conversation_id:uuid}/messages", operation_id="read_transcript")
async def read_transcript(
    visitor: NamedDependency[Visitor],
    database: NamedDependency[Database],
    conversation_id: FromPath[UUID],
    after_rev: AfterRev = 0,
) -> wire.Transcript:
    async with database.transaction(visitor.org_id, actor=visitor.actor) as db:
        conversation = await transcript.get(
            db, visitor.org_id, conversation_id, visitor_id=visitor.visitor_id
        )
        rows = await transcript.since(db, conversation, after_rev, internal=False)
        answer = await turns.live(db, conversation)
        view = await inbox.visitor_conversation(db, conversation)
    return wire.Transcript(
        items=[wire.message(row) for row in rows],
        answer=answer,
        state=view.state,
        handoff=view.handoff,
        cursor=rows[-1].rev if rows else after_rev,
    )


@post("/visitor/conversations/{conversation_id:uuid}/messages", operation_id="ask")
async def ask(
    *,
    request: Request[Any, Any, Any],
    visitor: NamedDependency[Visitor],
    settings: NamedDependency[Settings],
    asking: NamedDependency[Asking],
    conversation_id: FromPath[UUID],
    data: JSONBody[Question],
) -> Response[wire.Message]:
    message, is_new = await asking.send(
        visitor,
        block=web.address_block(request.scope, settings.trusted_proxies),
        conversation_id=conversation_id,
        client_id=data.client_id,
        text=data.text,
        page_url=data.page_url,
    )
    return Response(message, status_code=201 if is_new else 200)


@post("/visitor/conversations/{conversation_id:uuid}/handoff", operation_id="call_person")
async def call_person(
    visitor: NamedDependency[Visitor],
    asking: NamedDependency[Asking],
    conversation_id: FromPath[UUID],
    data: JSONBody[CallPerson],
) -> Response[wire.VisitorConversation]:
    view, is_new = await asking.call_person(visitor, conversation_id, data.reason)
    return Response(view, status_code=201 if is_new else 200)


@post(
    "/visitor/conversations/{conversation_id:uuid}/stop",
    status_code=204,
    operation_id="stop_answer",
)
async def stop_answer(
    visitor: NamedDependency[Visitor],
    asking: NamedDependency[Asking],
    conversation_id: FromPath[UUID],
) -> None:
    await asking.stop_in(visitor, conversation_id)


@post("/visitor/messages/{message_id:uuid}/retry", status_code=202, operation_id="retry_answer")
async def retry_answer(
    request: Request[Any, Any, Any],
    visitor: NamedDependency[Visitor],
    settings: NamedDependency[Settings],
    asking: NamedDependency[Asking],
    message_id: FromPath[UUID],
) -> dict[str, str]:
    """Have the last answer written again when it failed, was interrupted or stopped."""
    block = web.address_block(request.scope, settings.trusted_proxies)
    await asking.retry(visitor, message_id, block=block)
    return {}


@get("/conversations/{conversation_id:uuid}/messages", operation_id="read_staff_transcript")
async def read_staff_transcript(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    conversation_id: FromPath[UUID],
    after_rev: AfterRev = 0,
) -> wire.StaffTranscript:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        view = await inbox.conversation(db, staff.org_id, conversation_id)
        conversation = await transcript.get(db, staff.org_id, conversation_id)
        rows = await transcript.since(db, conversation, after_rev, internal=True)
        answer = await turns.live(db, conversation)
    return wire.StaffTranscript(
        items=[wire.message(row) for row in rows],
        answer=answer,
        conversation=view,
        cursor=rows[-1].rev if rows else after_rev,
    )


VISITOR_ROUTES = Router(
    path="/",
    route_handlers=[
        open_session,
        read_availability,
        list_visitor_conversations,
        begin_conversation,
        read_transcript,
        ask,
        call_person,
        stop_answer,
        retry_answer,
    ],
)
STAFF_ROUTES = Router(path="/", route_handlers=[read_staff_transcript])


async def _known(
    visitor_sessions: Sessions, token: str | None, origin: str, site: Site
) -> Visitor | None:
    """The visitor of an earlier token, when it is still good for this site and origin."""
    if token is None:
        return None
    try:
        session = await visitor_sessions.find(token)
        visitor = visitor_sessions.verified(session, origin, to_renew=True)
    except NotSignedIn:
        return None
    return visitor if (visitor.org_id, visitor.site_id) == (site.org_id, site.id) else None


def _site_view(site: Site, *, staffed: bool) -> SiteView:
    return SiteView(
        name=site.name,
        greeting=site.greeting,
        starters=list(site.starters),
        theme=Theme(site.accent, "start" if site.side == "start" else "end"),
        availability=_availability(site.org_id, staffed=staffed),
    )


def _availability(org_id: UUID, *, staffed: bool) -> Availability:
    return Availability(staff_online=staffed, topic=f"org:{org_id}:public")

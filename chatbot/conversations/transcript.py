"""What is said, and by whom: the only writer of messages.

Everything that is said takes the conversation's row lock first. Under it a public message takes the
next `seq` and every insert the next `rev`, so neither has gaps and a reader's cursor misses
nothing.
"""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import msgspec
from sqlalchemy import Executable, Table, and_, bindparam, case, func, not_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from chatbot.conversations.tables import AuthorKind, Conversation, Message, Visibility
from chatbot.conversations.wire import Confidence, Source
from chatbot.database import new_id, utc_now
from chatbot.errors import Conflict, Invalid, NotFound, TooMany
from chatbot.visitors.sessions import Visitor

CLIENT_ID_CHARS_MAX = 64
PAGE_URL_CHARS_MAX = 2000
PAGE = 200
ASSISTANT_NAME = "Assistant"
SYSTEM_NAME = ""

# What every question asks is put together once: that costs as much as to run it.
_CONVERSATION = select(Conversation).where(
    Conversation.org_id == bindparam("org"), Conversation.id == bindparam("id")
)
_OF_VISITOR = _CONVERSATION.where(Conversation.visitor_id == bindparam("visitor"))
_LOCKED = _CONVERSATION.with_for_update()
_LOCKED_OF_VISITOR = _OF_VISITOR.with_for_update()
_SAID_BEFORE = select(Message).where(
    Message.org_id == bindparam("org"),
    Message.author_kind == bindparam("kind"),
    Message.author_id == bindparam("author"),
    Message.client_id == bindparam("client_id"),
)
_RECENT = (
    select(Message)
    .where(
        Message.org_id == bindparam("org"),
        Message.conversation_id == bindparam("id"),
        Message.seq > bindparam("after"),
        Message.author_kind != AuthorKind.SYSTEM,
    )
    .order_by(Message.seq.desc())
    .limit(bindparam("most"))
)


def _saying() -> Executable:
    """One statement counts the message in its conversation and writes it."""
    said, talk = cast(Table, Message.__table__), cast(Table, Conversation.__table__)
    given = {name: bindparam(f"its_{name}", type_=said.c[name].type) for name in _GIVEN}
    public = given["visibility"] == Visibility.PUBLIC
    heard = and_(public, given["author_kind"] != AuthorKind.SYSTEM)
    counted = (
        update(talk)
        .where(talk.c.org_id == given["org_id"], talk.c.id == given["conversation_id"])
        .values(
            rev=talk.c.rev + 1,
            seq=talk.c.seq + case((public, 1), else_=0),
            updated_at=given["created_at"],
            last_message_at=case((heard, given["created_at"]), else_=talk.c.last_message_at),
        )
        .returning(talk.c.rev, talk.c.seq)
        .cte("counted")
    )
    places = {
        "rev": counted.c.rev,
        "seq": case((public, counted.c.seq)),
        "after_seq": case((not_(public), counted.c.seq)),
    }
    written = given | places
    return (
        insert(said)
        .from_select(list(written), select(*written.values()))
        .returning(said.c.rev, said.c.seq, said.c.after_seq)
    )


_GIVEN = (
    "org_id", "id", "conversation_id", "version", "client_id", "author_kind", "author_id",
    "author_name", "text", "visibility", "status", "sources", "confidence", "page_url",
    "suggestions", "corrects", "created_at",
)  # fmt: skip
_LATER = ("feedback_value", "feedback_reason", "feedback_at", "review")
_SAY = _saying()


class Said(msgspec.Struct, frozen=True):
    """Who says it and what; `client_id` makes a repetition the same message."""

    kind: AuthorKind
    text: str
    name: str
    author_id: UUID | None = None
    client_id: str | None = None
    id: UUID | None = None
    visibility: Visibility = Visibility.PUBLIC
    status: str = "complete"
    sources: Sequence[Source] = ()
    confidence: Confidence | None = None
    page_url: str | None = None
    suggestions: Sequence[str] = ()
    corrects: UUID | None = None


def checked_text(text: str, chars_max: int) -> str:
    """The text as it is stored; Invalid when empty, too long or not storable (NUL, lone
    surrogate).
    """
    if not text.strip():
        raise Invalid("empty_message", "The message is empty. Type something first.")
    if len(text) > chars_max:
        raise Invalid(
            "message_too_long",
            f"A message has at most {chars_max} characters; this has {len(text)}.",
        )
    if "\0" in text or (not text.isprintable() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise Invalid("bad_text", "The message contains characters that cannot be stored.")
    return text


def checked_client_id(client_id: str) -> str:
    """Invalid unless it is 8 to 64 plain characters (a UUID, say)."""
    plain = client_id.isascii() and client_id.isprintable()
    if not plain or not 8 <= len(client_id) <= CLIENT_ID_CHARS_MAX:
        raise Invalid(
            "bad_client_id", "client_id is 8 to 64 plain characters, new for each message."
        )
    return client_id


async def begin(
    db: AsyncSession, visitor: Visitor, client_id: str, *, most: int
) -> tuple[Conversation, bool]:
    """The visitor's conversation of that `client_id`, made when new, locked; and whether it is new.

    TooMany when the visitor has `most` already.
    """
    own = Conversation.org_id == visitor.org_id, Conversation.visitor_id == visitor.visitor_id
    made = await db.scalar(
        insert(Conversation)
        .values(
            org_id=visitor.org_id,
            id=new_id(),
            kind="website",
            site_id=visitor.site_id,
            visitor_id=visitor.visitor_id,
            client_id=checked_client_id(client_id),
            seq=0,
            rev=0,
            created_at=utc_now(),
            updated_at=utc_now(),
        )
        .on_conflict_do_nothing(index_elements=["org_id", "visitor_id", "client_id"])
        .returning(Conversation.id)
    )
    if made and (await db.scalar(select(func.count()).where(*own)) or 0) > most:
        raise TooMany("too_many_conversations", "Go on in one of the conversations you have.")
    conversation = await db.scalar(
        select(Conversation).where(*own, Conversation.client_id == client_id).with_for_update()
    )
    if conversation is None:
        raise NotFound
    return conversation, made is not None


async def lock(
    db: AsyncSession, org_id: UUID, conversation_id: UUID, *, visitor_id: UUID | None = None
) -> Conversation:
    """The conversation, locked until the transaction ends; NotFound when it is not theirs."""
    return await _found(db, org_id, conversation_id, visitor_id, locked=True)


async def lock_message(
    db: AsyncSession, org_id: UUID, message_id: UUID, *, visitor_id: UUID | None = None
) -> tuple[Conversation, Message]:
    """The message as it stands and its conversation, locked; NotFound when it is not theirs (a
    colleague's note is not a visitor's).
    """
    here = Message.org_id == org_id, Message.id == message_id
    conversation_id = await db.scalar(select(Message.conversation_id).where(*here))
    if conversation_id is None:
        raise NotFound
    conversation = await lock(db, org_id, conversation_id, visitor_id=visitor_id)
    message = await db.scalar(select(Message).where(*here))
    if message is None or (visitor_id is not None and message.visibility != Visibility.PUBLIC):
        raise NotFound
    return conversation, message


async def get(
    db: AsyncSession, org_id: UUID, conversation_id: UUID, *, visitor_id: UUID | None = None
) -> Conversation:
    """The conversation to read; NotFound when it is not theirs."""
    return await _found(db, org_id, conversation_id, visitor_id, locked=False)


async def say(db: AsyncSession, conversation: Conversation, said: Said) -> tuple[Message, bool]:
    """Write one message into the locked conversation; the stored one, and whether it is new.

    The same author and `client_id` again gives the first message back; with another text, Conflict.
    """
    if said.client_id is not None:
        before = await _said_before(db, conversation, said)
        if before is not None:
            return before, False
    given = {
        "org_id": conversation.org_id,
        "id": said.id or new_id(),
        "conversation_id": conversation.id,
        "version": 1,
        "client_id": said.client_id,
        "author_kind": said.kind,
        "author_id": said.author_id,
        "author_name": said.name,
        "text": said.text,
        "visibility": said.visibility,
        "status": said.status,
        "sources": [msgspec.to_builtins(source) for source in said.sources],
        "confidence": said.confidence,
        "page_url": (said.page_url or "")[:PAGE_URL_CHARS_MAX] or None,
        "suggestions": list(said.suggestions),
        "corrects": said.corrects,
        "created_at": utc_now(),
    }
    its = {f"its_{name}": value for name, value in given.items()}
    counted = (await db.execute(_SAY, its)).mappings().one()
    message = Message(**dict.fromkeys(_LATER), **given, **counted)
    _as_stored(db, message)
    _count(conversation, message)
    return message, True


async def revise(db: AsyncSession, conversation: Conversation, message: Message) -> None:
    """Write what the caller changed of a message in the locked conversation: as its next version,
    and as the conversation's latest change, but not as something said.
    """
    conversation.rev += 1
    conversation.updated_at = utc_now()
    message.rev, message.version = conversation.rev, message.version + 1
    await db.flush()


async def note(db: AsyncSession, conversation: Conversation, text: str) -> None:
    """A line of the house itself, seen by everybody: who joined, who left."""
    await say(db, conversation, Said(AuthorKind.SYSTEM, text, SYSTEM_NAME))


async def since(
    db: AsyncSession, conversation: Conversation, after: int, *, internal: bool
) -> Sequence[Message]:
    """Messages changed after revision `after`, in order of change, at most a page."""
    query = select(Message).where(
        Message.org_id == conversation.org_id,
        Message.conversation_id == conversation.id,
        Message.rev > after,
    )
    if not internal:
        query = query.where(Message.visibility == Visibility.PUBLIC)
    return (await db.scalars(query.order_by(Message.rev).limit(PAGE))).all()


async def public_revs(
    db: AsyncSession, org_id: UUID, conversation_ids: Sequence[UUID]
) -> dict[UUID, int]:
    """The highest revision that a visitor may know of, by conversation; none where nothing was
    said.
    """
    rows = await db.execute(
        select(Message.conversation_id, func.max(Message.rev).label("rev"))
        .where(
            Message.org_id == org_id,
            Message.conversation_id.in_(conversation_ids),
            Message.visibility == Visibility.PUBLIC,
        )
        .group_by(Message.conversation_id)
    )
    return {row.conversation_id: row.rev for row in rows}


async def recent(db: AsyncSession, conversation: Conversation, most: int) -> list[Message]:
    """The last public messages of visitor, assistant and staff in this episode, oldest first."""
    rows = await db.scalars(
        _RECENT,
        {
            "org": conversation.org_id,
            "id": conversation.id,
            "after": conversation.episode_seq,
            "most": most,
        },
    )
    return list(rows.all())[::-1]


async def _found(
    db: AsyncSession, org_id: UUID, conversation_id: UUID, visitor_id: UUID | None, *, locked: bool
) -> Conversation:
    wanted = {"org": org_id, "id": conversation_id}
    if visitor_id is None:
        conversation = await db.scalar(_LOCKED if locked else _CONVERSATION, wanted)
    else:
        own = _LOCKED_OF_VISITOR if locked else _OF_VISITOR
        conversation = await db.scalar(own, wanted | {"visitor": visitor_id})
    if conversation is None:
        raise NotFound
    return conversation


async def _said_before(db: AsyncSession, conversation: Conversation, said: Said) -> Message | None:
    before = await db.scalar(
        _SAID_BEFORE,
        {
            "org": conversation.org_id,
            "kind": said.kind,
            "author": said.author_id,
            "client_id": said.client_id,
        },
    )
    if before is None:
        return None
    if before.conversation_id != conversation.id or before.text != said.text:
        raise Conflict(
            "client_id_reused",
            "This client_id belongs to another message. Make a new one.",
            retry="never",
        )
    return before


def _as_stored(db: AsyncSession, message: Message) -> None:
    """Let the session know the row as one that it has read."""
    make_transient_to_detached(message)
    db.add(message)


def _count(conversation: Conversation, message: Message) -> None:
    """What the statement has written of the conversation."""
    seq = message.seq if message.seq is not None else message.after_seq
    written = {"rev": message.rev, "seq": seq, "updated_at": message.created_at}
    if message.seq is not None and message.author_kind != AuthorKind.SYSTEM:
        written["last_message_at"] = message.created_at
    for name, value in written.items():
        set_committed_value(conversation, name, value)

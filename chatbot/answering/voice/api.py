"""HTTP for how the bot speaks: read it, draft it, publish it, take up an older version."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.voice import persona
from chatbot.answering.voice.persona import Length, Persona, Tone
from chatbot.database import Database
from chatbot.errors import NotFound
from chatbot.staff.api import has_session
from chatbot.staff.login import Staff, require
from chatbot.staff.tables import Role

BODY_BYTES_MAX: Final = 131_072
_VERSION_MAX: Final = 2**31 - 1

Phrase = Annotated[str, msgspec.Meta(max_length=persona.NEVER_SAY_CHARS_MAX)]
Host = Annotated[str, msgspec.Meta(max_length=persona.LINK_HOST_CHARS_MAX)]


class PersonaDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`language` is “visitor” (the one that was asked in) or an ISO 639-1 code."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=persona.NAME_CHARS_MAX)]
    tone: Tone
    length: Length
    language: Annotated[str, msgspec.Meta(max_length=persona.LANGUAGE_CHARS_MAX)]
    instructions: Annotated[str, msgspec.Meta(max_length=persona.INSTRUCTIONS_CHARS_MAX)] = ""
    never_say: Annotated[list[Phrase], msgspec.Meta(max_length=persona.NEVER_SAY_MAX)] = []
    link_hosts: Annotated[list[Host], msgspec.Meta(max_length=persona.LINK_HOSTS_MAX)] = []


class PersonaView(msgspec.Struct, frozen=True):
    version: int
    name: str
    tone: Tone
    length: Length
    language: str
    instructions: str
    never_say: list[str]
    link_hosts: list[str]


class PersonaPublished(msgspec.Struct, frozen=True):
    version: int
    published_at: datetime
    by: str | None


class PersonaState(msgspec.Struct, frozen=True):
    """What is live (version 0 is built in), what is drafted, and what was published."""

    published: PersonaView
    draft: PersonaView | None
    versions: list[PersonaPublished]


@get("/org/persona", operation_id="get_persona")
async def get_persona(
    staff: NamedDependency[Staff], database: NamedDependency[Database]
) -> PersonaState:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await _state(db, staff)


@put(
    "/org/persona/draft",
    guards=[has_session],
    request_max_body_size=BODY_BYTES_MAX,
    operation_id="save_persona_draft",
)
async def save_persona_draft(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    data: JSONBody[PersonaDraft],
) -> PersonaState:
    require(staff, Role.OWNER, Role.ADMIN)
    wanted = msgspec.convert(data, Persona, from_attributes=True)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await persona.save_draft(db, staff.org_id, staff.staff_id, wanted)
        return await _state(db, staff)


@delete("/org/persona/draft", status_code=200, operation_id="discard_persona_draft")
async def discard_persona_draft(
    staff: NamedDependency[Staff], database: NamedDependency[Database]
) -> PersonaState:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await persona.discard_draft(db, staff.org_id)
        return await _state(db, staff)


@post("/org/persona/publish", status_code=200, operation_id="publish_persona")
async def publish_persona(
    staff: NamedDependency[Staff], database: NamedDependency[Database]
) -> PersonaState:
    require(staff, Role.OWNER, Role.ADMIN)
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await persona.publish(db, staff.org_id, staff.staff_id)
        return await _state(db, staff)


@post(
    "/org/persona/versions/{version:int}/restore",
    status_code=200,
    operation_id="restore_persona",
)
async def restore_persona(
    staff: NamedDependency[Staff], database: NamedDependency[Database], version: FromPath[int]
) -> PersonaState:
    require(staff, Role.OWNER, Role.ADMIN)
    if not 0 <= version <= _VERSION_MAX:
        raise NotFound
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        await persona.restore(db, staff.org_id, staff.staff_id, version)
        return await _state(db, staff)


ROUTES = Router(
    path="/",
    route_handlers=[
        get_persona,
        save_persona_draft,
        discard_persona_draft,
        publish_persona,
        restore_persona,
    ],
)


async def _state(db: AsyncSession, staff: Staff) -> PersonaState:
    drafted = await persona.draft(db, staff.org_id)
    return PersonaState(
        published=_view(await persona.published(db, staff.org_id)),
        draft=None if drafted is None else _view(drafted),
        versions=[
            msgspec.convert(each, PersonaPublished, from_attributes=True)
            for each in await persona.history(db, staff.org_id)
        ],
    )


def _view(each: Persona) -> PersonaView:
    return msgspec.convert(each, PersonaView, from_attributes=True)

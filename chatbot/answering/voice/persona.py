"""How an organisation lets its bot speak: drafted, then published; what was published is kept."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, ScalarSelect, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering.tables import PersonaVersion
from chatbot.answering.voice.phrases import VISITORS_LANGUAGE
from chatbot.database import utc_now
from chatbot.errors import Conflict, Invalid, NotFound
from chatbot.staff.tables import StaffMember

Tone = Literal["friendly", "neutral", "formal", "playful"]
Length = Literal["short", "medium", "long"]

NAME_CHARS_MAX: Final = 60
INSTRUCTIONS_CHARS_MAX: Final = 4_000
NEVER_SAY_MAX: Final = 100
NEVER_SAY_CHARS_MAX: Final = 60
LINK_HOSTS_MAX: Final = 50
LINK_HOST_CHARS_MAX: Final = 253
LANGUAGE_CHARS_MAX: Final = 7
HISTORY_MAX: Final = 100

_LANGUAGES: Final = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz
    ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln
    lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi
    pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti
    tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """.split()  # noqa: SIM905 - codes read better than a list of literals
)
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?:\*\.{_LABEL}(?:\.{_LABEL})+|{_LABEL}(?:\.{_LABEL})*)")
_ADDRESS: Final = re.compile(r"https?://([^/?#]*).*", re.IGNORECASE | re.DOTALL)
_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")


class Persona(msgspec.Struct, frozen=True, kw_only=True):
    """`never_say` are words and phrases, `link_hosts` hosts (`*.` before one: all below it) that
    answers may link to besides the organisation's own. Version 0 is the built-in one.
    """

    version: int = 0
    name: str = "Assistant"
    tone: Tone = "friendly"
    length: Length = "short"
    language: str = VISITORS_LANGUAGE
    instructions: str = ""
    never_say: tuple[str, ...] = ()
    link_hosts: tuple[str, ...] = ()


DEFAULT: Final = Persona()


class Published(msgspec.Struct, frozen=True):
    """That a version went live; `by` is who made it so, if they still work here."""

    version: int
    published_at: datetime
    by: str | None


async def published(db: AsyncSession, org_id: UUID) -> Persona:
    """What is live: the highest published version, or the built-in one."""
    own = PersonaVersion.org_id == org_id, PersonaVersion.version == live_version(org_id)
    return of(await db.scalar(select(PersonaVersion).where(*own)))


def live_version(org_id: UUID) -> ScalarSelect[int]:
    """The number of the live version, for a statement that reads more than that."""
    return (
        select(func.max(PersonaVersion.version))
        .where(PersonaVersion.org_id == org_id, PersonaVersion.published_at.is_not(None))
        .scalar_subquery()
    )


def of(row: PersonaVersion | None) -> Persona:
    """The persona of a stored version; without one, the built-in."""
    return DEFAULT if row is None else msgspec.convert(row, Persona, from_attributes=True)


async def draft(db: AsyncSession, org_id: UUID) -> Persona | None:
    """What is being worked on, if anything is."""
    row = await db.scalar(select(PersonaVersion).where(*_is_draft(org_id)))
    return None if row is None else of(row)


async def history(db: AsyncSession, org_id: UUID) -> list[Published]:
    """The published versions, newest first, at most `HISTORY_MAX`."""
    rows = await db.execute(
        select(PersonaVersion.version, PersonaVersion.published_at, StaffMember.name)
        .outerjoin(
            StaffMember,
            (StaffMember.org_id == PersonaVersion.org_id)
            & (StaffMember.id == PersonaVersion.published_by_id),
        )
        .where(PersonaVersion.org_id == org_id, PersonaVersion.published_at.is_not(None))
        .order_by(PersonaVersion.version.desc())
        .limit(HISTORY_MAX)
    )
    return [Published(version, at, by) for version, at, by in rows if at is not None]


async def save_draft(db: AsyncSession, org_id: UUID, by: UUID, wanted: Persona) -> Persona:
    """Make `wanted` the draft; its version is chosen here. Invalid says which field is wrong."""
    wanted = checked(wanted)
    await _lock(db, org_id)
    row = await db.scalar(select(PersonaVersion).where(*_is_draft(org_id)))
    if row is None:
        query = select(func.max(PersonaVersion.version)).where(PersonaVersion.org_id == org_id)
        newest = await db.scalar(query) or 0
        row = PersonaVersion(org_id=org_id, version=newest + 1)
        db.add(row)
    row.name, row.tone, row.length = wanted.name, wanted.tone, wanted.length
    row.language, row.instructions = wanted.language, wanted.instructions
    row.never_say, row.link_hosts = list(wanted.never_say), list(wanted.link_hosts)
    row.created_by_id, row.created_at = by, utc_now()
    await db.flush()
    return of(row)


async def discard_draft(db: AsyncSession, org_id: UUID) -> None:
    """Forget the draft; nothing happens when there is none."""
    await _lock(db, org_id)
    await db.execute(delete(PersonaVersion).where(*_is_draft(org_id)))


async def publish(db: AsyncSession, org_id: UUID, by: UUID) -> Persona:
    """Make the draft live. Conflict `no_draft` when there is none, or somebody was quicker."""
    await _lock(db, org_id)
    row = await db.scalar(select(PersonaVersion).where(*_is_draft(org_id)))
    if row is None:
        raise Conflict(
            "no_draft",
            "There is no draft to publish: somebody has published or discarded it. Load it again.",
        )
    row.published_at, row.published_by_id = utc_now(), by
    await db.flush()
    return of(row)


async def restore(db: AsyncSession, org_id: UUID, by: UUID, version: int) -> Persona:
    """Copy a published version into the draft; 0 is the built-in one. NotFound for any other."""
    if version == DEFAULT.version:
        return await save_draft(db, org_id, by, DEFAULT)
    row = await db.scalar(
        select(PersonaVersion).where(
            PersonaVersion.org_id == org_id,
            PersonaVersion.version == version,
            PersonaVersion.published_at.is_not(None),
        )
    )
    if row is None:
        raise NotFound
    return await save_draft(db, org_id, by, of(row))


def checked(wanted: Persona) -> Persona:
    """The same in the one way it is written, or Invalid. Pure."""
    name = " ".join(_printable(wanted.name).split())
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise Invalid("bad_persona_name", f"The bot's name has 1 to {NAME_CHARS_MAX} characters.")
    if wanted.tone not in get_args(Tone) or wanted.length not in get_args(Length):
        raise Invalid("bad_persona_style", "Choose one of the tones and lengths that are offered.")
    language = wanted.language.strip().lower()
    if language != VISITORS_LANGUAGE and language not in _LANGUAGES:
        raise Invalid(
            "bad_persona_language",
            "Write “visitor” or a language's two letters (ISO 639-1), such as “de”.",
        )
    instructions = _printable(wanted.instructions).strip()
    if len(instructions) > INSTRUCTIONS_CHARS_MAX:
        raise Invalid(
            "persona_instructions_too_long",
            f"Instructions have at most {INSTRUCTIONS_CHARS_MAX} characters.",
        )
    return msgspec.structs.replace(
        wanted,
        name=name,
        language=language,
        instructions=instructions,
        never_say=_words(wanted.never_say),
        link_hosts=_hosts(wanted.link_hosts),
    )


def _words(never_say: Sequence[str]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(" ".join(_printable(each).split()) for each in never_say))
    found = tuple(each for each in words if each)
    if len(found) > NEVER_SAY_MAX or any(len(each) > NEVER_SAY_CHARS_MAX for each in found):
        raise Invalid(
            "too_many_words",
            f"At most {NEVER_SAY_MAX} words or phrases, each of at most {NEVER_SAY_CHARS_MAX}"
            " characters.",
        )
    if any(not any(map(str.isalnum, each)) for each in found):
        raise Invalid("bad_word", "A word never to say has a letter or a digit.")
    return found


def _hosts(link_hosts: Sequence[str]) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(host(each) for each in link_hosts if each.strip()))
    if len(hosts) > LINK_HOSTS_MAX:
        raise Invalid("too_many_hosts", f"At most {LINK_HOSTS_MAX} hosts may be linked to.")
    return hosts


def host(wanted: str) -> str:
    """The host in what somebody typed, an address or a host alone, in lower case and ASCII as
    browsers send it. Invalid when there is none. Pure.
    """
    typed = wanted.strip().lower()
    address = _ADDRESS.fullmatch(typed)
    named = (address[1] if address else typed).rpartition(":")
    plain = (named[0] if named[1] and named[2].isdigit() else "".join(named)).rstrip(".")
    wild = "*." if plain.startswith("*.") else ""
    try:
        plain = wild + plain.removeprefix("*.").encode("idna").decode()
    except UnicodeError:
        plain = ""
    if len(plain) > LINK_HOST_CHARS_MAX or not _HOST.fullmatch(plain):
        raise Invalid(
            "bad_host", "Write a host such as “docs.example.org”, or “*.example.org” for all below."
        )
    return plain


def _printable(typed: str) -> str:
    """Without control characters and what nobody sees; line ends and joiners of letters stay."""
    return "".join(
        each
        for each in typed
        if each in "\n\t\u200c\u200d" or not unicodedata.category(each).startswith("C")
    )


def _is_draft(org_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return PersonaVersion.org_id == org_id, PersonaVersion.published_at.is_(None)


async def _lock(db: AsyncSession, org_id: UUID) -> None:
    """One at a time: drafts are numbered, and only one may be published."""
    await db.execute(_LOCK, {"key": f"persona:{org_id}"})

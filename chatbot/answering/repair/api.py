"""HTTP for what happens after an answer: visitors rate it; staff see how it came to be, check or
correct it, and tell others who got the same.
"""

from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from litestar import Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from chatbot.answering import trace
from chatbot.answering.repair import feedback, notices, reviews
from chatbot.answering.repair.feedback import REASON_CHARS_MAX
from chatbot.answering.repair.notices import NAMED_MAX, AffectedPage, Told
from chatbot.answering.repair.reviews import CORRECTION_CHARS_MAX
from chatbot.conversations import transcript, wire
from chatbot.database import Database
from chatbot.errors import Invalid
from chatbot.settings import Settings
from chatbot.staff.api import has_session
from chatbot.staff.login import Staff
from chatbot.throttle import Throttle
from chatbot.visitors.sessions import Visitor

RATINGS_PER_MINUTE: Final = 60
BODY_BYTES_MAX: Final = 262_144


class Rating(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up (1), down (-1), or taken back (0)."""

    value: Literal[1, -1, 0]
    reason: Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)] | None = None


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`text` goes with `corrected`, and only with it."""

    kind: Literal["checked", "corrected"]
    text: Annotated[str, msgspec.Meta(max_length=CORRECTION_CHARS_MAX)] | None = None


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to tell, and about which of the affected answers."""

    message_ids: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=NAMED_MAX)]
    text: str


@post("/visitor/messages/{message_id:uuid}/feedback", status_code=200, operation_id="rate_answer")
async def rate(
    visitor: NamedDependency[Visitor],
    database: NamedDependency[Database],
    throttle: NamedDependency[Throttle],
    message_id: FromPath[UUID],
    data: JSONBody[Rating],
) -> wire.Message:
    throttle.spend("rating", str(visitor.visitor_id), per_minute=RATINGS_PER_MINUTE)
    async with database.transaction(visitor.org_id, actor=visitor.actor) as db:
        row = await feedback.give(db, visitor, message_id, data.value, data.reason)
        return wire.message(row)


@get("/answers/{message_id:uuid}/trace", operation_id="get_trace")
async def get_trace(
    staff: NamedDependency[Staff], database: NamedDependency[Database], message_id: FromPath[UUID]
) -> trace.AnswerTrace:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await trace.read(db, staff.org_id, message_id)


@put(
    "/answers/{message_id:uuid}/review",
    guards=[has_session],
    request_max_body_size=BODY_BYTES_MAX,
    operation_id="review_answer",
)
async def review(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    message_id: FromPath[UUID],
    data: JSONBody[Verdict],
) -> wire.Message:
    if (data.kind == "corrected") != (data.text is not None):
        raise Invalid("bad_review", "Send the text with a correction, and only with one.")
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        if data.text is None:
            row = await reviews.check(db, staff, message_id)
        else:
            row = await reviews.correct(db, staff, message_id, data.text)
        return wire.message(row)


@delete("/answers/{message_id:uuid}/review", status_code=200, operation_id="withdraw_review")
async def withdraw_review(
    staff: NamedDependency[Staff], database: NamedDependency[Database], message_id: FromPath[UUID]
) -> wire.Message:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return wire.message(await reviews.withdraw(db, staff, message_id))


@get("/answers/{message_id:uuid}/affected", operation_id="list_affected")
async def list_affected(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    message_id: FromPath[UUID],
    after: FromQuery[UUID | None] = None,
) -> AffectedPage:
    async with database.transaction(staff.org_id, actor=staff.actor) as db:
        return await notices.affected(db, staff.org_id, message_id, after)


@post("/answers/{message_id:uuid}/notices", status_code=200, operation_id="send_notices")
async def send_notices(
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    settings: NamedDependency[Settings],
    message_id: FromPath[UUID],
    data: JSONBody[Notice],
) -> Told:
    text = transcript.checked_text(data.text, settings.limits.message_chars_max)
    return await notices.tell(database, staff, message_id, data.message_ids, text)


VISITOR_ROUTES = Router(path="/", route_handlers=[rate])
STAFF_ROUTES = Router(
    path="/",
    route_handlers=[get_trace, review, withdraw_review, list_affected, send_notices],
)

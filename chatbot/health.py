"""For whoever runs the service: is it alive, can it work, and what does it count."""

from litestar import Response, Router, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from chatbot.database import Database


@get("/health/live", operation_id="is_live", include_in_schema=False)
async def is_live() -> dict[str, str]:
    return {"status": "ok"}


@get("/health/ready", operation_id="is_ready", include_in_schema=False)
async def is_ready(database: NamedDependency[Database]) -> dict[str, str]:
    """200 when the database answers; the error handler makes 503 of a lost one."""
    async with database.transaction() as db:
        await db.execute(text("select 1"))
    return {"status": "ok"}


@get("/metrics", operation_id="metrics", include_in_schema=False)
async def metrics() -> Response[bytes]:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


ROUTES = Router(path="/", route_handlers=[is_live, is_ready, metrics])

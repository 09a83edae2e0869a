"""For whoever runs the service: is it alive, can it work, and what does it count."""

import ipaddress
from secrets import compare_digest

from litestar import Request, Response, Router, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from chatbot.database import Database
from chatbot.errors import Forbidden
from chatbot.realtime import metrics
from chatbot.settings import Settings

Asked = Request[None, None, State]


@get("/health/live", operation_id="is_live", include_in_schema=False)
async def is_live() -> dict[str, str]:
    return {"status": "ok"}


@get("/health/ready", operation_id="is_ready", include_in_schema=False)
async def is_ready(database: NamedDependency[Database]) -> dict[str, str]:
    """200 when the database answers; the error handler makes 503 of a lost one."""
    async with database.transaction() as db:
        await db.execute(text("select 1"))
    return {"status": "ok"}


@get("/metrics", operation_id="metrics", include_in_schema=False, sync_to_thread=True)
def read_metrics(request: Asked, settings: NamedDependency[Settings]) -> Response[bytes]:
    """For Prometheus; in a thread, for a thousand series take a while to write."""
    if not _may_read(request, settings.metrics_token):
        raise Forbidden(
            "metrics_closed",
            "Metrics are read on this machine, or with the token of CHATBOT_METRICS_TOKEN.",
        )
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def _may_read(request: Asked, token: str) -> bool:
    """With a token whoever shows it; without one this machine, but nobody whom a proxy on it lets
    through: numbers are no secret of ours alone, they tell of the organisations' days too.
    """
    if token:
        shown = request.headers.get("authorization", "")
        return compare_digest(shown.encode(), f"Bearer {token}".encode())
    is_passed_on = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return request.client is not None and not is_passed_on and _is_here(request.client.host)


def _is_here(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback


ROUTES = Router(path="/", route_handlers=[is_live, is_ready, read_metrics])

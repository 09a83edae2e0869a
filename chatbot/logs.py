"""How the service logs: lines of JSON that never hold what visitors say, tokens or keys."""

import logging

import structlog
from structlog.tracebacks import ExceptionDictTransformer


def set_up(level: str) -> None:
    """JSON lines. Libraries that would print what visitors say speak from warning up."""
    for name in ("socketio", "engineio", "procrastinate", "httpx", "openai", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
    )

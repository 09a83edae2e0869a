"""How the service logs: lines of JSON that never hold what visitors say, tokens or keys."""

import logging

import structlog
from structlog.tracebacks import ExceptionDictTransformer


def name_process(name: str | None) -> None:
    """Let every line say which of several processes wrote it."""
    if name is not None:
        structlog.contextvars.bind_contextvars(worker=name)


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
        # Line and line end in one write: several workers share the file.
        logger_factory=structlog.WriteLoggerFactory(),
    )

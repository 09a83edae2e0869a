"""How many files and sockets this process may have open: as many as its own limits let in."""

import contextlib
import resource

from chatbot.settings import Limits

BESIDE = 2_000  # the database, files, who is told that there is no room, and who waits for it
WITHOUT_END = resource.RLIM_INFINITY
UNLIMITED = 2**31  # more than anybody wants


def wanted(limits: Limits) -> int:
    """One for each socket that is let in, and for the rest."""
    return limits.sockets_per_process + BESIDE


def possible() -> int:
    """What the system lets this process have at most."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if most == WITHOUT_END else most


def allow(limits: Limits) -> None:
    """Raise this process's own limit to what it wants, as far as the system lets it: many start
    programs with 1,024, however many it could have.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != WITHOUT_END and now < wanted(limits):
        with contextlib.suppress(ValueError, OSError):  # macOS has one more limit, and does not say
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted(limits), possible()), most))

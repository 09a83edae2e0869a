"""What a website asks of programs in its robots.txt (RFC 9309)."""

import asyncio
from typing import Final

from protego import Protego

from knowledge.web.fetch import Fetcher
from knowledge.web.weberrors import WebError
from knowledge.web.weburl import Target

AGENT: Final = "chatbot-crawler"
BYTES_MAX: Final = 500 * 1024
DELAY_S_MAX: Final = 30.0
NO_WEBSITE: Final = frozenset({"address_refused", "fetch_timeout", "fetch_failed", "tls_failed"})


class Robots:
    """`rules` None: it could not be had, for the reason `error`, and nothing may be read."""

    def __init__(self, rules: Protego | None, error: WebError | None = None) -> None:
        self._rules = rules
        self.error = error

    def allows(self, target: Target) -> bool:
        return self._rules is not None and self._rules.can_fetch(str(target), AGENT)

    @property
    def delay_s(self) -> float:
        """Seconds between two requests, at most half a minute."""
        asked = self._rules.crawl_delay(AGENT) if self._rules is not None else None
        return min(float(asked or 0.0), DELAY_S_MAX)


async def load(fetcher: Fetcher, target: Target) -> Robots:
    """The rules for the target's host: an answer 4xx allows everything; 429, 5xx, or none at all,
    nothing.
    """
    try:
        found = await fetcher.get(f"{target.origin}/robots.txt", bytes_max=BYTES_MAX)
    except WebError as error:
        absent = error.status is not None and 400 <= error.status < 500 and error.status != 429
        if absent:
            return Robots(Protego.parse(""))
        # That there is no such website says more than that it has no such file.
        said = error.code in NO_WEBSITE
        return Robots(None, error if said else WebError("robots_unreachable"))
    # Half a megabyte of rules takes a moment.
    return Robots(await asyncio.to_thread(Protego.parse, found.body.decode(errors="replace")))

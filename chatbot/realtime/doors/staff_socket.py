"""Namespace `/staff`: what staff of one organisation hear and do live."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from chatbot.errors import NotSignedIn
from chatbot.orgs import origins
from chatbot.realtime.doors.door import Deps, Door
from chatbot.realtime.sockets.server import STAFF
from chatbot.staff.login import Staff

StaffAuth = Callable[[str], Awaitable[tuple[Staff, datetime]]]
"""Socket token → the person, and when the token ends; raises NotSignedIn."""


class StaffDoor(Door[Staff]):
    listener = "staff"

    def __init__(self, deps: Deps, authenticate: StaffAuth, public_url: str) -> None:
        super().__init__(STAFF, deps)
        self._auth = authenticate
        self._origin = origins.normal(public_url)

    async def _authenticate(self, token: str, origin: str | None) -> tuple[Staff, datetime]:
        """The console is ours alone: the page must be the service's own, always."""
        if origin is None or origins.normal(origin) != self._origin:
            raise NotSignedIn
        return await self._auth(token)

    def name(self, person: Staff) -> str:
        return person.name

"""Namespace `/visitor`: one visitor's own conversations."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chatbot.conversations import wire
from chatbot.realtime.doors.door import Deps, Door
from chatbot.realtime.events import RetryAnswer, Send, Stop
from chatbot.realtime.sockets.client import Client
from chatbot.realtime.sockets.server import VISITOR
from chatbot.visitors.sessions import Visitor

VisitorAuth = Callable[[str, str | None], Awaitable[Visitor]]
"""(token, origin or None) → the visitor; raises NotSignedIn."""


class Asking(Protocol):
    """What this door needs of the answering room."""

    async def send(
        self,
        visitor: Visitor,
        *,
        block: str,
        conversation_id: UUID | None,
        client_id: str,
        text: str,
        page_url: str | None,
    ) -> tuple[wire.Message, bool]: ...

    async def stop(self, visitor: Visitor, mid: UUID) -> None: ...

    async def retry(self, visitor: Visitor, mid: UUID, *, block: str) -> None: ...


class VisitorDoor(Door[Visitor]):
    listener = "visitor"

    def __init__(self, deps: Deps, authenticate: VisitorAuth, asking: Asking) -> None:
        super().__init__(VISITOR, deps)
        self._auth = authenticate
        self._asking = asking
        self._actions |= {
            "send": (Send, self._send),
            "stop": (Stop, self._stop),
            "retry": (RetryAnswer, self._retry),
        }

    async def _authenticate(self, token: str, origin: str | None) -> tuple[Visitor, datetime]:
        visitor = await self._auth(token, origin)
        return visitor, visitor.expires_at

    def name(self, person: Visitor) -> str:
        return ""

    async def _send(self, sid: str, client: Client[Visitor], asked: Send) -> wire.Message:
        message, _ = await self._asking.send(
            client.person,
            block=client.block,
            conversation_id=asked.conversation_id,
            client_id=asked.client_id,
            text=asked.text,
            page_url=asked.page,
        )
        return message

    async def _stop(self, sid: str, client: Client[Visitor], asked: Stop) -> dict[str, str]:
        await self._asking.stop(client.person, asked.mid)
        return {}

    async def _retry(self, sid: str, client: Client[Visitor], asked: RetryAnswer) -> dict[str, str]:
        await self._asking.retry(client.person, asked.mid, block=client.block)
        return {}

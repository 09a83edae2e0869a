"""Who hears what in the tests of presence, typing and broadcasts."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from chatbot.database import Database
from chatbot.settings import Limits
from tests.realtime.conftest import Ear, House, Service, connected, hire

LIMITS = Limits(events_per_second=1000, presence_per_half_minute=1000)
QUIET_S = 0.4  # longer than what is held back to be told together


@asynccontextmanager
async def hearing(
    service: Service, house: House, topic: str, namespace: str = "/staff"
) -> AsyncGenerator[Ear]:
    """Somebody of the house who hears the topic."""
    token = house.staff_token() if namespace == "/staff" else house.visitor_token
    async with connected(service, namespace, token) as ear:
        ack = await ear.ask("subscribe", {"topics": [topic]})
        assert ack["topics"] == {topic: "ok"}
        yield ear


async def colleague(database: Database, house: House) -> House:
    """The same house seen by another of its staff."""
    return replace(house, staff=await hire(database, house.org_id))


def key(house: House) -> str:
    return f"staff:{house.staff.staff_id}"


def notes(house: House) -> str:
    return f"conversation:{house.conversation_id}:staff"


def talk(house: House) -> str:
    return f"conversation:{house.conversation_id}:messages"


def inbox(house: House) -> str:
    return f"org:{house.org_id}:inbox"

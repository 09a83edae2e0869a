"""A kind that is switched off, as sockets see it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chatbot import embedded
from chatbot.database import Database
from chatbot.settings import Limits
from tests.conftest import copy_of
from tests.realtime.conftest import (
    House,
    Service,
    as_owner,
    build_house,
    connected,
    say,
    serving,
)


@pytest.fixture(scope="module")
def urls(cluster: embedded.Urls) -> Iterator[embedded.Urls]:
    """A database of its own: a paused kind is paused for everybody."""
    with copy_of(cluster) as urls:
        yield urls


@pytest.fixture(scope="module")
async def database(urls: embedded.Urls) -> AsyncIterator[Database]:
    database = Database(urls.app, connections=4)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def service(database: Database) -> AsyncIterator[Service]:
    async with serving(database, Limits(events_per_second=1000)) as service:
        yield service


@pytest.fixture
async def house(database: Database) -> House:
    return await build_house(database)


async def test_who_listens_is_told_and_hears_nothing_until_it_is_on_again(
    urls: embedded.Urls, database: Database, service: Service, house: House
) -> None:
    own, inbox = f"conversation:{house.conversation_id}:messages", f"org:{house.org_id}:inbox"
    async with (
        connected(service, "/staff", house.staff_token()) as staff,
        connected(service, "/visitor", house.visitor_token) as visitor,
    ):
        await staff.ask("subscribe", {"topics": [own, inbox]})
        await visitor.ask("subscribe", {"topics": [own]})

        await as_owner(urls, "select realtime.pause('org', 'inbox')")
        paused = await staff.hear("system")
        await say(database, house, "hello")
        await visitor.hear("signal")
        meanwhile = {data["topic"] for event, data in staff.heard if event == "signal"}
        late = await staff.ask("subscribe", {"topics": [own, inbox]})
        await as_owner(urls, "select realtime.resume('org', 'inbox')")
        resumed = await staff.hear("system")
        again = await staff.ask("subscribe", {"topics": [inbox]})
        staff.heard.clear()
        await say(database, house, "hello again")
        heard = {(await staff.hear("signal"))["topic"] for _ in range(2)}

    assert (paused["code"], paused["retry"]) == ("signals_paused", "refetch")
    assert meanwhile <= {own}
    assert late["topics"] == {own: "ok", inbox: "paused"}
    assert (resumed["code"], resumed["retry"]) == ("signals_resumed", "refetch")
    assert again["topics"] == {inbox: "ok"}
    assert heard == {own, inbox}
    assert "system" not in [event for event, _ in visitor.heard]

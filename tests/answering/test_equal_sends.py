"""One message sent fifty times at once is one message, with one answer and one charge."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chatbot.answering.models.model import Usage
from chatbot.answering.tables import Answer, Spending
from chatbot.conversations.tables import Conversation, Message
from chatbot.database import new_id
from tests import live
from tests.answering import shop
from tests.answering.script import Script
from tests.answering.shop import QUESTION
from tests.conftest import Cluster


async def by_http(visitor: live.Person, body: live.Json) -> Any:
    told = {name: body[name] for name in ("client_id", "text")}
    path = f"/visitor/conversations/{body['conversation_id']}/messages"
    _, reply = await visitor.call("POST", path, told)
    return reply


async def by_socket(visitor: live.Person, body: live.Json) -> Any:
    return await visitor.emit("send", body)


async def counted(running: live.Live, company: live.Company) -> dict[str, int]:
    """Rows of the organisation, by table."""
    async with running.database.transaction(company.org_id) as db:
        return {
            table.__tablename__: await db.scalar(
                select(func.count()).where(table.org_id == company.org_id)
            )
            or 0
            for table in (Conversation, Message, Answer)
        }


async def charged(running: live.Live, company: live.Company) -> dict[str, tuple[int, int]]:
    async with running.database.transaction(company.org_id) as db:
        rows = await db.scalars(select(Spending).where(Spending.org_id == company.org_id))
        return {row.scope: (row.answers, row.tokens) for row in rows}


@pytest.mark.parametrize("begun", [True, False], ids=["begun", "new"])
async def test_fifty_equal_sends_by_both_doors_are_one_message_one_answer_and_one_charge(
    cluster: Cluster, begun: bool
) -> None:
    model = Script(usage=Usage(90, 10))
    async with (
        shop.running(cluster, model=model) as (running, alder),
        live.visitor(running, alder) as visitor,
    ):
        talk = await visitor.begin() if begun else None
        body = live.question(QUESTION, talk)
        doors = [by_http if begun and number % 2 else by_socket for number in range(50)]

        replies = await asyncio.gather(*(door(visitor, body) for door in doors))
        await settled(running, alder)
        changed = body | {"text": "Another question?"}
        refused = [await by_socket(visitor, changed)]
        if begun:
            refused.append(await by_http(visitor, changed))

        rows = await counted(running, alder)
        charges = await charged(running, alder)

    assert len({reply["id"] for reply in replies}) == 1
    assert rows == {"conversations": 1, "messages": 2, "answers": 1}
    assert len(model.asked) == 1
    assert charges == dict.fromkeys(("visitor", "site", "org"), (1, 100))
    assert {each["error"]["code"] for each in refused} == {"client_id_reused"}


async def settled(running: live.Live, company: live.Company) -> None:
    """Wait until the answer has ended, and then as long as a second one would take to begin."""
    async with asyncio.timeout(live.WAIT_S):
        while not await _ended(running, company):  # noqa: ASYNC110 - the row has no event
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)


async def _ended(running: live.Live, company: live.Company) -> bool:
    async with running.database.transaction(company.org_id) as db:
        statuses = (
            await db.scalars(select(Answer.status).where(Answer.org_id == company.org_id))
        ).all()
    return bool(statuses) and "running" not in statuses


async def test_a_changed_text_under_the_same_id_is_a_conflict_by_http(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    async with live.visitor(live_service, two_companies[0]) as visitor:
        talk = await visitor.begin()
        path, name = f"/visitor/conversations/{talk}/messages", new_id().hex

        first = await visitor.call("POST", path, {"client_id": name, "text": "One?"})
        again = await visitor.call("POST", path, {"client_id": name, "text": "One?"})
        changed = await visitor.call("POST", path, {"client_id": name, "text": "Two?"})

    assert (first[0], again[0], changed[0]) == (201, 200, 409)
    assert again[1] == first[1]
    assert (changed[1]["error"]["code"], changed[1]["error"]["retry"]) == (
        "client_id_reused",
        "never",
    )


async def test_a_question_that_the_database_cannot_take_is_to_be_sent_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait_in_vain(*_given: object, **_named: object) -> None:
        raise PoolTimeout

    async with shop.running(cluster) as (running, alder), live.visitor(running, alder) as visitor:
        talk = await visitor.begin()
        monkeypatch.setattr(running.service.asking, "send", wait_in_vain)
        by_socket = await visitor.emit("send", live.question(shop.QUESTION, talk))
        body = live.question(shop.QUESTION)
        by_http = await visitor.call("POST", f"/visitor/conversations/{talk}/messages", body)

    assert (by_socket["error"]["code"], by_socket["error"]["retry"]) == ("unavailable", "backoff")
    assert (by_http[0], by_http[1]["error"]["retry"]) == (503, "backoff")

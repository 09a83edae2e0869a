"""kill -9 at every step of a turn: nothing acknowledged is lost, and the turn ends marked."""

import asyncio
import socket
import sys
from pathlib import Path
from uuid import UUID

import aiohttp
from sqlalchemy import select

from chatbot.answering import answers, recovery
from chatbot.answering.tables import RUNNING, Answer, Spending
from chatbot.conversations.tables import AuthorKind, Message
from tests import live
from tests.answering import dying
from tests.answering.script import Script
from tests.answering.shop import QUESTION
from tests.conftest import Cluster, copy_of
from tests.journeys.texts import HANDBOOK, upload

ROOT = Path(__file__).parents[2]
# Their first turns are in the database, and died before they had asked for anything that costs.
UNPAID = {"the turn is committed, nothing was sent", "the search begins"}
WHOLE = "".join(dying.WORDS)
# Then a part of the text is stored and kept; before it the question is simply taken up again.
KEPT = {
    "a checkpoint is committed",
    "the end is about to be stored",
    "the end is written, not committed",
}


def test_the_turn_of_a_dead_process_ends_within_ten_seconds() -> None:
    assert recovery.HEARTBEAT_TIMEOUT.total_seconds() + answers.SWEEP_S < 10


async def test_whatever_the_step_nothing_acknowledged_is_lost_and_every_turn_ends(
    cluster: Cluster,
) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app) as running:
            alder = await live.company(running, "alder")
            await upload(running, alder, "handbook.md", HANDBOOK)
            async with live.visitor(running, alder) as visitor:
                token = visitor.token
                talks = {step: await visitor.begin() for step in dying.STEPS}

        two = asyncio.Semaphore(2)
        asked = (ask(urls.app, token, talks[step], step, two) for step in dying.STEPS)
        acked = dict(zip(dying.STEPS, await asyncio.gather(*asked), strict=True))

        async with live.running(urls.app, model=Script(*dying.WORDS)) as running:
            async with asyncio.timeout(60):
                while not await all_settled(running, alder, talks):  # noqa: ASYNC110 - rows
                    await asyncio.sleep(0.2)
            async with running.database.transaction(alder.org_id) as db:
                turns = (await db.scalars(select(Answer).order_by(Answer.started_at))).all()
                said = (await db.scalars(select(Message).order_by(Message.seq))).all()
                spent = (await db.scalars(select(Spending).where(Spending.scope == "org"))).one()

    for step, talk in talks.items():
        here = [each for each in said if each.conversation_id == UUID(talk)]
        asked = [each for each in here if each.author_kind == AuthorKind.VISITOR]
        replies = [(each.status, each.text) for each in here if each not in asked]
        endings = [each.status for each in turns if each.conversation_id == UUID(talk)]
        assert len(asked) == 1, step
        if step in KEPT:
            ((status, text),) = replies
            assert (status, endings) == ("interrupted", ["interrupted"]), step
            assert text, step
            assert WHOLE.startswith(text), step
        else:
            assert replies == [("complete", WHOLE)], step
            assert endings[-1] == "complete", step
            assert set(endings[:-1]) <= {"interrupted"}, step
    assert all(acked[step] for step in dying.STEPS if "nobody took it up" not in step)
    assert all(each.reserved_tokens == 0 for each in turns)
    assert spent.answers == len(turns) - len(UNPAID)


async def ask(database_url: str, token: str, talk: str, step: str, turn: asyncio.Semaphore) -> bool:
    """In turn: start the process, ask it, see it die; whether the question was acknowledged."""
    async with turn:
        return await _ask(database_url, token, talk, step)


async def _ask(database_url: str, token: str, talk: str, step: str) -> bool:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        arguments = ("-m", "tests.answering.dying", database_url, str(listener.fileno()), step)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, pass_fds=[listener.fileno()]
        )
    headers = {"Authorization": f"Bearer {token}", "Origin": live.ORIGIN}
    path = f"{url}/api/v1/visitor/conversations/{talk}/messages"
    acknowledged = False
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(path, json=live.question(QUESTION)) as reply,
        ):
            acknowledged = reply.status == 201
    except aiohttp.ClientError:
        pass  # it died before it could say so
    async with asyncio.timeout(30):
        assert await process.wait() == -9, step
    return acknowledged


async def all_settled(running: live.Live, company: live.Company, talks: dict[str, str]) -> bool:
    """Whether no turn runs and every conversation has a reply."""
    async with running.database.transaction(company.org_id) as db:
        if await db.scalar(select(Answer.id).where(Answer.status == RUNNING).limit(1)):
            return False
        replied = await db.scalars(
            select(Message.conversation_id).where(Message.author_kind == AuthorKind.ASSISTANT)
        )
        return {UUID(talk) for talk in talks.values()} <= set(replied)

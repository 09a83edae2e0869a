"""A server that goes down: nobody new, everybody told when to come back, and out in good time."""

# pyright: reportPrivateUsage=false

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from socketio.exceptions import ConnectionError as Refused

from chatbot.database import Database
from chatbot.realtime.sockets import drain
from chatbot.settings import Limits
from tests.conftest import Cluster, copy_of
from tests.realtime.conftest import KEY, Service, build_house, connected, serving, until
from tests.realtime.test_hostile import raw, try_to_sign_in

START_WITHIN_S = 60.0
LEAVE_WITHIN_S = 30.0
SOCKETS = 12


@asynccontextmanager
async def served(database_url: str) -> AsyncGenerator[tuple[str, asyncio.subprocess.Process]]:
    """`chatbot serve` in a process of its own: its address, and the process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CHATBOT_")}
    environ |= {
        "CHATBOT_DATABASE_URL": database_url,
        "CHATBOT_SECRET_KEYS": KEY,
        "CHATBOT_PUBLIC_URL": url,
        "CHATBOT_LOG_LEVEL": "error",
    }
    command = (sys.executable, "-m", "chatbot", "serve", "--no-jobs", "--port", str(port))
    process = await asyncio.create_subprocess_exec(*command, env=environ)
    try:
        await until_ready(url, process)
        yield url, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_WITHIN_S), aiohttp.ClientSession() as http:
        while process.returncode is None:
            try:
                async with http.get(f"{url}/health/ready") as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)
    pytest.fail(f"it ended with {process.returncode}")


async def test_on_sigterm_everybody_is_told_when_to_come_back_and_the_process_ends(
    cluster: Cluster,
) -> None:
    with copy_of(cluster) as urls:
        database = Database(urls.app, connections=2)
        house = await build_house(database)
        topic = f"conversation:{house.conversation_id}:messages"
        async with served(urls.app) as (url, process), AsyncExitStack() as stack:
            there = Service(None, None, url)  # type: ignore[arg-type]
            ears = [
                await stack.enter_async_context(connected(there, "/visitor", house.visitor_token))
                for _ in range(SOCKETS)
            ]
            for ear in ears:
                await ear.ask("subscribe", {"topics": [topic]})

            process.send_signal(signal.SIGTERM)

            for ear in ears:
                notice = await ear.hear("system", LEAVE_WITHIN_S)
                assert (notice["code"], notice["retry"]) == ("server_restarting", "backoff")
                assert notice["retry_after_s"] == 1
            await until(lambda: not any(ear.connected for ear in ears), LEAVE_WITHIN_S)
            async with asyncio.timeout(LEAVE_WITHIN_S):
                assert await process.wait() == 0
        await database.close()


async def test_who_comes_while_the_server_goes_down_is_told_so(database: Database) -> None:
    house = await build_house(database)
    async with serving(database, Limits()) as service, raw(service) as early:
        await service.realtime._drain.announce()

        refused = await try_to_sign_in(early, "/visitor", house.visitor_token)
        with pytest.raises(Refused):
            async with connected(service, "/staff", house.staff_token()):
                pass

    error = json.loads(refused.partition(",")[2])["data"]
    assert (error["code"], error["retry"]) == ("server_restarting", "backoff")
    assert error["retry_after_s"] == 1


async def test_the_more_there_are_the_longer_they_may_take_to_return(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "RETURNS_PER_S", 1)
    house = await build_house(database)
    for most, expected in ((30, 3), (2, 2)):
        monkeypatch.setattr(drain, "WINDOW_S", (1, most))
        async with serving(database, Limits()) as service, AsyncExitStack() as stack:
            ears = [
                await stack.enter_async_context(connected(service, "/visitor", house.visitor_token))
                for _ in range(3)
            ]
            await service.realtime.drain()

            notices = [await ear.hear("system") for ear in ears]
            assert {each["retry_after_s"] for each in notices} == {expected}


async def test_sockets_are_closed_a_few_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two slices everybody else has a turn."""
    monkeypatch.setattr(drain, "SLICE", 1)
    house = await build_house(database)
    async with serving(database, Limits()) as service, AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(connected(service, "/visitor", house.visitor_token))
        loop, manager = asyncio.get_running_loop(), service.realtime.server.manager
        left: list[int] = []

        def look() -> None:
            left.append(len(manager.all_sids("/visitor")))
            if left[-1]:
                loop.call_soon(look)

        look()
        await service.realtime.drain()

        assert sorted(set(left), reverse=True) == [5, 4, 3, 2, 1, 0]

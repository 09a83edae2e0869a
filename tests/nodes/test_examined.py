"""What `chatbot doctor` says of nodes, Redis and a schema that is newer than the code."""

import asyncio
from dataclasses import replace

import pytest

from chatbot import doctor
from chatbot.doctor import Finding
from chatbot.errors import StartupError
from chatbot.realtime.nodes.bus import RedisBus, client_of
from chatbot.settings import Settings
from migrations import run
from tests import live
from tests.conftest import Cluster, copy_of
from tests.nodes.redis import Redis
from tests.nodes.windows import until


def finding(settings: Settings, name: str) -> Finding:
    return next(each for each in doctor.examine(settings) if each.name == name)


async def test_it_counts_the_processes_and_says_what_they_lose_without_redis(
    cluster: Cluster, one_redis: Redis
) -> None:
    with copy_of(cluster) as urls:
        settings = Settings(database_url=urls.app, secret_keys=(live.KEY,))
        alone = await asyncio.to_thread(finding, settings, "nodes")
        async with live.running(urls.app, run_jobs=False), live.running(urls.app, run_jobs=False):
            together = await asyncio.to_thread(finding, settings, "nodes")
            without = await asyncio.to_thread(finding, settings, "redis")
            with_redis = replace(settings, redis_url=one_redis.url)
            joined = await asyncio.to_thread(finding, with_redis, "nodes")

    assert alone.text.startswith("0 web process")
    assert together.text.startswith("2 web process")
    assert doctor.WITHOUT_REDIS in together.text
    assert without.text == "none: 2 processes want one", "one line agrees with the other"
    assert doctor.WITHOUT_REDIS not in joined.text
    assert alone.ok
    assert together.ok
    assert joined.ok


def test_it_asks_redis(cluster: Cluster, one_redis: Redis) -> None:
    settings = Settings(database_url=cluster.app, secret_keys=(live.KEY,))

    assert finding(settings, "redis").text == "none: fine for one process"
    assert finding(replace(settings, redis_url=one_redis.url), "redis").text == "answers"
    away = finding(replace(settings, redis_url="redis://127.0.0.1:1"), "redis")
    assert not away.ok
    assert not away.fatal, "the service goes on without it"
    assert away.text.startswith("redis_unavailable")
    with pytest.raises(StartupError, match="CHATBOT_REDIS_URL"):
        doctor.refuse_unsound(replace(settings, redis_url="127.0.0.1:6379"))


def test_a_node_of_the_release_before_may_start_again_on_a_newer_schema(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_url=cluster.app, secret_keys=(live.KEY,))
    doctor.refuse_unsound(settings)

    monkeypatch.setattr(run, "current", {cluster.app: "2099_01_01_of_newer_code"}.get)
    doctor.refuse_unsound(settings)
    assert "newer than this code" in finding(settings, "schema").text

    monkeypatch.setattr(run, "current", {cluster.app: "2026_11_21_first"}.get)
    with pytest.raises(StartupError, match="schema_behind"):
        doctor.refuse_unsound(settings)


async def test_the_rights_that_the_documentation_names_are_enough(one_redis: Redis) -> None:
    words = ("+publish", "+subscribe", "+unsubscribe", "+ping", "&chatbot:*")
    url = one_redis.url.replace("redis://", "redis://chat:word@")
    async with client_of(one_redis.url) as admin:
        await admin.execute_command("ACL", "SETUSER", "chat", "on", ">word", *words)
    bus, rooms = RedisBus(url), list[str]()
    bus.listen_for_rooms(rooms.append)
    await bus.start()
    bus.follow("conversation:1:messages")

    await until(lambda: bus.is_up and rooms)
    settings = Settings(redis_url=url)
    assert doctor._redis(settings).text == "answers"  # pyright: ignore[reportPrivateUsage]
    bus.unfollow("conversation:1:messages")
    await bus.stop()

"""What is counted, who may read it, and that it names nobody."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from litestar import Litestar
from litestar.di import Provide
from prometheus_client.parser import text_string_to_metric_families

from chatbot import health, web
from chatbot.errors import StartupError
from chatbot.realtime import codes, metrics, topics
from chatbot.settings import Settings
from tests import live

TOKEN = "a token for whoever watches"
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}")


async def _read(url: str, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(
            f"{url}/metrics", headers={k.replace("_", "-"): v for k, v in headers.items()}
        ) as reply,
    ):
        return reply.status, await reply.text()


def test_a_topic_is_counted_by_its_kind_alone() -> None:
    ours = {
        metrics.kind(f"{each.scope}:0e6c0000-0000-7000-8000-000000000000:{each.feature}")
        for each in topics.KINDS
    }

    assert ours == {f"{each.scope}:{each.feature}" for each in topics.KINDS}
    for name in ("", ":", "org", "org:x:nothing", "person:x:secret", "a:b:c:d"):
        assert metrics.kind(name) == metrics.OTHER


def test_a_code_that_is_not_in_the_catalogue_is_no_label() -> None:
    assert metrics.code("slow_consumer") == "slow_consumer"
    assert metrics.code("timeout") == "timeout"
    assert metrics.code("my name is Robin") == metrics.OTHER


async def test_a_signal_moves_the_numbers_of_its_kind(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    before = metrics.totals()
    async with live.visitor(live_service, alder) as visitor, live.colleague(live_service, alder):
        talk = await visitor.begin()
        await visitor.emit("send", live.question("Where are you?", talk))
        await visitor.answer()
    after = metrics.totals()

    def grew(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    kind = "conversation:messages"
    assert grew(f"rt_signals_total{{kind={kind}}}") >= 2
    assert grew(f"rt_deliveries_total{{kind={kind}}}") >= 2
    assert grew("rt_deliveries_total{kind=org:inbox}") >= 1
    for stage in ("written_read", "read_emit", "end_to_end"):
        assert grew(f"rt_signal_latency_ms_count{{kind={kind},stage={stage}}}") >= 2
    assert grew("rt_relay_reads_total{wake=local}") >= 1
    assert after["rt_relay_read_timestamp_seconds"] > 0


async def test_reports_of_clients_are_counted_within_bounds(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    before = metrics.totals()
    report = {"throttled": 3, "errors": {"timeout": 2, "Robin": 1}, "status": "suspended"}
    async with live.visitor(live_service, alder) as visitor:
        taken = await visitor.emit("report", report)
        again = await visitor.emit("report", report)
        wrong = [
            await visitor.emit("report", report | {"throttled": -1}),
            await visitor.emit("report", report | {"throttled": 10**9}),
            await visitor.emit("report", report | {"status": "in love"}),
            await visitor.emit("report", report | {"errors": {str(n): 1 for n in range(21)}}),
            await visitor.emit("report", report | {"errors": {"x" * 41: 1}}),
            await visitor.emit("report", report | {"note": "hello"}),
        ]
    after = metrics.totals()

    def grew(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert taken == {}
    assert again["error"]["code"] == "too_many_requests"
    assert {each["error"]["code"] for each in wrong} == {"invalid_request"}
    assert grew("rt_client_reports_total{status=suspended}") == 1
    assert grew("rt_refetches_throttled_total") == 3
    assert grew("rt_errors_total{code=timeout,where=client}") == 2
    assert grew("rt_errors_total{code=other,where=client}") == 1


async def test_the_metrics_name_nobody(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with live.visitor(live_service, alder) as visitor, live.colleague(live_service, alder):
        talk = await visitor.begin()
        await visitor.emit("send", live.question("My name is Robin", talk))
        await visitor.answer()

    status, text = await _read(live_service.url)

    assert status == 200
    assert not UUID_TEXT.search(text)
    for word in ("Robin", alder.slug, alder.key, *alder.emails):
        assert word not in text
    families = {each.name: each for each in text_string_to_metric_families(text)}
    labelled = [
        sample.labels
        for family in families.values()
        if family.name.startswith("rt_")
        for sample in family.samples
    ]
    kinds = {f"{each.scope}:{each.feature}" for each in topics.KINDS} | {metrics.OTHER}
    told = set(codes.CATALOGUE) | codes.FROM_CLIENTS | {metrics.OTHER}
    assert {each["kind"] for each in labelled if "kind" in each} <= kinds
    assert {each["code"] for each in labelled if "code" in each} <= told
    assert len(labelled) < 3_000


@pytest.fixture
async def guarded() -> AsyncIterator[str]:
    """The address of a service whose metrics want a token, without anything else of it."""
    settings = Settings(metrics_token=TOKEN)
    app = Litestar(
        route_handlers=[health.ROUTES],
        dependencies={
            "settings": Provide(lambda: settings, sync_to_thread=False),
            "database": Provide(lambda: None, sync_to_thread=False),
        },
        exception_handlers=web.EXCEPTION_HANDLERS,
        logging_config=None,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    async with live.serving(app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_this_machine_may_read_but_nobody_through_a_proxy_on_it(
    live_service: live.Live,
) -> None:
    here, _ = await _read(live_service.url)
    through = [
        await _read(live_service.url, X_Forwarded_For="203.0.113.9"),
        await _read(live_service.url, Forwarded="for=203.0.113.9"),
    ]

    assert here == 200
    for status, text in through:
        assert status == 403
        assert "metrics_closed" in text
        assert "rt_" not in text


async def test_with_a_token_whoever_shows_it_may_read_and_nobody_else(guarded: str) -> None:
    shown = await _read(guarded, Authorization=f"Bearer {TOKEN}", X_Forwarded_For="203.0.113.9")
    refused = [
        await _read(guarded),
        await _read(guarded, Authorization=TOKEN),
        await _read(guarded, Authorization=f"Bearer {TOKEN}x"),
        await _read(guarded, Authorization="Bearer grüße"),
    ]

    assert shown[0] == 200
    assert "rt_connections" in shown[1]
    assert {status for status, _ in refused} == {403}


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.7", False),
        ("::ffff:10.0.0.7", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_only_loopback_is_this_machine(host: str, here: bool) -> None:
    assert health._is_here(host) is here  # pyright: ignore[reportPrivateUsage]


def test_a_short_token_is_refused_at_the_start() -> None:
    with pytest.raises(StartupError, match="CHATBOT_METRICS_TOKEN"):
        Settings.from_env({"CHATBOT_METRICS_TOKEN": "secret"})

    assert TOKEN not in repr(replace(Settings(), metrics_token=TOKEN))


async def test_workers_of_one_service_tell_of_each_other(tmp_path: Path) -> None:
    counting = (
        "from chatbot.realtime import metrics as m; m.GAPS.inc(); m.LOOP_LAG_MAX.set({});"
        " m.CONNECTIONS.labels('/staff').set({})"
    )
    telling = "from chatbot.realtime import metrics as m; print(m.exposition().decode())"

    async def run(program: str) -> str:
        environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, env=environ, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await running.communicate()
        assert running.returncode == 0
        return said.decode()

    await asyncio.gather(run(counting.format(5, 2)), run(counting.format(7, 3)))

    lines = (await run(telling)).splitlines()
    assert "rt_gaps_total 2.0" in lines
    assert 'rt_connections{namespace="/staff"} 5.0' in lines
    assert "rt_loop_lag_max_ms 7.0" in lines

"""Bad input at every door: a clear error with its code, nothing half-written, nothing lost."""

import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from chatbot.settings import Limits
from tests import live
from tests.conftest import Cluster, copy_of

Pair = tuple[live.Company, live.Company]


async def knock(url: str, key: str, headers: dict[str, str]) -> tuple[int, live.Json, str | None]:
    async with aiohttp.ClientSession() as http:
        address = f"{url}/api/v1/sites/{key}/session"
        async with http.post(address, json={}, headers=headers) as reply:
            allowed = reply.headers.get("Access-Control-Allow-Origin")
            return reply.status, await reply.json(), allowed


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://www.example.org.evil.example",
        "https://wwwXexample.org",
        "https://www.example.org:444",
        "http://www.example.org",
        "https://example.org",
        "null",
        "",
    ],
)
async def test_a_page_on_another_origin_gets_no_session(
    live_service: live.Live, two_companies: Pair, origin: str
) -> None:
    status, body, allowed = await knock(live_service.url, two_companies[0].key, {"Origin": origin})

    assert (status, body["error"]["code"]) == (403, "origin_not_allowed")
    assert allowed is None


async def test_a_browser_that_hides_its_origin_gets_no_session(
    live_service: live.Live, two_companies: Pair
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}

    status, body, _ = await knock(live_service.url, two_companies[0].key, headers)

    assert (status, body["error"]["code"]) == (403, "origin_not_allowed")


async def test_the_right_origin_may_read_its_reply_and_nobody_else(
    live_service: live.Live, two_companies: Pair
) -> None:
    status, body, allowed = await knock(
        live_service.url, two_companies[0].key, {"Origin": live.ORIGIN}
    )

    assert status == 201
    assert allowed == live.ORIGIN
    assert body["visitor"]["id"]


async def test_an_unknown_key_is_not_found(live_service: live.Live) -> None:
    for key in ("pk_nothing", "x" * 5000, "ключ"):
        status, body, _ = await knock(live_service.url, key, {"Origin": live.ORIGIN})
        assert (status, body["error"]["code"]) == (404, "unknown_site")


async def test_a_token_is_worth_nothing_elsewhere_or_altered(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    async with live.visitor(live_service, alder) as visitor:
        good = visitor.token
        refused: list[tuple[int, str]] = []
        tampered = [good[:-2] + ("AA" if good[-2:] != "AA" else "BB"), "x", "é", "x" * 1_000_000]
        for token in tampered:
            visitor.headers["Authorization"] = f"Bearer {token.encode().decode('latin-1')}"
            status, body = await visitor.call("GET", "/visitor/conversations")
            refused.append((status, body["error"]["code"] if body else ""))
        visitor.headers |= {"Authorization": f"Bearer {good}", "Origin": "https://evil.example"}
        elsewhere = await visitor.call("GET", "/visitor/conversations")
        visitor.headers["Origin"] = live.ORIGIN
        at_home = await visitor.call("GET", "/visitor/conversations")

    assert {code for status, code in refused if status == 401} == {"not_signed_in"}
    assert all(status in (400, 401, 431) for status, _ in refused)
    assert elsewhere[0] == 401
    assert at_home[0] == 200


async def test_a_message_of_a_megabyte_is_refused_on_both_ways_in(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    async with live.visitor(live_service, alder) as visitor:
        talk = await visitor.begin()
        too_long = live.question("a" * 4001)
        huge = live.question("a" * 1_000_000)
        path = f"/visitor/conversations/{talk}/messages"
        by_http = await visitor.call("POST", path, too_long)
        by_socket = await visitor.emit("send", too_long | {"conversation_id": talk})
        huge_by_http = await visitor.call("POST", path, huge)
        transcript = await visitor.get(path)

    assert (by_http[0], by_http[1]["error"]["code"]) == (400, "message_too_long")
    assert by_socket["error"]["code"] == "message_too_long"
    assert (huge_by_http[0], huge_by_http[1]["error"]["code"]) == (413, "too_large")
    assert transcript["items"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"client_id": "long-enough", "text": ""}, "empty_message"),
        ({"client_id": "long-enough", "text": " \n"}, "empty_message"),
        ({"client_id": "long-enough", "text": "a\0b"}, "bad_text"),
        ({"client_id": "x", "text": "hello"}, "bad_client_id"),
        ({"text": "hello"}, "invalid_request"),
        ({"client_id": "long-enough", "text": 7}, "invalid_request"),
        ({"client_id": "long-enough", "text": "hi", "role": "system"}, "invalid_request"),
        ({"client_id": "long-enough", "text": "hi", "org_id": "x"}, "invalid_request"),
    ],
)
async def test_a_body_that_is_not_as_agreed_is_refused(
    live_service: live.Live, two_companies: Pair, body: live.Json, code: str
) -> None:
    alder, _ = two_companies
    async with live.visitor(live_service, alder) as visitor:
        talk = await visitor.begin()
        path = f"/visitor/conversations/{talk}/messages"
        status, found = await visitor.call("POST", path, body)
        transcript = await visitor.get(path)

    assert (status, found["error"]["code"]) == (400, code)
    assert transcript["items"] == []


async def test_a_wrong_password_tells_nothing_and_guessing_is_slowed(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app, limits=Limits(logins_per_minute=3)) as running:
            alder = await live.company(running, "alder")
            async with aiohttp.ClientSession() as http:
                person = live.Person(http, running.url, "/staff", {"Origin": running.url}, "")
                wrong = {"email": alder.emails[0], "password": "wrong"}
                nobody = {"email": "nobody@example.org", "password": "wrong"}
                known = await person.call("POST", "/staff/login", wrong)
                unknown = await person.call("POST", "/staff/login", nobody)
                guesses = [await person.call("POST", "/staff/login", wrong) for _ in range(3)]

    assert known == unknown
    assert (known[0], known[1]["error"]["code"]) == (401, "wrong_credentials")
    status, body = guesses[-1]
    assert (status, body["error"]["code"]) == (429, "too_many_requests")
    assert body["error"]["retry_after_s"] > 0


async def test_another_websites_page_cannot_act_as_staff(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    async with live.colleague(live_service, alder) as ana:
        ana.headers["Origin"] = "https://evil.example"
        forged = await ana.call("POST", "/staff/socket-token")
        refused_upload = await ana.upload("note.txt", b"words of a forger")

    assert (forged[0], forged[1]["error"]["code"]) == (403, "origin_not_allowed")
    assert refused_upload[0] == 403


async def test_too_many_messages_are_slowed_and_not_stored(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app, limits=Limits(messages_per_minute=3)) as running:
            alder = await live.company(running, "alder")
            async with live.visitor(running, alder) as visitor:
                talk = await visitor.begin()
                replies = [
                    await visitor.emit("send", live.question(f"question {n}", talk))
                    for n in range(4)
                ]
                transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert replies[-1]["error"]["code"] == "too_many_requests"
    asked = [item for item in transcript["items"] if item["author"]["kind"] == "visitor"]
    assert len(asked) == 3


def run_command(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatbot", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", **env},
        cwd=Path(__file__).parent.parent,
    )


def test_a_lost_database_at_start_is_one_line() -> None:
    done = run_command(
        "serve",
        "--port",
        "9",
        env={
            "CHATBOT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "CHATBOT_SECRET_KEYS": live.KEY,
        },
    )

    assert done.returncode == 1
    assert done.stderr.startswith("chatbot: database_unavailable: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_one_line(live_service: live.Live) -> None:
    port = live_service.url.rsplit(":", 1)[1]

    done = run_command("serve", "--port", port, env={})

    assert done.returncode == 1
    assert done.stderr.startswith(f"chatbot: port_taken: 127.0.0.1:{port}")
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_setting_is_one_line() -> None:
    done = run_command("doctor", env={"CHATBOT_DATABASEURL": "x"})

    assert done.returncode == 1
    assert done.stderr.startswith("chatbot: unknown_setting: CHATBOT_DATABASEURL")


def test_a_foreign_database_needs_its_secrets_and_its_schema(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        no_secret = run_command("serve", "--port", "9", env={"CHATBOT_DATABASE_URL": urls.app})
        unsafe = run_command(
            "doctor",
            env={"CHATBOT_DATABASE_URL": urls.superuser, "CHATBOT_SECRET_KEYS": live.KEY},
        )
        sound = run_command(
            "doctor", env={"CHATBOT_DATABASE_URL": urls.app, "CHATBOT_SECRET_KEYS": live.KEY}
        )

    assert no_secret.stderr.startswith("chatbot: secret_missing")
    assert unsafe.returncode == 1
    assert "unsafe_role" in unsafe.stdout
    assert "ok   row-level security" in sound.stdout

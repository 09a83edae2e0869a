"""Bad input at every door: a clear error with its code, nothing half-written, nothing lost."""

import io

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


async def test_a_message_too_long_is_refused_on_both_ways_in(
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


async def test_what_cannot_be_stored_is_refused_by_name_wherever_it_stands(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    async with live.visitor(live_service, alder) as visitor:
        talk = await visitor.begin()
        path = f"/visitor/conversations/{talk}"
        question = live.question("hello")
        replies = [
            await visitor.call("POST", f"{path}/messages", question | {"client_id": "a\0bcdefgh"}),
            await visitor.call("POST", f"{path}/messages", question | {"page_url": "a\0b"}),
            await visitor.call("POST", f"{path}/handoff", {"reason": "a\0b"}),
            await visitor.call("GET", f"{path}/messages?after=9223372036854775808"),
        ]
        by_socket = await visitor.emit("send", live.question("hello", talk) | {"page": "a\0b"})
        transcript = await visitor.get(f"{path}/messages")
        del visitor.headers["Authorization"]
        knocked = await visitor.call("POST", f"/sites/{alder.key}/session", {"locale": "a\0b"})
        replies.append(knocked)

    assert {status for status, _ in replies} == {400}
    assert by_socket["error"]["code"] == "bad_text"
    assert transcript["items"] == []


@pytest.mark.parametrize("body", [b'{"client_id": "\xff\xfe"}', b"[" * 30_000, b"{", b""])
async def test_a_body_that_is_no_json_is_refused(
    live_service: live.Live, two_companies: Pair, body: bytes
) -> None:
    alder, _ = two_companies
    async with live.visitor(live_service, alder) as visitor:
        headers = visitor.headers | {"Content-Type": "application/json"}
        address = f"{live_service.url}/api/v1/visitor/conversations"
        async with visitor.http.post(address, data=body, headers=headers) as reply:
            found = await reply.json()

    assert (reply.status, found["error"]["code"]) == (400, "invalid_request")


async def test_a_form_without_one_file_is_refused(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    forms = [aiohttp.FormData(), aiohttp.FormData(), aiohttp.FormData()]
    forms[0].add_field("other", io.BytesIO(b"words"), filename="words.txt")
    forms[1].add_field("file", "only a text", content_type="text/plain")
    for name in ("one.txt", "two.txt"):
        forms[2].add_field("file", io.BytesIO(b"words"), filename=name)
    statuses: list[int] = []
    async with live.colleague(live_service, alder) as ana:
        for form in forms:
            address = f"{ana.url}/api/v1/knowledge/documents"
            async with ana.http.post(address, data=form, headers=ana.headers) as reply:
                statuses.append(reply.status)
        listed = await ana.get("/knowledge/documents")

    assert statuses == [400, 400, 400]
    assert listed["items"] == []


async def test_nobody_gets_to_send_a_large_body_without_a_session(
    live_service: live.Live, two_companies: Pair
) -> None:
    headers = {"Origin": live_service.url, "Chatbot-Org": two_companies[0].slug}
    async with aiohttp.ClientSession() as http:
        stranger = live.Person(http, live_service.url, "/staff", headers, "")
        status, body = await stranger.upload("words.txt", b"words")

    assert (status, body["error"]["code"]) == (401, "not_signed_in")


async def test_spaces_do_not_make_another_account_of_one(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app, limits=Limits(logins_per_minute=3)) as running:
            alder = await live.company(running, "alder")
            async with aiohttp.ClientSession() as http:
                person = live.Person(http, running.url, "/staff", {"Origin": running.url}, "")
                guesses = [
                    await person.call(
                        "POST",
                        "/staff/login",
                        {"email": " " * n + alder.emails[0].upper(), "password": "wrong"},
                    )
                    for n in range(5)
                ]

    assert [status for status, _ in guesses] == [401, 401, 401, 429, 429]


async def test_a_renewal_whose_reply_was_lost_can_be_asked_again(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    async with live.visitor(live_service, alder) as visitor:
        first = {"resume": {"token": visitor.token}}
        lost = await visitor.post(f"/sites/{alder.key}/session", first)
        again = await visitor.post(f"/sites/{alder.key}/session", first)
        old = await visitor.call("GET", "/visitor/conversations")

    assert lost["visitor"] == again["visitor"] == {"id": visitor.id}
    assert old[0] == 401


async def test_a_note_does_not_show_in_what_the_visitor_reads(
    live_service: live.Live, two_companies: Pair
) -> None:
    alder, _ = two_companies
    async with (
        live.visitor(live_service, alder) as visitor,
        live.colleague(live_service, alder) as ana,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question("Hello", talk))
        await visitor.answer()
        before = await visitor.get("/visitor/conversations")
        note = {"client_id": "a-client-id-of-ana", "text": "A note", "visibility": "internal"}
        await ana.post(f"/conversations/{talk}/messages", note)
        after = await visitor.get("/visitor/conversations")

    assert before == after


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


async def test_far_too_many_messages_are_refused_and_not_stored(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app, limits=Limits(messages_per_minute=3)) as running:
            alder = await live.company(running, "alder")
            async with live.visitor(running, alder) as visitor:
                talk = await visitor.begin()
                replies = [
                    await visitor.emit("send", live.question(f"question {n}", talk))
                    for n in range(7)
                ]
                transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert replies[-1]["error"]["code"] == "too_many_requests"
    asked = [item for item in transcript["items"] if item["author"]["kind"] == "visitor"]
    assert len(asked) == 6

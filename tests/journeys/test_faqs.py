"""Questions with answers: written in the console, taken in as a table, given to visitors word for
word.
"""

import io

import aiohttp
import pytest

from tests import live
from tests.journeys.texts import HANDBOOK, upload

FAQ = {
    "question": "Do you ship to Norway?",
    "variants": ["Is delivery to Norway possible?"],
    "answer": "Yes, to **Norway** too.\n\nIt takes nine days [more or less].",
    "url": "https://www.example.org/norway",
}
TABLE = """question,answer
Do you ship to Norway?,"=Yes, we do."
Is it red?,Scarlet.
,Nobody asked.
"""


async def take_in(
    person: live.Person, body: str | bytes, *, dry_run: bool = False
) -> tuple[int, live.Json]:
    """Status and body of importing a table."""
    form = aiohttp.FormData()
    data = body if isinstance(body, bytes) else body.encode()
    form.add_field("file", io.BytesIO(data), filename="questions.csv")
    form.add_field("dry_run", "true" if dry_run else "false")
    url = f"{person.url}/api/v1/knowledge/faqs/import"
    async with person.http.post(url, data=form, headers=person.headers) as reply:
        return reply.status, await reply.json()


async def exported(person: live.Person) -> bytes:
    url = f"{person.url}/api/v1/knowledge/faqs/export"
    async with person.http.get(url, headers=person.headers) as reply:
        assert reply.status == 200
        assert reply.content_type == "text/csv"
        assert "attachment" in reply.headers["Content-Disposition"]
        return await reply.read()


async def test_a_question_is_written_changed_sought_and_deleted(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with live.colleague(live_service, alder) as ana:
        made = await ana.post("/knowledge/faqs", FAQ)
        path = f"/knowledge/faqs/{made['id']}"
        read = await ana.get(path)
        status, changed = await ana.call("PUT", path, FAQ | {"answer": "No.", "labels": ["B2B"]})
        listed = await ana.get("/knowledge/faqs?q=delivery")
        none = await ana.get("/knowledge/faqs?q=teapot")
        documents = await ana.get("/knowledge/documents")
        gone, _ = await ana.call("DELETE", path)
        after = await ana.get("/knowledge/faqs")
    async with live.colleague(live_service, birch) as other:
        foreign = await other.get("/knowledge/faqs")

    assert made == read
    assert made["word_for_word"]
    assert made["enabled"]
    assert (status, changed["answer"], changed["labels"]) == (200, "No.", ["b2b"])
    assert [each["id"] for each in listed["items"]] == [made["id"]]
    assert none["items"] == documents["items"] == after["items"] == foreign["items"] == []
    assert gone == 204


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"question": "?"}, 400, "bad_question"),
        ({"question": "x" * 501}, 400, "invalid_request"),
        ({"answer": " "}, 400, "bad_answer"),
        ({"variants": ["Why?"] * 51}, 400, "invalid_request"),
        ({"url": "javascript:alert(1)"}, 400, "bad_faq_url"),
        ({"labels": ["<b>"]}, 400, "bad_labels"),
        ({"role": "admin"}, 400, "invalid_request"),
        ({}, 409, "faq_exists"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_a_code(
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    change: live.Json,
    status: int,
    code: str,
) -> None:
    alder, _ = two_companies
    async with live.colleague(live_service, alder) as ana:
        await ana.post("/knowledge/faqs", FAQ)
        refused = await ana.call("POST", "/knowledge/faqs", FAQ | change)
        listed = await ana.get("/knowledge/faqs")

    assert (refused[0], refused[1]["error"]["code"]) == (status, code)
    assert len(listed["items"]) == 1


async def test_an_agent_reads_but_does_not_write(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with (
        live.colleague(live_service, alder) as ana,
        live.colleague(live_service, alder, 1) as ben,
    ):
        made = await ana.post("/knowledge/faqs", FAQ)
        path = f"/knowledge/faqs/{made['id']}"
        read = await ben.get(path)
        refused = [
            await ben.call("POST", "/knowledge/faqs", FAQ | {"question": "Why?"}),
            await ben.call("PUT", path, FAQ),
            await ben.call("DELETE", path),
            await take_in(ben, TABLE),
        ]
        listed = await ana.get("/knowledge/faqs")

    assert read == made
    assert [(status, body["error"]["code"]) for status, body in refused] == [(403, "forbidden")] * 4
    assert listed["items"] == [made]


async def test_a_table_is_tried_taken_in_and_given_back(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with live.colleague(live_service, alder) as ana:
        await ana.subscribe(f"org:{alder.org_id}:knowledge")
        await ana.post("/knowledge/faqs", FAQ)
        await ana.hear("signal", event="document.changed")
        _, dry = await take_in(ana, TABLE, dry_run=True)
        before = await ana.get("/knowledge/faqs")
        status, wet = await take_in(ana, TABLE)
        await ana.hear("signal", event="document.changed")
        given = await exported(ana)
        _, again = await take_in(ana, given)
    async with live.colleague(live_service, birch) as other:
        foreign = await exported(other)

    assert [item["answer"] for item in before["items"]] == [FAQ["answer"]]
    assert status == 200
    assert (wet["added"], wet["changed"], wet["unchanged"], wet["failed"]) == (1, 1, 0, 1)
    assert dry | {"dry_run": False} == wet
    assert [(row["row"], row["outcome"], row["code"]) for row in wet["rows"]] == [
        (2, "changed", None),
        (3, "added", None),
        (4, "failed", "bad_question"),
    ]
    assert b"'=Yes, we do." in given
    assert (again["unchanged"], again["added"], again["changed"], again["failed"]) == (2, 0, 0, 0)
    assert b"Norway" not in foreign


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty"),
        (b"name,text\na,b\n", 400, "no_columns"),
        (b"question,answer\n" + b"x" * 6_000_000, 413, "too_large"),
    ],
)
async def test_a_table_that_cannot_be_read_is_refused_whole(
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    body: bytes,
    status: int,
    code: str,
) -> None:
    alder, _ = two_companies
    async with live.colleague(live_service, alder) as ana:
        refused = await take_in(ana, body)

    assert (refused[0], refused[1]["error"]["code"]) == (status, code)


async def test_a_visitor_who_asks_it_gets_the_answer_word_for_word(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    await upload(live_service, alder, "handbook.md", HANDBOOK)
    async with live.colleague(live_service, alder) as ana:
        made = await ana.post("/knowledge/faqs", FAQ)
        tried = await ana.post("/knowledge/search", {"query": "is delivery to Norway possible"})
        async with live.visitor(live_service, alder) as visitor:
            talk = await visitor.begin()
            await visitor.emit("send", live.question("is delivery to Norway possible", talk))
            text, end = await visitor.answer()
            found = await visitor.get(f"/visitor/conversations/{talk}/messages")
            await ana.call("PUT", f"/knowledge/faqs/{made['id']}", FAQ | {"enabled": False})
            await visitor.emit("send", live.question("is delivery to Norway possible", talk))
            later, _ = await visitor.answer()

    answer = found["items"][-1]
    assert end["status"] == "complete"
    assert text == answer["text"] == FAQ["answer"]
    assert answer["confidence"] == "answered"
    (source,) = answer["sources"]
    assert (source["document_id"], source["url"]) == (made["id"], FAQ["url"])
    assert source["title"] == FAQ["question"]
    assert tried["curated"] == {
        "document_id": made["id"],
        "question": FAQ["question"],
        "answer": FAQ["answer"],
        "match": 1.0,
    }
    assert str(FAQ["answer"]) not in later


async def test_nonsense_after_a_good_question_is_unknown(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    await upload(live_service, alder, "handbook.md", HANDBOOK)
    async with live.visitor(live_service, alder) as visitor:
        talk = await visitor.begin()
        for question in ("How long is the warranty on a kettle?", "asdf qwer"):
            await visitor.emit("send", live.question(question, talk))
            await visitor.answer()
        found = await visitor.get(f"/visitor/conversations/{talk}/messages")
    async with live.colleague(live_service, alder) as ana:
        body = {"query": "asdf qwer", "history": ["How long is the warranty on a kettle?"]}
        tried = await ana.post("/knowledge/search", body)

    answers = [item for item in found["items"] if item["author"]["kind"] == "assistant"]
    assert [item["confidence"] for item in answers] == ["answered", "unknown"]
    assert (tried["band"], tried["query"], tried["curated"]) == ("unknown", "asdf qwer", None)


async def test_thanks_in_between_do_not_end_the_subject(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    await upload(live_service, alder, "handbook.md", HANDBOOK)
    async with live.visitor(live_service, alder) as visitor:
        talk = await visitor.begin()
        for question in ("How long is the warranty on a kettle?", "thank you", "And why?"):
            await visitor.emit("send", live.question(question, talk))
            await visitor.answer()
        found = await visitor.get(f"/visitor/conversations/{talk}/messages")

    last = found["items"][-1]
    assert last["confidence"] != "unknown"
    assert last["sources"][0]["heading"].endswith("Warranty")

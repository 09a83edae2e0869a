"""An owner uploads a document; progress reaches the console; the bot answers from it."""

from tests import live
from tests.journeys.texts import HANDBOOK, upload


async def test_an_upload_becomes_ready_and_its_passages_can_be_read(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies

    document = await upload(live_service, alder, "handbook.md", HANDBOOK)
    async with live.colleague(live_service, alder) as ana:
        passages = await ana.get(f"/knowledge/documents/{document['id']}/passages")
        found = await ana.call("POST", "/knowledge/search", {"query": "citric acid"})
    async with live.colleague(live_service, birch) as other:
        theirs = await other.get("/knowledge/documents")

    assert (document["status"], document["progress"]) == ("ready", 1.0)
    text = "\n".join(passage["text"] for passage in passages["items"])
    assert "The warranty on every kettle lasts 36 months" in text
    assert "citric acid" in text
    assert "citric acid" in found[1]["items"][0]["passage"]["text"]
    assert theirs["items"] == []


async def test_a_file_that_cannot_be_read_ends_in_a_named_failure(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies

    document = await upload(live_service, alder, "broken.pdf", "%PDF-1.7\nnothing of the sort")

    assert document["status"] == "failed"
    assert document["error"]["code"] in ("malformed", "no_text")
    assert document["error"]["message"].endswith(".")


async def test_rubbish_is_refused_at_the_door_and_leaves_nothing_behind(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies

    async with live.colleague(live_service, alder) as ana:
        empty = await ana.upload("empty.txt", b"")
        disguised = await ana.upload("notes.pdf", b"\x7fELF\x02\x01\x01" + bytes(200))
        huge = await ana.upload("huge.txt", b"a" * 20_000_001)
        listed = await ana.get("/knowledge/documents")

    assert (empty[0], empty[1]["error"]["code"]) == (400, "empty")
    assert disguised[0] == 400
    assert disguised[1]["error"]["code"] in ("type_mismatch", "unsupported_type")
    assert (huge[0], huge[1]["error"]["code"]) == (413, "too_large")
    assert listed["items"] == []


async def test_an_agent_may_search_but_not_upload(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies

    async with live.colleague(live_service, alder, which=1) as ben:
        status, body = await ben.upload("handbook.md", HANDBOOK.encode())
        found = await ben.call("POST", "/knowledge/search", {"query": "kettle"})

    assert (status, body["error"]["code"]) == (403, "forbidden")
    assert found[0] == 200

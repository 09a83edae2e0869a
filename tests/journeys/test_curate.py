"""An admin looks at what was understood, changes it, and sees visitors answered accordingly."""

from tests import live
from tests.journeys.texts import upload

GUIDE = """# Warranty

The warranty of every kettle lasts two years from the day of delivery, and it covers the heating
element, the lid and the switch; chalk from hard water is not covered, nor is a kettle that was
dropped on a floor of stone or used to boil anything else than water, soup least of all things.

# Delivery

Parcels are sent on every working day before noon and arrive on the third day after that, in towns
mostly on the second; on islands it may take a week, and in winter, when the ferry rests, some more
days than that, about which we write you a letter before we take your money for the parcel.
"""


async def ask(visitor: live.Person, question: str, talk: str | None = None) -> live.Json:
    talk = talk or await visitor.begin()
    await visitor.emit("send", live.question(question, talk))
    await visitor.answer()
    page = await visitor.get(f"/visitor/conversations/{talk}/messages")
    return page["items"][-1]


async def test_a_corrected_passage_answers_and_the_next_upload_keeps_the_correction(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
):
    alder, _ = two_companies
    document = await upload(live_service, alder, "guide.md", GUIDE)
    path = f"/knowledge/documents/{document['id']}"

    async with live.colleague(live_service, alder) as ana:
        [warranty, _] = (await ana.get(f"{path}/passages"))["items"]
        corrected = warranty["text"].replace("two years", "five years")
        status, changed = await ana.call(
            "PATCH", f"/knowledge/passages/{warranty['id']}", {"text": corrected}
        )
        assert (status, changed["original"]) == (200, warranty["text"])
        await upload(live_service, alder, "guide.md", GUIDE + "\n\n# News\n\nNone so far.\n")
        overrides = (await ana.get(f"{path}/overrides"))["items"]
    async with live.visitor(live_service, alder) as visitor:
        answer = await ask(visitor, "How long does the warranty last?")

    assert [each["applies"] for each in overrides] == [True]
    assert "five years" in answer["text"]
    assert answer["sources"][0]["version"] == 2


async def test_an_earlier_version_is_restored_and_answers_again(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
):
    alder, _ = two_companies
    document = await upload(live_service, alder, "guide.md", GUIDE)
    await upload(live_service, alder, "guide.md", GUIDE.replace("third day", "ninth day"))
    path = f"/knowledge/documents/{document['id']}"

    async with live.colleague(live_service, alder) as ana:
        await ana.subscribe(f"org:{alder.org_id}:knowledge")
        status, queued = await ana.call("POST", f"{path}/versions/1/restore")
        assert (status, queued["status"]) == (202, "queued")
        while (await ana.get(path))["status"] != "ready":
            await ana.hear("signal", document_id=document["id"])
        versions = (await ana.get(f"{path}/versions"))["items"]
        status, gone = await ana.call("DELETE", path)
    assert [(each["version"], each["restored_from"]) for each in versions] == [
        (3, 1),
        (2, None),
        (1, None),
    ]
    assert (status, gone["passages"], gone["versions"], gone["files"]) == (200, 2, 3, 3)


async def test_visitors_are_answered_from_what_their_site_may_show(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
):
    alder, _ = two_companies
    document = await upload(live_service, alder, "guide.md", GUIDE)

    async with (
        live.colleague(live_service, alder) as ana,
        live.visitor(live_service, alder) as visitor,
    ):
        path = f"/knowledge/documents/{document['id']}"
        status, labelled = await ana.call("PATCH", path, {"labels": ["Partners"]})
        assert (status, labelled["labels"]) == (200, ["partners"])
        hidden = await ask(visitor, "How long does the warranty last?")
        status, site = await ana.call("PATCH", f"/sites/{alder.site_id}", {"labels": ["partners"]})
        assert (status, site["labels"]) == (200, ["partners"])
        shown = await ask(visitor, "How long does the warranty of a kettle last?")
        tried = await ana.call(
            "POST",
            "/knowledge/search",
            {"query": "warranty of a ketle", "site_id": str(alder.site_id)},
        )

    assert hidden["confidence"] == "unknown"
    assert "two years" in shown["text"]
    assert tried[1]["corrections"] == [{"said": "ketl", "meant": "kettl"}]
    assert tried[1]["items"][0]["words"]


async def test_only_admins_change_what_is_known(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
):
    alder, birch = two_companies
    document = await upload(live_service, alder, "guide.md", GUIDE)

    async with live.colleague(live_service, alder, 1) as bo:
        passages = (await bo.get(f"/knowledge/documents/{document['id']}/passages"))["items"]
        refused = [
            await bo.call("PATCH", f"/knowledge/documents/{document['id']}", {"labels": []}),
            await bo.call("POST", f"/knowledge/documents/{document['id']}/versions/1/restore"),
            await bo.call("PATCH", f"/knowledge/passages/{passages[0]['id']}", {"disabled": True}),
            await bo.call("PATCH", f"/sites/{alder.site_id}", {"labels": []}),
            await bo.call("POST", "/knowledge/embeddings/rollback"),
            await bo.call("POST", "/knowledge/embeddings/switch"),
        ]
        foreign = await bo.call(
            "POST", "/knowledge/search", {"query": "x", "site_id": str(birch.site_id)}
        )

    assert {(status, reply["error"]["code"]) for status, reply in refused} == {(403, "forbidden")}
    assert foreign[0] == 404

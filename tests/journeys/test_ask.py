"""A visitor asks; the answer streams with its sources, or the bot says that it does not know."""

from tests import live
from tests.journeys.texts import HANDBOOK, upload


async def test_a_question_streams_an_answer_with_its_source(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    await upload(live_service, alder, "handbook.md", HANDBOOK)

    async with live.visitor(live_service, alder) as visitor:
        talk = await visitor.begin()
        asked = live.question("How long is the warranty on a kettle?", talk)
        stored = await visitor.emit("send", asked)
        text, end = await visitor.answer()
        transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert stored["client_id"] == asked["client_id"]
    assert stored["seq"] == 1
    assert "36 months" in text
    assert end["status"] == "complete"
    question, answer = transcript["items"]
    assert question["id"] == stored["id"]
    assert (answer["id"], answer["text"]) == (end["mid"], text)
    assert answer["confidence"] == "answered"
    assert all(source["quote"] in HANDBOOK for source in answer["sources"])
    assert answer["sources"][0]["title"] == "handbook"


async def test_another_organisation_knows_nothing_of_it(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    await upload(live_service, alder, "handbook.md", HANDBOOK)

    async with live.visitor(live_service, birch) as visitor:
        talk = await visitor.begin()
        await visitor.emit("send", live.question("How long is the warranty on a kettle?", talk))
        text, _ = await visitor.answer()
        transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert "36 months" not in text
    answer = transcript["items"][-1]
    assert answer["confidence"] == "unknown"
    assert answer["sources"] == []
    assert "talk to a person" in answer["text"]


async def test_the_same_message_twice_is_one_message_and_one_answer(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies

    async with live.visitor(live_service, alder) as visitor:
        talk = await visitor.begin()
        asked = live.question("Where is the kettle made?", talk)
        first = await visitor.emit("send", asked)
        second = await visitor.emit("send", asked)
        changed = await visitor.emit("send", asked | {"text": "Something else"})
        await visitor.answer()
        transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert first == second
    assert changed["error"]["code"] == "client_id_reused"
    assert [item["author"]["kind"] for item in transcript["items"]] == ["visitor", "assistant"]

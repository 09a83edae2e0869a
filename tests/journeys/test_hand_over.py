"""A visitor asks for a person; the first colleague takes over; the bot is silent until released."""

import asyncio
from collections.abc import AsyncIterator

from chatbot.answering.models.model import Usage
from chatbot.answering.voice.prompt import Prompt
from chatbot.database import new_id
from tests import live
from tests.conftest import Cluster, copy_of
from tests.journeys.texts import HANDBOOK, upload

SILENCE_S = 0.5  # the bot answers within a tenth of that


async def test_a_colleague_sees_the_request_takes_it_and_gives_it_back(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with (
        live.colleague(live_service, alder) as ana,
        live.colleague(live_service, birch) as stranger,
        live.visitor(live_service, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.emit("send", live.question("What is the meaning of it all?", talk))
        await visitor.answer()

        await visitor.post(f"/visitor/conversations/{talk}/handoff", {"reason": "I need help"})
        await ana.hear("signal", event="handoff.requested", conversation_id=talk)
        waiting = await ana.get("/conversations?view=waiting")
        taken = await ana.post(f"/conversations/{talk}/handoff/take")
        await visitor.hear("signal", event="handoff.taken")

        reply = {"client_id": new_id().hex, "text": "Hello, this is Ana.", "visibility": "public"}
        sent = await ana.post(f"/conversations/{talk}/messages", reply)
        await visitor.hear("signal", event="message.changed", message_id=sent["id"])
        await visitor.emit("send", live.question("How long is the warranty?", talk))
        await asyncio.sleep(SILENCE_S)
        spoke = [name for name, _ in visitor.heard if name.startswith("answer.")]
        seen = await visitor.get(f"/visitor/conversations/{talk}/messages")

        released = await ana.post(f"/conversations/{talk}/handoff/release")
        await visitor.hear("signal", event="handoff.ended")
        await visitor.emit("send", live.question("And now?", talk))
        text, _ = await visitor.answer()
        final = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert spoke == []
    assert [item["id"] for item in waiting["items"]] == [talk]
    assert waiting["items"][0]["handoff"]["reason"] == "I need help"
    assert (taken["state"], taken["handoff"]["taken_by"]["name"]) == ("staff", "Ana")
    assert seen["state"] == "staff"
    kinds = [item["author"]["kind"] for item in seen["items"]]
    assert kinds == ["visitor", "assistant", "system", "system", "staff", "visitor"]
    assert released["state"] == "bot"
    assert final["items"][-1]["text"] == text
    kinds = [item["author"]["kind"] for item in final["items"]]
    assert kinds[6:] == ["system", "visitor", "assistant"]
    assert stranger.heard == []


async def test_the_first_to_take_has_it_and_the_second_is_told(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with (
        live.colleague(live_service, alder, which=0) as ana,
        live.colleague(live_service, alder, which=1) as ben,
        live.visitor(live_service, alder) as visitor,
    ):
        talk = await visitor.begin()
        await visitor.post(f"/visitor/conversations/{talk}/handoff", {})

        results = await asyncio.gather(
            ana.call("POST", f"/conversations/{talk}/handoff/take"),
            ben.call("POST", f"/conversations/{talk}/handoff/take"),
        )

    statuses = sorted(status for status, _ in results)
    assert statuses == [200, 409]
    refusal = next(body for status, body in results if status == 409)
    assert refusal["error"]["code"] == "already_taken"
    assert refusal["error"]["retry"] == "refetch"


async def test_a_note_is_seen_by_colleagues_only(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    async with (
        live.colleague(live_service, alder) as ana,
        live.visitor(live_service, alder) as visitor,
    ):
        talk = await visitor.begin()
        await ana.subscribe(f"conversation:{talk}:staff")
        note = {"client_id": new_id().hex, "text": "He is a friend.", "visibility": "internal"}

        written = await ana.post(f"/conversations/{talk}/messages", note)
        await ana.hear("signal", event="message.changed", message_id=written["id"])
        colleagues = await ana.get(f"/conversations/{talk}/messages")
        visitors = await visitor.get(f"/visitor/conversations/{talk}/messages")
        await visitor.emit("send", live.question("Hello", talk))
        await visitor.hear("answer.end")

    assert [item["text"] for item in colleagues["items"]] == ["He is a friend."]
    assert visitors["items"] == []
    assert not [data for name, data in visitor.heard if written["id"] in f"{name} {data}"]


class SlowModel:
    """Speaks a word every few milliseconds, for as long as it is let."""

    name = "slow"

    async def stream(self, prompt: Prompt) -> AsyncIterator[str | Usage]:
        for number in range(2_000):
            yield f"word{number} "
            await asyncio.sleep(0.005)


async def test_taking_over_withdraws_the_answer_that_is_being_written(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app, model=SlowModel()) as running:
            alder = await live.company(running, "alder")
            await upload(running, alder, "handbook.md", HANDBOOK)
            async with (
                live.colleague(running, alder) as ana,
                live.visitor(running, alder) as visitor,
            ):
                talk = await visitor.begin()
                question = live.question("How long is the warranty on a kettle?", talk)
                await visitor.emit("send", question)
                await visitor.hear("answer.delta")

                await ana.post(f"/conversations/{talk}/handoff/take")
                end = await visitor.hear("answer.end")
                transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert end["status"] == "withdrawn"
    kinds = [item["author"]["kind"] for item in transcript["items"]]
    assert kinds == ["visitor", "system"]
    assert transcript["answer"] is None


async def test_a_stopped_answer_keeps_its_text(cluster: Cluster) -> None:
    with copy_of(cluster) as urls:
        async with live.running(urls.app, model=SlowModel()) as running:
            alder = await live.company(running, "alder")
            await upload(running, alder, "handbook.md", HANDBOOK)
            async with live.visitor(running, alder) as visitor:
                talk = await visitor.begin()
                question = live.question("How long is the warranty on a kettle?", talk)
                await visitor.emit("send", question)
                delta = await visitor.hear("answer.delta")

                await visitor.emit("stop", {"mid": delta["mid"]})
                end = await visitor.hear("answer.end")
                transcript = await visitor.get(f"/visitor/conversations/{talk}/messages")

    assert end["status"] == "stopped"
    answer = transcript["items"][-1]
    assert (answer["id"], answer["status"]) == (delta["mid"], "stopped")
    assert answer["text"].startswith("word0 ")


async def test_a_visitor_is_told_whether_anybody_is_there(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    async with live.visitor(live_service, alder) as visitor:
        alone = await visitor.post(f"/sites/{alder.key}/session", {})
        async with live.colleague(live_service, alder), live.visitor(live_service, birch) as other:
            visitor.headers["Authorization"] = f"Bearer {alone['token']}"
            staffed = await visitor.post(f"/sites/{alder.key}/session", {})
            elsewhere = await other.post(f"/sites/{birch.key}/session", {})

    assert not alone["site"]["availability"]["staff_online"]
    assert staffed["site"]["availability"]["staff_online"]
    assert staffed["visitor"] == alone["visitor"]
    assert not elsewhere["site"]["availability"]["staff_online"]

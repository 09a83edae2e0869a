"""A wrong answer is disliked, looked into, corrected before the visitor's eyes; whoever else got it
is told once.
"""

from tests import live
from tests.journeys.texts import upload

WRONG = """# Kettle handbook

## Warranty

The warranty on every kettle lasts 36 months from the day of purchase. It covers the heating
element, the lid and the switch.
"""
QUESTION = "How long is the warranty on a kettle?"
RIGHT = "The warranty on a kettle lasts 24 months [1]."
SORRY = "We told you that the warranty lasts 36 months. It lasts 24 months. Sorry for that!"


async def ask(visitor: live.Person) -> tuple[str, live.Json]:
    """A conversation of the visitor's with the question in it, and the answer as it is stored."""
    talk = await visitor.begin()
    await visitor.emit("send", live.question(QUESTION, talk))
    await visitor.answer()
    found = await visitor.get(f"/visitor/conversations/{talk}/messages")
    visitor.heard.clear()
    return talk, found["items"][-1]


async def changed_after(visitor: live.Person, talk: str, rev: int) -> list[live.Json]:
    found = await visitor.get(f"/visitor/conversations/{talk}/messages?after={rev}")
    return found["items"]


async def test_a_wrong_answer_is_repaired_for_everybody_who_got_it(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    for company in two_companies:
        await upload(live_service, company, "handbook.md", WRONG)
    async with (
        live.visitor(live_service, alder) as visitor,
        live.visitor(live_service, alder) as neighbour,
        live.visitor(live_service, birch) as stranger,
        live.colleague(live_service, alder, which=0) as ana,
        live.colleague(live_service, alder, which=1) as ben,
    ):
        # Two visitors of one organisation get the same wrong answer, and one of another.
        talk, answer = await ask(visitor)
        neighbours_talk, neighbours_answer = await ask(neighbour)
        strangers_talk, strangers_answer = await ask(stranger)
        assert "36 months" in answer["text"]
        mid = answer["id"]

        # The first dislikes it, and says why; staff find it.
        thumb = {"value": -1, "reason": "The box says 24 months."}
        disliked = await visitor.post(f"/visitor/messages/{mid}/feedback", thumb)
        await ana.hear("signal", event="conversation.changed", conversation_id=talk)
        listed = await ben.get("/conversations?view=disliked")
        assert disliked["feedback"] == {"value": -1, "reason": "The box says 24 months."}
        assert [each["id"] for each in listed["items"]] == [talk]

        # A colleague reads how the answer came to be.
        looked = await ben.get(f"/answers/{mid}/trace")
        assert (looked["status"], looked["attempt"]) == ("complete", 1)
        assert looked["feedback"] == disliked["feedback"]
        assert looked["reviews"] == []
        cited = [each["passage_id"] for each in looked["trace"]["passages"] if each["cited"]]
        assert cited == [each["passage_id"] for each in answer["sources"]]

        # And corrects it. The visitor hears that something changed, and fetches what.
        visitor.heard.clear()
        review = {"kind": "corrected", "text": f"{RIGHT[:-1]} [8]."}
        status, corrected = await ben.call("PUT", f"/answers/{mid}/review", review)
        signal = await visitor.hear("signal", event="message.changed", message_id=mid)
        seen = await changed_after(visitor, talk, disliked["rev"])
        assert status == 200
        assert signal["version"] == corrected["rev"]
        assert RIGHT not in str(signal)
        [in_place] = seen
        assert (in_place["id"], in_place["seq"]) == (mid, answer["seq"])
        assert (in_place["text"], in_place["sources"]) == (RIGHT, answer["sources"])
        assert (in_place["review"]["kind"], in_place["review"]["by"]) == ("corrected", "Ben")
        assert (await ana.get("/conversations?view=disliked"))["items"] == []

        # The colleague sees who else got it, and tells them; twice pressed is once told.
        affected = await ben.get(f"/answers/{mid}/affected")
        [other] = affected["items"]
        notice = {"message_ids": [other["message_id"]], "text": SORRY}
        told = await ben.post(f"/answers/{mid}/notices", notice)
        again = await ana.post(f"/answers/{mid}/notices", notice)
        assert (other["message_id"], other["asked"]) == (neighbours_answer["id"], QUESTION)
        assert (other["conversation_id"], other["told"]) == (neighbours_talk, False)
        assert (told, again) == ({"sent": 1, "skipped": 0}, {"sent": 0, "skipped": 1})

        # The neighbour reads it below the answer that it corrects. Nobody else hears a thing.
        await neighbour.hear("signal", event="message.changed")
        [read] = await changed_after(neighbour, neighbours_talk, neighbours_answer["rev"])
        assert (read["text"], read["corrects"]) == (SORRY, neighbours_answer["id"])
        assert (read["author"]["kind"], read["author"]["name"]) == ("staff", "Ben")
        assert (await ben.get(f"/answers/{mid}/affected"))["items"][0]["told"] is True
        assert await changed_after(stranger, strangers_talk, strangers_answer["rev"]) == []
        assert stranger.heard == []
        history = (await ana.get(f"/answers/{mid}/trace"))["reviews"]
        assert [(each["kind"], each["original_text"]) for each in history] == [
            ("corrected", answer["text"])
        ]


async def test_a_checked_answer_shows_who_stands_for_it(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, _ = two_companies
    await upload(live_service, alder, "handbook.md", WRONG)
    async with (
        live.visitor(live_service, alder) as visitor,
        live.colleague(live_service, alder) as ana,
    ):
        talk, answer = await ask(visitor)

        await ana.call("PUT", f"/answers/{answer['id']}/review", {"kind": "checked"})
        await visitor.hear("signal", event="message.changed", message_id=answer["id"])
        [checked] = await changed_after(visitor, talk, answer["rev"])
        status, withdrawn = await ana.call("DELETE", f"/answers/{answer['id']}/review")

    assert (checked["review"]["kind"], checked["review"]["by"]) == ("checked", "Ana")
    assert checked["text"] == answer["text"]
    assert (status, withdrawn["review"], withdrawn["text"]) == (200, None, answer["text"])

"""Feedback, checks and corrections: whose they are, what they change, and what happens at once."""

import asyncio
from uuid import UUID

import pytest

from chatbot.answering import trace, turns
from chatbot.answering.repair import reviews
from chatbot.answering.repair.feedback import Value
from chatbot.conversations import transcript, wire
from chatbot.conversations.tables import AuthorKind, Visibility
from chatbot.conversations.transcript import Said
from chatbot.database import Database
from chatbot.errors import ChatbotError, Conflict, Invalid, NotFound
from tests.answering import given
from tests.answering.given import Houses
from tests.realtime import hearing
from tests.realtime.conftest import House, hire, say

ROUNDS = 20


async def history(database: Database, house: House, mid: UUID) -> list[tuple[str, str, str]]:
    """(kind, original text, text), the first step first."""
    async with database.transaction(house.org_id) as db:
        steps = await reviews.history(db, house.org_id, mid)
    return [(each.kind, each.original_text, each.text) for each in steps][::-1]


async def test_a_thumb_is_set_changed_and_taken_back(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid = await given.answer(database, house)
    before = await given.message(database, house, mid)
    last_message_at = (await given.talk(database, house)).last_message_at

    down = await given.rate(database, house, mid, -1, "  That is the old price. ")
    up = await given.rate(database, house, mid, 1)
    back = await given.rate(database, house, mid, 0, "no matter")

    assert down.feedback == wire.Feedback(-1, "That is the old price.")
    assert up.feedback == wire.Feedback(1, None)
    assert back.feedback is None
    assert [each.version - before.version for each in (down, up, back)] == [1, 2, 3]
    assert [each.rev - before.rev for each in (down, up, back)] == [1, 2, 3]
    assert (back.seq, back.created_at, back.text) == (before.seq, before.created_at, before.text)
    talk = await given.talk(database, house)
    assert (talk.rev, talk.last_message_at) == (back.rev, last_message_at)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ((-1, "wrong"), (-1, "wrong")),
        ((-1, "wrong"), (-1, " wrong ")),
        ((-1, "wrong"), (-1, None)),
        ((-1, "wrong"), (-1, "  ")),
        ((1, None), (1, None)),
        ((0, None), (0, "whatever")),
    ],
)
async def test_the_same_thumb_again_changes_nothing(
    database: Database,
    houses: Houses,
    first: tuple[Value, str | None],
    again: tuple[Value, str | None],
) -> None:
    house, _ = houses
    mid = await given.answer(database, house)
    once = await given.rate(database, house, mid, *first)

    twice = await given.rate(database, house, mid, *again)

    assert twice == once
    assert (await given.talk(database, house)).rev == once.rev


async def test_a_reason_may_follow_the_thumb(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid = await given.answer(database, house)
    await given.rate(database, house, mid, -1)

    rated = await given.rate(database, house, mid, -1, "The lid has 12 months.")

    assert rated.feedback == wire.Feedback(-1, "The lid has 12 months.")


@pytest.mark.parametrize("reason", ["x" * 501, "\0", "a\ud800b"])
async def test_a_reason_that_cannot_be_kept_is_refused(
    database: Database, houses: Houses, reason: str
) -> None:
    house, _ = houses
    mid = await given.answer(database, house)

    with pytest.raises(Invalid):
        await given.rate(database, house, mid, -1, reason)

    assert (await given.message(database, house, mid)).feedback is None


async def test_only_what_the_assistant_said_is_rated_and_reviewed(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    question = await given.ask(database, house)
    reply = await say(database, house, "Hello, this is Robin.")
    note = await say(database, house, "A friend.", visibility=Visibility.INTERNAL)
    async with database.transaction(house.org_id) as db:
        talk = await transcript.lock(db, house.org_id, house.conversation_id)
        joined, _ = await transcript.say(db, talk, Said(AuthorKind.SYSTEM, "Robin joined.", ""))

    for message_id in (question.id, reply.id, joined.id):
        with pytest.raises(Conflict, match="not_an_answer"):
            await given.rate(database, house, message_id, 1)
        with pytest.raises(Conflict, match="not_an_answer"):
            await given.check(database, house.staff, message_id)
    with pytest.raises(NotFound):
        await given.rate(database, house, note.id, 1)


async def test_nobody_else_rates_or_reviews(database: Database, houses: Houses) -> None:
    house, foreign = houses
    neighbour = await given.another_visitor(database, house)
    mid = await given.answer(database, house)
    before = await given.message(database, house, mid)

    for stranger in (neighbour, foreign):
        with pytest.raises(NotFound):
            await given.rate(database, stranger, mid, -1)
    for act in (given.check, given.withdraw):
        with pytest.raises(NotFound):
            await act(database, foreign.staff, mid)
    with pytest.raises(NotFound):
        await given.correct(database, foreign.staff, mid, "Never.")
    async with database.transaction(foreign.org_id) as db:
        with pytest.raises(NotFound):
            await trace.read(db, foreign.org_id, mid)

    assert await given.message(database, house, mid) == before
    assert await history(database, house, mid) == []


async def test_an_answer_that_is_written_again_waits_for_its_end(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    mid = await given.answer(database, house, status="stopped")
    await given.write_again(database, house, mid)

    refused: list[ChatbotError] = []
    for act in (
        given.rate(database, house, mid, -1),
        given.check(database, house.staff, mid),
        given.correct(database, house.staff, mid, "12 months."),
        given.withdraw(database, house.staff, mid),
    ):
        with pytest.raises(Conflict) as error:
            await act
        refused.append(error.value)

    assert {(each.code, each.retry) for each in refused} == {("answer_running", "backoff")}


async def test_who_checked_first_is_named(database: Database, houses: Houses) -> None:
    house, _ = houses
    second = await hire(database, house.org_id)
    mid = await given.answer(database, house)

    checked = await given.check(database, house.staff, mid)
    again = await given.check(database, second, mid)
    taken_back = await given.withdraw(database, second, mid)
    nothing_left = await given.withdraw(database, second, mid)

    assert checked.review is not None
    assert (checked.review.kind, checked.review.by) == ("checked", "Robin")
    assert again == checked
    assert taken_back.review is None
    assert nothing_left == taken_back
    steps = await history(database, house, mid)
    assert steps == [("checked", given.TEXT, given.TEXT), ("withdrawn", given.TEXT, given.TEXT)]


async def test_a_correction_takes_the_place_of_the_text_and_is_heard(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    mid = await given.answer(database, house, [given.passage(), given.passage()], status="stopped")
    before = await given.message(database, house, mid)
    heard: hearing.Found = []

    async with hearing.noting(database, house, heard):
        corrected = await given.correct(
            database, house.staff, mid, " It lasts 24 months [1], the lid 12 [2, 7] or so [3]. "
        )

    assert corrected.text == "It lasts 24 months [1], the lid 12 [2] or so."
    assert corrected.review is not None
    assert (corrected.review.kind, corrected.review.by) == ("corrected", "Robin")
    # What a colleague wrote is whole, and nothing to be unsure of.
    assert (corrected.sources, corrected.status) == (before.sources, "complete")
    assert corrected.confidence == "answered"
    assert (corrected.seq, corrected.version) == (before.seq, before.version + 1)
    changed = [payload for _, event, payload in heard if event == "message.changed"]
    assert [(each["message_id"], each["version"]) for each in changed] == [
        (str(mid), corrected.rev)
    ]
    assert "24 months" not in str(heard)
    assert (await given.said(database, house))[-1] == corrected


async def test_a_second_correction_replaces_the_first_and_the_original_comes_back(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    second = await hire(database, house.org_id)
    mid = await given.answer(database, house)

    first = await given.correct(database, house.staff, mid, "24 months.")
    same = await given.correct(database, second, mid, "24 months.")
    other = await given.correct(database, second, mid, "12 months.")
    with pytest.raises(Conflict, match="already_corrected"):
        await given.check(database, house.staff, mid)
    restored = await given.withdraw(database, house.staff, mid)
    corrected_anew = await given.correct(database, house.staff, mid, "6 months.")

    assert same == first
    assert (other.text, restored.text, restored.review) == ("12 months.", given.TEXT, None)
    assert corrected_anew.text == "6 months."
    assert await history(database, house, mid) == [
        ("corrected", given.TEXT, "24 months."),
        ("corrected", given.TEXT, "12 months."),
        ("withdrawn", given.TEXT, given.TEXT),
        ("corrected", given.TEXT, "6 months."),
    ]


async def test_a_checked_answer_may_be_corrected_after_all(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    mid = await given.answer(database, house)
    await given.check(database, house.staff, mid)

    corrected = await given.correct(database, house.staff, mid, "12 months.")
    restored = await given.withdraw(database, house.staff, mid)

    assert corrected.review is not None
    assert corrected.review.kind == "corrected"
    assert (restored.text, restored.review) == (given.TEXT, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (given.TEXT, "unchanged"),
        (f" {given.TEXT}\n", "unchanged"),
        ("", "empty_message"),
        (" [9] ", "empty_message"),
        ("x" * 24_001, "message_too_long"),
        ("a\0b", "bad_text"),
    ],
)
async def test_a_correction_that_is_none_is_refused(
    database: Database, houses: Houses, text: str, code: str
) -> None:
    house, _ = houses
    mid = await given.answer(database, house, [given.passage(), given.passage()])

    with pytest.raises(Invalid, match=code):
        await given.correct(database, house.staff, mid, text)

    assert (await given.message(database, house, mid)).review is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("So it is [1].", "So it is [1]."),
        ("So it is [4].", "So it is."),
        ("[4]", ""),
        ("Both [1, 2, 4] say so", "Both [1][2] say so"),
        ("[link](https://example.org) and [2021]", "[link](https://example.org) and [2021]"),
        ("a[1]b[4]c", "a[1]bc"),
        ("one [4]\n[2] two", "one\n[2] two"),
    ],
)
def test_only_markers_that_name_a_source_are_kept(text: str, kept: str) -> None:
    assert reviews.only_known(text, {1, 2}) == kept


async def test_two_colleagues_at_once_both_stand_in_the_history(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    second = await hire(database, house.org_id)
    mid = await given.answer(database, house)

    results = await asyncio.gather(
        given.correct(database, house.staff, mid, "24 months."),
        given.correct(database, second, mid, "12 months."),
    )

    stored = await given.message(database, house, mid)
    last = max(results, key=lambda each: each.rev)
    assert stored == last
    assert abs(results[0].rev - results[1].rev) == 1
    steps = await history(database, house, mid)
    assert {original for _, original, _ in steps} == {given.TEXT}
    assert sorted(text for *_, text in steps) == ["12 months.", "24 months."]
    assert (await given.withdraw(database, second, mid)).text == given.TEXT


async def test_two_who_check_at_once_are_one_check(database: Database, houses: Houses) -> None:
    house, _ = houses
    second = await hire(database, house.org_id)
    mid = await given.answer(database, house)

    one, two = await asyncio.gather(
        given.check(database, house.staff, mid), given.check(database, second, mid)
    )

    assert one == two
    assert len(await history(database, house, mid)) == 1


async def test_correcting_while_the_visitor_rates_loses_neither(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    mid = await given.answer(database, house)
    now = before = await given.message(database, house, mid)

    for number in range(1, ROUNDS + 1):
        value: Value = 1 if number % 2 else -1
        await asyncio.gather(
            given.correct(database, house.staff, mid, f"{number} months."),
            given.rate(database, house, mid, value, f"reason {number}"),
        )
        now = await given.message(database, house, mid)
        assert (now.text, now.feedback) == (
            f"{number} months.",
            wire.Feedback(value, f"reason {number}"),
        )

    assert (now.rev - before.rev, now.version - before.version) == (2 * ROUNDS, 2 * ROUNDS)
    assert (await given.talk(database, house)).rev == now.rev


async def test_a_thumb_on_an_old_answer_settles_no_open_question(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    mid = await given.answer(database, house)
    await given.take(database, house)
    await given.release(database, house)
    await given.ask(database, house, "And the lid?")

    await given.rate(database, house, mid, -1)
    async with database.transaction(house.org_id, actor="system") as db:
        asked = await turns.begin(db, house.org_id, house.conversation_id)

    assert asked is not None
    assert asked.question == "And the lid?"
    assert given.TEXT in [each.text for each in asked.history]

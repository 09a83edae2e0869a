"""Correction notices: who got the same wrong passage, and that each of them is told once."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chatbot.answering import turns
from chatbot.answering.repair import notices
from chatbot.answering.repair.notices import Affected, Told
from chatbot.conversations import handoff, transcript, wire
from chatbot.conversations.tables import AuthorKind, Conversation
from chatbot.database import Database, new_id, utc_now
from chatbot.errors import Conflict, NotFound
from tests.answering import given
from tests.answering.given import Houses
from tests.realtime import hearing
from tests.realtime.conftest import House, hire, say

SORRY = "We told you 36 months. It is 24 months."


async def affected(database: Database, house: House, mid: UUID) -> list[Affected]:
    async with database.transaction(house.org_id, actor=house.staff.actor) as db:
        return (await notices.affected(db, house.org_id, mid, None)).items


async def told(database: Database, house: House) -> list[wire.Message]:
    """The notices in the house's conversation."""
    return [each for each in await given.said(database, house) if each.corrects is not None]


async def wronged(
    database: Database, house: House, count: int = 1
) -> tuple[UUID, list[House], list[UUID]]:
    """A wrong answer of the house's, and that many other visitors who got the same passage: its id,
    they, and the ids of their answers.
    """
    wrong = given.passage()
    mid = await given.answer(database, house, [wrong])
    others = [await given.another_visitor(database, house) for _ in range(count)]
    return mid, others, [await given.answer(database, each, [wrong]) for each in others]


async def test_others_who_got_the_same_passage_are_listed_the_newest_first(
    database: Database, houses: Houses
) -> None:
    house, foreign = houses
    wrong, right = given.passage(), given.passage()
    mid = await given.answer(database, house, [right, wrong])
    older, newer, other = [await given.another_visitor(database, house) for _ in range(3)]
    got_it = await given.answer(database, older, [wrong], question="Q " * 100)
    await given.answer(database, other, [given.passage()])
    await given.answer(database, house, [wrong])
    got_it_too = await given.answer(database, newer, [given.passage(), wrong])
    await given.answer(database, foreign, [wrong, right])

    found = await affected(database, house, mid)

    assert [each.message_id for each in found] == [got_it_too, got_it]
    assert [each.conversation_id for each in found] == [
        newer.conversation_id,
        older.conversation_id,
    ]
    assert [each.asked for each in found] == [given.QUESTION, ("Q " * 100)[:140]]
    assert found[0].visitor == wire.Named(newer.visitor.visitor_id, None)
    assert not any(each.told for each in found)


async def test_the_same_passage_id_of_another_document_is_another_passage(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    wrong = given.passage()
    mid = await given.answer(database, house, [wrong])
    other = await given.another_visitor(database, house)
    await given.answer(database, other, [given.Passage(new_id(), wrong.passage_id)])

    assert await affected(database, house, mid) == []


async def test_an_answer_without_sources_affects_nobody(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid = await given.answer(database, house)
    await given.answer(database, await given.another_visitor(database, house))

    assert await affected(database, house, mid) == []


async def test_a_long_list_comes_in_pages(
    database: Database, houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "PAGE", 2)
    house, _ = houses
    wrong = given.passage()
    mid = await given.answer(database, house, [wrong])
    other = await given.another_visitor(database, house)
    ids = [await given.answer(database, other, [wrong]) for _ in range(5)]

    pages: list[list[UUID]] = []
    after: UUID | None = None
    while not pages or after is not None:
        async with database.transaction(house.org_id) as db:
            page = await notices.affected(db, house.org_id, mid, after)
        pages.append([each.message_id for each in page.items])
        after = UUID(page.next) if page.next else None

    newest_first = ids[::-1]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]


async def test_whoever_is_told_is_told_once(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid, (one, two), ids = await wronged(database, house, 2)
    colleague = await hire(database, house.org_id)

    first = await notices.tell(database, house.staff, mid, ids[:1], SORRY)
    flags = {each.message_id: each.told for each in await affected(database, house, mid)}
    second = await notices.tell(database, colleague, mid, [*ids, *ids], f"{SORRY} Sorry.")
    third = await notices.tell(database, house.staff, mid, ids, SORRY)

    assert flags == {ids[0]: True, ids[1]: False}
    assert (first, second, third) == (Told(1, 0), Told(1, 1), Told(0, 2))
    [notice], [other] = await told(database, one), await told(database, two)
    assert (notice.text, notice.corrects, notice.status) == (SORRY, ids[0], "complete")
    assert notice.author == wire.Author(AuthorKind.STAFF, house.staff.staff_id, "Robin")
    assert (notice.seq, notice.visibility) == (3, "public")
    assert other.author.id == colleague.staff_id
    assert all(each.told for each in await affected(database, house, mid))


async def test_a_notice_for_one_wrong_answer_counts_for_the_other(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    wrong = given.passage()
    mid = await given.answer(database, house, [wrong])
    neighbour = await given.another_visitor(database, house)
    also_wrong = await given.answer(database, neighbour, [wrong])
    third = await given.another_visitor(database, house)
    got_it = await given.answer(database, third, [wrong])

    await notices.tell(database, house.staff, mid, [got_it], SORRY)
    again = await notices.tell(database, house.staff, also_wrong, [got_it], SORRY)

    assert again == Told(0, 1)
    assert len(await told(database, third)) == 1


async def test_who_was_told_of_one_passage_is_not_told_of_another(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    lid, base = given.passage(), given.passage()
    about_lid = await given.answer(database, house, [lid])
    neighbour = await given.another_visitor(database, house)
    about_base = await given.answer(database, neighbour, [base])
    about_both = await given.answer(database, neighbour, [base, lid])
    third = await given.another_visitor(database, house)
    got_it = await given.answer(database, third, [lid, base])

    async def flag(mid: UUID) -> bool:
        found = await affected(database, house, mid)
        return next(each.told for each in found if each.message_id == got_it)

    first = await notices.tell(database, house.staff, about_lid, [got_it], SORRY)
    flags = [await flag(each) for each in (about_lid, about_base, about_both)]
    second = await notices.tell(database, house.staff, about_base, [got_it], "Nor does the base.")
    third_time = await notices.tell(database, house.staff, about_both, [got_it], SORRY)

    assert (first, second, third_time) == (Told(1, 0), Told(1, 0), Told(0, 1))
    assert flags == [True, False, False]
    assert all([await flag(each) for each in (about_lid, about_base, about_both)])
    assert [each.text for each in await told(database, third)] == [SORRY, "Nor does the base."]


async def test_two_wrong_answers_in_one_conversation_get_one_notice(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    wrong = given.passage()
    mid = await given.answer(database, house, [wrong])
    other = await given.another_visitor(database, house)
    ids = [await given.answer(database, other, [wrong]) for _ in range(2)]

    result = await notices.tell(database, house.staff, mid, ids, SORRY)

    assert result == Told(1, 1)
    assert [each.corrects for each in await told(database, other)] == [ids[1]]
    assert all(each.told for each in await affected(database, house, mid))


async def test_who_gets_it_again_after_the_notice_can_be_told_again(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    wrong = given.passage()
    mid = await given.answer(database, house, [wrong])
    other = await given.another_visitor(database, house)
    first = await given.answer(database, other, [wrong])
    await notices.tell(database, house.staff, mid, [first], SORRY)
    second = await given.answer(database, other, [wrong])

    flags = {each.message_id: each.told for each in await affected(database, house, mid)}
    result = await notices.tell(database, house.staff, mid, [first, second], SORRY)

    assert flags == {first: True, second: False}
    assert result == Told(1, 1)
    assert [each.corrects for each in await told(database, other)] == [first, second]


async def test_two_presses_at_once_tell_nobody_twice(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid, others, ids = await wronged(database, house, 5)
    colleague = await hire(database, house.org_id)

    results = await asyncio.gather(
        notices.tell(database, house.staff, mid, ids, SORRY),
        notices.tell(database, colleague, mid, ids[::-1], SORRY),
        notices.tell(database, house.staff, mid, ids, SORRY),
    )

    assert sum(each.sent for each in results) == 5
    assert sum(each.skipped for each in results) == 10
    assert [len(await told(database, each)) for each in others] == [1] * 5


async def test_an_ended_conversation_stays_ended_and_a_taken_one_taken(
    database: Database, houses: Houses
) -> None:
    house, _ = houses
    mid, (closed, taken), ids = await wronged(database, house, 2)
    await given.close(database, closed)
    await given.take(database, taken)
    colleague = await hire(database, house.org_id)
    heard: hearing.Found = []

    async with hearing.noting(database, closed, heard):
        result = await notices.tell(database, colleague, mid, ids, SORRY)

    assert result == Told(2, 0)
    assert len(await told(database, closed)) == len(await told(database, taken)) == 1
    assert (await given.talk(database, closed)).closed_at is not None
    async with database.transaction(house.org_id) as db:
        open_handoff = await handoff.find_open(db, await given.talk(database, taken))
    assert open_handoff is not None
    assert open_handoff.taken_by_id == house.staff.staff_id
    assert ("conversation_messages", "message.changed") in hearing.kinds(heard)
    assert ("visitor_conversations", "conversation.changed") in hearing.kinds(heard)


async def test_a_notice_answers_no_open_question(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid, [other], [got_it] = await wronged(database, house)
    await given.ask(database, other, "And the lid?")

    await notices.tell(database, house.staff, mid, [got_it], SORRY)

    now = utc_now()
    async with database.transaction() as db:
        found = await db.execute(
            text("select conversation_id from lookup.open_questions(:since, :before)"),
            {"since": now - timedelta(minutes=1), "before": now + timedelta(minutes=1)},
        )
        assert other.conversation_id in set(found.scalars())
    async with database.transaction(house.org_id, actor="system") as db:
        asked = await turns.begin(db, house.org_id, other.conversation_id)
    assert asked is not None
    assert asked.question == "And the lid?"


async def test_a_notice_calls_no_bot(database: Database, houses: Houses) -> None:
    house, _ = houses
    mid, [other], [got_it] = await wronged(database, house)

    await notices.tell(database, house.staff, mid, [got_it], SORRY)

    async with database.transaction(house.org_id, actor="system") as db:
        assert await turns.begin(db, house.org_id, other.conversation_id) is None


async def test_only_affected_answers_can_be_named(database: Database, houses: Houses) -> None:
    house, foreign = houses
    wrong = given.passage()
    mid = await given.answer(database, house, [wrong])
    other = await given.another_visitor(database, house)
    got_it = await given.answer(database, other, [wrong])
    unnamed = {
        "own conversation": await given.answer(database, house, [wrong]),
        "another passage": await given.answer(database, other, [given.passage()]),
        "another organisation": await given.answer(database, foreign, [wrong]),
        "a question": (await given.ask(database, other)).id,
        "nothing": new_id(),
    }

    refused: set[str] = set()
    for named in unnamed.values():
        with pytest.raises(NotFound) as error:
            await notices.tell(database, house.staff, mid, [got_it, named], SORRY)
        refused.add(str(error.value))

    assert len(refused) == 1
    assert "not_affected" in refused.pop()
    assert await told(database, other) == []
    assert await told(database, foreign) == []


async def test_only_an_answer_of_the_own_organisation_has_others(
    database: Database, houses: Houses
) -> None:
    house, foreign = houses
    mid = await given.answer(database, house, [given.passage()])
    reply = await say(database, house, "Hello")

    with pytest.raises(NotFound):
        await affected(database, foreign, mid)
    with pytest.raises(NotFound):
        await notices.tell(database, foreign.staff, mid, [mid], SORRY)
    with pytest.raises(Conflict, match="not_an_answer"):
        await affected(database, house, reply.id)


async def test_a_conversation_that_is_gone_meanwhile_is_skipped(
    database: Database, houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = houses
    mid, (gone, stays), ids = await wronged(database, house, 2)
    lock = transcript.lock

    async def late(db: AsyncSession, org_id: UUID, conversation_id: UUID) -> Conversation:
        if conversation_id == gone.conversation_id:
            async with database.transaction(house.org_id) as other:
                await other.delete(await lock(other, org_id, conversation_id))
        return await lock(db, org_id, conversation_id)

    monkeypatch.setattr(transcript, "lock", late)

    result = await notices.tell(database, house.staff, mid, ids, SORRY)

    assert result == Told(1, 1)
    assert len(await told(database, stays)) == 1


async def test_after_a_failure_halfway_the_next_press_tells_the_rest(
    database: Database, houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = houses
    mid, others, ids = await wronged(database, house, 3)
    last = max(each.conversation_id for each in others)
    lock = transcript.lock

    async def breaking(db: AsyncSession, org_id: UUID, conversation_id: UUID) -> Conversation:
        if conversation_id == last:
            raise ConnectionError
        return await lock(db, org_id, conversation_id)

    monkeypatch.setattr(transcript, "lock", breaking)
    with pytest.raises(ConnectionError):
        await notices.tell(database, house.staff, mid, ids, SORRY)
    monkeypatch.undo()
    result = await notices.tell(database, house.staff, mid, ids, SORRY)

    assert result == Told(1, 2)
    assert [len(await told(database, each)) for each in others] == [1] * 3

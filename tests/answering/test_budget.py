"""What a day may cost is kept to, whatever happens at once and however a turn ends."""

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from chatbot.answering import recovery, turns
from chatbot.answering.models.model import Usage
from chatbot.answering.spending import budget
from chatbot.answering.spending import overview as spending
from chatbot.answering.spending.overview import Choice, Overview
from chatbot.answering.tables import Answer, AnswerModel, Ending, Spending
from chatbot.answering.trace import Trace
from chatbot.answering.turns import Outcome
from chatbot.conversations import transcript
from chatbot.conversations.tables import Conversation
from chatbot.database import Database, new_id, utc_now
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from chatbot.settings import Limits
from chatbot.visitors.tables import VisitorRecord
from tests import live
from tests.answering import shop
from tests.answering.script import Script
from tests.conftest import Cluster

ROOMY = Limits()
TOKENS = 1_000
TODAY = datetime(2031, 5, 4, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Turn:
    """A running turn, and whose days it counts in."""

    org_id: UUID
    site_id: UUID
    visitor_id: UUID
    conversation_id: UUID
    mid: UUID


async def new_site(database: Database, org: Org) -> UUID:
    async with database.transaction(org.id, actor="system") as db:
        site = await sites.create_site(
            db, org.id, name="Site", allowed_origins=["https://example.org"]
        )
    return site.id


async def new_turn(
    database: Database, org: Org, site_id: UUID, visitor_id: UUID | None = None
) -> Turn:
    """A turn that runs, of a new visitor unless one is named."""
    turn = Turn(org.id, site_id, visitor_id or new_id(), new_id(), new_id())
    async with database.transaction(org.id, actor="system") as db:
        if visitor_id is None:
            db.add(VisitorRecord(org_id=org.id, id=turn.visitor_id, site_id=site_id, locale=""))
            await db.flush()
        db.add(
            Conversation(
                org_id=org.id,
                id=turn.conversation_id,
                site_id=site_id,
                visitor_id=turn.visitor_id,
                client_id=new_id().hex,
            )
        )
        await db.flush()
        db.add(
            Answer(
                org_id=org.id,
                id=turn.mid,
                conversation_id=turn.conversation_id,
                question_rev=1,
                model="a model",
            )
        )
    return turn


async def reserve(
    database: Database, turn: Turn, tokens: int = TOKENS, limits: Limits = ROOMY
) -> str | None:
    async with database.transaction(turn.org_id, actor="system") as db:
        return await budget.reserve(db, turn.org_id, turn.mid, tokens=tokens, limits=limits)


async def end(database: Database, turn: Turn, outcome: Outcome) -> None:
    async with database.transaction(turn.org_id, actor="system") as db:
        conversation = await transcript.lock(db, turn.org_id, turn.conversation_id)
        answer = await turns.find_running(db, conversation)
        assert answer is not None
        await turns.end(db, conversation, answer, outcome)


def ended(status: Ending, tokens: int, cost: float | None = None) -> Outcome:
    half = tokens // 2
    trace = Trace(route="model", prompt_tokens=half, completion_tokens=tokens - half, cost=cost)
    return Outcome(status=status, text="Some words.", trace=trace)


async def spent(
    database: Database, org_id: UUID, day: date | None = None
) -> dict[str, tuple[int, int]]:
    """(answers, tokens) of a day by scope, over all sites and visitors."""
    async with database.transaction(org_id) as db:
        rows = await db.execute(
            select(
                Spending.scope,
                func.sum(Spending.answers).label("answers"),
                func.sum(Spending.tokens).label("tokens"),
            )
            .where(Spending.org_id == org_id, Spending.day == (day or utc_now().date()))
            .group_by(Spending.scope)
        )
        return {row.scope: (row.answers, int(row.tokens)) for row in rows}


async def overview(database: Database, org_id: UUID) -> Overview:
    async with database.transaction(org_id) as db:
        return await spending.read(db, org_id, ROOMY)


def same(answers: int, tokens: int) -> dict[str, tuple[int, int]]:
    return dict.fromkeys(("visitor", "site", "org"), (answers, tokens))


async def test_a_hundred_turns_at_once_at_the_edge_spend_what_is_left_and_no_more(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    both = await new_site(database, alder), await new_site(database, alder)
    limits = Limits(tokens_per_org_day=100_000)
    first = await new_turn(database, alder, both[0])
    assert await reserve(database, first, 99_000, limits) is None
    waiting = [await new_turn(database, alder, both[n % 2]) for n in range(100)]

    refused = await asyncio.gather(*(reserve(database, turn, 100, limits) for turn in waiting))

    assert (refused.count(None), refused.count("org")) == (10, 90)
    assert await spent(database, alder.id) == same(11, 100_000)


@pytest.mark.parametrize("scope", ["visitor", "site", "org"])
@pytest.mark.parametrize("unit", ["answers", "tokens"])
async def test_whose_share_is_used_up_is_said_and_nobody_is_charged(
    database: Database, two_orgs: tuple[Org, Org], scope: str, unit: str
) -> None:
    alder, _ = two_orgs
    site_id = await new_site(database, alder)
    one = await new_turn(database, alder, site_id)
    another = await new_turn(database, alder, site_id, one.visitor_id)
    limits = Limits(**{f"{unit}_per_{scope}_day": 1 if unit == "answers" else 2 * TOKENS - 1})

    assert await reserve(database, one, limits=limits) is None
    assert await reserve(database, another, limits=limits) == scope

    assert await spent(database, alder.id) == same(1, TOKENS)


@pytest.mark.parametrize("status", ["complete", "stopped", "failed", "withdrawn", "interrupted"])
@pytest.mark.parametrize(
    ("used", "counted"),
    [(0, (0, 0)), (300, (1, 300)), (TOKENS, (1, TOKENS)), (2_500, (1, 2_500))],
)
async def test_every_ending_settles_what_was_reserved(
    database: Database,
    two_orgs: tuple[Org, Org],
    status: Ending,
    used: int,
    counted: tuple[int, int],
) -> None:
    alder, _ = two_orgs
    turn = await new_turn(database, alder, await new_site(database, alder))
    await reserve(database, turn)

    await end(database, turn, ended(status, used))

    assert await spent(database, alder.id) == same(*counted)
    async with database.transaction(alder.id) as db:
        answer = await db.get_one(Answer, (alder.id, turn.mid))
    assert (answer.reserved_tokens, answer.reserved_on) == (0, None)


async def test_a_turn_that_asked_no_model_leaves_no_trace_in_the_budget(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    turn = await new_turn(database, alder, await new_site(database, alder))

    await end(database, turn, ended("complete", 0))

    assert await spent(database, alder.id) == {}


async def test_what_a_dead_process_used_nobody_knows_and_its_reservation_stands(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    turn = await new_turn(database, alder, await new_site(database, alder))
    await reserve(database, turn)
    async with database.transaction(alder.id, actor="system") as db:
        await db.execute(
            update(Answer)
            .where(Answer.org_id == alder.id, Answer.id == turn.mid)
            .values(heartbeat_at=utc_now() - timedelta(minutes=1))
        )

    await recovery.interrupt_stale(database)

    assert await spent(database, alder.id) == same(1, TOKENS)


async def test_a_second_attempt_is_not_charged_again_but_a_retry_of_an_ended_answer_is(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    turn = await new_turn(database, alder, await new_site(database, alder))

    assert await reserve(database, turn) is None
    assert await reserve(database, turn, limits=Limits(answers_per_visitor_day=1)) is None
    assert await spent(database, alder.id) == same(1, TOKENS)

    await end(database, turn, ended("failed", 400))
    async with database.transaction(alder.id, actor="system") as db:
        await db.execute(
            update(Answer)
            .where(Answer.org_id == alder.id, Answer.id == turn.mid)
            .values(status="running", attempt=2)
        )
    assert await reserve(database, turn, limits=Limits(answers_per_visitor_day=1)) == "visitor"
    assert await reserve(database, turn) is None
    assert await spent(database, alder.id) == same(2, TOKENS + 400)


async def test_a_turn_that_has_ended_may_ask_no_model(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    turn = await new_turn(database, alder, await new_site(database, alder))
    await end(database, turn, ended("stopped", 0))

    assert await reserve(database, turn) == "ended"

    assert await spent(database, alder.id) == {}


async def test_midnight_opens_a_new_day_and_yesterdays_turn_is_settled_yesterday(
    database: Database, two_orgs: tuple[Org, Org], monkeypatch: pytest.MonkeyPatch
) -> None:
    alder, _ = two_orgs
    limits = Limits(answers_per_org_day=1)
    site_id = await new_site(database, alder)
    late, refused, early = [await new_turn(database, alder, site_id) for _ in range(3)]
    monkeypatch.setattr(budget, "utc_now", lambda: TODAY)
    assert await reserve(database, late, limits=limits) is None
    assert await reserve(database, refused, limits=limits) == "org"

    tomorrow = TODAY + timedelta(hours=12)
    monkeypatch.setattr(budget, "utc_now", lambda: tomorrow)
    assert await reserve(database, early, limits=limits) is None
    await end(database, late, ended("complete", 700))

    assert await spent(database, alder.id, TODAY.date()) == {
        "visitor": (1, 700),
        "site": (1, 700),
        "org": (1, 700),
    }
    assert await spent(database, alder.id, tomorrow.date()) == same(1, TOKENS)


@pytest.mark.parametrize(
    ("own", "of_three"),
    [
        ({}, 2),
        ({1: None}, 2),
        ({1: None, 2: b"sealed"}, 2),
        ({1: b"sealed"}, 3),
    ],
    ids=["no model", "no key", "a key for its second", "a key for its first"],
)
async def test_an_organisation_may_allow_less_than_the_install_and_more_when_it_pays(
    database: Database, two_orgs: tuple[Org, Org], own: dict[int, bytes | None], of_three: int
) -> None:
    alder, birch = two_orgs
    async with database.transaction(alder.id, actor="system") as db:
        for rank, key in own.items():
            db.add(AnswerModel(org_id=alder.id, rank=rank, model="own", key_sealed=key))
    limits = Limits(answers_per_site_day=2)

    async def answered(org: Org) -> int:
        site_id = await new_site(database, org)
        waiting = [await new_turn(database, org, site_id) for _ in range(4)]
        return [await reserve(database, turn, limits=limits) for turn in waiting].count(None)

    assert await answered(alder) == 2
    for allowed, counted in ((1, 1), (3, of_three), (0, 0), (None, 2)):
        async with database.transaction(alder.id, actor="system") as db:
            choice = Choice("site", answers_per_day=allowed)
            await spending.set_allowances(db, alder.id, [choice], by_id=new_id())
        assert await answered(alder) == counted
        assert await answered(birch) == 2


async def test_what_one_organisation_spends_another_does_not_see(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, birch = two_orgs
    limits = Limits(answers_per_org_day=1)
    mine = await new_turn(database, alder, await new_site(database, alder))
    theirs = await new_turn(database, birch, await new_site(database, birch))

    assert await reserve(database, mine, limits=limits) is None
    assert await reserve(database, theirs, limits=limits) is None
    await end(database, mine, ended("complete", 600, cost=0.0012))

    here, there = await overview(database, alder.id), await overview(database, birch.id)
    assert (here.today.answers, here.today.tokens, here.today.cost) == (1, 600, 0.0012)
    assert (there.today.answers, there.today.tokens, there.today.cost) == (1, TOKENS, None)


async def test_turns_of_one_visitor_that_begin_and_end_at_once_do_not_wait_for_each_other_for_ever(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    site_id = await new_site(database, alder)
    first = await new_turn(database, alder, site_id)
    all_turns = [first] + [
        await new_turn(database, alder, site_id, first.visitor_id) for _ in range(30)
    ]

    async def run(turn: Turn) -> None:
        await reserve(database, turn)
        await asyncio.sleep(random.random() / 50)
        await end(database, turn, ended("complete", 10))

    await asyncio.gather(*(run(turn) for turn in all_turns))

    assert await spent(database, alder.id) == same(31, 310)


async def test_the_overview_tells_fourteen_days_and_who_has_nothing_left(
    database: Database, two_orgs: tuple[Org, Org]
) -> None:
    alder, _ = two_orgs
    site_id = await new_site(database, alder)
    async with database.transaction(alder.id, actor="system") as db:
        choice = Choice("visitor", answers_per_day=3, tokens_per_day=2_500)
        await spending.set_allowances(db, alder.id, [choice], by_id=new_id())
    for tokens in (2_000, 100):
        await reserve(database, await new_turn(database, alder, site_id), tokens)

    found = await overview(database, alder.id)

    assert found.today.visitors_at_limit == 1
    assert [day.day for day in found.days] == [
        utc_now().date() - timedelta(days=ago) for ago in range(14)
    ]
    assert [day.answers for day in found.days] == [2] + [0] * 13
    by_scope = {each.scope: each for each in found.allowances}
    assert (by_scope["visitor"].answers_per_day, by_scope["visitor"].tokens_per_day) == (3, 2_500)
    assert by_scope["org"].answers_per_day is None
    assert by_scope["org"].default_answers_per_day == ROOMY.answers_per_org_day


async def test_visitors_days_are_forgotten_after_a_month_and_all_after_thirteen(
    database: Database, two_orgs: tuple[Org, Org], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spending, "FORGOTTEN_AT_ONCE", 2)
    alder, birch = two_orgs
    ages = (29, 31, 399, 401)
    for org in two_orgs:
        async with database.transaction(org.id, actor="system") as db:
            for scope in ("visitor", "org"):
                for age in ages:
                    day = utc_now().date() - timedelta(days=age)
                    db.add(Spending(org_id=org.id, day=day, scope=scope, owner_id=org.id))

    async def forget() -> None:
        async with database.transaction(alder.id, actor="system") as db:
            await spending.forget_old(db, alder.id)

    await forget()
    assert len(await _left(database, alder)) == 6
    await forget()

    assert await _left(database, alder) == {("visitor", 29), ("org", 29), ("org", 31), ("org", 399)}
    assert len(await _left(database, birch)) == 8


async def _left(database: Database, org: Org) -> set[tuple[str, int]]:
    today = utc_now().date()
    async with database.transaction(org.id) as db:
        rows = await db.scalars(select(Spending).where(Spending.org_id == org.id))
        return {(row.scope, (today - row.day).days) for row in rows}


async def test_whoever_has_used_up_the_day_is_quoted_to_and_nobody_else_is(
    cluster: Cluster,
) -> None:
    limits, model = Limits(answers_per_visitor_day=1), Script(usage=Usage(90, 10))
    async with shop.running(cluster, model=model, limits=limits) as (running, alder):
        texts: list[list[str]] = []
        for _ in range(2):
            async with live.visitor(running, alder) as visitor:
                talk = await visitor.begin()
                said: list[str] = []
                for _ in range(2):
                    await visitor.emit("send", live.question(shop.QUESTION, talk))
                    said.append((await visitor.answer())[0])
                texts.append(said)
        found = await overview(running.database, alder.org_id)
        async with running.database.transaction(alder.org_id) as db:
            traces = (await db.scalars(select(Answer.trace).order_by(Answer.started_at))).all()

    for by_model, quoted in texts:
        assert by_model == "It lasts 36 months [1]."
        assert "lasts 36 months from the day of purchase" in quoted
    assert [(trace or {})["degraded"] for trace in traces] == [[], ["over_budget_visitor"]] * 2
    assert (found.today.answers, found.today.tokens) == (2, 200)


async def test_all_staff_read_the_budget_and_only_an_administrator_sets_it(
    live_service: live.Live, two_companies: tuple[live.Company, live.Company]
) -> None:
    alder, birch = two_companies
    wanted = {"scope": "visitor", "answers_per_day": 0, "tokens_per_day": None}

    async with (
        live.colleague(live_service, alder, 0) as ana,
        live.colleague(live_service, alder, 1) as ben,
        live.colleague(live_service, birch, 0) as other,
    ):
        refused, _ = await ben.call("PUT", "/org/budget", {"allowances": [wanted]})
        status, _ = await ana.call("PUT", "/org/budget", {"allowances": [wanted]})
        seen = await ben.get("/org/budget")
        foreign = await other.get("/org/budget")

    def chosen(found: live.Json) -> list[int | None]:
        return [each["answers_per_day"] for each in found["allowances"]]

    assert (refused, status) == (403, 200)
    assert chosen(seen) == [0, None, None]
    assert chosen(foreign) == [None, None, None]
    assert set(seen["today"]) == {"answers", "tokens", "cost", "visitors_at_limit"}
    assert len(seen["days"]) == 14


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "team", "answers_per_day": 5, "tokens_per_day": None},
        {"scope": "org", "answers_per_day": -1, "tokens_per_day": None},
        {"scope": "org", "answers_per_day": 2**31, "tokens_per_day": None},
        {"scope": "org", "answers_per_day": 5, "tokens_per_day": 10**13},
        {"scope": "org", "answers_per_day": 5, "tokens_per_day": None, "org_id": str(new_id())},
        {"scope": "org"},
    ],
)
async def test_an_allowance_that_cannot_be_meant_is_refused(
    live_service: live.Live,
    two_companies: tuple[live.Company, live.Company],
    body: live.Json,
) -> None:
    async with live.colleague(live_service, two_companies[0]) as ana:
        status, reply = await ana.call("PUT", "/org/budget", {"allowances": [body]})
        found = await ana.get("/org/budget")

    assert (status, reply["error"]["code"]) == (400, "invalid_request")
    assert [each["answers_per_day"] for each in found["allowances"]] == [None] * 3

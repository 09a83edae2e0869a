"""Old screens, brought up to date by signals alone, show what fresh ones show: for every verb."""

import inspect
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text

from chatbot.answering import recovery, turns
from chatbot.answering.repair import feedback, notices, reviews
from chatbot.answering.turns import Asked, Outcome
from chatbot.conversations import episodes, handoff, transcript
from chatbot.conversations.tables import AuthorKind, Conversation, Message, Visibility
from chatbot.conversations.transcript import Said
from chatbot.database import Database, new_id
from chatbot.jobs import Jobs
from chatbot.library import crawling, faqtable, ingest, rewording
from chatbot.library.rewording import Edit
from chatbot.settings import Limits
from knowledge import claims, faqs, index, overrides, versions
from knowledge.ingest import ingest_next
from knowledge.models import Models
from knowledge.overrides import Decision
from knowledge.tables import Document, Passage, Status
from knowledge.web import crawl
from knowledge.web.crawl import Wanted
from tests.answering import given
from tests.knowledge.shelves import LOCAL
from tests.realtime import screens
from tests.realtime.conftest import House, build_house

MODULES: tuple[ModuleType, ...] = (
    *(transcript, handoff, episodes, turns, recovery, feedback, reviews, notices),
    *(ingest, crawling, faqtable, rewording, index, versions, overrides, faqs, claims, crawl),
)
MODELS = Models(LOCAL)
TEXT = "The kettle has a warranty of two years.\n\nIt boils a litre in two minutes."


@dataclass
class World:
    """One organisation in which verbs are tried."""

    database: Database
    house: House
    jobs: Jobs

    def as_visitor(self) -> Any:
        return self.database.transaction(self.house.org_id, actor=self.house.visitor.actor)

    def as_staff(self) -> Any:
        return self.database.transaction(self.house.org_id, actor=self.house.staff.actor)

    async def lock(self, db: Any) -> Conversation:
        return await transcript.lock(db, self.house.org_id, self.house.conversation_id)

    async def asked(self) -> Asked:
        """A turn that runs, for a question that was just put."""
        await given.ask(self.database, self.house)
        async with self.as_visitor() as db:
            begun = await turns.begin(db, self.house.org_id, self.house.conversation_id)
        assert begun is not None
        return begun

    async def taken(self) -> None:
        """Something was said, and a colleague took the conversation over."""
        await given.ask(self.database, self.house)
        async with self.as_staff() as db:
            await handoff.take(db, await self.lock(db), self.house.staff)

    async def document(self, body: str = TEXT, *, name: str = "kettle.txt") -> Document:
        """A document that waits to be taken in."""
        async with self.as_staff() as db:
            return await index.add(db, self.house.org_id, name=name, body=body.encode())

    async def work_off(self) -> None:
        while await ingest_next(self.database.transaction, MODELS, self.house.org_id):
            pass

    async def passage(self) -> Passage:
        """A passage of a document that is ready."""
        document = await self.document()
        await self.work_off()
        async with self.as_staff() as db:
            return (await index.passages(db, self.house.org_id, document.id))[0]

    async def website(self) -> crawl.Crawl:
        async with self.as_staff() as db:
            return await crawl.add(db, self.house.org_id, Wanted(url="https://www.example.org/"))

    async def faq(self, **changed: Any) -> faqs.Entry:
        draft = faqs.Draft(question="How long is the warranty?", answer="Two years.", **changed)
        return await faqs.save(self.database.transaction, MODELS, self.house.org_id, draft)


Story = Callable[[World], AsyncGenerator[None]]
"""What is given, a `yield` at which the old screens are read, and what is done."""


# ── Conversations ─────────────────────────────────────────────────────────────────────────────────


async def begin(world: World) -> AsyncGenerator[None]:
    yield
    async with world.as_visitor() as db:
        await transcript.begin(db, world.house.visitor, new_id().hex, most=10)


async def visitor_says(world: World) -> AsyncGenerator[None]:
    yield
    await given.ask(world.database, world.house)


async def first_question(world: World) -> AsyncGenerator[None]:
    yield
    house = await given.another_conversation(world.database, world.house)
    await given.ask(world.database, house)


async def staff_says(world: World) -> AsyncGenerator[None]:
    await world.taken()
    yield
    async with world.as_staff() as db:
        said = Said(AuthorKind.STAFF, "Good morning.", "Robin", world.house.staff.staff_id)
        await handoff.say(db, await world.lock(db), world.house.staff, said)


async def staff_notes(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_staff() as db:
        hidden = Visibility.INTERNAL
        said = Said(AuthorKind.STAFF, "Hm.", "Robin", world.house.staff.staff_id, visibility=hidden)
        await handoff.say(db, await world.lock(db), world.house.staff, said)


async def note(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_staff() as db:
        await transcript.note(db, await world.lock(db), "Robin is looking.")


async def revise(world: World) -> AsyncGenerator[None]:
    said = await given.ask(world.database, world.house)
    yield
    async with world.as_staff() as db:
        talk = await world.lock(db)
        message = await db.get_one(Message, (world.house.org_id, said.id))
        message.text = "Other words."
        await transcript.revise(db, talk, message)


async def request(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_visitor() as db:
        by = world.house.visitor.actor
        await handoff.request(db, await world.lock(db), by=by, reason="It leaks.")


async def take(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    async with world.as_visitor() as db:
        by = world.house.visitor.actor
        await handoff.request(db, await world.lock(db), by=by, reason=None)
    yield
    async with world.as_staff() as db:
        await handoff.take(db, await world.lock(db), world.house.staff)


async def step_in(world: World) -> AsyncGenerator[None]:
    yield
    async with world.as_staff() as db:
        await handoff.take(db, await world.lock(db), world.house.staff)


async def release(world: World) -> AsyncGenerator[None]:
    await world.taken()
    yield
    async with world.as_staff() as db:
        await handoff.release(db, await world.lock(db), world.house.staff)


async def close(world: World) -> AsyncGenerator[None]:
    await world.taken()
    yield
    async with world.as_staff() as db:
        await handoff.close(db, await world.lock(db), world.house.staff)


async def come_back(world: World) -> AsyncGenerator[None]:
    async for _ in close(world):
        pass
    yield
    async with world.as_visitor() as db:
        talk = await world.lock(db)
        before = talk.last_message_at
        said = Said(AuthorKind.VISITOR, "Me again.", "", world.house.visitor.visitor_id)
        message, _ = await transcript.say(db, talk, said)
        assert await episodes.come_back(db, talk, message, before)


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────


async def turn_begins(world: World) -> AsyncGenerator[None]:
    await given.ask(world.database, world.house)
    yield
    async with world.as_visitor() as db:
        assert await turns.begin(db, world.house.org_id, world.house.conversation_id)


async def turn_begins_again(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    await given.ask(world.database, world.house, "And the lid?")
    yield
    async with world.as_visitor() as db:
        assert await turns.begin_again(db, asked)


async def turn_finishes(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        outcome = Outcome(status="complete", text="Two years.", confidence="answered")
        await turns.finish(db, asked, outcome)


async def turn_fails_and_calls_nobody(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        talk = await world.lock(db)
        answer = await turns.find_running(db, talk)
        assert answer is not None
        assert answer.id == asked.mid
        await turns.end(db, talk, answer, Outcome(status="failed", text="Two", error_code="x"))


async def turn_calls_a_person(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        outcome = Outcome(status="complete", text="I call somebody.", calls_person=True)
        await turns.finish(db, asked, outcome)


async def turn_is_tried_again(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    async with world.as_visitor() as db:
        await turns.finish(db, asked, Outcome(status="failed", text="Two", error_code="x"))
    yield
    async with world.as_visitor() as db:
        again = await turns.retry(db, await world.lock(db), asked.mid)
    async with world.as_visitor() as db:
        await turns.finish(db, again, Outcome(status="complete", text="Two years."))


async def stop_is_asked(world: World) -> AsyncGenerator[None]:
    await world.asked()
    yield
    async with world.as_visitor() as db:
        assert await turns.request_stop(db, await world.lock(db))


async def checkpoint(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    yield
    async with world.as_visitor() as db:
        far = [(asked.mid, asked.attempt, "Two", 1)]
        assert await recovery.checkpoint(db, world.house.org_id, far) == {asked.mid: None}


async def process_dies(world: World) -> AsyncGenerator[None]:
    asked = await world.asked()
    async with world.as_visitor() as db:
        values = {"org": world.house.org_id, "id": asked.mid}
        statement = (
            "update answers set partial_text = 'Two', heartbeat_at = now() - interval '1 hour'"
            " where org_id = :org and id = :id"
        )
        await db.execute(text(statement), values)
    yield
    await recovery.interrupt_stale(world.database)


async def thumbs_down(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    yield
    async with world.as_visitor() as db:
        await feedback.give(db, world.house.visitor, mid, -1, "That is wrong.")


async def answer_is_checked(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    yield
    async with world.as_staff() as db:
        await reviews.check(db, world.house.staff, mid)


async def answer_is_corrected(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    yield
    async with world.as_staff() as db:
        await reviews.correct(db, world.house.staff, mid, "Three years.")


async def correction_is_taken_back(world: World) -> AsyncGenerator[None]:
    mid = await given.answer(world.database, world.house)
    async with world.as_staff() as db:
        await reviews.correct(db, world.house.staff, mid, "Three years.")
    yield
    async with world.as_staff() as db:
        await reviews.withdraw(db, world.house.staff, mid)


async def others_are_told(world: World) -> AsyncGenerator[None]:
    cited = [given.passage()]
    mid = await given.answer(world.database, world.house, cited)
    other = await given.another_conversation(world.database, world.house)
    theirs = await given.answer(world.database, other, cited)
    yield
    staff = world.house.staff
    await notices.tell(world.database, staff, mid, [theirs], "We were wrong.")


# ── The knowledge base ────────────────────────────────────────────────────────────────────────────


async def upload(world: World) -> AsyncGenerator[None]:
    yield
    async with world.as_staff() as db:
        org_id = world.house.org_id
        await ingest.add(
            db, world.jobs, org_id, name="lid.txt", body=TEXT.encode(), limits=Limits()
        )


async def document_is_taken_in(world: World) -> AsyncGenerator[None]:
    await world.document()
    yield
    await world.work_off()


async def document_says_the_same(world: World) -> AsyncGenerator[None]:
    await world.document()
    await world.work_off()
    await world.document(TEXT + "\n\n\n")
    yield
    await world.work_off()


async def document_progresses(world: World) -> AsyncGenerator[None]:
    await world.document()
    async with world.as_staff() as db:
        claim = await claims.claim(db, world.house.org_id)
    assert claim is not None
    yield
    async with world.as_staff() as db:
        assert await claims.progress(db, claim, 0.5, Status.INDEXING)


async def document_fails(world: World) -> AsyncGenerator[None]:
    await world.document()
    async with world.as_staff() as db:
        claim = await claims.claim(db, world.house.org_id)
    assert claim is not None
    yield
    async with world.as_staff() as db:
        assert await claims.fail(db, claim, "unreadable", "It cannot be read.")


async def document_goes_back(world: World) -> AsyncGenerator[None]:
    await world.document()
    async with world.as_staff() as db:
        claim = await claims.claim(db, world.house.org_id)
    assert claim is not None
    yield
    async with world.as_staff() as db:
        assert await claims.release(db, claim)


async def document_is_tried_again(world: World) -> AsyncGenerator[None]:
    document = await world.document()
    async with world.as_staff() as db:
        claim = await claims.claim(db, world.house.org_id)
        assert claim is not None
        await claims.fail(db, claim, "unreadable", "It cannot be read.")
    yield
    async with world.as_staff() as db:
        await ingest.retry(db, world.jobs, world.house.org_id, document.id)


async def version_is_restored(world: World) -> AsyncGenerator[None]:
    document = await world.document()
    await world.work_off()
    await world.document("The kettle has no warranty at all.")
    await world.work_off()
    yield
    async with world.as_staff() as db:
        await ingest.restore(db, world.jobs, world.house.org_id, document.id, 1)


async def document_is_labelled(world: World) -> AsyncGenerator[None]:
    document = await world.document()
    yield
    async with world.as_staff() as db:
        await index.label(db, world.house.org_id, document.id, ["partners"])


async def document_is_deleted(world: World) -> AsyncGenerator[None]:
    document = await world.document()
    await world.work_off()
    yield
    async with world.as_staff() as db:
        await index.delete(db, world.house.org_id, document.id)


async def passage_is_reworded(world: World) -> AsyncGenerator[None]:
    passage = await world.passage()
    yield
    edit = Edit(text="The kettle has a warranty of three years.")
    await rewording.change(world.database, MODELS, world.house.staff, passage.id, edit)


async def passage_is_hidden(world: World) -> AsyncGenerator[None]:
    passage = await world.passage()
    [vector] = await LOCAL.embed([passage.text])
    yield
    async with world.as_staff() as db:
        decision = Decision(text=None, disabled=True)
        staff, model = world.house.staff.actor, LOCAL.model
        await overrides.decide(
            db, world.house.org_id, passage.id, decision, by=staff, model=model, vector=vector
        )


async def faq_is_saved(world: World) -> AsyncGenerator[None]:
    yield
    await world.faq()


async def faq_is_changed(world: World) -> AsyncGenerator[None]:
    entry = await world.faq()
    yield
    draft = faqs.Draft(question="How long?", answer="Three years.", variants=("How many years?",))
    transactions = world.database.transaction
    await faqs.save(transactions, MODELS, world.house.org_id, draft, faq_id=entry.id)


async def faq_is_no_longer_word_for_word(world: World) -> AsyncGenerator[None]:
    entry = await world.faq()
    yield
    draft = faqs.Draft(
        question="How long is the warranty?", answer="Two years.", word_for_word=False
    )
    transactions = world.database.transaction
    await faqs.save(transactions, MODELS, world.house.org_id, draft, faq_id=entry.id)


async def faq_is_deleted(world: World) -> AsyncGenerator[None]:
    entry = await world.faq()
    yield
    async with world.as_staff() as db:
        await faqs.delete_one(db, world.house.org_id, entry.id)


async def faqs_are_imported(world: World) -> AsyncGenerator[None]:
    yield
    table = b"question,answer\nHow heavy is it?,A kilo.\nHow tall is it?,A foot.\n"
    staff = world.house.staff
    await faqtable.take_in(world.database, MODELS, staff, table, dry_run=False, most=100)


async def crawl_is_added(world: World) -> AsyncGenerator[None]:
    yield
    async with world.as_staff() as db:
        wanted = Wanted(url="https://www.example.org/")
        await crawling.add(db, world.jobs, world.house.org_id, wanted, crawls_max=5)


async def crawl_is_changed(world: World) -> AsyncGenerator[None]:
    made = await world.website()
    yield
    async with world.as_staff() as db:
        await crawling.change(db, world.house.org_id, made.id, {"depth": 1})


async def crawl_is_run(world: World) -> AsyncGenerator[None]:
    made = await world.website()
    async with world.as_staff() as db:
        await crawl.stop(db, await crawl.get(db, world.house.org_id, made.id, lock=True))
    yield
    async with world.as_staff() as db:
        await crawling.run_now(db, world.jobs, world.house.org_id, made.id)


async def crawl_is_removed(world: World) -> AsyncGenerator[None]:
    made = await world.website()
    yield
    actor = world.house.staff.actor
    await crawling.remove(
        world.database, world.house.org_id, made.id, actor=actor, keep_documents=False
    )


async def crawl_begins(world: World) -> AsyncGenerator[None]:
    await world.website()
    yield
    async with world.as_staff() as db:
        assert await crawl.claim(db, world.house.org_id, lease_s=60)


async def crawl_ends(world: World) -> AsyncGenerator[None]:
    await world.website()
    async with world.as_staff() as db:
        held = await crawl.claim(db, world.house.org_id, lease_s=60)
    assert held is not None
    yield
    async with world.as_staff() as db:
        await crawl.finish(db, held, None, failed=False)


async def crawl_is_handed_on(world: World) -> AsyncGenerator[None]:
    await world.website()
    async with world.as_staff() as db:
        held = await crawl.claim(db, world.house.org_id, lease_s=60)
    assert held is not None
    yield
    async with world.as_staff() as db:
        held = await crawl.hold(db, held, lease_s=60)
        await crawl.release(db, held)


VERBS: dict[Callable[..., Any], tuple[Story, ...]] = {
    transcript.begin: (begin,),
    transcript.say: (visitor_says, first_question),
    transcript.revise: (revise,),
    transcript.note: (note,),
    handoff.request: (request,),
    handoff.take: (take, step_in),
    handoff.release: (release,),
    handoff.close: (close,),
    handoff.say: (staff_says, staff_notes),
    episodes.come_back: (come_back,),
    turns.begin: (turn_begins,),
    turns.begin_again: (turn_begins_again,),
    turns.finish: (turn_finishes, turn_calls_a_person),
    turns.end: (turn_fails_and_calls_nobody,),
    turns.retry: (turn_is_tried_again,),
    turns.request_stop: (stop_is_asked,),
    recovery.checkpoint: (checkpoint,),
    recovery.interrupt_stale: (process_dies,),
    feedback.give: (thumbs_down,),
    reviews.check: (answer_is_checked,),
    reviews.correct: (answer_is_corrected,),
    reviews.withdraw: (correction_is_taken_back,),
    notices.tell: (others_are_told,),
    ingest.add: (upload,),
    ingest.retry: (document_is_tried_again,),
    ingest.restore: (version_is_restored,),
    index.add: (upload,),
    index.retry: (document_is_tried_again,),
    index.label: (document_is_labelled,),
    index.delete: (document_is_deleted,),
    index.lock_by_name: (upload,),
    index.begin_version: (upload,),
    index.drop_older_files: (document_is_taken_in,),
    versions.restore: (version_is_restored,),
    claims.claim: (document_is_taken_in,),
    claims.progress: (document_progresses,),
    claims.is_unchanged: (document_says_the_same,),
    claims.replace_passages: (document_is_taken_in,),
    claims.fail: (document_fails,),
    claims.release: (document_goes_back,),
    overrides.decide: (passage_is_hidden,),
    rewording.change: (passage_is_reworded,),
    faqs.save: (faq_is_saved, faq_is_no_longer_word_for_word),
    faqs.put: (faq_is_changed,),
    faqs.delete_one: (faq_is_deleted,),
    faqtable.take_in: (faqs_are_imported,),
    crawling.add: (crawl_is_added,),
    crawling.change: (crawl_is_changed,),
    crawling.run_now: (crawl_is_run,),
    crawling.remove: (crawl_is_removed,),
    crawl.add: (crawl_is_added,),
    crawl.change: (crawl_is_changed,),
    crawl.run_now: (crawl_is_run,),
    crawl.stop: (crawl_is_removed,),
    crawl.remove: (crawl_is_removed,),
    crawl.forget: (crawl_is_removed,),
    crawl.claim: (crawl_begins,),
    crawl.hold: (crawl_is_handed_on,),
    crawl.release: (crawl_is_handed_on,),
    crawl.finish: (crawl_ends,),
}

# These read, lock or prepare. `overrides.forget` drops a decision that no passage obeys: no screen
# of a document or passage shows another thing after it.
READERS: set[Callable[..., Any]] = {
    *(transcript.lock, transcript.lock_message, transcript.get, transcript.since),
    *(transcript.public_revs, transcript.recent),
    *(handoff.is_with_staff, handoff.find_open, handoff.open_handoffs, episodes.earlier),
    *(turns.find_running, turns.conversation_of, turns.live, recovery.overlooked),
    *(reviews.history, notices.affected),
    *(index.check_room, index.documents, index.get, index.passages, index.lock, index.labels),
    *(index.kept_files, versions.listed, claims.is_waiting, claims.body_part),
    *(overrides.decisions, overrides.get_passage, overrides.listed, overrides.forget),
    *(faqs.prepare, faqs.begin_writing, faqs.is_outdated, faqs.get, faqs.entries, faqs.page),
    *(faqs.names, faqs.lock),
    *(crawl.get, crawl.crawls, crawl.pages, crawl.counts, crawl.check, crawl.is_due),
}

STORIES = {story.__name__: story for stories in VERBS.values() for story in stories}


def test_every_verb_of_these_rooms_is_in_the_table() -> None:
    found = {
        function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }

    assert VERBS.keys() & READERS == set()
    assert found == VERBS.keys() | READERS


@pytest.mark.parametrize("name", STORIES)
async def test_signals_bring_old_screens_up_to_date(name: str, database: Database) -> None:
    world = World(database, await build_house(database), Jobs(database.url))
    story = STORIES[name](world)
    await anext(story)
    seen = await screens.watch(database, world.house)

    with pytest.raises(StopAsyncIteration):
        await anext(story)

    reduced = await screens.reduce(seen, await screens.signals_since(seen))
    assert reduced == await screens.fresh(database, world.house)

"""What happens to documents, questions with answers and websites, a story for each verb."""

from collections.abc import AsyncGenerator

from chatbot.library import crawling, faqtable, ingest, rewording
from chatbot.library.rewording import Edit
from chatbot.settings import Limits
from knowledge import claims, faqs, index, overrides
from knowledge.overrides import Decision
from knowledge.tables import Status
from knowledge.web import crawl
from knowledge.web.crawl import Wanted
from tests.knowledge.shelves import LOCAL
from tests.realtime.world import MODELS, TEXT, World


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

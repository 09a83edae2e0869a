"""Earlier versions of a document: what is kept of them, and the way back."""

import pytest
from sqlalchemy import select

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import index, ingest, versions
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.tables import DocumentVersion, Status
from tests.knowledge import shelves

OLD = "Parcels are sent on Mondays only, by bicycle."
NEW = "Parcels are sent on every working day, by van."


async def test_an_earlier_version_comes_back_as_the_newest(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    document = await shelves.put(database, alder, "shipping.txt", OLD)
    await shelves.put(database, alder, "shipping.txt", NEW)

    async with database.transaction(alder.id) as db:
        restored = await versions.restore(db, alder.id, document.id, 1)
    assert (restored.status, restored.live_version) == (Status.QUEUED, 2)
    assert "van" in (await shelves.passages(database, alder, document))[0].text
    await ingest.ingest_next(database.transaction, Models(shelves.LOCAL), alder.id)

    assert [row.text for row in await shelves.passages(database, alder, document)] == [OLD]
    async with database.transaction(alder.id) as db:
        listed = await versions.listed(db, alder.id, document.id)
    found = [(one.row.version, one.row.restored_from, one.live, one.restorable) for one in listed]
    assert found == [(3, 1, True, False), (2, None, False, True), (1, None, False, True)]
    async with database.transaction(birch.id) as db:
        for verb in (
            versions.restore(db, birch.id, document.id, 1),
            versions.listed(db, birch.id, document.id),
        ):
            with pytest.raises(KnowledgeError, match="not_found"):
                await verb


async def test_only_the_newest_few_keep_their_bytes(database: Database, two_orgs: tuple[Org, Org]):
    alder, _ = two_orgs
    texts = [f"Open from {number} to 12." for number in range(index.FILES_KEPT + 2)]
    document, *_ = [await shelves.put(database, alder, "hours.txt", each) for each in texts]

    async with database.transaction(alder.id) as db:
        listed = await versions.listed(db, alder.id, document.id)
        with pytest.raises(KnowledgeError, match="not_restorable"):
            await versions.restore(db, alder.id, document.id, 1)
        with pytest.raises(KnowledgeError, match="not_found"):
            await versions.restore(db, alder.id, document.id, 99)

    assert [one.restorable for one in listed] == [False, True, True, True, True, False, False]
    assert (await shelves.counts(database, alder))["document_files"] == index.FILES_KEPT


async def test_other_bytes_that_say_the_same_change_nothing_that_is_found(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await shelves.put(database, alder, "shipping.md", f"# Sending\n\n{OLD}")
    before = [row.id for row in await shelves.passages(database, alder, document)]

    again = await shelves.put(database, alder, "shipping.md", f"# Sending\n\n\n\n{OLD}\n\n")

    assert (again.status, again.version, again.live_version) == (Status.READY, 1, 1)
    assert [row.id for row in await shelves.passages(database, alder, document)] == before
    async with database.transaction(alder.id) as db:
        rows = await db.scalars(
            select(DocumentVersion.version).where(DocumentVersion.org_id == alder.id)
        )
        assert list(rows) == [1]


async def test_deleting_says_how_much_went_and_leaves_nothing(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    await shelves.put(database, birch, "shipping.txt", OLD)
    await shelves.put(database, alder, "shipping.txt", OLD)
    document = await shelves.put(database, alder, "shipping.txt", NEW)
    before = await shelves.counts(database, alder)

    async with database.transaction(alder.id) as db:
        removed = await index.delete(db, alder.id, document.id)

    assert removed == index.Removed(
        passages=1, postings=before["postings"], vectors=1, files=2, versions=2
    )
    assert set((await shelves.counts(database, alder)).values()) == {0}
    assert await shelves.miscounted(database, alder) == []
    assert (await shelves.counts(database, birch))["passages"] == 1


async def test_no_number_is_used_twice_after_a_version_that_failed(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await shelves.put(database, alder, "shipping.txt", OLD)
    failed = await shelves.put(database, alder, "shipping.txt", "?!? …")
    assert (failed.status, failed.error_code, failed.live_version) == ("failed", "no_text", 1)

    async with database.transaction(alder.id) as db:
        await versions.restore(db, alder.id, document.id, 1)
    await ingest.ingest_next(database.transaction, Models(shelves.LOCAL), alder.id)
    again = await shelves.put(database, alder, "shipping.txt", NEW)

    assert (again.status, again.live_version) == ("ready", 3)


async def test_versions_that_fail_do_not_pile_up_nor_push_out_the_live_one(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await shelves.put(database, alder, "shipping.txt", OLD)

    for number in range(index.FILES_KEPT + 3):
        await shelves.put(database, alder, "shipping.txt", "?!" * (number + 1))

    assert (await shelves.counts(database, alder))["document_files"] == index.FILES_KEPT
    async with database.transaction(alder.id) as db:
        assert 1 in await index.kept_files(db, await index.get(db, alder.id, document.id))

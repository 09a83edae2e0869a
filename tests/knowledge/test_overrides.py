"""Decisions of people about single passages, and how they outlive the next upload."""

from collections.abc import Sequence

import pytest

from chatbot.database import Database
from chatbot.library import rewording
from chatbot.orgs.tables import Org
from chatbot.staff.login import Staff
from chatbot.staff.tables import Role
from knowledge import index, overrides
from knowledge.embed import LocalEmbedder, Vectors
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.overrides import Decision
from knowledge.tables import Document, Passage, new_id
from tests.knowledge import shelves

WARRANTY = (
    "The warranty of the kettle lasts two years. It covers the heating element, the lid and the "
    "switch, but not the chalk that hard water leaves behind. Keep the receipt; without it nothing "
    "can be done for you, however kindly you ask, and please do not send the kettle by post."
)
RETURNS = (
    "A kettle may come back within thirty days in its box. We pay the postage when it was broken "
    "on arrival, and you pay it when you only changed your mind; a form for the way back lies in "
    "every box, and you can have another one by e-mail if yours was thrown away with the packaging."
)
MANUAL = f"# Warranty\n\n{WARRANTY}\n\n# Returns\n\n{RETURNS}"


async def decide(database: Database, org: Org, passage: Passage, decision: Decision) -> Passage:
    [vector] = await shelves.LOCAL.embed([decision.text or passage.text])
    async with database.transaction(org.id) as db:
        return await overrides.decide(
            db,
            org.id,
            passage.id,
            decision,
            by="staff:x",
            model=shelves.LOCAL.model,
            vector=vector,
        )


async def manual(database: Database, org: Org) -> tuple[Document, list[Passage]]:
    document = await shelves.put(database, org, "manual.md", MANUAL)
    found = list(await shelves.passages(database, org, document))
    assert len(found) == 2
    return document, found


async def test_a_passage_that_is_switched_off_is_found_no_more_and_can_come_back(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document, [warranty, _] = await manual(database, alder)

    off = await decide(database, alder, warranty, Decision(None, True))
    while_off = await shelves.find(database, alder, "How long does the warranty last?")
    assert await shelves.miscounted(database, alder) == []
    await decide(database, alder, warranty, Decision(None, False))
    after = await shelves.find(database, alder, "How long does the warranty last?")

    assert off.disabled
    assert warranty.id not in {hit.passage.id for hit in while_off.hits}
    assert after.hits[0].passage.id == warranty.id
    assert await shelves.miscounted(database, alder) == []
    async with database.transaction(alder.id) as db:
        assert await overrides.listed(db, await index.get(db, alder.id, document.id)) == []


async def test_other_words_are_found_and_outlive_the_next_version(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    document, [warranty, returns] = await manual(database, alder)
    corrected = WARRANTY.replace("two years", "five years on the samovar")

    edited = await decide(database, alder, warranty, Decision(corrected, False))
    await decide(database, alder, returns, Decision(None, True))
    await shelves.put(database, alder, "manual.md", MANUAL + "\n\n# More\n\n" + WARRANTY[::-1])

    assert (edited.text, edited.original) == (corrected, WARRANTY)
    now = await shelves.passages(database, alder, document)
    assert [(row.text, row.original, row.disabled) for row in now[:2]] == [
        (corrected, WARRANTY, False),
        (RETURNS, None, True),
    ]
    found = await shelves.find(database, alder, "samovar")
    assert found.hits[0].passage.text == corrected
    assert await shelves.miscounted(database, alder) == []
    assert (await shelves.find(database, birch, "samovar")).hits == []


async def test_a_decision_waits_while_the_document_says_something_else(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document, [warranty, _] = await manual(database, alder)
    await decide(database, alder, warranty, Decision("Ask us about the warranty.", False))
    anchor = overrides.anchor(WARRANTY)

    async with database.transaction(alder.id) as db:
        with pytest.raises(KnowledgeError, match="override_in_use"):
            await overrides.forget(db, alder.id, document.id, anchor)
    await shelves.put(database, alder, "manual.md", f"# Returns\n\n{RETURNS}")
    async with database.transaction(alder.id) as db:
        [(row, applies)] = await overrides.listed(db, await index.get(db, alder.id, document.id))
        assert (row.original, applies) == (WARRANTY, False)
    await shelves.put(database, alder, "manual.md", MANUAL)

    assert (await shelves.passages(database, alder, document))[0].text == (
        "Ask us about the warranty."
    )
    await shelves.put(database, alder, "manual.md", f"# Returns\n\n{RETURNS}")
    async with database.transaction(alder.id) as db:
        await overrides.forget(db, alder.id, document.id, anchor)
        with pytest.raises(KnowledgeError, match="not_found"):
            await overrides.forget(db, alder.id, document.id, anchor)


async def test_the_same_words_twice_in_a_document_are_decided_together(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    document = await shelves.put(
        database, alder, "twice.md", f"# One\n\n{WARRANTY}\n\n# Two\n\n{WARRANTY}"
    )
    [first, _] = await shelves.passages(database, alder, document)

    await decide(database, alder, first, Decision(None, True))

    assert all(row.disabled for row in await shelves.passages(database, alder, document))
    assert (await shelves.find(database, alder, "warranty")).hits == []


@pytest.mark.parametrize("text", ["", "  \n", "!?…", "x" * 4_001, "a\x00b", "word " * 790])
def test_a_passage_must_say_something_and_not_too_much(text: str):
    with pytest.raises(KnowledgeError, match="bad_passage"):
        overrides.checked_text(text)


async def test_another_organisations_passage_is_not_there(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, birch = two_orgs
    _, [warranty, _] = await manual(database, alder)

    with pytest.raises(KnowledgeError, match="not_found"):
        await decide(database, birch, warranty, Decision(None, True))


async def test_a_change_that_another_person_made_meanwhile_is_not_undone(
    database: Database, two_orgs: tuple[Org, Org]
):
    alder, _ = two_orgs
    _, [warranty, _] = await manual(database, alder)
    ids = (new_id() for _ in range(3))
    ana = Staff(alder.id, *ids, name="Ana", role=Role.OWNER)

    class Interrupted(LocalEmbedder):
        """While the first change is embedded, somebody switches the passage off."""

        async def embed(self, texts: Sequence[str]) -> Vectors:
            if not (await shelves.passages(database, alder, document))[0].disabled:
                await decide(database, alder, warranty, Decision(None, True))
            return await super().embed(texts)

    document = await shelves.fresh(database, alder, (await documents(database, alder))[0])
    changed = await rewording.change(
        database, Models(Interrupted()), ana, warranty.id, rewording.Edit(text="Ask us.")
    )

    assert (changed.text, changed.disabled) == ("Ask us.", True)


async def documents(database: Database, org: Org) -> Sequence[Document]:
    async with database.transaction(org.id) as db:
        return await index.documents(db, org.id)

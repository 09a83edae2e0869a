"""From one embedding model to another while people ask, and back."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import text

from chatbot.database import Database
from chatbot.jobs import Jobs
from chatbot.library.upkeep import Upkeep
from chatbot.orgs.tables import Org
from knowledge import ingest, preferences, reembed
from knowledge.embed import Vectors
from knowledge.errors import KnowledgeError
from knowledge.models import Models
from knowledge.preferences import Preferences
from knowledge.retrieve import Retriever
from tests.knowledge import shelves


class Sided:
    """A model of three dimensions that knows the words of its own side only."""

    dimensions = 3

    def __init__(self, model: str, word: str) -> None:
        self.model = model
        self._word = word
        self.asked = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += len(texts)
        rows = [[1.0, 0, 0] if self._word in each.lower() else [0, 1.0, 0] for each in texts]
        return np.asarray(rows, np.float32)


OLD, NEW = "old-model", "new-model"


class Install:
    """An install that is configured for one model and can still make the other."""

    def __init__(self, database: Database, current: str) -> None:
        self.made = {OLD: Sided(OLD, "kettle"), NEW: Sided(NEW, "samovar")}
        self.models = Models(self.made[current], self.made.__getitem__)
        self.retriever = Retriever(database.transaction, self.models)
        self.upkeep = Upkeep(database, Jobs(database.url), self.models, "")


async def chosen(database: Database, org: Org) -> Preferences:
    async with database.transaction(org.id) as db:
        return await preferences.get(db, org.id)


async def vectors_of(database: Database, org: Org, model: str) -> int:
    async with database.transaction(org.id) as db:
        return (await reembed.progress(db, org.id, model)).embedded


@pytest.fixture
async def alder(database: Database, two_orgs: tuple[Org, Org]) -> Org:
    """Two passages with vectors of the old model, and another organisation that has some too."""
    before = Install(database, OLD)
    for org in two_orgs:
        await shelves.put(database, org, "kettle.txt", "A kettle boils.", models=before.models)
        await shelves.put(database, org, "samovar.txt", "A samovar sings.", models=before.models)
    return two_orgs[0]


async def test_the_old_model_is_searched_until_the_new_one_has_everything(
    database: Database, alder: Org
):
    after = Install(database, NEW)

    before = await after.retriever.find(alder.id, "kettle?")
    assert after.made[OLD].asked == 1
    await after.upkeep.one(alder.id)
    after.retriever.forget(alder.id)
    found = await after.retriever.find(alder.id, "samovar?")

    assert before.hits[0].vector == 1.0
    assert found.hits[0].vector == 1.0
    now = await chosen(database, alder)
    assert (now.model, now.previous_model, now.next_model) == (NEW, OLD, None)
    assert after.made[OLD].asked == 1
    assert await vectors_of(database, alder, OLD) == 2


async def test_what_is_uploaded_during_a_move_is_not_left_behind(
    database: Database, two_orgs: tuple[Org, Org], alder: Org
):
    after = Install(database, NEW)
    async with database.transaction(alder.id) as db:
        await reembed.begin(db, alder.id, NEW)
        assert not await reembed.cut_over(db, alder.id, NEW, without=set())

    await shelves.put(database, alder, "pan.txt", "A pan fries.", models=after.models)
    assert await vectors_of(database, alder, OLD) == 3
    await after.upkeep.one(alder.id)

    assert await vectors_of(database, alder, NEW) == 3
    assert (await chosen(database, alder)).model == NEW
    assert (await chosen(database, two_orgs[1])).model == OLD


async def test_a_document_that_was_embedded_for_the_model_before_is_embedded_again(
    database: Database, alder: Org
):
    after = Install(database, NEW)

    class Slow(Sided):
        """Embeds so slowly that the move is over meanwhile."""

        async def embed(self, texts: Sequence[str]) -> Vectors:
            if self.asked == 0:
                self.asked = 1
                await after.upkeep.one(alder.id)
            return await super().embed(texts)

    models = Models(after.made[NEW], {OLD: Slow(OLD, "kettle")}.__getitem__)
    document = await shelves.put(database, alder, "pan.txt", "A pan fries.", models=models)

    assert document.status == "ready"
    assert await vectors_of(database, alder, NEW) == 3


async def test_going_back_costs_what_came_since_and_the_install_does_not_insist(
    database: Database, alder: Org
):
    after = Install(database, NEW)
    await after.upkeep.one(alder.id)
    await shelves.put(database, alder, "pan.txt", "A pan fries.", models=after.models)

    async with database.transaction(alder.id) as db:
        await reembed.roll_back(db, alder.id)
    await after.upkeep.one(alder.id)
    await after.upkeep.one(alder.id)

    now = await chosen(database, alder)
    assert (now.model, now.refused_model) == (OLD, NEW)
    assert after.made[OLD].asked == 1
    async with database.transaction(alder.id) as db:
        await reembed.accept(db, alder.id)
    await after.upkeep.one(alder.id)
    assert (await chosen(database, alder)).model == NEW


async def test_a_move_that_is_on_can_be_given_up(database: Database, alder: Org):
    async with database.transaction(alder.id) as db:
        await reembed.begin(db, alder.id, NEW)
        batch = await reembed.lacking(db, alder.id, NEW)
        vectors = await Sided(NEW, "kettle").embed([each.searched for each in batch])
        await reembed.add(db, alder.id, NEW, batch, vectors)

    async with database.transaction(alder.id) as db:
        await reembed.roll_back(db, alder.id)

    now = await chosen(database, alder)
    assert (now.model, now.next_model, now.refused_model) == (OLD, None, NEW)
    assert await vectors_of(database, alder, NEW) == 0


async def test_without_a_model_before_there_is_no_way_back(database: Database, alder: Org):
    async with database.transaction(alder.id) as db:
        with pytest.raises(KnowledgeError, match="no_way_back"):
            await reembed.roll_back(db, alder.id)


async def test_the_old_vectors_go_a_week_after_the_move(database: Database, alder: Org):
    after = Install(database, NEW)
    await after.upkeep.one(alder.id)

    await after.upkeep.one(alder.id)
    assert await vectors_of(database, alder, OLD) == 2
    late = reembed.KEPT + timedelta(minutes=1)
    async with database.transaction(alder.id) as db:
        await db.execute(
            text("update knowledge_settings set switched_at = now() - :late where org_id = :o"),
            {"late": late, "o": alder.id},
        )
    await after.upkeep.one(alder.id)

    assert await vectors_of(database, alder, OLD) == 0
    assert (await chosen(database, alder)).previous_model is None


async def test_words_of_which_the_new_model_knows_nothing_do_not_stop_the_move(
    database: Database, alder: Org
):
    after = Install(database, NEW)

    class Ignorant(Sided):
        async def embed(self, texts: Sequence[str]) -> Vectors:
            return np.zeros((len(texts), 3), np.float32)

    after.made[NEW] = Ignorant(NEW, "")
    models = Models(after.made[NEW], after.made.__getitem__)

    await Upkeep(database, Jobs(database.url), models, "").one(alder.id)

    assert (await chosen(database, alder)).model == NEW


async def test_an_organisation_without_passages_has_no_model_yet(
    database: Database, two_orgs: tuple[Org, Org]
):
    org = two_orgs[0]

    assert (await chosen(database, org)).model is None
    assert not await ingest.ingest_next(database.transaction, Models(shelves.LOCAL), org.id)
    assert reembed.target(preferences.NOTHING_CHOSEN, NEW) is None


async def test_a_model_that_the_install_was_set_to_by_mistake_is_given_up(
    database: Database, alder: Org
):
    mistaken = Install(database, NEW)
    async with database.transaction(alder.id) as db:
        assert await reembed.begin(db, alder.id, NEW) == NEW
        batch = await reembed.lacking(db, alder.id, NEW)
        await reembed.add(db, alder.id, NEW, batch[:1], await mistaken.made[NEW].embed(["x"]))
    corrected = Install(database, OLD)

    await corrected.upkeep.one(alder.id)

    assert (await chosen(database, alder)).next_model is None
    assert await vectors_of(database, alder, NEW) == 0
    assert corrected.made[NEW].asked == 0


async def test_going_back_twice_is_going_back_once(database: Database, alder: Org):
    after = Install(database, NEW)
    await after.upkeep.one(alder.id)

    for _ in range(2):
        async with database.transaction(alder.id) as db:
            await reembed.roll_back(db, alder.id)
    await after.upkeep.one(alder.id)

    assert (await chosen(database, alder)).model == OLD


async def test_what_was_given_up_while_a_batch_was_embedded_is_not_stored(
    database: Database, alder: Org
):
    async with database.transaction(alder.id) as db:
        await reembed.begin(db, alder.id, NEW)
        batch = await reembed.lacking(db, alder.id, NEW)
    async with database.transaction(alder.id) as db:
        await reembed.roll_back(db, alder.id)

    vectors = await Sided(NEW, "kettle").embed([each.searched for each in batch])
    async with database.transaction(alder.id) as db:
        assert not await reembed.add(db, alder.id, NEW, batch, vectors)

    assert await vectors_of(database, alder, NEW) == 0


async def test_a_third_model_leaves_no_vectors_of_the_first(database: Database, alder: Org):
    await Install(database, NEW).upkeep.one(alder.id)
    third = Install(database, NEW)
    third.made["third"] = Sided("third", "pan")
    models = Models(third.made["third"], third.made.__getitem__)

    await Upkeep(database, Jobs(database.url), models, "").one(alder.id)

    now = await chosen(database, alder)
    assert (now.model, now.previous_model) == ("third", NEW)
    assert await vectors_of(database, alder, OLD) == 0

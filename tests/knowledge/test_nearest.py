"""The approximate index of a large organisation: built beside everything else, used, dropped."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from chatbot.database import Database
from chatbot.embedded import Urls
from chatbot.jobs import Jobs
from chatbot.library.upkeep import Upkeep
from chatbot.orgs import sites
from chatbot.orgs.tables import Org
from knowledge import index, nearest, preferences, search, statement
from knowledge.models import Models
from tests.conftest import copy_of
from tests.knowledge import shelves


@pytest.fixture
async def urls(cluster: Urls):
    with copy_of(cluster) as urls:
        yield urls


@pytest.fixture
async def apart(urls: Urls):
    """A database of its own: an index is not of one organisation's rows alone."""
    database = Database(urls.app, connections=4)
    yield database
    await database.close()


async def filled(database: Database, slug: str) -> Org:
    org = await sites.create_org(database, slug, slug=slug)
    animals = ("owl", "fox", "hare", "newt", "wren", "seal", "toad", "lynx", "crane", "mole")
    told = "\n\n".join(f"# The {one}\n\nThe {one} lives in {slug}, quietly." for one in animals)
    await shelves.put(database, org, "animals.md", told)
    return org


def indexes(urls: Urls) -> list[tuple[str, str]]:
    with psycopg.connect(urls.superuser) as link:
        return [
            (row[0], row[1])
            for row in link.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'ix_nearest%'"
            )
        ]


def upkeep(database: Database, urls: Urls) -> Upkeep:
    return Upkeep(database, Jobs(urls.app), Models(shelves.LOCAL), urls.owner)


async def test_past_the_bound_an_organisation_gets_an_index_of_its_own_and_is_searched_by_it(
    apart: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch
):
    alder, birch = await filled(apart, "alder"), await filled(apart, "birch")
    exact = await shelves.find(apart, alder, "Where does the owl live?")
    monkeypatch.setattr(nearest, "APPROXIMATE_FROM_NUMBERS", 256)

    await upkeep(apart, urls).one(alder.id)

    [(name, definition)] = indexes(urls)
    assert alder.id.hex in name
    assert str(alder.id) in definition
    async with apart.transaction(alder.id) as db:
        chosen = await preferences.get(db, alder.id)
        assert (chosen.indexed_model, chosen.indexed_dimensions) == (shelves.LOCAL.model, 256)
        await db.execute(text("set local enable_seqscan = off"))
        await db.execute(text("set local enable_bitmapscan = off"))
        [vector] = await shelves.LOCAL.embed(["Where does the owl live?"])
        found = await search.passages(
            db,
            alder.id,
            "Where does the owl live?",
            vector,
            model=shelves.LOCAL.model,
            preferences=chosen,
        )
    assert [hit.passage.id for hit in found.hits] == [hit.passage.id for hit in exact.hits]
    async with apart.transaction(birch.id) as db:
        assert (await preferences.get(db, birch.id)).indexed_model is None


async def test_the_plan_goes_through_the_index(
    apart: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch
):
    alder = await filled(apart, "alder")
    monkeypatch.setattr(nearest, "APPROXIMATE_FROM_NUMBERS", 256)
    await upkeep(apart, urls).one(alder.id)
    [vector] = await shelves.LOCAL.embed(["owl"])

    async with apart.transaction(alder.id) as db:
        await search.go_through_the_index(db)
        await db.execute(text("set local enable_sort = off"))
        asked = {
            "org": alder.id,
            "model": shelves.LOCAL.model,
            "vector": str(vector.tolist()),
            "question": "owl",
            "asked_in": "simple",
            "signs": [],
            "said": [],
            "meant": [],
            "labels": None,
            "share": 0.5,
            "faq_share": 0.5,
            "limit": 10,
        }
        plan = await db.scalars(text(f"EXPLAIN {statement.searching(256, pool=10)}"), asked)

        assert "ix_nearest_" in "\n".join(plan)


async def test_an_index_left_half_built_is_made_anew_and_two_builders_do_not_meet(
    apart: Database, urls: Urls
):
    alder = await filled(apart, "alder")
    wanted = nearest.Index(alder.id, shelves.LOCAL.model, 256)
    assert await nearest.build(urls.owner, wanted)
    with psycopg.connect(urls.superuser, autocommit=True) as link:
        link.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)",
            [wanted.name],
        )

    built = await asyncio.gather(*(nearest.build(urls.owner, wanted) for _ in range(2)))

    assert any(built)
    with psycopg.connect(urls.superuser) as link:
        row = link.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [wanted.name]
        ).fetchone()
    assert row == (True,)


async def test_of_several_indexes_one_is_made_at_a_time(apart: Database, urls: Urls):
    orgs = [await filled(apart, name) for name in ("alder", "birch", "cedar")]
    wanted = [nearest.Index(org.id, shelves.LOCAL.model, 256) for org in orgs]

    built = await asyncio.gather(*(nearest.build(urls.owner, each) for each in wanted))
    while not all(built):
        built = [await nearest.build(urls.owner, each) for each in wanted]

    assert len(indexes(urls)) == 3


async def test_an_organisation_that_shrank_is_scanned_again(
    apart: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch
):
    alder = await filled(apart, "alder")
    monkeypatch.setattr(nearest, "APPROXIMATE_FROM_NUMBERS", 256)
    await upkeep(apart, urls).one(alder.id)
    assert len(indexes(urls)) == 1

    async with apart.transaction(alder.id) as db:
        [document] = await index.documents(db, alder.id)
        await index.delete(db, alder.id, document.id)
    await upkeep(apart, urls).one(alder.id)

    assert indexes(urls) == []
    async with apart.transaction(alder.id) as db:
        assert (await preferences.get(db, alder.id)).indexed_dimensions is None


async def test_without_the_owners_address_everything_is_scanned_exactly(
    apart: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch
):
    alder = await filled(apart, "alder")
    monkeypatch.setattr(nearest, "APPROXIMATE_FROM_NUMBERS", 256)

    await Upkeep(apart, Jobs(urls.app), Models(shelves.LOCAL), "").one(alder.id)

    assert indexes(urls) == []

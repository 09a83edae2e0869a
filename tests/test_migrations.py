"""Each migration on a database that is in use: what was there before is there after, and found."""

import psycopg
import pytest

from chatbot.database import Database
from chatbot.embedded import BOOTSTRAP_SQL, Urls
from chatbot.orgs import sites
from knowledge import index, preferences, search
from knowledge.embed import LocalEmbedder
from knowledge.tables import Document
from migrations import run
from tests.conftest import Cluster
from tests.knowledge import shelves

ORG = "01990000-0000-7000-8000-000000000001"
DOCUMENT = "01990000-0000-7000-8000-000000000002"
PASSAGE = "01990000-0000-7000-8000-000000000003"
VECTOR = "[" + ",".join(["0.0625"] * 256) + "]"

# As the first schema had them: an organisation with a site and one document that is found.
FIRST = f"""
    insert into orgs (id, slug, name, created_at) values ('{ORG}', 'alder', 'Alder', now());
    insert into sites (org_id, id, key, name, allowed_origins, greeting, starters, side, created_at)
        values ('{ORG}', '{DOCUMENT}', 'pk_x', 'Site', '{{}}', 'Hello', '{{}}', 'end', now());
    insert into documents (org_id, id, name, media_type, size_bytes, sha256, status, version,
            live_version, passages, progress)
        values ('{ORG}', '{DOCUMENT}', 'kettles.txt', 'text/plain', 3, '\\x01', 'ready', 1,
            1, 1, 1);
    insert into document_versions (org_id, document_id, version, sha256, size_bytes, media_type)
        values ('{ORG}', '{DOCUMENT}', 1, '\\x01', 3, 'text/plain');
    insert into passages (org_id, id, document_id, version, ord, text, tokens, cfg, lexemes, n_lex)
        values ('{ORG}', '{PASSAGE}', '{DOCUMENT}', 1, 0, 'Kettles boil, kettles sing.', 8,
            'english', to_tsvector('english', 'kettles boil kettles sing'), 4);
    insert into postings (org_id, lexeme, passage_no, tf, n_lex)
        select org_id, lexeme, no, cardinality(positions), 4 from passages, unnest(lexemes);
    insert into embeddings (org_id, passage_no, model, vector)
        select org_id, no, '{LocalEmbedder.model}', '{VECTOR}' from passages;
    insert into knowledge_stats (org_id, cfg, passages, lexemes) values ('{ORG}', 'english', 1, 4);
"""


@pytest.fixture
def empty(cluster: Cluster) -> Urls:
    """A database with roles and extension, and nothing else."""
    with psycopg.connect(cluster.of("postgres").superuser, autocommit=True) as link:
        link.execute("drop database if exists before")
        link.execute("create database before template template0")
    urls = cluster.of("before")
    with psycopg.connect(urls.superuser) as link:
        link.execute(BOOTSTRAP_SQL.read_bytes())
    return urls


async def test_a_filled_first_schema_becomes_a_library_that_finds_the_same(empty: Urls) -> None:
    run.upgrade(empty.owner, "2026_11_21_first")
    with psycopg.connect(empty.superuser) as link:
        link.execute(FIRST.encode())

    run.upgrade(empty.owner)

    run.check(empty.owner)
    database = Database(empty.app, connections=2)
    [org] = await sites.list_orgs(database)
    assert await shelves.miscounted(database, org) == []
    async with database.transaction(org.id) as db:
        [document] = await index.documents(db, org.id)
        assert (document.kind, document.labels, document.title) == ("file", [], None)
        assert (await preferences.get(db, org.id)).model == LocalEmbedder.model
        [site] = await sites.sites(db, org.id)
        assert site.labels == []
        found = await search.passages(db, org.id, "singing kettle", None, model="")
        assert [str(hit.passage.id) for hit in found.hits] == [PASSAGE]
        removed = await index.delete(db, org.id, document.id)
        assert (removed.passages, removed.postings, removed.vectors) == (1, 3, 1)
        assert await db.get(Document, (org.id, document.id)) is None
    await database.close()


def test_row_level_security_is_forced_again_after_the_data_was_moved(empty: Urls) -> None:
    run.upgrade(empty.owner)

    with psycopg.connect(empty.superuser) as link:
        unforced = link.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind"
            " in ('r', 'p') and not relforcerowsecurity and relname <> 'alembic_version'"
        ).fetchall()
    assert unforced == []

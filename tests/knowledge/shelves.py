"""Short ways to put documents into the knowledge base of a test, and to look at what is there."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chatbot.database import Database
from chatbot.orgs.tables import Org
from knowledge import index, ingest, search
from knowledge.embed import Embedder, LocalEmbedder
from knowledge.models import Models
from knowledge.search import FoundPassage, Hit, SearchResult
from knowledge.tables import Document, DocumentKind, Passage, new_id

LOCAL = LocalEmbedder()
TABLES = ("documents", "document_versions", "document_files", "passages", "postings", "embeddings")


async def put(
    database: Database,
    org: Org,
    name: str,
    body: str,
    *,
    kind: DocumentKind = DocumentKind.FILE,
    labels: Sequence[str] | None = None,
    models: Models | None = None,
) -> Document:
    """A document, taken in and worked off."""
    async with database.transaction(org.id) as db:
        document = await index.add(
            db, org.id, name=name, body=body.encode(), kind=kind, labels=labels
        )
    await ingest.ingest_next(database.transaction, models or Models(LOCAL), org.id)
    return await fresh(database, org, document)


async def fresh(database: Database, org: Org, document: Document) -> Document:
    async with database.transaction(org.id) as db:
        return await index.get(db, org.id, document.id)


async def passages(database: Database, org: Org, document: Document) -> Sequence[Passage]:
    async with database.transaction(org.id) as db:
        return await index.passages(db, org.id, document.id)


async def find(
    database: Database,
    org: Org,
    question: str,
    *,
    labels: Sequence[str] | None = None,
    embedder: Embedder | None = None,
) -> SearchResult:
    embedder = embedder or LOCAL
    [vector] = await embedder.embed([question])
    async with database.transaction(org.id) as db:
        return await search.passages(
            db, org.id, question, vector, model=embedder.model, labels=labels
        )


def found(
    text: str = "", *, passage_id: UUID | None = None, heading: str | None = None, tokens: int = 1
) -> FoundPassage:
    """A passage as if it had been found; no two are the same."""
    return FoundPassage(
        id=passage_id or new_id(),
        no=1,
        document_id=new_id(),
        version=1,
        ord=0,
        kind="document",
        title="",
        url=None,
        heading=heading,
        page=None,
        text=text,
        tokens=tokens,
    )


def hit(
    passage: FoundPassage, *, coverage: float = 1.0, strength: float = 1.0, cosine: float = 0.5
) -> Hit:
    return Hit(
        passage=passage,
        lexical=1.0,
        vector=cosine,
        score=1.0,
        coverage=coverage,
        strength=strength,
    )


async def counts(database: Database, org: Org, *, tables: Sequence[str] = TABLES) -> dict[str, int]:
    """How many rows of each table the organisation has."""
    async with database.transaction(org.id) as db:
        return {
            name: await db.scalar(
                text(f"select count(*) from {name} where org_id = :o"), {"o": org.id}
            )
            or 0
            for name in tables
        }


async def miscounted(database: Database, org: Org) -> list[tuple[str, int, int]]:
    """Words whose noted df is not what their postings say: always none."""
    query = text("""
        select coalesce(known.lexeme, seen.lexeme), coalesce(known.df, 0), coalesce(seen.df, 0)
        from (select lexeme, df from lexemes where org_id = :o) as known
        full join (select lexeme, count(*)::int as df from postings where org_id = :o
                   group by lexeme) as seen using (lexeme)
        where known.df is distinct from seen.df
    """)
    async with database.transaction(org.id) as db:
        return [(row[0], row[1], row[2]) for row in await db.execute(query, {"o": org.id})]

"""The approximate index of a large organisation's vectors: a partial HNSW of its own.

One index for all would lose a small organisation's passages among the others' (with 20 passages
among a million it finds next to none), and every organisation below the bound is scanned exactly,
which is as fast. Building needs the owner of the tables and no transaction; searching goes on
meanwhile.
"""

import hashlib
from typing import Final
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, sql
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge import preferences

# Exact scans cost what they read: 12.8 million numbers are 50,000 passages of 256 dimensions, or
# 8,333 of 1,536, about 15 ms here.
APPROXIMATE_FROM_NUMBERS: Final = 12_800_000
DIMENSIONS_MAX: Final = 4_000
_GIVEN_UP_BELOW: Final = 0.5
_MEMORY: Final = "512MB"
# Twice pgvector's links and three times its care. On 100,000 vectors of made-up text, which lie
# closer together than those of real one, recall@10 is above 0.98 so, and 0.93 with its defaults.
_LINKS: Final = 32
_CARE: Final = 200
_CONNECT_TIMEOUT_S: Final = 5
_PREFIX: Final = "ix_nearest_"

_SIZE: Final = text("""
    SELECT (SELECT coalesce(sum(passages), 0) FROM knowledge_stats WHERE org_id = :org),
        (SELECT vector_dims(vector) FROM embeddings
         WHERE org_id = :org AND model = :model LIMIT 1)
""")


class Index(msgspec.Struct, frozen=True):
    """An approximate index: of whose vectors, made by which model, with how many dimensions."""

    org_id: UUID
    model: str
    dimensions: int

    @property
    def name(self) -> str:
        model = hashlib.sha256(self.model.encode()).hexdigest()[:12]
        return f"{_PREFIX}{self.org_id.hex}_{model}"


async def wanted(db: AsyncSession, org_id: UUID) -> Index | None:
    """The index that the organisation should have; None when it is scanned as fast without one.

    One that is there is kept until the organisation has shrunk to half the bound.
    """
    chosen = await preferences.get(db, org_id)
    if chosen.model is None:
        return None
    row = (await db.execute(_SIZE, {"org": org_id, "model": chosen.model})).one()
    passages, dimensions = int(row[0]), row[1]
    if dimensions is None or dimensions > DIMENSIONS_MAX:
        return None
    has_one = chosen.indexed_model == chosen.model
    bound = APPROXIMATE_FROM_NUMBERS * (_GIVEN_UP_BELOW if has_one else 1)
    return Index(org_id, chosen.model, dimensions) if passages * dimensions >= bound else None


async def note(db: AsyncSession, org_id: UUID, built: Index | None) -> None:
    """Search through `built` from now on, or exactly."""
    row = await preferences.row(db, org_id, lock=True)
    row.indexed_model = built.model if built else None
    row.indexed_dimensions = built.dimensions if built else None
    await db.flush()


async def build(owner_url: str, index: Index) -> bool:
    """Make the index unless it is there; one that a killed process left half-built is made anew.
    False while another one is being made.
    """
    async with await _connect(owner_url) as link:
        if not await _is_alone(link):
            return False
        if await _is_valid(link, index.name):
            return True
        await _drop(link, index.name)
        await link.execute(sql.SQL("SET maintenance_work_mem = {}").format(_MEMORY))
        await link.execute(
            sql.SQL(
                "CREATE INDEX CONCURRENTLY {name} ON embeddings USING hnsw"
                " (CAST(vector AS halfvec({dimensions})) halfvec_ip_ops)"
                " WITH (m = {links}, ef_construction = {care})"
                " WHERE org_id = {org} AND model = {model}"
            ).format(
                name=sql.Identifier(index.name),
                dimensions=sql.Literal(index.dimensions),
                links=sql.Literal(_LINKS),
                care=sql.Literal(_CARE),
                org=sql.Literal(index.org_id),
                model=sql.Literal(index.model),
            )
        )
    return True


async def drop_others(owner_url: str, org_id: UUID, keep: Index | None) -> bool:
    """Drop the organisation's approximate indexes but for `keep`. False while another process is
    at it.
    """
    query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE %s"
    async with await _connect(owner_url) as link:
        if not await _is_alone(link):
            return False
        rows = await (await link.execute(query, [f"{_PREFIX}{org_id.hex}%"])).fetchall()
        for name in (str(row[0]) for row in rows):
            if keep is None or name != keep.name:
                await _drop(link, name)
    return True


async def _connect(owner_url: str) -> AsyncConnection[tuple[object, ...]]:
    link = await AsyncConnection.connect(
        owner_url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
    )
    await link.execute("SET ROLE chatbot_owner")
    # Whoever searches is not made to wait; whoever builds does.
    await link.execute("SET statement_timeout = 0")
    return link


async def _is_alone(link: AsyncConnection[tuple[object, ...]]) -> bool:
    """Whether nobody else makes or drops such an index, until this connection ends.

    Each waits for all transactions on the table, so two at once would wait for each other.
    """
    query = "SELECT pg_try_advisory_lock(hashtextextended('nearest', 0))"
    row = await (await link.execute(query)).fetchone()
    return row is not None and row[0] is True


async def _is_valid(link: AsyncConnection[tuple[object, ...]], name: str) -> bool:
    query = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
    row = await (await link.execute(query, [name])).fetchone()
    return row is not None and row[0] is True


async def _drop(link: AsyncConnection[tuple[object, ...]], name: str) -> None:
    await link.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))

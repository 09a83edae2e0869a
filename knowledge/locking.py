"""Locking many documents at once, before the shelf: whoever takes up a document and then the shelf
must not meet somebody who has the shelf already and wants one more document.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from knowledge.tables import Document, DocumentKind


async def lock_all(
    db: AsyncSession,
    org_id: UUID,
    ids: Collection[UUID | None],
    *,
    pages: Collection[str] = (),
) -> Sequence[UUID]:
    """Those of the documents that are there, and those of the pages with these addresses, nobody
    else's until the transaction ends. To be called before anything is put on the shelf or taken
    off it.
    """
    wanted: ColumnElement[bool] = Document.id.in_([each for each in ids if each is not None])
    if pages:
        named = and_(Document.kind == DocumentKind.PAGE, Document.name.in_(pages))
        wanted = or_(wanted, named)
    query = select(Document.id).where(Document.org_id == org_id, wanted)
    return (await db.scalars(query.order_by(Document.id).with_for_update())).all()

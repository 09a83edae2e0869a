"""From a question to evidence, the same way for the bot, the playground and the evaluation: which
model, which words, search, second opinion. Nothing is held while a model is asked.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from knowledge import preferences, search, tokens
from knowledge.embed import Vectors
from knowledge.errors import KnowledgeError
from knowledge.ingest import Transactions
from knowledge.models import Models
from knowledge.preferences import Preferences
from knowledge.rerank import Reranker
from knowledge.search import QUERY_CHARS_MAX, FoundPassage, SearchResult

log = structlog.get_logger()

# Whoever asks does not wait for a service that is down: words alone find most of it.
_EMBED_S_MAX: Final = 3.0
_QUERY_TOKENS_MAX: Final = 2_000
_REMEMBERED_S: Final = 5.0
_REMEMBERED_MAX: Final = 10_000


class Retriever:
    """Finds passages in one organisation; remembers for seconds how each wants to be searched."""

    def __init__(
        self, transactions: Transactions, models: Models, reranker: Reranker | None = None
    ) -> None:
        self.reranker = reranker
        self._transactions = transactions
        self._models = models
        self._remembered: OrderedDict[UUID, tuple[float, Preferences]] = OrderedDict()

    async def find(
        self,
        org_id: UUID,
        query: str,
        *,
        labels: Sequence[str] | None = None,
        limit: int = 12,
        reach: int = 0,
    ) -> SearchResult:
        """What the organisation's documents say, with `reach` neighbours on either side; by words
        alone when the query cannot be embedded in time.
        """
        wanted = await self.preferences(org_id)
        vector, model = await self._embed(wanted, query)
        async with self._transactions(org_id) as db:
            found = await search.passages(
                db,
                org_id,
                query,
                vector,
                model=model,
                limit=limit,
                preferences=wanted,
                labels=labels,
            )
            if not reach or not found.hits:
                return found
            passages = [hit.passage for hit in found.hits]
            windows = await search.neighbours(db, org_id, passages, reach=reach)
        by_passage = {each.id: window for each, window in zip(passages, windows, strict=True)}
        return msgspec.structs.replace(found, windows=by_passage)

    async def widened(
        self, org_id: UUID, result: SearchResult, *, tokens_max: int, reach: int = 1
    ) -> list[str]:
        """Each passage's text among its neighbours, the best passages first, as long as all of it
        together stays within the budget; nothing is said twice.
        """
        found = [hit.passage for hit in result.hits]
        if not found:
            return []
        if all(passage.id in result.windows for passage in found):
            return widen(found, [result.windows[passage.id] for passage in found], tokens_max)
        async with self._transactions(org_id) as db:
            windows = await search.neighbours(db, org_id, found, reach=reach)
        return widen(found, windows, tokens_max)

    async def preferences(self, org_id: UUID) -> Preferences:
        """As they were at most five seconds ago: after a switch of models both sets of vectors
        are there, so an old choice finds as well as the new one.
        """
        now = time.monotonic()
        remembered = self._remembered.get(org_id)
        if remembered is not None and now - remembered[0] < _REMEMBERED_S:
            return remembered[1]
        async with self._transactions(org_id) as db:
            wanted = await preferences.get(db, org_id)
        self._remembered[org_id] = now, wanted
        self._remembered.move_to_end(org_id)
        if len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return wanted

    @property
    def transactions(self) -> Transactions:
        """For what else is read about a question."""
        return self._transactions

    async def model(self, org_id: UUID) -> str:
        """The model whose vectors are searched: what cosines mean."""
        return self._models.named((await self.preferences(org_id)).model).model

    def forget(self, org_id: UUID) -> None:
        """Read the organisation's preferences anew at its next question."""
        self._remembered.pop(org_id, None)

    async def _embed(self, wanted: Preferences, query: str) -> tuple[Vectors | None, str]:
        embedder = self._models.named(wanted.model)
        asked = await _clipped(query[:QUERY_CHARS_MAX])
        try:
            async with asyncio.timeout(_EMBED_S_MAX):
                return (await embedder.embed([asked]))[0], embedder.model
        except (KnowledgeError, TimeoutError) as error:
            log.warning("searched_by_words_alone", model=embedder.model, error=str(error)[:80])
            return None, embedder.model


async def _clipped(query: str) -> str:
    if len(query.encode("utf-8", "replace")) <= _QUERY_TOKENS_MAX:
        return query  # as nearly every question: no token is shorter than a byte
    return await asyncio.to_thread(tokens.clip, query, _QUERY_TOKENS_MAX)


def widen(
    found: Sequence[FoundPassage], windows: Sequence[Sequence[FoundPassage]], tokens_max: int
) -> list[str]:
    """The texts of the windows as far as the budget goes; a passage alone always stands."""
    left = tokens_max - sum(passage.tokens for passage in found)
    said = {passage.id for passage in found}
    texts: list[str] = []
    for passage, window in zip(found, windows, strict=True):
        parts: list[str] = []
        for near in window:
            if near.id == passage.id:
                parts.append(passage.text)
            elif near.id not in said and near.heading == passage.heading and near.tokens <= left:
                left -= near.tokens
                said.add(near.id)
                parts.append(near.text)
        texts.append("\n".join(parts) or passage.text)
    return texts

"""Writes one answer: courtesy, or evidence → prompt → model → verified citations. Degrades, never
invents.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog

from chatbot.answering import evidence, extractive, smalltalk
from chatbot.answering.citations import Citations
from chatbot.answering.evidence import Evidence
from chatbot.answering.model import Model, ModelFailed, Usage
from chatbot.answering.prompt import Prompt, search_query
from chatbot.answering.tables import Ending
from chatbot.answering.turns import Asked, Outcome
from chatbot.conversations.wire import Confidence
from chatbot.database import Database
from knowledge.embed import Embedder
from knowledge.errors import KnowledgeError

log = structlog.get_logger()

ANSWER_CHARS_MAX = 24_000
UNKNOWN = (
    "I could not find an answer to that in the documents I have, and I do not want to guess."
    " Would you like to talk to a person?"
)
PARTLY = "I am not sure that this is what you mean. The closest I found:\n\n"
UNAVAILABLE = (
    "I cannot look into the documents right now. Please try again in a moment, or talk to a person."
)


class Draft:
    """What one attempt has learnt besides its text."""

    def __init__(self) -> None:
        self.citations = Citations(())
        self.quotes: dict[int, str] = {}
        self.confidence: Confidence | None = None
        self.usage: dict[str, Any] = {}
        self.error_code: str | None = None

    def outcome(self, status: Ending, text: str) -> Outcome:
        return Outcome(
            status,
            text=text,
            sources=self.citations.sources(self.quotes),
            confidence=self.confidence,
            error_code=self.error_code,
            usage=self.usage or None,
        )


class Writing:
    """Composes answers from one model, one embedder and the organisation's documents."""

    def __init__(self, database: Database, embedder: Embedder, model: Model) -> None:
        self._database = database
        self._embedder = embedder
        self._model = model
        self._spare = extractive.ExtractiveModel()

    @property
    def model_name(self) -> str:
        return self._model.name

    async def pieces(self, asked: Asked, draft: Draft) -> AsyncIterator[str]:
        """The answer's text as it comes to be. ModelFailed when the model breaks after its first
        word.
        """
        courtesy = smalltalk.reply(asked.question)
        if courtesy is not None:
            yield courtesy
            return
        found = await self._evidence(asked, draft)
        if found is None or found.band == "unknown":
            draft.confidence = "unknown"
            yield UNAVAILABLE if found is None else UNKNOWN
            return
        draft.confidence = found.band
        draft.citations = Citations(found.excerpts)
        prompt = Prompt(
            question=asked.question,
            history=asked.history,
            excerpts=found.excerpts,
        )
        written = 0
        async for piece in self._verified(prompt, draft):
            written += len(piece)
            yield piece
            if written >= ANSWER_CHARS_MAX:
                draft.error_code = "answer_too_long"
                return

    async def _evidence(self, asked: Asked, draft: Draft) -> Evidence | None:
        """None when the documents cannot be searched: an honest wait, not a guess."""
        query = search_query(asked.question, asked.earlier_questions)
        try:
            return await evidence.gather(self._database, self._embedder, asked.org_id, query)
        except KnowledgeError as error:
            log.warning("evidence_unavailable", code=error.code)
            draft.error_code = error.code
            return None

    async def _verified(self, prompt: Prompt, draft: Draft) -> AsyncIterator[str]:
        async for piece in self._spoken(prompt, draft):
            if shown := draft.citations.feed(piece):
                yield shown
        if rest := draft.citations.rest():
            yield rest

    async def _spoken(self, prompt: Prompt, draft: Draft) -> AsyncIterator[str]:
        """The model's words; when it fails before the first one, quoted passages instead."""
        if self._model.name == self._spare.name:
            for piece in self._quoted(prompt, draft):
                yield piece
            return
        spoke = False
        try:
            async for piece in self._model.stream(prompt):
                if isinstance(piece, Usage):
                    draft.usage = msgspec.to_builtins(piece)
                    continue
                spoke = True
                yield piece
        except ModelFailed as error:
            draft.error_code = f"model_{error.code}"
            log.warning("model_failed", code=error.code, model=self._model.name, spoke=spoke)
            if spoke:
                raise
            for piece in self._quoted(prompt, draft):
                yield piece

    def _quoted(self, prompt: Prompt, draft: Draft) -> list[str]:
        answer = self._spare.answer(prompt)
        draft.quotes = answer.quotes
        lead = [PARTLY] if draft.confidence == "partial" else []
        return lead + answer.pieces

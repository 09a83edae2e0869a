"""Writes one answer: courtesy, or evidence → prompt → model → verified citations. Degrades, never
invents.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog

from chatbot.answering import evidence, extractive, rewrite, smalltalk
from chatbot.answering.citations import Citations
from chatbot.answering.curated import Curated
from chatbot.answering.evidence import Evidence
from chatbot.answering.model import Model, ModelFailed, Usage
from chatbot.answering.prompt import Prompt
from chatbot.answering.tables import Ending
from chatbot.answering.turns import Asked, Outcome
from chatbot.conversations.wire import Confidence
from knowledge.errors import KnowledgeError
from knowledge.retrieve import Retriever
from knowledge.tables import PassageKind

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

    def spent(self, usage: Usage) -> None:
        """Add what a call to the model cost."""
        for name, count in msgspec.structs.asdict(usage).items():
            if count:
                self.usage[name] = self.usage.get(name, 0) + count

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
    """Composes answers from one model and the organisation's documents."""

    def __init__(self, retriever: Retriever, model: Model) -> None:
        self._retriever = retriever
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
        if found is None or (found.band == "unknown" and found.curated is None):
            draft.confidence = "unknown"
            yield UNAVAILABLE if found is None else UNKNOWN
            return
        if found.curated is not None:
            for piece in _as_it_stands(found, found.curated, draft):
                yield piece
            return
        draft.confidence = self._confidence(found)
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

    def _confidence(self, found: Evidence) -> Confidence:
        """How sure the answer may sound: what somebody wrote as the answer to another question may
        begin with a “yes” that was not meant for this one, and the quoting model cannot tell.
        """
        quotes = self._model.name == self._spare.name
        best_is_faq = found.found.hits[0].passage.kind == PassageKind.FAQ
        return "partial" if quotes and best_is_faq else found.band

    async def _evidence(self, asked: Asked, draft: Draft) -> Evidence | None:
        """None when the documents cannot be searched: an honest wait, not a guess."""
        earlier = [each for each in asked.earlier_questions if smalltalk.reply(each) is None]
        standalone = await self._standalone(asked, draft) if earlier else None
        try:
            return await evidence.gather(
                self._retriever,
                asked.org_id,
                asked.question,
                earlier=earlier,
                standalone=standalone,
                labels=asked.labels,
                widened=self._model.name != self._spare.name,
            )
        except KnowledgeError as error:
            log.warning("evidence_unavailable", code=error.code)
            draft.error_code = error.code
            return None

    async def _standalone(self, asked: Asked, draft: Draft) -> str | None:
        """The question without what it leaves unsaid, where there is a model to ask."""
        if self._model.name == self._spare.name:
            return None
        rewritten = await rewrite.standalone(self._model, asked.question, asked.history)
        draft.spent(rewritten.usage)
        return rewritten.query

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
                    draft.spent(piece)
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


def _as_it_stands(found: Evidence, answer: Curated, draft: Draft) -> list[str]:
    """An answer that somebody wrote, word for word; its one source is the question it answers."""
    source = next(each for each in found.excerpts if each.passage_id == answer.passage_id)
    draft.confidence = "answered"
    draft.citations = Citations([msgspec.structs.replace(source, n=1)])
    draft.citations.used.append(1)
    return extractive.pieces(answer.answer)

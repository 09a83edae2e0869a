"""Writes one answer: courtesy, or evidence → prompt → model → what may be said. Degrades, never
invents; each step down is noted in the trace.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

import msgspec
import structlog

from chatbot.answering import evidence, rewrite
from chatbot.answering.curated import Curated
from chatbot.answering.draft import Draft
from chatbot.answering.evidence import Evidence
from chatbot.answering.models.endpoints import Endpoints
from chatbot.answering.models.ladder import LENGTH, Ladder
from chatbot.answering.models.model import ANSWER_TOKENS_MAX, ModelFailed
from chatbot.answering.outgoing import gate
from chatbot.answering.quoting import extractive
from chatbot.answering.turns import Asked
from chatbot.answering.voice import attempts, calling, prompt, smalltalk, suggestions
from chatbot.answering.voice.phrases import Phrase
from chatbot.answering.voice.prompt import Prompt
from chatbot.conversations.wire import Confidence
from knowledge import tokens
from knowledge.errors import KnowledgeError
from knowledge.retrieve import Retriever
from knowledge.tables import PassageKind

log = structlog.get_logger()

# What the calls of one turn may need beside question, history and passages: frames, rewriting.
OVERHEAD_TOKENS = 600

Reserve = Callable[[Asked, int], Awaitable[str | None]]
"""(turn, tokens): sets them aside; whose allowance is used up, None when all is well."""


async def unlimited(_asked: Asked, _tokens: int) -> str | None:
    """Where nobody counts: evaluations and the terminal."""
    return None


class Writing:
    """Composes answers from the organisation's documents and models."""

    def __init__(
        self, retriever: Retriever, endpoints: Endpoints, reserve: Reserve = unlimited
    ) -> None:
        self._retriever = retriever
        self._endpoints = endpoints
        self._reserve = reserve
        self._spare = extractive.ExtractiveModel()

    async def pieces(self, asked: Asked, draft: Draft) -> AsyncGenerator[str]:
        """The answer's text as it comes to be. ModelFailed when the model breaks after its first
        word.
        """
        draft.begin(asked)
        async with aclosing(self._routed(asked, draft)) as pieces:
            async for piece in pieces:
                draft.speaks()
                yield piece

    async def _routed(self, asked: Asked, draft: Draft) -> AsyncGenerator[str]:
        if calling.asks_for_person(asked.question, offered=asked.offered):
            draft.route, draft.calls_person = "person", True
            yield draft.say(Phrase.CALLED)
            return
        courtesy = smalltalk.reply(asked.question, draft.language, name=draft.name)
        if courtesy is not None:
            draft.route = "courtesy"
            yield courtesy
            return
        ladder = self._endpoints.ladder(asked.models)
        if ladder is not None and draft.sparing:
            draft.degraded.append("too_fast")
            ladder = None
        draft.follow(ladder)
        found = await self._evidence(asked, draft, ladder)
        if found is None:
            yield draft.refuse("unavailable", Phrase.UNAVAILABLE)
        elif found.curated is not None:
            for piece in _as_it_stands(found, found.curated, asked, draft):
                yield piece
        elif found.band == "unknown" or (found.band == "partial" and _is_attempt(asked)):
            yield draft.refuse("unknown", _no_answer(asked))
        else:
            async with aclosing(self._from(found, asked, draft, ladder)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _from(
        self, found: Evidence, asked: Asked, draft: Draft, ladder: Ladder | None
    ) -> AsyncGenerator[str]:
        """What the passages hold, by the model, or quoted."""
        made = _prompt(found, asked, draft)
        draft.watch(asked, found.excerpts, secrets=made.instructions)
        draft.confidence = self._confidence(found, quotes=ladder is None)
        async with aclosing(self._written(made, asked, draft, ladder)) as pieces:
            async for piece in pieces:
                yield piece
        draft.suggest(asked, suggestions.of(found, draft.outgoing.citations.used))

    def _confidence(self, found: Evidence, *, quotes: bool) -> Confidence:
        """How sure the answer may sound: what somebody wrote as the answer to another question may
        begin with a “yes” that was not meant for this one, and the quoting model cannot tell.
        """
        best_is_faq = found.found.hits[0].passage.kind == PassageKind.FAQ
        return "partial" if quotes and best_is_faq else found.band

    async def _evidence(self, asked: Asked, draft: Draft, ladder: Ladder | None) -> Evidence | None:
        """None when the documents cannot be searched: an honest wait, not a guess."""
        earlier = [each for each in asked.earlier_questions if smalltalk.courtesy(each) is None]
        standalone = None
        if earlier and ladder is not None and await self._may_ask(asked, draft):
            standalone = (await rewrite.standalone(ladder, asked.question, asked.history)).query
            draft.rewrote()
        try:
            found = await evidence.gather(
                self._retriever,
                asked.org_id,
                asked.question,
                earlier=earlier,
                standalone=standalone,
                labels=asked.labels,
                widened=ladder is not None,
            )
        except KnowledgeError as error:
            log.warning("evidence_unavailable", code=error.code)
            draft.error_code = error.code
            draft.degraded.append(f"search_{error.code}")
            return None
        draft.found(found)
        return found

    async def _may_ask(self, asked: Asked, draft: Draft) -> bool:
        """Whether the day's allowance has room for this turn; asked once a turn."""
        if draft.paid is None:
            said = asked.question + "".join(turn.text for turn in asked.history)
            needed = 2 * tokens.count(said) + evidence.CONTEXT_TOKENS_MAX
            needed += ANSWER_TOKENS_MAX + OVERHEAD_TOKENS
            spent = await self._reserve(asked, needed)
            draft.paid = spent is None
            if spent is not None:
                ended = spent == "ended"
                draft.degraded.append("turn_ended" if ended else f"over_budget_{spent}")
        return draft.paid

    async def _written(
        self, made: Prompt, asked: Asked, draft: Draft, ladder: Ladder | None
    ) -> AsyncGenerator[str]:
        """The model's words as far as they may be said; quoted passages when there is no model, no
        allowance, or none that speaks.
        """
        if ladder is not None and await self._may_ask(asked, draft):
            draft.route = "model"
            spoke = False
            try:
                async with aclosing(_checked(ladder, made, draft)) as pieces:
                    async for piece in pieces:
                        spoke = True
                        yield piece
            except ModelFailed as error:
                draft.error_code = f"model_{error.code}"
                draft.degraded.append(draft.error_code)
                log.warning("model_failed", code=error.code, model=ladder.name, spoke=spoke)
                if spoke:
                    raise
            if spoke:
                return
            # What the model had begun and nobody saw is no beginning of the quotes.
            draft.watch(asked, made.excerpts)
        for piece in self._quoted(made, draft):
            yield piece

    def _quoted(self, made: Prompt, draft: Draft) -> Sequence[str]:
        draft.route = "quotes"
        answer = self._spare.answer(made, allowed=draft.outgoing.allows)
        if not answer.pieces:
            return [draft.refuse("unknown", Phrase.UNKNOWN)]
        draft.quotes = answer.quotes
        if not answer.is_certain and draft.confidence == "answered":
            draft.confidence = "partial"
        lead: list[str] = []
        if draft.confidence == "partial":
            lead.append(draft.say(Phrase.PARTLY))
        elif draft.error_code is not None:  # the models that are set up all failed
            lead.append(draft.say(Phrase.QUOTING))
        shown = [draft.outgoing.citations.feed(piece) for piece in answer.pieces]
        return [*lead, *shown, draft.outgoing.citations.rest()]


async def _checked(ladder: Ladder, made: Prompt, draft: Draft) -> AsyncGenerator[str]:
    """The model's text as it passes what watches the way out; ends early when that says so."""
    said = False
    async with aclosing(ladder.stream(made)) as spoken:
        async for piece in spoken:
            if shown := draft.outgoing.feed(piece):
                said = True
                yield shown
            if draft.outgoing.cut is not None:
                break
    if rest := draft.outgoing.rest():
        said = True
        yield rest
    if draft.outgoing.cut == gate.TOO_LONG:
        raise ModelFailed("too_long")
    if ladder.steps[-1].kind == LENGTH:
        draft.degraded.append(gate.TOO_LONG)
    if draft.outgoing.cut is not None:
        draft.degraded.append(draft.outgoing.cut)
        in_role = draft.refuse("unknown", Phrase.IN_ROLE)
        yield f"\n\n{in_role}" if said else in_role
    elif not draft.outgoing.citations.used:
        draft.confidence = "unknown"  # no passage supports it: a person is offered


def _prompt(found: Evidence, asked: Asked, draft: Draft) -> Prompt:
    return Prompt(
        question=asked.question,
        history=asked.history,
        excerpts=found.excerpts,
        instructions=prompt.instructions(asked.persona, draft.language),
        summary=asked.summary,
    )


def _no_answer(asked: Asked) -> Phrase:
    """What to say when the documents do not hold it: in role, whatever was tried."""
    return Phrase.IN_ROLE if _is_attempt(asked) else Phrase.UNKNOWN


def _is_attempt(asked: Asked) -> bool:
    return attempts.is_attempt(asked.question)


def _as_it_stands(found: Evidence, answer: Curated, asked: Asked, draft: Draft) -> Sequence[str]:
    """An answer that somebody wrote, word for word; its one source is the question it answers."""
    source = next(each for each in found.excerpts if each.passage_id == answer.passage_id)
    draft.route, draft.confidence = "curated", "answered"
    draft.watch(asked, [msgspec.structs.replace(source, n=1)])
    draft.outgoing.citations.used.append(1)
    draft.suggest(asked, suggestions.of(found, [source.n]))
    return extractive.pieces(answer.answer)

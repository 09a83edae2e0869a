"""What one attempt at an answer has learnt besides its text: how sure it is, what it cites, what
was tried, what it cost.
"""

import time
from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from chatbot.answering.evidence import Evidence
from chatbot.answering.models.ladder import Ladder, Step
from chatbot.answering.outgoing.gate import Outgoing
from chatbot.answering.quoting.extractive import ExtractiveModel
from chatbot.answering.tables import Ending
from chatbot.answering.trace import Route, Timings, Trace, TracedPassage
from chatbot.answering.turns import Asked, Outcome
from chatbot.answering.voice import phrases
from chatbot.answering.voice.phrases import Phrase
from chatbot.answering.voice.prompt import Excerpt
from chatbot.conversations import transcript
from chatbot.conversations.wire import Confidence, Source
from knowledge import bands, lexical


class Draft:
    """Fills while the answer is written; `outcome` says it all in the end.

    `sparing` leaves the model out: the visitor writes faster than is answered in full. `before`
    are the calls of earlier attempts at the same turn: they cost all the same.
    """

    def __init__(self, *, sparing: bool = False, before: Sequence[Step] = ()) -> None:
        self.sparing = sparing
        self.language = "en"
        self.name = ""
        self.route: Route = "unknown"
        self.outgoing = Outgoing([])
        self.quotes: dict[int, str] = {}
        self.confidence: Confidence | None = None
        self.suggestions: tuple[str, ...] = ()
        self.degraded: list[str] = []
        self.error_code: str | None = None
        self.paid: bool | None = None
        self.calls_person = False
        self._before = tuple(before)
        self._ladder: Ladder | None = None
        self._evidence: Evidence | None = None
        self._timings = Timings()
        self._attempt = 1
        self._persona_version: int | None = None
        self._begun = time.perf_counter()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every call to a model that this turn has made."""
        return (*self._before, *(self._ladder.steps if self._ladder is not None else ()))

    def begin(self, asked: Asked) -> None:
        self.name = asked.persona.name
        self._attempt, self._persona_version = asked.attempt, asked.persona.version
        policy = asked.persona.language
        self.language = phrases.language_of(asked.question, locale=asked.locale, policy=policy)

    def follow(self, ladder: Ladder | None) -> None:
        """The models that this attempt may ask; None: quotes only."""
        self._ladder = ladder

    def rewrote(self) -> None:
        self._timings = msgspec.structs.replace(self._timings, rewritten=self._ms())

    def found(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._timings = msgspec.structs.replace(self._timings, found=self._ms())

    def speaks(self) -> None:
        """The first piece of text is there."""
        if self._timings.first_text is None:
            self._timings = msgspec.structs.replace(self._timings, first_text=self._ms())

    def say(self, phrase: Phrase) -> str:
        """What the bot says by itself, in the answer's language."""
        return phrases.say(phrase, self.language, name=self.name)

    def refuse(self, route: Route, phrase: Phrase) -> str:
        """The words of an answer that is none; a person is offered."""
        self.route, self.confidence = route, "unknown"
        return self.say(phrase)

    def watch(self, asked: Asked, excerpts: Sequence[Excerpt], *, secrets: str = "") -> None:
        """From here on the text passes what lets through only what may be said."""
        self.outgoing = Outgoing(
            excerpts, persona=asked.persona, own_origins=asked.own_origins, secrets=secrets
        )

    def suggest(self, asked: Asked, questions: Sequence[str]) -> None:
        """Questions to ask next, but those that were asked already."""
        before = {lexical.fold(each) for each in (asked.question, *asked.earlier_questions)}
        self.suggestions = tuple(
            each
            for each in questions
            if lexical.fold(each) not in before and self.outgoing.allows(each)
        )

    def sources(self) -> list[Source]:
        """What the text cites, in order of first mention."""
        return self.outgoing.citations.sources(self.quotes)

    def outcome(self, status: Ending, text: str) -> Outcome:
        sources = self.sources()
        return Outcome(
            status=status,
            name=self.name or transcript.ASSISTANT_NAME,
            text=text,
            sources=sources,
            confidence=self._sure(status, sources),
            suggestions=self.suggestions if status == "complete" else (),
            error_code=self.error_code,
            model=self._model(),
            calls_person=self.calls_person,
            trace=self._trace({source.passage_id for source in sources}),
        )

    def _sure(self, status: Ending, sources: Sequence[Source]) -> Confidence | None:
        """What broke off before it named a source is nothing to rely on."""
        broken = status != "complete" and not sources and self.confidence is not None
        return "unknown" if broken or (status == "failed" and not sources) else self.confidence

    def _trace(self, cited: Collection[UUID]) -> Trace:
        costs = [step.cost for step in self.steps if step.cost is not None]
        found = self._evidence
        return Trace(
            route=self.route,
            attempt=self._attempt,
            language=self.language,
            query=found.query if found is not None else None,
            band=found.band if found is not None else None,
            support=_support(found) if found is not None else None,
            passages=_passages(found, cited) if found is not None else (),
            persona_version=self._persona_version,
            steps=self.steps,
            degraded=tuple(self.degraded),
            timings=msgspec.structs.replace(self._timings, whole=self._ms()),
            prompt_tokens=sum(step.usage.prompt_tokens for step in self.steps),
            completion_tokens=sum(step.usage.completion_tokens for step in self.steps),
            cost=sum(costs) if costs else None,
        )

    def _model(self) -> str:
        """Who wrote the text; the quoting model where it was no other."""
        by_model = self.route == "model" and self.steps
        return self.steps[-1].model if by_model else ExtractiveModel.name

    def _ms(self) -> int:
        return round((time.perf_counter() - self._begun) * 1000)


def _support(evidence: Evidence) -> float:
    found = evidence.found
    return round(bands.support(found.evidence, found.scale), 3)


def _passages(evidence: Evidence, cited: Collection[UUID]) -> tuple[TracedPassage, ...]:
    return tuple(
        TracedPassage(
            n=n,
            passage_id=hit.passage.id,
            document_id=hit.passage.document_id,
            version=hit.passage.version,
            title=hit.passage.title,
            heading=hit.passage.heading,
            page=hit.passage.page,
            score=round(hit.score, 4),
            lexical=round(hit.lexical, 4),
            vector=round(hit.vector, 4),
            cited=hit.passage.id in cited,
        )
        for n, hit in enumerate(evidence.found.hits, start=1)
    )

"""Suites that need answers, not only passages: the sentence that answers, and whole answers as a
visitor would get them.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select

from chatbot.answering import evidence, extractive, rewrite
from chatbot.answering.extractive import ExtractiveModel
from chatbot.answering.model import Model, ModelFailed
from chatbot.answering.prompt import Prompt, Turn
from chatbot.answering.turns import Asked
from chatbot.answering.writing import PARTLY, Draft, Writing
from chatbot.database import new_id
from knowledge.evaluation import suites
from knowledge.evaluation.folders import Question, sample, topics
from knowledge.evaluation.measures import share
from knowledge.evaluation.shelving import Shelf, shelved
from knowledge.evaluation.suites import SEED, Figures, Report, Reword
from knowledge.preferences import Calibration
from knowledge.tables import Passage

# What a model that is paid for, or slow, is asked when nobody says how much.
MODEL_QUESTIONS_MAX: Final = 100
_QUOTED: Final = re.compile(r"(.+?) \[(\d{1,3})\](?=\n\n|\Z)", re.DOTALL)


class Reply(msgspec.Struct, frozen=True):
    """One answer: how sure, whether a text that answers is in it, which of its quotes stand word
    for word in the passage they name.
    """

    confidence: str | None
    held: bool = False
    true_quotes: tuple[bool, ...] = ()
    failed: bool = False


async def best_sentences(shelf: Shelf, limit: int | None) -> Figures:
    """How often a text that answers is in the sentence we would quote first, or in one beside it.
    Empty where the data names no such texts.
    """
    asked = sample([one for one in shelf.rig.data.asked() if one.answers], limit, SEED)
    found = [await _in_best_sentence(shelf, question) for question in asked]
    return {"answer_in_best_sentence": share(found), "answers_n": len(asked)} if asked else {}


async def answers(
    writing: Writing, shelf: Shelf, *, limit: int | None, calibration: Calibration | None
) -> Report:
    """Answers through the whole pipeline: of questions that can be answered, and of those whose
    topic is left out.
    """
    rig = shelf.rig
    own = writing.model_name == ExtractiveModel.name
    most = limit or (None if own else MODEL_QUESTIONS_MAX)
    asked = sample([one for one in rig.data.asked() if one.answers], most, SEED)
    if not asked:
        note = "no question says what its answer is"
        return Report(data=rig.data.name, suite="answers", n=0, metrics={}, notes=[note])
    replies = [await _reply(writing, shelf, question) for question in asked]
    quotes = [quote for reply in replies for quote in reply.true_quotes]
    refused = await _left_out(writing, shelf, asked, calibration)
    return Report(
        data=rig.data.name,
        suite="answers",
        n=len(asked) + len(refused),
        metrics={
            "answer_held": share(reply.held for reply in replies),
            "false_refusal": share(_is_refusal(reply) for reply in replies),
            "unsure": share(reply.confidence == "partial" for reply in replies),
            "answers_n": len(replies),
            "refusal": share(_is_refusal(reply) for reply in refused),
            "left_out_n": len(refused),
            "quotes_verbatim": share(quotes),
            "quotes_n": len(quotes),
            "failed_n": sum(reply.failed for reply in (*replies, *refused)),
        },
        notes=[f"written by {writing.model_name}"]
        + ([] if refused else ["the documents have no topics to leave out"]),
    )


def rewording(model: Model) -> Reword | None:
    """The model as answering asks it to reword follow-ups; None for the one that only quotes."""
    if model.name == ExtractiveModel.name:
        return None

    async def reword(question: Question) -> str | None:
        return (await rewrite.standalone(model, question.text, _history(question))).query

    return reword


async def _in_best_sentence(shelf: Shelf, question: Question) -> bool:
    found = await evidence.gather(
        shelf.rig.retriever, shelf.org_id, question.text, earlier=question.earlier
    )
    prompt = Prompt(question=question.text, history=(), excerpts=found.excerpts)
    chosen = extractive.choose(prompt)
    if not chosen:
        return False
    best = max(chosen, key=lambda quote: quote.score)
    sentences = extractive.sentences(best.excerpt.text)
    return _holds(" ".join(sentences[max(0, best.at - 1) : best.at + 2]), question.answers)


async def _left_out(
    writing: Writing, shelf: Shelf, asked: Sequence[Question], calibration: Calibration | None
) -> list[Reply]:
    """The replies of a base with half of the topics to the questions about the other half."""
    rig = shelf.rig
    topic_of = topics(rig.data.corpus)
    if not topic_of:
        return []
    kept = suites.halves(sorted(set(topic_of.values())))[0]
    strange = [one for one in asked if not suites.topics_of(one, rig.data, topic_of) & kept]
    async with shelved(rig, {one for one, topic in topic_of.items() if topic in kept}) as half:
        if calibration is not None:
            await half.prefer(calibration)
        return [await _reply(writing, half, question) for question in strange]


async def _reply(writing: Writing, shelf: Shelf, question: Question) -> Reply:
    draft = Draft()
    asked = Asked(
        org_id=shelf.org_id,
        conversation_id=new_id(),
        mid=new_id(),
        attempt=1,
        question=question.text,
        earlier_questions=question.earlier,
        history=_history(question),
    )
    try:
        said = "".join([piece async for piece in writing.pieces(asked, draft)])
    except ModelFailed:
        return Reply(draft.confidence, failed=True)
    return Reply(
        draft.confidence,
        held=not _unknown(draft.confidence) and _holds(said, question.answers),
        true_quotes=await _true_quotes(shelf, draft, said),
        failed=draft.error_code is not None,
    )


async def _true_quotes(shelf: Shelf, draft: Draft, said: str) -> tuple[bool, ...]:
    """Each quote of an answer that is made of quotes: whether its passage has it, read anew."""
    if not draft.quotes:
        return ()
    cited = {source.n: source.passage_id for source in draft.citations.sources(draft.quotes)}
    texts = await _texts(shelf, cited.values())
    return tuple(
        quote.strip() in texts.get(cited.get(int(number), shelf.org_id), "")
        for quote, number in _QUOTED.findall(said.removeprefix(PARTLY))
    )


async def _texts(shelf: Shelf, ids: Iterable[UUID]) -> dict[UUID, str]:
    async with shelf.rig.transactions(shelf.org_id) as db:
        rows = await db.execute(
            select(Passage.id, Passage.text).where(
                Passage.org_id == shelf.org_id, Passage.id.in_(list(ids))
            )
        )
        return {row.id: row.text for row in rows}


def _history(question: Question) -> tuple[Turn, ...]:
    return tuple(Turn("user", said) for said in question.earlier)


def _holds(said: str, wanted: Sequence[str]) -> bool:
    plain = _plain(said)
    return any(_plain(one) in plain for one in wanted)


def _plain(said: str) -> str:
    """Without what makes no difference: case, compatibility forms, spaces."""
    return " ".join(unicodedata.normalize("NFKC", said).casefold().split())


def _is_refusal(reply: Reply) -> bool:
    return _unknown(reply.confidence)


def _unknown(confidence: str | None) -> bool:
    return confidence == "unknown"

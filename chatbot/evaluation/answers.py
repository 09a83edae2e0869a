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

from chatbot.answering import evidence, rewrite
from chatbot.answering.draft import Draft
from chatbot.answering.models.model import Model, ModelFailed
from chatbot.answering.quoting import relevance
from chatbot.answering.quoting.extractive import ExtractiveModel
from chatbot.answering.turns import Asked
from chatbot.answering.voice import phrases
from chatbot.answering.voice.prompt import Prompt, Turn
from chatbot.answering.writing import Writing
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
_MARKER: Final = re.compile(r" \[(\d{1,3})\]")


class Reply(msgspec.Struct, frozen=True):
    """One answer: how sure, how long, whether a text that answers is in it, which of its quotes
    stand word for word in the passage they name.
    """

    confidence: str | None
    chars: int = 0
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
    writing: Writing,
    shelf: Shelf,
    *,
    by: str,
    limit: int | None,
    calibration: Calibration | None,
) -> Report:
    """Answers through the whole pipeline, written `by` a model: of questions that can be answered,
    and the same of bases in which their topic is left out.
    """
    rig = shelf.rig
    most = limit or (None if by == ExtractiveModel.name else MODEL_QUESTIONS_MAX)
    asked = sample([one for one in rig.data.asked() if one.answers], most, SEED)
    if not asked:
        note = "no question says what its answer is"
        return Report(data=rig.data.name, suite="answers", n=0, metrics={}, notes=[note])
    replies = [await _reply(writing, shelf, question) for question in asked]
    refused = await _left_out(writing, shelf, asked, calibration)
    notes = [f"written by {by}"]
    if not refused:
        notes.append("the documents have no topics to leave out")
    metrics, counts = _figures(replies, refused)
    return Report(
        data=rig.data.name,
        suite="answers",
        n=len(replies) + len(refused),
        metrics=metrics,
        counts=counts,
        notes=notes,
    )


def _figures(replies: Sequence[Reply], refused: Sequence[Reply]) -> tuple[Figures, dict[str, int]]:
    """What is measured, and on how many answers or quotes."""
    quotes = [quote for reply in replies for quote in reply.true_quotes]
    given = [reply.chars for reply in replies if not _is_refusal(reply)]
    both = [*replies, *refused]
    figures: Figures = {
        "answer_held": share(reply.held for reply in replies),
        "false_refusal": share(map(_is_refusal, replies)),
        "unsure": share(reply.confidence == "partial" for reply in replies),
        "refusal": share(map(_is_refusal, refused)),
        "answered_though_left_out": share(reply.confidence == "answered" for reply in refused),
        "quotes_verbatim": share(quotes),
        "answer_chars": round(sum(given) / len(given)) if given else None,
        "failed_n": sum(reply.failed for reply in both),
        "answers_n": len(replies),
        "left_out_n": len(refused),
        "quotes_n": len(quotes),
    }
    counts = dict.fromkeys(("answer_held", "false_refusal", "unsure"), len(replies))
    counts |= dict.fromkeys(("refusal", "answered_though_left_out"), len(refused))
    counts |= {"quotes_verbatim": len(quotes), "answer_chars": len(given), "failed_n": len(both)}
    return figures, counts


def rewording(model: Model | None) -> Reword | None:
    """The model as answering asks it to reword follow-ups; None without one, which only quotes."""
    if model is None:
        return None

    async def reword(question: Question) -> str | None:
        return (await rewrite.standalone(model, question.text, _history(question))).query

    return reword


async def _in_best_sentence(shelf: Shelf, question: Question) -> bool:
    found = await evidence.gather(
        shelf.rig.retriever, shelf.org_id, question.text, earlier=question.earlier
    )
    prompt = Prompt(question=question.text, history=(), excerpts=found.excerpts)
    weighed = relevance.weigh(prompt)
    if not weighed.candidates:
        return False
    best = max(weighed.candidates, key=lambda candidate: candidate.score)
    beside = weighed.parts[best.excerpt.n][max(0, best.unit.at - 1) : best.unit.at + 2]
    return _holds(" ".join(unit.text for unit in beside), question.answers)


async def _left_out(
    writing: Writing, shelf: Shelf, asked: Sequence[Question], calibration: Calibration | None
) -> list[Reply]:
    """The replies of two bases with one half of the topics each to the questions about the other
    half: every question is asked once where its topic is missing.
    """
    rig = shelf.rig
    topic_of = topics(rig.data.corpus)
    if not topic_of:
        return []
    replies: list[Reply] = []
    for kept in suites.halves(sorted(set(topic_of.values())))[:2]:
        strange = [one for one in asked if not suites.topics_of(one, rig.data, topic_of) & kept]
        async with shelved(rig, {one for one, topic in topic_of.items() if topic in kept}) as half:
            if calibration is not None:
                await half.prefer(calibration)
            replies += [await _reply(writing, half, question) for question in strange]
    return replies


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
        chars=len(said),
        held=not _unknown(draft.confidence) and _holds(said, question.answers),
        true_quotes=await _true_quotes(shelf, draft, said),
        failed=draft.error_code is not None,
    )


async def _true_quotes(shelf: Shelf, draft: Draft, said: str) -> tuple[bool, ...]:
    """Each quote of an answer that is made of quotes: whether every line of it stands in the
    passage that its marker names, read anew.
    """
    if not draft.quotes:
        return ()
    cited = {source.n: source.passage_id for source in draft.sources()}
    texts = await _texts(shelf, cited.values())
    parts = _MARKER.split(phrases.without_lead(said))
    quotes = zip(parts[::2], parts[1::2], strict=False)
    unmarked = bool(parts[-1].strip())
    found = [
        all(
            line.strip() in texts.get(cited.get(int(number), shelf.org_id), "")
            for line in quote.splitlines()
        )
        for quote, number in quotes
    ]
    return (*found, *([False] if unmarked else []))


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

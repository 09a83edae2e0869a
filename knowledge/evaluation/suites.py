"""How well this library searches a folder of documents and questions whose answers are known: one
report a suite.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np

from knowledge import followups
from knowledge.bands import Band
from knowledge.embed import Vectors
from knowledge.evaluation import measures, peers
from knowledge.evaluation.folders import Dataset, Question, sample, topics
from knowledge.evaluation.shelving import Found, Rig, Shelf, shelved
from knowledge.preferences import Calibration

SEED: Final = 7
FOLDS: Final = 4

Figures = dict[str, float | int | None]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One suite on one folder; `n` counts its questions, `counts` what each figure was measured on
    where that is not all of them; a peer that was left out is a reason.
    """

    data: str
    suite: str
    n: int
    metrics: Figures
    counts: dict[str, int] = {}
    peers: dict[str, Figures | str] = {}
    notes: list[str] = []


class Reword(Protocol):
    """A question that stands alone, made of one that does not; None when that did not work."""

    async def __call__(self, question: Question, /) -> str | None: ...


class Tried(msgspec.Struct, frozen=True):
    """A question asked of a base that has its topic, or that has not; `answerable` as in the
    data.
    """

    topic: str
    present: bool
    answerable: bool
    found: Found


async def retrieval(shelf: Shelf, *, limit: int | None = None) -> Report:
    """How far up the documents stand that answer, beside bm25s and vectors alone on the same
    run.
    """
    rig = shelf.rig
    asked = sample(rig.data.asked(), limit, SEED)
    vectors = await rig.recall(asked)
    found = {one.id: await shelf.find(one.text, one.earlier) for one in asked}
    metrics: Figures = dict(_measure(rig, {one: each.ranked for one, each in found.items()}))
    metrics["search_p50_s"] = float(np.median([each.seconds for each in found.values()]))
    peers, compared = await _peers(rig, asked, vectors)
    return Report(
        data=rig.data.name,
        suite="retrieval",
        n=len(asked),
        metrics=metrics,
        peers=peers,
        notes=[compared, *_notes(rig)],
    )


async def followup(
    shelf: Shelf, *, reword: Reword | None = None, limit: int | None = None
) -> Report:
    """Questions that go on from earlier ones: as we ask them, beside simpler ways, and beside what
    a model makes of them where there is one.
    """
    rig = shelf.rig
    asked = sample([one for one in rig.data.asked() if one.earlier], limit, SEED)
    if not asked:
        note = "no question has a history: nothing to follow up"
        return Report(data=rig.data.name, suite="followup", n=0, metrics={}, notes=[note])
    await rig.recall(asked)
    ours = {one.id: (await shelf.find(one.text, one.earlier)).ranked for one in asked}
    alone = {one.id: (await shelf.find_exactly(one.text)).ranked for one in asked}
    joined = {one.id: (await shelf.find_exactly(_together(one))).ranked for one in asked}
    ways = {"last turn alone": alone, "with the turn before": joined}
    if reword is not None:
        ways["reworded by the model"] = {
            one.id: (await shelf.find(one.text, one.earlier, standalone=await reword(one))).ranked
            for one in asked
        }
    return Report(
        data=rig.data.name,
        suite="followup",
        n=len(asked),
        metrics=dict(_measure(rig, ours)),
        peers={name: dict(_measure(rig, ranked)) for name, ranked in ways.items()},
    )


async def leave_out(
    rig: Rig,
    *,
    limit: int | None = None,
    calibration: Calibration | None = None,
) -> list[Tried]:
    """Every question of bases that have one half of the topics each: of those that are there, and
    of those that are not. Empty when the documents have no topics.
    """
    topic_of = topics(rig.data.corpus)
    if not topic_of:
        return []
    asked = sample(rig.data.questions, limit, SEED)
    await rig.recall(asked)
    about = [topics_of(question, rig.data, topic_of) for question in asked]
    tried: list[Tried] = []
    for kept in halves(sorted(set(topic_of.values()))):
        async with shelved(rig, {one for one, topic in topic_of.items() if topic in kept}) as shelf:
            if calibration is not None:
                await shelf.prefer(calibration)
            for question, concerned in zip(asked, about, strict=True):
                # One that several topics answer, of which some are there, says nothing.
                if not concerned or (concerned & kept and concerned - kept):
                    continue
                found = await shelf.find(question.text, question.earlier)
                answerable = question.answerable and question.id in rig.data.judged
                topic = min(concerned)
                tried.append(Tried(topic, topic in kept, answerable, found))
    return tried


def halves(names: Sequence[str]) -> list[set[str]]:
    """Halves of the topics, in pairs that make a whole: every topic is there as often as not."""
    found: list[set[str]] = []
    for at in range(FOLDS // 2):
        shuffled = list(names)
        random.Random(SEED + at).shuffle(shuffled)  # noqa: S311 (a sample, not a secret)
        middle = len(shuffled) // 2
        found += [set(shuffled[:middle]), set(shuffled[middle:])]
    return found


def abstain(rig: Rig, tried: Sequence[Tried]) -> Report:
    """Whether questions about topics that are not there are refused, and others are not."""
    if not tried:
        note = "the documents have no topics (ids like “topic#1”, or titles that several share)"
        return Report(data=rig.data.name, suite="abstain", n=0, metrics={}, notes=[note])
    present = [one for one in tried if one.present and one.answerable]
    absent = [one for one in tried if not one.present and one.answerable]
    unanswerable = [one for one in tried if one.present and not one.answerable]
    metrics: Figures = {
        "refusal": measures.share(_refused(absent)),
        "left_out_n": len(absent),
        "false_refusal": measures.share(_refused(present)),
        "present_n": len(present),
        "auroc": _auroc(present, absent, lambda found: found.support),
        "answered_though_left_out": measures.share(_answered(absent)),
        "answered_of_present": measures.share(_answered(present)),
        "unanswerable_refused": measures.share(_refused(unanswerable)),
        "unanswerable_n": len(unanswerable),
    }
    signals: dict[str, Callable[[Found], float]] = {
        "coverage alone": lambda found: found.evidence.coverage,
        "strength alone": lambda found: found.evidence.strength,
        "cosine alone": lambda found: found.evidence.cosine,
    }
    return Report(
        data=rig.data.name,
        suite="abstain",
        n=len(present) + len(absent) + len(unanswerable),
        metrics=metrics,
        counts={
            "refusal": len(absent),
            "false_refusal": len(present),
            "auroc": len(present) + len(absent),
            "answered_though_left_out": len(absent),
            "answered_of_present": len(present),
            "unanswerable_refused": len(unanswerable),
        },
        peers={name: {"auroc": _auroc(present, absent, of)} for name, of in signals.items()},
        notes=[f"{FOLDS} bases with half of the topics each", *_notes(rig)],
    )


def _together(question: Question) -> str:
    return followups.together(question.text, question.earlier) or question.text


async def _peers(
    rig: Rig, asked: Sequence[Question], vectors: Vectors
) -> tuple[dict[str, Figures | str], str]:
    """The peers, and what the vectors that did better are of."""
    by_words = await peers.bm25(rig.data.corpus, asked)
    whole = await peers.vectors(rig.data.corpus, vectors, rig.embedder)
    rows = np.concatenate([one.vectors for one in rig.ready])
    owners = [one.text.id for one in rig.ready for _ in one.pieces]
    parts = await asyncio.to_thread(peers.nearest, rows, owners, vectors)
    ids = [question.id for question in asked]
    by_vectors = {
        of: _measure(rig, dict(zip(ids, rankings, strict=True)))
        for of, rankings in (("whole documents", whole), ("passages", parts))
    }
    best = max(by_vectors, key=lambda of: by_vectors[of]["ndcg@10"])
    return {
        "bm25s": dict(_measure(rig, by_words)) if by_words else peers.MISSING,
        "vectors alone": dict(by_vectors[best]),
    }, f"vectors alone: of {best}, which did better"


def _measure(rig: Rig, rankings: Mapping[str, Sequence[str]]) -> dict[str, float]:
    return measures.retrieval(rankings, rig.data.judged)


def topics_of(question: Question, data: Dataset, topic_of: Mapping[str, str]) -> set[str]:
    about = set(data.judged.get(question.id, ())) or {question.gold or ""}
    return {topic_of[one] for one in about if one in topic_of}


def _refused(tried: Sequence[Tried]) -> list[bool]:
    return [one.found.band is Band.UNKNOWN for one in tried]


def _answered(tried: Sequence[Tried]) -> list[bool]:
    return [one.found.band is Band.ANSWERED for one in tried]


def _auroc(
    present: Sequence[Tried], absent: Sequence[Tried], of: Callable[[Found], float]
) -> float | None:
    return measures.auroc([of(one.found) for one in present], [of(one.found) for one in absent])


def _notes(rig: Rig) -> list[str]:
    return [f"{rig.without_text} documents without text left out"] if rig.without_text else []

"""Fits the weights of the search and the scale of its bands to an organisation's own questions.

Every figure is of questions that had no part in the fit they are measured with: questions are
divided by topic, and each part is measured with what the others gave.
"""

import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from knowledge import bands, search
from knowledge.bands import Scale
from knowledge.evaluation import measures, suites
from knowledge.evaluation.folders import sample, topics
from knowledge.evaluation.shelving import Rig, shelved
from knowledge.evaluation.suites import FOLDS, SEED, Tried
from knowledge.preferences import Calibration, Provenance

QUESTIONS_MAX: Final = 400
FALSE_REFUSALS_MAX: Final = 0.05
ANSWERED_THOUGH_LEFT_OUT_MAX: Final = 0.05
TRIED_MIN: Final = 100
_GRID: Final = tuple(round(step / 10, 1) for step in range(11))
_RIDGE: Final = 1e-3
_STEPS_MAX: Final = 50
_CONVERGED: Final = 1e-8

Matrix = NDArray[np.float64]
Kinds = NDArray[np.bool_]
Fit = Callable[[Matrix, Kinds], Scale]

# Where the defaults of `search` and `bands` come from.
DEFAULTS: Final = Provenance(
    data=("SQuAD 2.0", "SciFact", "Cranfield", "MTRAG-UN", "banking77"),
    queries=5_116,
    at="2026-11-21",
    code="chatbot 0.1.0",
    figures={
        "auroc": 0.966,
        "refusal": 0.87,
        "false_refusal": 0.04,
        "answered_though_left_out": 0.04,
        "answered_of_present": 0.88,
    },
)


class Change(msgspec.Struct, frozen=True):
    """One figure by the defaults and by what was fitted, on questions that were held out."""

    figure: str
    before: float | None
    after: float | None
    n: int


class Fitted(msgspec.Struct, frozen=True):
    calibration: Calibration
    changes: list[Change]
    notes: list[str]


class Ranked(msgspec.Struct, frozen=True):
    """nDCG of each question (a row) at each share of the grid (a column), and its part."""

    values: Matrix
    parts: NDArray[np.int64]


async def fit(
    rigs: Sequence[Rig],
    *,
    code: str,
    limit: int | None = None,
) -> Fitted:
    """Shares of the vectors first, then scale and bands of what is found with those shares."""
    model = rigs[0].embedder.model
    start = Calibration(
        model=model,
        share=search.VECTOR_SHARE,
        faq_share=search.VECTOR_SHARE_FAQ,
        scale=bands.scale_for(model),
        provenance=DEFAULTS,
    )
    shared, changes, notes = await _fit_shares(rigs, start, limit or QUESTIONS_MAX)
    tried = [
        one
        for rig in rigs
        for one in await suites.leave_out(rig, limit=limit, calibration=shared)
        if one.answerable
    ]
    scale, more, why = fit_scale(tried, start.scale)
    changes += more
    figures = {f"{each.figure}, defaults": each.before for each in changes}
    figures |= {each.figure: each.after for each in changes}
    provenance = Provenance(
        data=tuple(rig.data.name for rig in rigs),
        queries=sum(len(sample(rig.data.questions, limit, SEED)) for rig in rigs),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        code=code,
        figures={name: round(value, 4) for name, value in figures.items() if value is not None},
    )
    fitted = msgspec.structs.replace(shared, scale=scale, provenance=provenance)
    return Fitted(fitted, changes, notes + why)


async def _fit_shares(
    rigs: Sequence[Rig], start: Calibration, limit: int
) -> tuple[Calibration, list[Change], list[str]]:
    fitted, changes, notes = start, list[Change](), list[str]()
    for knob in ("share", "faq_share"):
        default = getattr(start, knob)
        grid = sorted({*_GRID, default})
        sets = [await _rank(rig, fitted, knob=knob, grid=grid, limit=limit) for rig in rigs]
        moved = [each for each in sets if np.ptp(each.values, axis=1).any()]
        if not moved:
            notes.append(f"{knob} changes nothing here and stays at {default}")
            continue
        at = grid.index(default)
        chosen = grid[best(moved, at)]
        means = np.mean([each.values.mean(axis=0) for each in moved], axis=0)
        curve = ", ".join(f"{x}: {y:.4f}" for x, y in zip(grid, means, strict=True))
        notes.append(f"{knob} is {chosen}, was {default}; ndcg at each: {curve}")
        held = held_out(moved, at)
        fitted = msgspec.structs.replace(fitted, **{knob: chosen})
        before = float(np.mean([each.values[:, at].mean() for each in moved]))
        count = sum(len(each.values) for each in moved)
        changes.append(Change(f"ndcg@{measures.DEPTH} ({knob})", before, held, count))
    return fitted, changes, notes


async def _rank(
    rig: Rig, fitted: Calibration, *, knob: str, grid: Sequence[float], limit: int
) -> Ranked:
    """The ends of the grid first: where those rank alike, so does everything between."""
    asked = sample(rig.data.asked(), limit, SEED)
    topic_of = topics(rig.data.corpus)
    groups = [topic_of.get(min(rig.data.judged[one.id]), one.id) for one in asked]
    columns: dict[float, list[float]] = {}
    await rig.recall(asked)
    async with shelved(rig) as shelf:
        for value in (grid[0], grid[-1], *grid[1:-1]):
            await shelf.prefer(msgspec.structs.replace(fitted, **{knob: value}))
            found = [(one, await shelf.find(one.text, one.earlier)) for one in asked]
            columns[value] = [
                measures.ndcg(at.ranked, rig.data.judged[one.id]) for one, at in found
            ]
            if len(columns) == 2 and columns[grid[0]] == columns[grid[-1]]:
                columns = dict.fromkeys(grid, columns[value])
                break
    values = np.asarray([columns[value] for value in grid]).T
    return Ranked(values, np.asarray([_part(group) for group in groups]))


def best(sets: Sequence[Ranked], default: int) -> int:
    """The column with the best mean over the folders; the default's, unless the gain is more than
    chance would give (one standard error of the paired differences).
    """
    means = np.mean([each.values.mean(axis=0) for each in sets], axis=0)
    top = int(np.argmax(means))
    gains = np.concatenate([each.values[:, top] - each.values[:, default] for each in sets])
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.inf
    return top if means[top] - means[default] > error else default


def held_out(sets: Sequence[Ranked], default: int) -> float:
    """The mean over the folders, each question at the share that the other parts chose."""
    sums = [0.0 for _ in sets]
    for part in range(FOLDS):
        others = [_without(each, part) for each in sets]
        others = [each for each in others if len(each.values)]
        chosen = best(others, default) if others else default
        for at, each in enumerate(sets):
            sums[at] += float(each.values[each.parts == part, chosen].sum())
    return float(
        np.mean([total / len(each.values) for total, each in zip(sums, sets, strict=True)])
    )


def _without(ranked: Ranked, part: int) -> Ranked:
    kept = ranked.parts != part
    return Ranked(ranked.values[kept], ranked.parts[kept])


def fit_scale(tried: Sequence[Tried], start: Scale) -> tuple[Scale, list[Change], list[str]]:
    """The scale of all of them, what it changes on those held out, and why where it is not new.

    Other weights than those of `start` are taken only where they tell the two kinds apart better.
    """
    present, absent = (sum(one.present is there for one in tried) for there in (True, False))
    if min(present, absent) < TRIED_MIN:
        why = (
            f"the bands stay: fitting them takes {TRIED_MIN} questions of topics that are there and"
            f" {TRIED_MIN} of topics left out; there are {present} and {absent}"
        )
        return start, [], [why]
    features = np.asarray(
        [
            (one.found.evidence.coverage, one.found.evidence.strength, one.found.evidence.cosine)
            for one in tried
        ]
    )
    there = np.asarray([one.present for one in tried])
    parts = np.asarray([_part(one.topic) for one in tried])
    old = np.tile([start.partial_from, start.answered_from], (len(tried), 1))
    before = _judge(support(features, start), old, there)
    ways: tuple[Fit, ...] = (lambda some, given: bounded(start, some, given), scale_of)
    judged = [_judge(*_held_supports(way, start, features, there, parts), there) for way in ways]
    same, new = ({name: value or 0.0 for name, value, _ in each}["auroc"] for each in judged)
    taken = int(new > same)
    changes = [
        Change(name, was, now, n)
        for (name, was, n), (_, now, _) in zip(before, judged[taken], strict=True)
    ]
    notes = (
        [] if taken else ["the scale keeps its weights, which no others beat; its bounds are new"]
    )
    return ways[taken](features, there), changes, notes


def scale_of(features: Matrix, present: Kinds) -> Scale:
    """Logistic regression on coverage, strength and cosine, both kinds of question counting alike.
    More of a feature never speaks against an answer: one that would is left out.
    """
    used = [at for at in range(features.shape[1]) if np.ptp(features[:, at]) > 0]
    weights = np.zeros(features.shape[1])
    bias = 0.0
    while used:
        bias, slopes = _logistic(features[:, used], present)
        wrong = [at for at, slope in zip(used, slopes, strict=True) if slope < 0]
        if not wrong:
            weights[used] = slopes
            break
        used = [at for at in used if at not in wrong]
        bias = 0.0
    coverage, strength, cosine = (round(float(weight), 4) for weight in weights)
    scale = Scale(
        bias=round(float(bias), 4),
        coverage=coverage,
        strength=strength,
        cosine=cosine,
        partial_from=0.0,
        answered_from=1.0,
    )
    return bounded(scale, features, present)


def bounded(scale: Scale, features: Matrix, present: Kinds) -> Scale:
    """With bounds that refuse at most one in twenty that could be answered, and let at most one in
    twenty of the others pass without a doubt.
    """
    supports = support(features, scale)
    partial = float(np.quantile(supports[present], FALSE_REFUSALS_MAX, method="lower"))
    sure = float(np.quantile(supports[~present], 1 - ANSWERED_THOUGH_LEFT_OUT_MAX, method="higher"))
    return msgspec.structs.replace(
        scale, partial_from=round(partial, 4), answered_from=round(max(partial, sure), 4)
    )


def _held_supports(
    way: Fit, start: Scale, features: Matrix, present: Kinds, parts: NDArray[np.int64]
) -> tuple[Matrix, Matrix]:
    """The support and the two bounds of each question, by a scale it had no part in."""
    supports, bounds = np.zeros(len(features)), np.zeros((len(features), 2))
    for part in range(FOLDS):
        held = parts == part
        others = present[~held]
        fitted = way(features[~held], others) if others.any() and not others.all() else start
        supports[held] = support(features[held], fitted)
        bounds[held] = fitted.partial_from, fitted.answered_from
    return supports, bounds


def support(features: Matrix, scale: Scale) -> Matrix:
    """`bands.support` of many at once."""
    weights = np.asarray([scale.coverage, scale.strength, scale.cosine])
    return 1 / (1 + np.exp(-(scale.bias + features @ weights)))


def _logistic(features: Matrix, present: Kinds) -> tuple[float, Matrix]:
    """Iteratively reweighted least squares, with a little ridge so that it ends where the two kinds
    can be told apart entirely.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0)
    rows = np.column_stack([np.ones(len(features)), (features - centre) / spread])
    alike = np.where(present, 0.5 / present.mean(), 0.5 / (1 - present.mean()))
    ridge = np.diag([0.0, *[_RIDGE * len(rows)] * features.shape[1]])
    weights = np.zeros(rows.shape[1])
    for _ in range(_STEPS_MAX):
        chance = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        gradient = rows.T @ (alike * (present - chance)) - ridge @ weights
        curvature = (rows * (alike * chance * (1 - chance))[:, None]).T @ rows + ridge
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        weights = weights + step
        if np.abs(step).max() < _CONVERGED:
            break
    slopes = weights[1:] / spread
    return float(weights[0] - slopes @ centre), slopes


def _judge(supports: Matrix, bounds: Matrix, present: Kinds) -> list[tuple[str, float | None, int]]:
    refused, answered = supports < bounds[:, 0], supports >= bounds[:, 1]
    there, missing = int(present.sum()), int((~present).sum())
    return [
        ("refusal", float(refused[~present].mean()), missing),
        ("false_refusal", float(refused[present].mean()), there),
        (
            "auroc",
            measures.auroc(supports[present].tolist(), supports[~present].tolist()),
            len(present),
        ),
        ("answered_though_left_out", float(answered[~present].mean()), missing),
        ("answered_of_present", float(answered[present].mean()), there),
    ]


def _part(group: str) -> int:
    return zlib.crc32(group.encode()) % FOLDS

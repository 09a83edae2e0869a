"""What a ranking or a refusal is worth, in figures from 0 to 1. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

DEPTH: Final = 10


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], depth: int = DEPTH) -> float:
    """Normalised discounted cumulative gain, gains as judged (Järvelin and Kekäläinen 2002, as
    trec_eval computes it).
    """
    best = sorted((gain for gain in relevant.values() if gain > 0), reverse=True)
    ideal = _discounted(best[:depth])
    return _discounted(relevant.get(one, 0.0) for one in ranked[:depth]) / ideal if ideal else 0.0


def recall(ranked: Sequence[str], relevant: Mapping[str, float], depth: int = DEPTH) -> float:
    """How much of what fits is among the first `depth`."""
    wanted = {one for one, gain in relevant.items() if gain > 0}
    return len(wanted & set(ranked[:depth])) / len(wanted) if wanted else 0.0


def reciprocal_rank(
    ranked: Sequence[str], relevant: Mapping[str, float], depth: int = DEPTH
) -> float:
    """One over the place of the first that fits; 0 when none is among the first `depth`."""
    for place, one in enumerate(ranked[:depth], start=1):
        if relevant.get(one, 0.0) > 0:
            return 1 / place
    return 0.0


def auroc(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """How often one of `higher` is above one of `lower`, ties counted half; None without both."""
    if not higher or not lower:
        return None
    values = np.concatenate([np.asarray(higher, np.float64), np.asarray(lower, np.float64)])
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[at]
    wins = ranks[: len(higher)].sum() - len(higher) * (len(higher) + 1) / 2
    return float(wins / (len(higher) * len(lower)))


def share(those: Iterable[bool]) -> float | None:
    """How many of those are true, as a share; None when there are none."""
    listed = list(those)
    return sum(listed) / len(listed) if listed else None


def retrieval(
    rankings: Mapping[str, Sequence[str]], judged: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """The usual figures, averaged over the questions that were ranked."""
    pairs = [(ranked, judged[question]) for question, ranked in rankings.items()]
    return {
        f"ndcg@{DEPTH}": _mean(ndcg(ranked, fits) for ranked, fits in pairs),
        f"recall@{DEPTH}": _mean(recall(ranked, fits) for ranked, fits in pairs),
        f"mrr@{DEPTH}": _mean(reciprocal_rank(ranked, fits) for ranked, fits in pairs),
        "hit@1": _mean(reciprocal_rank(ranked, fits, 1) for ranked, fits in pairs),
    }


def _discounted(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, start=1))


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0

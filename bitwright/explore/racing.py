# SPDX-License-Identifier: Apache-2.0
"""Racing: a design is looked at after few samples, then more, until a better one that is no dearer has surely won.

Samples come in an order drawn once, so that those seen so far are drawn from all without putting back. After each look
the most that the design can still reach is bounded so that the bound fails with a chance of at most `CHANCE` divided by
the number of looks: by the sum of these chances none of a design's looks rules it out wrongly, `CHANCE` apart.

Racing by such bounds: Maron, Moore: "Hoeffding Races", NIPS 1993. The bounds for samples that are drawn without putting
back: exact for right and wrong answers; else Serfling: "Probability inequalities for the sum in sampling without
replacement", Annals of Statistics 2(1), 1974.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from bitwright.explore.metrics import Metric
from bitwright.explore.objectives import Objective
from bitwright.explore.record import Record

Array = NDArray[Any]
CHANCE = 1e-3
"""Of a design to be ruled out although it is as good as its rival, at most."""
LOOKS = (16, 8, 4, 2)
"""The parts of all samples after which there is a look."""
FEWEST = 32
"""Samples before which there is none."""


def stages(total: int) -> tuple[int, ...]:
    """How many samples are seen at each look, and at last all."""
    looks = {-(-total // part) for part in LOOKS}
    return (*sorted(look for look in looks if FEWEST <= look < total), total)


def best_left(rows: Array, total: int, metric: Metric) -> float:
    """The best that a metric of all `total` samples can still be, by the `rows` of those that were seen.

    Infinitely good where nothing is known of the samples that are left.
    """
    worst, best = metric.ends
    better = metric.objective.more_is_better
    if metric.whole is not None or not isfinite(best - worst):
        return inf if better else -inf
    chance = CHANCE / max(1, len(stages(total)) - 1)
    good = rows[:, 0] - worst if better else best - rows[:, 0]
    if metric.binary:
        most = most_right(int(good.sum()), len(rows), total, chance) / total
    else:
        left = 1 - (len(rows) - 1) / total
        most = min(best - worst, good.mean() + (best - worst) * sqrt(left * log(1 / chance) / 2 / len(rows)))
    return float(worst + most if better else best - most)


def most_right(right: int, seen: int, total: int, chance: float) -> int:
    """The most of `total` that may be right, if as few as `right` of those `seen` are with more than a `chance`."""
    low, high = right, total - (seen - right)
    while low < high:
        middle = (low + high + 1) // 2
        if at_most(right, middle, seen, total) > chance:
            low = middle
        else:
            high = middle - 1
    return low


def at_most(right: int, of: int, seen: int, total: int) -> float:
    """The chance that `right` or fewer are right among those `seen`, where `of` the `total` are."""
    k = np.arange(max(0, seen - (total - of)), right + 1)
    logs = _ways(of, k) + _ways(total - of, seen - k) - _ways(total, seen)
    return float(np.exp(logs).sum())


def _ways(things: Any, taken: Any) -> Any:
    """The logarithm of how many ways there are to take some of many."""
    return gammaln(things + 1.0) - gammaln(taken + 1.0) - gammaln(things - taken + 1.0)


def rivals_of(figures: Mapping[str, float], rivals: Iterable[Record], objectives: Sequence[Objective]) -> list[Record]:
    """Those of the rivals that are no dearer in anything that is compared, the score apart."""
    return [r for r in rivals if all(o.loss(r.figures[o.name]) <= o.loss(figures[o.name]) for o in objectives)]

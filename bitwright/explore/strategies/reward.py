# SPDX-License-Identifier: Apache-2.0
"""What agents are rewarded with: how few errors a design makes, and what it costs, in one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log1p, prod

import numpy as np

from bitwright.explore.objectives import Objective
from bitwright.explore.record import Outcome, Record
from bitwright.explore.strategies.archive import Archive, Floats

REGAIN = 0.1
"""HAQ's factor of the accuracy that is lost."""
SOFT = -0.07
"""MNasNet's exponent: what takes twice as long is worth as much with 5 % more accuracy."""
TINY = 1e-9
"""The least of a cost that shares are taken of."""


def error_of(score: Objective, value: float) -> float:
    """How far a score is from the best: what shares lack, the noise of decibels, the size of losses, below 1."""
    if score.unit == "dB":
        return float(10 ** (-value / 10))
    return 1 - value if score.more_is_better else value / (1 + abs(value))


def constrained(error: float) -> float:
    """AMC's where the actions keep to a budget."""
    return -error


def guaranteed(error: float, cost: float) -> float:
    """AMC's where nothing limits the cost: an error counts the more the dearer the design is.

    With log(1 + cost), so that no cost, in whatever unit, makes errors welcome.
    """
    return -error * log1p(max(cost, 0.0))


def regained(error: float, before: float) -> float:
    """HAQ's: by how much fewer the errors are than those of the design that one began with."""
    return REGAIN * (before - error)


def traded(error: float, stored: float, weight: float) -> float:
    """An agent's who pays for what is stored: errors, and a weight for the share of all that is kept."""
    return -(error + weight * stored)


def soft_budget(
    score: float, costs: Mapping[str, float], targets: Mapping[str, float], inside: float = SOFT, beyond: float = SOFT
) -> float:
    """MNasNet's: the score times (cost / target) ** w for each cost; w may be another within the target than beyond."""
    shares = [max(costs[name], TINY) / max(target, TINY) for name, target in targets.items()]
    return score * float(prod(share ** (inside if share <= 1 else beyond) for share in shares))


class Worth:
    """One number for what became of a design: MNasNet's reward, for what is limited with exponents of its own.

    The target of a cost is its limit; of one that shall be small without a limit it is what half of the first designs
    have. The score is counted from 0, where everything is wrong or worse than a guess, to 1; a design that failed is
    worth nothing.
    """

    def __init__(self, archive: Archive, inside: float = SOFT, beyond: float = SOFT) -> None:
        self._score, *figures = archive.figures
        self._costs = [each for each in figures if not each.more_is_better]
        self._limits = {each.name: archive.problem.budget.get(each.name) for each in self._costs}
        self._ways = inside, beyond
        self._targets: dict[str, float] = {}

    def __call__(self, outcomes: Sequence[Outcome]) -> Floats:
        """That of each outcome; the first ones that are known set the targets."""
        known = [each for each in outcomes if isinstance(each, Record)]
        if known and not self._targets:
            medians = {each.name: float(np.median([it.figures[each.name] for it in known])) for each in self._costs}
            self._targets = {name: medians[name] if most is None else most for name, most in self._limits.items()}
        return np.array([self._of(each) if isinstance(each, Record) else 0.0 for each in outcomes])

    def _of(self, record: Record) -> float:
        score = max(1 - error_of(self._score, record.figures[self._score.name]), 0.0)
        for name, target in self._targets.items():
            ways = (SOFT, SOFT) if self._limits[name] is None else self._ways
            score = soft_budget(score, record.figures, {name: target}, *ways)
        return score

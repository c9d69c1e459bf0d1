# SPDX-License-Identifier: Apache-2.0
"""Simulated annealing: steps to neighbours, which may be worse as long as it is warm."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import numpy as np

from bitwright.explore.record import Outcome
from bitwright.explore.space import Design
from bitwright.explore.strategies.afford import Afford, fresh
from bitwright.explore.strategies.archive import Archive, Places
from bitwright.explore.strategies.reward import Worth
from bitwright.explore.strategies.strategy import Problem

WARM, COLD = 0.05, 0.0005
"""What a step may lose with a chance of 1 in e, of a score of 1, at first and at the end."""
FEW = 3
"""Axes that a step moves at most."""


class Anneal:
    """Neighbours of a design, any of which it becomes that is better, or worse as long as it is warm.

    A worse one by d is taken with a chance of exp(-d / T), and T falls in a geometric row. A design is lowered in turn
    until it keeps the budget by the table. AutoCompress searches the rates of pruning of all layers so, and prunes by
    ADMM, which `train` does here (Liu, Ma, Xu, Wang, Tang, Ye: "AutoCompress: an automatic DNN structured pruning
    framework for ultra-high compression rates", AAAI 2020, arXiv 1907.03141; R128; Kirkpatrick, Gelatt, Vecchi:
    "Optimization by simulated annealing", Science 220, 1983).
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._afford, self._worth = Afford(self._archive), Worth(self._archive, 0.0, -1.0)
        self._at: Places | None = None
        self._worths: dict[Places, float] = {}

    def ask(self) -> Sequence[Design]:
        """The uniform designs, of which the best is where it begins; then neighbours."""
        archive = self._archive
        if archive.left <= 0:
            return []
        if self._at is None:
            return archive.propose(archive.uniforms())
        return archive.propose(fresh(archive, self._afford, self._neighbour))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Go, or stay, for one after the other."""
        self._archive.learn(outcomes)
        for outcome, worth in zip(outcomes, self._worth(outcomes).tolist(), strict=True):
            places = self._archive.space.places(outcome.design)
            self._worths[places] = worth
            if self._at is None or self._is_taken(worth - self._worths[self._at]):
                self._at = places

    @property
    def warmth(self) -> float:
        """T, which depends on how far the search is."""
        done = 1 - self._archive.left / self._archive.problem.evaluations
        return WARM * exp(log(COLD / WARM) * done)

    def _is_taken(self, gain: float) -> bool:
        return chance(gain, self.warmth) > self._archive.rng.random()

    def _neighbour(self, attempt: int) -> Places:
        """A few axes moved by a step each; one that is known is gone to, or not, by what it was."""
        rng, axes = self._archive.rng, self._archive.space.axes
        assert self._at is not None, "uniform designs were told first"
        found = np.array(self._at)
        for column in rng.choice(len(axes), min(int(rng.integers(1, FEW + 1)), len(axes)), replace=False):
            beside = self._archive.beside(axes[column], int(found[column]))
            found[column] = rng.choice(beside) if beside else found[column]
        places = self._afford.lowered(tuple(map(int, found)), self._afford.limits)
        if places in self._worths and self._is_taken(self._worths[places] - self._worths[self._at]):
            self._at = places
        return places


def chance(gain: float, warmth: float) -> float:
    """That of a step that gains so much: 1 of what is no worse (Metropolis)."""
    return 1.0 if gain >= 0 else exp(gain / warmth)


STRATEGIES = {"anneal": Anneal}
BY_TABLE = {"anneal": True}

# SPDX-License-Identifier: Apache-2.0
"""Searches by a policy, of few choices first and of more as they go on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import log2

import numpy as np

from bitwright.explore.record import Outcome
from bitwright.explore.space import Axis, Design
from bitwright.explore.strategies.afford import Afford, fresh
from bitwright.explore.strategies.archive import Archive, Floats, Ints, Places
from bitwright.explore.strategies.policy import Policy
from bitwright.explore.strategies.reward import Worth
from bitwright.explore.strategies.strategy import Problem

RATE = 1.5
"""How far chances go at a batch."""
FORGET = 0.8
"""What of the moving mean of rewards is left by the next batch."""
WARMER = 0.05
"""By how much chances are more alike with each attempt at what is new."""


class PolicySearch(ABC):
    """Chances of values, of all layers together first and then of each, that change with what designs are worth."""

    WAYS = 0.0, -1.0
    """The exponents of what is limited, within the limit and beyond."""

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._afford, self._worth = Afford(self._archive), Worth(self._archive, *self.WAYS)
        self._groups = _groups(problem.space.axes, 1)
        self._policy = Policy([np.zeros(self._size(group)) for group in self._groups])
        self._drawn: dict[Places, tuple[int, ...]] = {}
        self._baseline: float | None = None

    def ask(self) -> Sequence[Design]:
        """Uniform designs, then some that are drawn."""
        archive = self._archive
        if archive.left <= 0:
            return []
        if self._baseline is None:
            return archive.propose(archive.uniforms())
        self._grow()
        return archive.propose(fresh(archive, self._afford, self._draw))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What they are worth, beside what others were."""
        self._archive.learn(outcomes)
        worths, mean = self._worth(outcomes), self._baseline
        self._baseline = float(worths.mean()) if mean is None else FORGET * mean + (1 - FORGET) * float(worths.mean())
        rows = [self._drawn.get(self._archive.space.places(each.design)) for each in outcomes]
        own = [place for place, row in enumerate(rows) if row is not None and len(row) == len(self._groups)]
        if mean is not None and own:
            self._learn(np.array([rows[place] for place in own]), _scaled(worths[own] - mean))

    @abstractmethod
    def _learn(self, drawn: Ints, advantages: Floats) -> None:
        """Change the chances by what was drawn."""

    def _draw(self, attempt: int) -> Places:
        drawn = self._policy.draw(self._archive.rng, 1 + WARMER * attempt)
        places = np.zeros(len(self._archive.space.axes), np.int64)
        for group, place in zip(self._groups, drawn, strict=True):
            for column in group:
                places[column] = min(place, len(self._archive.space.axes[column].values) - 1)
        found = tuple(map(int, places))
        self._drawn[found] = drawn
        return found

    def _grow(self) -> None:
        """Split the choices, as far as the search is; each half begins with the chances of the whole."""
        axes, done = self._archive.space.axes, 1 - self._archive.left / self._archive.problem.evaluations
        count = 2 ** int((log2(len(axes)) + 2) * min(2 * done, 1.0))
        groups = _groups(axes, count)
        if groups != self._groups:
            whole = {column: place for place, group in enumerate(self._groups) for column in group}
            parents = [self._policy.logits[whole[group[0]]] for group in groups]
            sizes = map(self._size, groups)
            self._policy = Policy([each[:size] for each, size in zip(parents, sizes, strict=True)])
            self._groups = groups

    def _size(self, group: Sequence[int]) -> int:
        return max(len(self._archive.space.axes[column].values) for column in group)


def _groups(axes: Sequence[Axis], count: int) -> list[list[int]]:
    """The axes of each option, in so many parts of neighbours at most."""
    found = []
    for option in dict.fromkeys(axis.option for axis in axes):
        columns = [column for column, axis in enumerate(axes) if axis.option == option]
        found += [part.tolist() for part in np.array_split(columns, min(count, len(columns)))]
    return found


def _scaled(advantages: Floats) -> Floats:
    return advantages / max(float(np.sqrt(np.square(advantages).mean())), 1e-12)

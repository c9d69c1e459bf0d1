# SPDX-License-Identifier: Apache-2.0
"""What strategies share: which designs they proposed, what became of them, and which of these are best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from bitwright.explore.objectives import OBJECTIVES, Objective
from bitwright.explore.record import Outcome, Record
from bitwright.explore.space import Axis, Design
from bitwright.explore.strategies.strategy import Problem
from bitwright.explore.strategies.surrogate import is_ordered

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Places = tuple[int, ...]
SHARE = 4
"""Uniform designs are at most one of so many evaluations."""


class Archive:
    """Designs by the places of their values, with the losses of all figures that matter: objectives, then limits."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.space = problem, problem.space
        self.rng = np.random.default_rng(problem.seed)
        limited = tuple(_limited(name, problem.objectives) for name in problem.budget)
        self.figures: tuple[Objective, ...] = tuple(dict.fromkeys((*problem.objectives, *limited)))
        self.limits = {
            self.figures.index(each): each.loss(problem.budget[each.name])
            for each in self.figures
            if each.name in problem.budget
        }
        self.places: list[Places] = []
        self.losses: list[Floats] = []
        self._asked: dict[Places, None] = {}

    @property
    def left(self) -> int:
        """How many more designs may be proposed."""
        return self.problem.evaluations - len(self._asked)

    def is_new(self, places: Places) -> bool:
        """True if the design was not proposed before."""
        return places not in self._asked

    def propose(self, wanted: Iterable[Places]) -> list[Design]:
        """The designs among those wanted that are new, as many as may be."""
        fresh = [places for places in dict.fromkeys(wanted) if places not in self._asked][: max(self.left, 0)]
        self._asked |= dict.fromkeys(fresh)
        return [self.space.design(places) for places in fresh]

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the records among outcomes; a design that failed is never proposed again, and nothing else is known."""
        for each in outcomes:
            if isinstance(each, Record):
                self.places.append(self.space.places(each.design))
                self.losses.append(self.losses_of(each))

    def losses_of(self, record: Record) -> Floats:
        """The losses of all figures that matter."""
        return np.array([figure.loss(record.figures[figure.name]) for figure in self.figures])

    def excess(self, losses: Floats) -> Floats:
        """By how much each row of losses is over the limits, in shares of them."""
        over = np.zeros(len(losses))
        for column, most in self.limits.items():
            over += np.maximum(losses[:, column] - most, 0.0) / max(abs(most), 1e-12)
        return over

    def best(self) -> Ints:
        """The records that no other dominates, of those within the limits; where none is, the nearest to them."""
        if not self.losses:
            return np.zeros(0, np.int64)
        at = np.array(self.losses)
        over = self.excess(at)
        kept = np.flatnonzero(over <= over.min())
        return kept[is_front(at[kept, : len(self.problem.objectives)])]

    def uniforms(self) -> list[Places]:
        """Uniform designs: all, or evenly from among them where they would take too much of the search."""
        most = max(self.problem.evaluations // SHARE, 2)
        found = list(map(self.space.places, islice(self.space.uniforms(), 100 * most)))
        if len(found) <= most:
            return found
        return [found[place] for place in np.linspace(0, len(found) - 1, most).round().astype(int)]

    def beside(self, axis: Axis, place: int) -> list[int]:
        """The places that are a step away: the next ones of numbers, any other of names."""
        count = len(axis.values)
        near = (place - 1, place + 1) if is_ordered(axis) else range(count)
        return [each for each in near if 0 <= each < count and each != place]

    def draw(self, count: int) -> Iterator[Places]:
        """Designs by chance, each value as likely as any other; in small spaces each design once."""
        if self.space.size <= 4 * (len(self._asked) + count):
            every = list(map(self.space.places, self.space.designs()))
            unknown = [each for each in every if self.is_new(each)]
            yield from (unknown[place] for place in self.rng.permutation(len(unknown))[:count])
            return
        drawn = 0
        while drawn < count:
            places = tuple(int(self.rng.integers(len(axis.values))) for axis in self.space.axes)
            if self.is_new(places):
                drawn += 1
                yield places


def _limited(name: str, objectives: Iterable[Objective]) -> Objective:
    """What a budget limits: an objective of the search, or another figure."""
    return next((each for each in objectives if each.name == name), None) or OBJECTIVES[name]


def is_front(losses: Floats) -> NDArray[np.bool_]:
    """Which rows no other row dominates; of equal ones the first."""
    found = np.ones(len(losses), bool)
    for row, each in enumerate(losses):
        if found[row]:
            worse = (each <= losses).all(axis=1)
            worse[row] = False
            equal = worse & (each == losses).all(axis=1)
            found &= ~(worse & (~equal | (np.arange(len(losses)) > row)))
    return found


def gains(losses: Floats, front: Floats, span: Floats) -> Floats:
    """By how much each row is before a front: the least step, in shares of the span, that would leave it dominated.

    Negative where it is dominated (the maximin improvement of Svenson, Santner: "Multiobjective optimization of
    expensive-to-evaluate deterministic computer simulator models", Computational Statistics & Data Analysis 94, 2016).
    """
    steps = (front[None] - losses[:, None]) / span
    return np.asarray(steps.max(axis=2).min(axis=1))

# SPDX-License-Identifier: Apache-2.0
"""Designs are left out that cannot be on the front, because of others that have more or less of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bitwright.explore.record import Outcome
from bitwright.explore.space import Design
from bitwright.explore.strategies.archive import Archive, Floats, Ints, Places, gains
from bitwright.explore.strategies.strategy import Problem
from bitwright.explore.strategies.surrogate import is_ordered

BATCH = 8
"""Designs that are asked for at once."""
POOL = 2048
"""Designs that are looked at for a batch, drawn by chance where the space has more."""


class Dominance:
    """What may still be on the front, the most hopeful first, if more of an axis never scores less nor costs less.

    A design scores no more than any that has at least as much of each axis, and costs no less than any that has at
    most as much: what even so is no better than one that was measured, or is over a budget, is left out. Where nothing
    is left the front is whole, as far as that order holds (Li, Zhou, Pan, Feng: "Partial order pruning: for best
    speed/accuracy trade-off in neural architecture search", CVPR 2019, arXiv 1903.03777; R110).
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._ordered = np.array([is_ordered(axis) for axis in problem.space.axes])
        self._begun = False

    def ask(self) -> Sequence[Design]:
        """The next ones."""
        if self._archive.left <= 0:
            return []
        if not self._begun:
            self._begun = True
            return self._archive.propose(self._archive.uniforms())
        return self._archive.propose(self._hopeful())

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What others cannot be better than."""
        self._archive.learn(outcomes)

    def _hopeful(self) -> Iterator[Places]:
        pool = list(self._archive.draw(POOL))
        if not pool or not self._archive.places:
            yield from pool[:BATCH]
            return
        least = self._least(np.array(pool))
        measured, count = np.array(self._archive.losses), len(self._archive.problem.objectives)
        hoped = gains(least[:, :count], measured[self._archive.best(), :count], self._span(measured)[:count])
        hoped[self._archive.excess(least) > 0] = -np.inf
        for place in np.argsort(-hoped, kind="stable")[:BATCH]:
            if hoped[place] > 0:
                yield pool[place]

    def _least(self, pool: Ints) -> Floats:
        """What the losses of designs are at least: of the score by those above, of costs by those below."""
        known, measured = np.array(self._archive.places), np.array(self._archive.losses)
        found = np.full((len(pool), measured.shape[1]), -np.inf)
        above, below = self._above(pool, known), self._above(known, pool).T
        for column, figure in enumerate(self._archive.figures):
            reached = above if figure.more_is_better or column == 0 else below
            bounds = np.where(reached, measured[:, column], -np.inf).max(axis=1)
            found[:, column] = np.maximum(found[:, column], bounds)
        return found

    def _above(self, ours: Ints, theirs: Ints) -> NDArray[np.bool_]:
        """Whether each of theirs has at least as much of every axis as each of ours; of what has no order the same."""
        more = np.ones((len(ours), len(theirs)), bool)
        for column, ordered in enumerate(self._ordered):
            one, other = ours[:, column, None], theirs[:, column]
            more &= other >= one if ordered else other == one
        return more

    def _span(self, measured: Floats) -> Floats:
        span = np.ptp(measured, axis=0)
        return np.where(span > 0, span, 1.0)


STRATEGIES = {"dominance": Dominance}

# SPDX-License-Identifier: Apache-2.0
"""Evolution that begins at what the table proves best, and breeds the children that will probably move the front."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from bitwright.explore.additive import Additive
from bitwright.explore.certificate import ladder
from bitwright.explore.record import Outcome
from bitwright.explore.space import Design
from bitwright.explore.strategies.archive import Archive, Floats, Ints, Places, gains
from bitwright.explore.strategies.predicted import Predicted
from bitwright.explore.strategies.strategy import Problem

Predictor = Callable[[Ints], Floats]
"""Losses of designs, a row each, by their places."""
BATCH = 16
"""Designs that are asked for at once."""
STEPS = 16
"""Budgets of each cost for which the table is asked for its best design."""
BRED = 640
"""Children of whom the batch is chosen."""


class Evolve:
    """Uniform designs and those that the table proves best first; then, batch by batch, the children of the front.

    The seeds are answers of the exact allocator at a ladder of budgets (R109). Children are neighbours of a front's
    members by one step of one axis, by two steps of two, and crossings of two members. What they will have is
    predicted from all that was measured, on top of the table, and those are asked for that are likely to move the
    front furthest; one that failed to is known, and corrects the prediction. Uniform designs are always measured, so
    that the front is never behind theirs.

    Liu, Mu, Zhang, Guo, Yang, Cheng, Sun: "MetaPruning: meta learning for automatic neural network channel pruning",
    ICCV 2019, arXiv 1903.10258; R122, R130; Wang, Wang, Cai, Lin, Liu, Wang, Lin, Han: "APQ: joint search for network
    architecture, pruning and quantization policy", CVPR 2020, arXiv 2006.08509; R121. Over zeros and widths together:
    Wielgosz, Karwatowski: "Mapping neural networks to FPGA-based IoT devices for ultra-low latency processing", Sensors
    19, 2019; R112.
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._model = None if problem.ledger is None else Additive(problem.space, problem.ledger)
        self._predicted = self._predictor()
        self._begun = False

    def _predictor(self) -> Predictor:
        """What says which losses designs will probably have."""
        return Predicted(self._archive, self._model)

    def ask(self) -> Sequence[Design]:
        """The next batch."""
        archive = self._archive
        if archive.left <= 0:
            return []
        if not self._begun:
            self._begun = True
            return archive.propose(self._start())
        if not archive.places:
            return archive.propose(archive.draw(BATCH))
        children = self._children()
        return archive.propose(self._chosen(children) if children else [])

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What became of them."""
        self._archive.learn(outcomes)

    def _start(self) -> Iterator[Places]:
        uniforms = self._archive.uniforms()
        yield from uniforms
        yield from self._seeds(uniforms[-1])
        yield from self._archive.draw(max(BATCH - len(uniforms), 0))

    def _seeds(self, others: Places) -> Iterator[Places]:
        """What the table proves best; axes that it does not know are as in the last uniform design."""
        model = self._model
        if model is None or not model.error:
            return
        costs = [each.name for each in self._archive.figures if each.name in model.kinds]
        for cost in costs:
            yield from (model.places(proof.places, others) for proof in ladder(model, cost, STEPS))

    def _children(self) -> list[Places]:
        """Children that are new, drawn by chance where there are too many."""
        archive = self._archive
        front = [archive.places[row] for row in archive.best()]
        near = [each for each in dict.fromkeys(chain.from_iterable(map(self._steps, front))) if archive.is_new(each)]
        order = archive.rng.permutation(len(near))[: BRED // 2]
        far = islice(self._bred(front), 4 * BRED)
        bred = dict.fromkeys(each for each in far if archive.is_new(each))
        found = dict.fromkeys([*(near[place] for place in order), *bred])
        if len(found) < BATCH:
            found |= dict.fromkeys(archive.draw(BATCH - len(found)))
        return list(found)[:BRED]

    def _steps(self, places: Places) -> Iterator[Places]:
        """The designs that differ by a step of one axis; what has no order steps to any other place."""
        for column, axis in enumerate(self._archive.space.axes):
            for place in self._archive.beside(axis, places[column]):
                yield (*places[:column], place, *places[column + 1 :])

    def _bred(self, front: Sequence[Places]) -> Iterator[Places]:
        """Without end: crossings of two members, and members with steps of a few axes."""
        rng, axes = self._archive.rng, self._archive.space.axes
        while True:
            one, other = (np.array(front[place]) for place in rng.integers(len(front), size=2))
            child = np.where(rng.random(len(axes)) < rng.choice((0.0, 0.2, 0.5)), other, one)
            for column in rng.choice(len(axes), min(int(rng.integers(1, 4)), len(axes)), replace=False):
                beside = self._archive.beside(axes[column], int(child[column]))
                child[column] = rng.choice(beside) if beside else child[column]
            yield tuple(map(int, child))

    def _chosen(self, children: Sequence[Places]) -> list[Places]:
        """The children that will probably move the front furthest, each beside those that were chosen before."""
        archive, count = self._archive, len(self._archive.problem.objectives)
        hoped = self._predicted(np.array(children))
        best = np.array(archive.losses)[archive.best(), :count]
        span = self._span(best)
        over = archive.excess(hoped)
        worth = gains(hoped[:, :count], best, span) - np.where(over > 0, 1e3 + over, 0.0)
        chosen: list[Places] = []
        for _ in range(min(BATCH, len(children))):
            place = int(worth.argmax())
            chosen.append(children[place])
            worth = np.minimum(worth, gains(hoped[:, :count], hoped[place : place + 1, :count], span))
            worth[place] = -np.inf
        return chosen

    def _span(self, best: Floats) -> Floats:
        """How far apart the members of a front are in each objective; where they are not, all that is known."""
        every = np.array(self._archive.losses)[:, : best.shape[1]]
        span = np.where(np.ptp(best, axis=0) > 0, np.ptp(best, axis=0), np.ptp(every, axis=0))
        return np.where(span > 0, span, 1.0)


STRATEGIES = {"evolve": Evolve}
BY_TABLE = {"evolve": True}

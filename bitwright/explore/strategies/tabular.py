# SPDX-License-Identifier: Apache-2.0
"""An agent that keeps a table of what each choice is worth, and pays for what is stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitwright.explore.record import Outcome, Record
from bitwright.explore.space import Design
from bitwright.explore.strategies.afford import Afford, fresh
from bitwright.explore.strategies.archive import Archive, Places
from bitwright.explore.strategies.reward import error_of, traded
from bitwright.explore.strategies.strategy import Problem

RATE = 0.5
"""How far what a choice is worth goes to what it turned out to be."""
CURIOUS, DECAY = 0.5, 0.97
"""The share of choices by chance at first, and what is left of it by the next batch."""
WORST = -2.0
"""What a choice is worth that was never made."""
STORAGE = 0.1
"""What the cost of the dearest design counts, in shares of all answers that are wrong."""


class Tabular:
    """Q-learning: axis after axis the value that is worth most behind the last one, or any, less often as it goes on.

    Values are among those that a budget allows, and the reward is minus the errors, and where the budget knows no cost
    a tenth of the share of what is stored. The paper has a second agent that chooses channels for each input; hardware
    does not, so what is stored and used is one design (Chen, Chen, Pan: "Storage efficient and dynamic flexible runtime
    channel pruning via deep reinforcement learning", NeurIPS 2020; R132; Watkins, Dayan: "Q-learning", Machine
    Learning 8, 1992).
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._afford = Afford(self._archive)
        counts = [len(axis.values) for axis in problem.space.axes]
        self._worth = [np.full(size, WORST) for size in zip([1, *counts[:-1]], counts, strict=True)]
        self._curious, self._most = CURIOUS, 0.0

    def ask(self) -> Sequence[Design]:
        """The designs of the next episodes."""
        if self._archive.left <= 0:
            return []
        return self._archive.propose(fresh(self._archive, self._afford, self._episode))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What their choices were worth, from the last one back."""
        self._archive.learn(outcomes)
        for each in outcomes:
            if isinstance(each, Record):
                self._back_up(self._archive.space.places(each.design), self._reward(each))
        self._curious *= DECAY

    def best(self) -> Places:
        """What the agent would do, were it not curious."""
        return self._walk(0.0)

    def _episode(self, attempt: int) -> Places:
        return self._walk(min(self._curious + 0.01 * attempt, 1.0))

    def _walk(self, curious: float) -> Places:
        places: Places = ()
        for worth in self._worth:
            allowed = self._afford.places(places, self._afford.limits)
            row = worth[places[-1] if places else 0][allowed]
            by_chance = self._archive.rng.random() < curious
            choice = self._archive.rng.integers(len(allowed)) if by_chance else row.argmax()
            places = (*places, int(allowed[choice]))
        return places

    def _back_up(self, places: Places, reward: float) -> None:
        before = (0, *places)
        for column in reversed(range(len(places))):
            row = self._worth[column][before[column]]
            coming = reward if column == len(places) - 1 else float(self._worth[column + 1][places[column]].max())
            old = row[places[column]]
            row[places[column]] = coming if old == WORST else old + RATE * (coming - old)

    def _reward(self, record: Record) -> float:
        score, *costs = self._archive.figures
        error = error_of(score, record.figures[score.name])
        if not costs or self._afford.limits:
            return traded(error, 0.0, STORAGE)
        cost = record.figures[costs[0].name]
        self._most = max(self._most, cost)
        return traded(error, cost / self._most if self._most > 0 else 0.0, STORAGE)


STRATEGIES = {"tabular": Tabular}
BY_TABLE = {"tabular": True}

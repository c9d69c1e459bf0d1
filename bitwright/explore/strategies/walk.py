# SPDX-License-Identifier: Apache-2.0
"""Designs that are made cheaper step by step, each step one of those that were measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bitwright.explore.axes import COSTS
from bitwright.explore.record import Outcome, Record
from bitwright.explore.space import Design
from bitwright.explore.strategies.archive import Archive, Places
from bitwright.explore.strategies.strategy import Problem

TINY = 1e-12
"""The least saving that counts, as a share of the cost."""


class Walk:
    """From the dearest design down: every axis proposes a step, all are measured, and the best is taken.

    An axis whose step saves nothing of the first cost proposes a longer one next time.
    """

    def __init__(self, problem: Problem, rating: Callable[[float, float], float]) -> None:
        """`rating` says how bad a step is by what it loses of the score and what it saves of the first cost."""
        self._archive, self._rating = Archive(problem), rating
        self._at: Places = tuple(len(axis.values) - 1 if axis.option in COSTS else 0 for axis in problem.space.axes)
        self._reach = [1] * len(problem.space.axes)
        self._known: dict[Places, tuple[float, float] | None] = {}
        self._asked: list[Places] = []

    def ask(self) -> Sequence[Design]:
        """The dearest design, then the steps from where the search is."""
        while self._archive.left > 0:
            wanted = list(self._steps().values()) if self._at in self._known else [self._at]
            if not wanted:
                return []
            designs = self._archive.propose(wanted)
            if designs:
                self._asked = [self._archive.space.places(each) for each in designs]
                return designs
            self._step()
        return []

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Where the search goes on."""
        is_first = self._at not in self._known
        for places, outcome in zip(self._asked, outcomes, strict=True):
            self._known[places] = self._rated(outcome)
        if not is_first:
            self._step()

    def _rated(self, outcome: Outcome) -> tuple[float, float] | None:
        """The losses of the score and of the first cost."""
        if not isinstance(outcome, Record):
            return None
        score, cost, *_ = (*self._archive.problem.objectives, *self._archive.problem.objectives)
        return score.loss(outcome.figures[score.name]), cost.loss(outcome.figures[cost.name])

    def _steps(self) -> dict[int, Places]:
        """Of each axis what it proposes; of what is only named the next name."""
        found: dict[int, Places] = {}
        for column, axis in enumerate(self._archive.space.axes):
            ordered = axis.option in COSTS
            place = self._at[column] + (-self._reach[column] if ordered else self._reach[column])
            if 0 <= place < len(axis.values):
                found[column] = (*self._at[:column], place, *self._at[column + 1 :])
        return found

    def _step(self) -> None:
        """Take the best step; where none saves, let all reach further."""
        now = self._known[self._at]
        rated: list[tuple[float, int, Places]] = []
        for column, places in self._steps().items():
            found = self._known.get(places)
            saved = 0.0 if now is None or found is None else now[1] - found[1]
            if now is None or found is None or saved <= TINY * abs(now[1]):
                self._reach[column] += 1
            else:
                rated.append((self._rating(found[0] - now[0], saved), column, places))
        if rated:
            _, column, self._at = min(rated)
            self._reach[column] = 1

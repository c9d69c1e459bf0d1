# SPDX-License-Identifier: Apache-2.0
"""An agent that walks along the axes of a space, sets one after the other, and is rewarded at the end of its way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from bitwright.explore.record import Outcome, Record
from bitwright.explore.space import Design
from bitwright.explore.strategies.afford import Afford, Limits, fresh
from bitwright.explore.strategies.archive import Archive, Floats, Places
from bitwright.explore.strategies.ddpg import Ddpg, Step
from bitwright.explore.strategies.reward import error_of
from bitwright.explore.strategies.strategy import Problem

WARM = 5
"""One of so many designs is drawn by chance before the agent's own."""
SPREAD, DECAY = 0.5, 0.96
"""How far actions are spread at first, and what is left of it by the next batch."""
WIDER = 0.04
"""By how much they are spread more with each attempt at what is new."""


class Walking(ABC):
    """Episodes of a DDPG agent, a design each: uniform designs, some by chance, and then its own, which it explores.

    What it sees of an axis is what the problem has of a layer: its place, what it is of, its share of the cost and of
    the error by the table, what was saved before it and can be saved behind it, the limit, and what it did last.
    Where costs shall be small as well, every episode has a limit of its own, so that the agent learns of them all.
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._afford = Afford(self._archive)
        self._axes = self._axis_states()
        self._agent = Ddpg(self._axes.shape[1] + 4, self._archive.rng)
        self._limits: dict[Places, Limits] = {}
        self._begun, self._spread, self._worst = False, SPREAD, -1.0

    @abstractmethod
    def _place(self, action: float, before: Places, limits: Limits) -> int:
        """The place of the next axis that an action means."""

    @abstractmethod
    def _action(self, place: int, top: int) -> float:
        """The action that means a place, if nothing limits it."""

    @abstractmethod
    def _reward(self, error: float, cost: float | None) -> float:
        """What an episode is worth; its cost, where no limit holds that."""

    def _kept(self, places: Places, limits: Limits) -> Places:
        """The design at the end of the way, within limits."""
        return places

    def ask(self) -> Sequence[Design]:
        """The designs of the next episodes."""
        archive = self._archive
        if archive.left <= 0:
            return []
        if not self._begun:
            self._begun = True
            rows = np.array(archive.uniforms())
            kept = rows[self._afford.fits(rows, self._afford.limits)]
            if len(kept):
                return archive.propose(tuple(map(int, row)) for row in kept)
        return archive.propose(fresh(archive, self._afford, self._walk))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What the episodes came to, which the agent learns from."""
        self._archive.learn(outcomes)
        for each in outcomes:
            places = self._archive.space.places(each.design)
            self._agent.keep(self._steps(places, self._rewarded(each)))
        if not self._is_warm:
            self._agent.learn(len(outcomes) * len(self._archive.space.axes))
            self._spread *= DECAY

    @property
    def _is_warm(self) -> bool:
        """Whether designs are drawn by chance as yet."""
        return self._archive.problem.evaluations - self._archive.left <= self._archive.problem.evaluations / WARM

    def _walk(self, attempt: int) -> Places:
        limits = self._afford.drawn()
        places: Places = ()
        while len(places) < len(self._axes):
            if self._is_warm:
                action = float(self._archive.rng.random())
            else:
                action = self._agent.act(self._state(places, limits), self._spread + WIDER * attempt)
            places = (*places, self._place(action, places, limits))
        kept = self._kept(places, limits)
        self._limits.setdefault(kept, limits)
        return kept

    def _rewarded(self, outcome: Outcome) -> float:
        """A design that failed is as the worst."""
        if isinstance(outcome, Record):
            score, afford = self._archive.problem.objectives[0], self._afford
            costs = [each.name for each in self._archive.figures[1:]]
            cost = outcome.figures[costs[0]] if costs and not afford.cost else None
            found = self._reward(error_of(score, outcome.figures[score.name]), cost)
            found -= float(self._archive.excess(self._archive.losses_of(outcome)[None])[0])
            self._worst = min(self._worst, found)
            return found
        return self._worst

    def _steps(self, places: Places, reward: float) -> list[Step]:
        """The episode of a design; each step has the same share of the reward."""
        limits, count = self._limits.get(places, self._afford.limits), len(places)
        states = [self._state(places[:column], limits) for column in range(count)]
        actions = [self._action(place, int(top)) for place, top in zip(places, self._afford.tops, strict=True)]
        return [
            Step(state, action, reward / count, after)
            for state, action, after in zip(states, actions, [*states[1:], None], strict=True)
        ]

    def _axis_states(self) -> Floats:
        """What is known of each axis."""
        axes, afford = self._archive.space.axes, self._afford
        self._spans = afford.spans(afford.cost)
        of = [[axis.option == option for option in ("weights", "activations")] for axis in axes]
        columns = (
            np.linspace(0, 1, len(axes)),
            self._spans,
            afford.spans(afford.error),
            afford.tops / max(int(afford.tops.max()), 1),
        )
        return np.concatenate([np.stack(columns, axis=1), np.array(of, float)], axis=1)

    def _state(self, before: Places, limits: Limits) -> Floats:
        column = len(before)
        shares = np.array(before) / np.maximum(self._afford.tops[:column], 1)
        reduced, rest = self._spans[:column] @ (1 - shares), self._spans[column:].sum()
        last = shares[-1] if column else 1.0
        return np.concatenate([self._axes[column], [reduced, rest, self._afford.share(limits), last]])

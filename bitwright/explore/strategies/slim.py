# SPDX-License-Identifier: Apache-2.0
"""Designs that are made slimmer step by step, each step the one that loses least, until they are within."""

from __future__ import annotations

from bitwright.explore.record import Outcome, Record
from bitwright.explore.strategies.archive import Places
from bitwright.explore.strategies.strategy import Problem
from bitwright.explore.strategies.walk import Walk


class Slim(Walk):
    """From the dearest design down to the budget: of one step of each axis the one is taken that loses least.

    All that saves anything counts alike, however much it saves. Where no cost is limited the search goes on to the
    cheapest design. With any axis in place of channels, and the weights of the network in place of those of a slimmable
    one (Yu, Huang: "AutoSlim: towards one-shot architecture search for channel numbers", 2019, arXiv 1903.11728; R123).
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, lambda lost, saved: lost)
        self._within: set[Places] = set()

    def _rated(self, outcome: Outcome) -> tuple[float, float] | None:
        archive = self._archive
        if isinstance(outcome, Record):
            losses = archive.losses_of(outcome)
            costs = [losses[column] <= most for column, most in archive.limits.items() if column]
            if costs and all(costs):
                self._within.add(archive.space.places(outcome.design))
        return super()._rated(outcome)

    def _steps(self) -> dict[int, Places]:
        return {} if self._at in self._within else super()._steps()


STRATEGIES = {"slim": Slim}

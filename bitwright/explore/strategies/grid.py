# SPDX-License-Identifier: Apache-2.0
"""Every design of the space, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from bitwright.explore.record import Outcome
from bitwright.explore.space import Design
from bitwright.explore.strategies.strategy import Problem

BATCH = 64
"""Designs that are asked for at once: between batches rivals are chosen anew."""


class Grid:
    """All designs in the order of the axes, until there are as many as are asked for."""

    def __init__(self, problem: Problem) -> None:
        self._left = islice(problem.space.designs(), problem.evaluations)

    def ask(self) -> Sequence[Design]:
        """The next ones."""
        return list(islice(self._left, BATCH))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing is learned."""


STRATEGIES = {"grid": Grid}

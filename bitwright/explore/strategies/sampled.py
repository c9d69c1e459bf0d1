# SPDX-License-Identifier: Apache-2.0
"""Designs by chance."""

from __future__ import annotations

from collections.abc import Sequence

from bitwright.explore.record import Outcome
from bitwright.explore.space import Design
from bitwright.explore.strategies.archive import Archive
from bitwright.explore.strategies.strategy import Problem

BATCH = 64
"""Designs that are asked for at once."""


class Sampled:
    """Designs by chance, each once and each value as likely as any other: what a search must be better than (R130)."""

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)

    def ask(self) -> Sequence[Design]:
        """The next ones."""
        return self._archive.propose(self._archive.draw(min(BATCH, self._archive.left)))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing is learned."""


STRATEGIES = {"random": Sampled}

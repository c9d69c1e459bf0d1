# SPDX-License-Identifier: Apache-2.0
"""What a search strategy is: who proposes designs, and hears what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bitwright.compress.allocate import Ledger
from bitwright.explore.objectives import Objective
from bitwright.explore.record import Outcome
from bitwright.explore.space import Design, Space


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is searched: a space, what is better (the score first), limits by objective, and how many designs at most.

    `seed` is all the chance there is: the same problem, told the same, is asked the same. `ledger` is the table of
    prices and errors, where somebody measured it: its names are axes, its widths the places of their values.
    """

    space: Space
    objectives: tuple[Objective, ...]
    budget: Mapping[str, float]
    evaluations: int
    seed: int = 0
    ledger: Ledger | None = None


class Strategy(Protocol):
    """Proposes designs in batches, and is told of every one before it is asked again, in the order it proposed them."""

    def ask(self) -> Sequence[Design]:
        """The next designs; none when the search is over. What was proposed before is known, and costs nothing."""

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What became of all that was proposed last."""


Factory = Callable[[Problem], Strategy]

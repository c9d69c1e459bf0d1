# SPDX-License-Identifier: Apache-2.0
"""Which designs are proved to be on the front of the additive model: by integer programs along a ladder of budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitwright.compress.allocate import Answer, Request, cheapest
from bitwright.compress.allocate.exact import integer_program
from bitwright.explore.additive import Additive

SLACK = 1e-9
"""By what share a limit that was just reached is widened, so that rounding does not break it."""
GAP = 1e-6
"""The widest gap between an answer and the solver's bound that still is a proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The least error within a budget of a cost, and the least cost with it, as the additive model has them.

    `widths` are places by axis. `proved` if no other places have less of one and no more of the other: the solver
    closed both programs, whose certificates these are.
    """

    cost: str
    budget: float
    widths: Mapping[str, int]
    figures: Mapping[str, float]
    least_error: Mapping[str, Any]
    least_cost: Mapping[str, Any]

    @property
    def proved(self) -> bool:
        """True if both programs are closed."""
        return all(each.get("gap", 1.0) <= GAP for each in (self.least_error, self.least_cost))


def ladder(model: Additive, cost: str, steps: int) -> Iterator[Proof]:
    """Designs on the front of the model's error and a cost, from the cheapest to the one of least error.

    Budgets are spread evenly by their logarithms; an answer that costs far less than its budget stands for all of the
    budgets that it is within. The constraint method (Haimes, Lasdon, Wismer, 1971), each answer made least in the cost
    as well, so that it is not only weakly on the front.
    """
    ledger, error = model.ledger, model.error
    low, high = (ledger.predict(cheapest(ledger, kind))[cost] for kind in (cost, error))
    last = -np.inf
    for budget in np.geomspace(max(low, 1e-9), max(high, low, 1e-9), steps):
        best = integer_program(Request(ledger=ledger, least=error, limits={cost: _above(budget)}))
        if best is None or ledger.predict(best.widths)[cost] <= last:
            continue
        proof = _proof(model, cost, float(budget), best)
        if proof is not None:
            last = proof.figures[cost]
            yield proof


def _proof(model: Additive, cost: str, budget: float, best: Answer) -> Proof | None:
    ledger, error = model.ledger, model.error
    least = _above(ledger.predict(best.widths)[error])
    cheap = integer_program(Request(ledger=ledger, least=cost, limits={error: least}))
    if cheap is None:
        return None
    return Proof(
        cost=cost,
        budget=budget,
        widths=dict(cheap.widths),
        figures=ledger.predict(cheap.widths),
        least_error=best.certificate,
        least_cost=cheap.certificate,
    )


def _above(limit: float) -> float:
    return limit + abs(limit) * SLACK

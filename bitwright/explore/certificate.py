# SPDX-License-Identifier: Apache-2.0
"""Which designs are proved to be on the front of the additive model: by integer programs along a ladder of budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitwright.compress.allocate import Ledger, Request, Term, cheapest
from bitwright.compress.allocate.exact import integer_program
from bitwright.explore.additive import Additive

RANK = "rank"
"""The error with a little of the cost, which is made least."""
LITTLE = 1e-6
"""Of all that designs differ in, what the whole span of costs adds to the rank."""
SLACK = 1e-9
"""By what share a limit that can just be reached is widened, so that rounding does not break it."""
GAP = 1e-6
"""The widest gap between an answer and the solver's bound that still is a proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A design of least error within a budget, by the additive model: `places` are those of each axis' values.

    `proved` if no other design has less of the error or of the cost and no more of the other: what was made least is
    their sum with positive factors, and the solver closed the gap to its bound.
    """

    cost: str
    budget: float
    places: Mapping[str, int]
    figures: Mapping[str, float]
    certificate: Mapping[str, Any]

    @property
    def proved(self) -> bool:
        """True if the gap is closed."""
        return bool(self.certificate["gap"] <= GAP)


def ladder(model: Additive, cost: str, steps: int) -> Iterator[Proof]:
    """Designs on the front of the model's error and a cost, from the cheapest to the one of least error.

    Budgets are spread evenly by their logarithms, and one that a design before is the answer to is left out: the
    constraint method (Haimes, Lasdon, Wismer: "On a bicriterion formulation of the problems of integrated system
    identification and system optimization", IEEE Transactions on Systems, Man, and Cybernetics 1, 1971).
    """
    ledger = _ranked(model.ledger, model.error, cost)
    low, high = (ledger.predict(cheapest(ledger, kind))[cost] for kind in (cost, RANK))
    seen: list[Mapping[str, int]] = []
    for budget in np.geomspace(max(low, SLACK), max(high, low, SLACK), steps).tolist():
        best = integer_program(Request(ledger=ledger, least=RANK, limits={cost: budget * (1 + SLACK)}))
        if best is None or best.widths in seen:
            continue
        seen.append(best.widths)
        figures = model.ledger.predict(best.widths)
        yield Proof(cost=cost, budget=budget, places=best.widths, figures=figures, certificate=best.certificate)


def _ranked(ledger: Ledger, error: str, cost: str) -> Ledger:
    """The same with the rank of designs in it."""
    spans = {kind: sum(_span(term, kind) for term in ledger.terms) for kind in (error, cost)}
    factor = LITTLE * (spans[error] or 1.0) / (spans[cost] or 1.0)
    terms = [
        Term(
            term.names,
            {
                key: {**amounts, RANK: amounts.get(error, 0.0) + factor * amounts.get(cost, 0.0)}
                for key, amounts in term.amounts.items()
            },
        )
        for term in ledger.terms
    ]
    return Ledger(ledger.weights, ledger.tensors, tuple(terms))


def _span(term: Term, kind: str) -> float:
    return float(np.ptp([amounts.get(kind, 0.0) for amounts in term.amounts.values()]))

# SPDX-License-Identifier: Apache-2.0
"""A problem for search strategies: a network that is none, whose designs are scored and priced by formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import numpy as np

from bitwright.compress.allocate import Ledger, Term
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.record import Outcome, Record, Score
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.strategies import STRATEGIES, Problem

BITS = tuple(range(2, 9))
ASKED = (OBJECTIVES["accuracy"], OBJECTIVES["cost"])


@dataclass(frozen=True)
class Synthetic:
    """Layers in a row: each width errs and costs by itself, products cost by both; errors also meet, and are noisy.

    `off` is how much of the error the ledger does not know.
    """

    layers: int = 6
    off: float = 0.5
    seed: int = 0

    @property
    def space(self) -> Space:
        weights = [Axis(f"weights of w{layer}", "weights", BITS, (f"w{layer}",)) for layer in range(self.layers)]
        tensors = [
            Axis(f"activations of t{layer}", "activations", BITS, (f"t{layer}",)) for layer in range(self.layers)
        ]
        return Space((*weights, *tensors))

    @property
    def ledger(self) -> Ledger:
        names = [f"{kind}{layer}" for kind in "wt" for layer in range(self.layers)]
        errs = [Term((n,), {(b,): {"kl": s * 4.0**-b} for b in BITS}) for n, s in zip(names, self.scales, strict=True)]
        costs = []
        for layer, size in enumerate(self.sizes):
            rows = {(w, t): {"cost": size * w * (t + 1) / 40} for w in BITS for t in BITS}
            costs.append(Term((f"w{layer}", f"t{layer}"), rows))
        offered = [{name: BITS for name in names if name[0] == kind} for kind in "wt"]
        return Ledger(offered[0], offered[1], (*errs, *costs))

    @property
    def scales(self) -> list[float]:
        return list(np.random.default_rng(self.seed).lognormal(-1.0, 1.2, 2 * self.layers))

    @property
    def sizes(self) -> list[float]:
        return list(np.random.default_rng(self.seed + 1).lognormal(0.0, 1.0, self.layers))

    def record(self, design: Design) -> Record:
        """The score falls with an error whose parts meet: neighbours that are both narrow err more than their sum."""
        bits = np.array([value for _, value in design.choices], float)
        errs = np.array(self.scales) * 4.0**-bits
        met = np.sqrt(errs * np.roll(errs, 1)).sum()
        noise = np.random.default_rng(int(design.key, 16)).normal(0, 2e-3)
        accuracy = 0.1 + 0.88 * exp(-2 * float(errs.sum() + self.off * met)) + noise
        widths = {name[name.rindex(" ") + 1 :]: int(value) for name, value in design.choices}
        score = Score(value=accuracy, low=accuracy, high=accuracy, samples=10, total=10)
        return Record(design=design, figures={**self.ledger.predict(widths), "accuracy": accuracy}, score=score)


def searched(
    problem: Problem, strategy: str, evaluate: Callable[[Design], Outcome], batches: int = 10_000
) -> list[Outcome]:
    """What became of each design, in the order in which they were proposed; each is proposed once."""
    found: dict[Design, Outcome] = {}
    search = STRATEGIES[strategy](problem)
    for _ in range(batches):
        designs = search.ask()
        if not designs:
            break
        assert found.keys().isdisjoint(designs), "proposed again"
        found |= {design: evaluate(design) for design in designs}
        search.tell([found[design] for design in designs])
    return list(found.values())

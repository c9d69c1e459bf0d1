# SPDX-License-Identifier: Apache-2.0
"""Widths by multipliers: costs as sums of products of neighbours, and prices that rise until limits hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bitwright.compress.allocate.tables import TINY, Answer, Ledger, Request, Widths, excess

SAMPLES = 4
"""Designs that a cost is fitted on, for each of its coefficients."""
SWEEPS, ROUNDS = 4, 60
"""Of all names at fixed multipliers; of the multipliers."""
FASTEST, SLOWEST = 2.0, 0.05
"""How far a limit that is broken by all of itself moves its multiplier's logarithm, first and last."""
Pair = tuple[str, str]


@dataclass(frozen=True)
class Bilinear:
    """A cost as a constant, a number times each width, and a number times the product of some two; how well it fits."""

    constant: float
    singles: Mapping[str, float]
    pairs: Mapping[Pair, float]
    fits: float

    def __call__(self, widths: Widths) -> float:
        """The cost of widths."""
        alone = sum(each * widths[name] for name, each in self.singles.items())
        return self.constant + alone + sum(each * widths[a] * widths[b] for (a, b), each in self.pairs.items())

    def slope(self, name: str, widths: Widths) -> float:
        """What a bit more of one costs beside the others."""
        found = self.singles.get(name, 0.0)
        return found + sum(
            each * widths[b if a == name else a] for (a, b), each in self.pairs.items() if name in (a, b)
        )


def fitted(ledger: Ledger, kind: str, seed: int = 0) -> Bilinear:
    """A kind's amounts of designs drawn at random, by least squares; what the ledger has together makes the pairs."""
    terms = [term.names for term in ledger.terms if any(kind in amounts for amounts in term.amounts.values())]
    names = list(dict.fromkeys(name for names in terms for name in names))
    pairs = list(dict.fromkeys(pair for names in terms for pair in combinations(names, 2)))
    rng = np.random.default_rng(seed)
    designs = [
        {name: int(rng.choice(offered)) for name, offered in ledger.widths.items()}
        for _ in range(SAMPLES * (1 + len(names) + len(pairs)))
    ]
    rows = [[1.0, *(d[name] for name in names), *(d[a] * d[b] for a, b in pairs)] for d in designs]
    amounts = np.array([ledger.predict(design)[kind] for design in designs])
    found = np.linalg.lstsq(np.array(rows), amounts, rcond=None)[0]
    spread = float(np.square(amounts - amounts.mean()).sum())
    left = float(np.square(np.array(rows) @ found - amounts).sum())
    constant, *rest = map(float, found)
    singles, products = rest[: len(names)], rest[len(names) :]
    return Bilinear(
        constant,
        dict(zip(names, singles, strict=True)),
        dict(zip(pairs, products, strict=True)),
        1 - left / spread if spread > 0 else 1.0,
    )


def energy_constrained(request: Request) -> Answer | None:
    """Widths of the least error plus a price of what they cost, which rises and falls until limits just hold.

    A cost is fitted as a sum of products of what meets, so that at given prices each width is chosen by itself, beside
    the others; prices are the multipliers of a constrained problem, moved by what limits are broken or left. With bits
    of weights and tensors in place of channels (Yang, Zhu, Liu: "ECC: platform-independent energy-constrained deep
    neural network compression via a bilinear regression model", CVPR 2019, arXiv 1812.01803; R111). Every answer keeps
    the limits by the table itself.
    """
    ledger, limits = request.ledger, request.limits
    prices = _Prices(request)
    widths: Widths = {name: max(offered) for name, offered in ledger.widths.items()}
    found: list[tuple[float, int, Widths]] = []
    for step in np.geomspace(FASTEST, SLOWEST, ROUNDS):
        for _ in range(SWEEPS):
            widths = prices.swept(widths)
        figures = ledger.predict(widths)
        if excess(figures, limits) == 0:
            found.append((figures[request.least], len(found), widths))
        prices.move(figures, float(step))
    if not found:
        return None
    least, _, best = min(found, key=lambda each: each[:2])
    worst = min((each.fits for each in prices.models.values()), default=1.0)
    return Answer(best, {"status": "nothing is proved", "objective": least, "fit": worst})


class _Prices:
    """What each kind is worth, and what widths cost by that."""

    def __init__(self, request: Request) -> None:
        self.ledger, self.least, self.limits = request.ledger, request.least, request.limits
        kinds = dict.fromkeys((self.least, *self.limits))
        self.models = {kind: fitted(self.ledger, kind) for kind in kinds if kind != request.error}
        wide, narrow = (self.ledger.predict({n: end(o) for n, o in self.ledger.widths.items()}) for end in (max, min))
        self._scale = max(abs(wide[self.least] - narrow[self.least]), TINY)
        self._worth = dict.fromkeys(self.limits, 1.0)

    def move(self, figures: Mapping[str, float], step: float) -> None:
        """Dearer what is over its limit, cheaper what is below."""
        for kind, most in self.limits.items():
            over = (figures[kind] - most) / max(most, TINY)
            self._worth[kind] *= float(np.exp(step * np.clip(over, -1, 1)))

    def swept(self, widths: Widths) -> Widths:
        """The width of each name that is best beside the others, one name after the other."""
        for name, offered in self.ledger.widths.items():
            rated = [(sum(self._costs(name, bits, widths)), bits) for bits in offered]
            widths = {**widths, name: min(rated)[1]}
        return widths

    def _costs(self, name: str, bits: int, widths: Widths) -> Iterator[float]:
        """What depends on the width of a name."""
        yield self._amount(self.least, name, bits, widths) / self._scale
        for kind, worth in self._worth.items():
            yield worth * self._amount(kind, name, bits, widths) / max(self.limits[kind], TINY)

    def _amount(self, kind: str, name: str, bits: int, widths: Widths) -> float:
        if kind in self.models:
            return self.models[kind].slope(name, widths) * bits
        at = {**widths, name: bits}
        return sum(term.at(at).get(kind, 0.0) for term in self.ledger.terms if name in term.names)


ALLOCATORS = {"ecc": energy_constrained}

# SPDX-License-Identifier: Apache-2.0
"""The widths that a table proves best: a mixed-integer linear program, solved by HiGHS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.allocate.tables import Answer, Ledger, Request, Term, Widths
from bitwright.planning.highs import solved
from bitwright.planning.program import NODE_LIMIT, STATUS

SPAN = 1e4
"""The largest coefficient of the objective: HiGHS' absolute tolerances are then far below what a choice changes."""


def integer_program(request: Request) -> Answer | None:
    """The widths that a ledger proves best: an integer program, solved to the end or to a gap that is told.

    One width a tensor, however many layers read it, and one a weight: a binary for each. What depends on several
    widths has a share for each of their combinations, which the shares of each width add up to: with binaries these
    are 0 and 1.

    A multiple-choice knapsack with an explicit price of hardware (Yao, Dong, Zheng, Gholami, Yu, Tan, Wang, Huang,
    Wang, Mahoney, Keutzer: "HAWQ-V3: dyadic neural network quantization", ICML 2021, arXiv 2011.10680; R109, R131),
    whose widths are chosen against a size (Yang, Gui, Zhu, Liu: "Automatic neural network compression by
    sparsity-quantization joint learning", CVPR 2020, arXiv 1910.05897; R113).
    """
    return _Program(request.ledger).solve(request.least, request.limits)


def cheapest(ledger: Ledger, kind: str) -> Widths:
    """The widths with the least of a kind, whatever the others."""
    answer = _Program(ledger).solve(kind, {})
    assert answer is not None, "without limits there are widths"
    return answer.widths


@dataclass
class _Program:
    """Columns: a binary for each width of each name, and a share for each combination of a term with several names."""

    table: Ledger
    columns: list[Mapping[str, float]] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    places: dict[tuple[str, int], int] = field(default_factory=dict)
    constant: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, offered in self.table.widths.items():
            for bits in offered:
                self.places[name, bits] = len(self.places)
            self._row([(self.places[name, bits], 1.0) for bits in offered], 1.0)
        self.columns = [{} for _ in self.places]
        for term in self.table.terms:
            self._add(term)

    def _row(self, terms: Sequence[tuple[int, float]], right: float) -> None:
        self.entries += [(len(self.right), column, factor) for column, factor in terms]
        self.right.append(right)

    def _add(self, term: Term) -> None:
        if not term.names:
            self.constant = _sum(self.constant, term.amounts[()])
        elif len(term.names) == 1:
            for (bits,), amounts in term.amounts.items():
                place = self.places[term.names[0], bits]
                self.columns[place] = _sum(self.columns[place], amounts)
        else:
            self._share(term)

    def _share(self, term: Term) -> None:
        """A share for each combination; those with a width add up to its binary."""
        offered = [self.table.widths[name] for name in term.names]
        shares = {key: len(self.columns) + i for i, key in enumerate(product(*offered))}
        self.columns += [term.amounts[key] for key in shares]
        for place, name in enumerate(term.names):
            for bits in offered[place]:
                summed = [(column, 1.0) for key, column in shares.items() if key[place] == bits]
                self._row([*summed, (self.places[name, bits], -1.0)], 0.0)

    def _amounts(self, kind: str) -> NDArray[np.float64]:
        return np.array([column.get(kind, 0.0) for column in self.columns])

    def solve(self, least: str, limits: Mapping[str, float]) -> Answer | None:
        """The answer with the solver's certificate, whose numbers are those of the table."""
        if not self.columns:
            return self._only(least, limits)
        from scipy.optimize import Bounds, LinearConstraint  # a quarter of a second, for who allocates
        from scipy.sparse import csr_array

        count = len(self.columns)
        rows, columns, factors = zip(*self.entries, strict=True)
        matrix = csr_array((factors, (np.array(rows, np.int32), np.array(columns, np.int32))), (len(self.right), count))
        constraints = [LinearConstraint(matrix, self.right, self.right)]
        for kind, most in limits.items():
            row, room = self._amounts(kind), most - self.constant.get(kind, 0.0)
            scale = max(float(np.abs(row).max()), 1e-30)
            constraints.append(LinearConstraint(row[None] / scale, -np.inf, room / scale))
        objective = self._amounts(least)
        scale = SPAN / max(float(np.abs(objective).max()), 1e-30)
        result = solved(
            objective * scale,
            integrality=np.ones(count, np.int64),  # shares too: HiGHS prints where it repairs those of an answer
            bounds=Bounds(0.0, 1.0),
            constraints=constraints,
            options={"mip_rel_gap": 0.0, "node_limit": NODE_LIMIT},
        )
        if result.x is None:
            return None
        constant = self.constant.get(least, 0.0)
        return Answer(
            {name: max(offered, key=lambda bits: result.x[self.places[name, bits]]) for name, offered in self._offered},
            {
                "status": STATUS.get(result.status, result.message),
                "objective": float(result.fun) / scale + constant,
                "dual_bound": float(result.mip_dual_bound) / scale + constant,
                "gap": round(float(result.mip_gap), 6),
                "branches": int(result.mip_node_count),
                "variables": count,
                "constraints": len(self.right) + len(limits),
            },
        )

    def _only(self, least: str, limits: Mapping[str, float]) -> Answer | None:
        """The answer where every width is given: nothing is left to choose."""
        if any(self.constant.get(kind, 0.0) > most for kind, most in limits.items()):
            return None
        value = self.constant.get(least, 0.0)
        told = {"status": STATUS[0], "objective": value, "dual_bound": value, "gap": 0.0, "branches": 0}
        return Answer({}, told | {"variables": 0, "constraints": len(limits)})

    @property
    def _offered(self) -> Any:
        return self.table.widths.items()


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {kind: one.get(kind, 0.0) + other.get(kind, 0.0) for kind in {**one, **other}}


ALLOCATORS = {"ilp": integer_program}

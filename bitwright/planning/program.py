# SPDX-License-Identifier: Apache-2.0
"""The mixed-integer linear program of a plan: one binary for each choice of each layer, and flows between widths.

On an edge to a layer with lanes of its own a flow leads from the lanes that come to the lanes that are wanted, and pays
for the converter. A chain is then a shortest path, whose relaxation is integral.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Input
from bitwright.planning.choices import Choice, Node, entry_width, first_planned
from bitwright.planning.highs import solved
from bitwright.planning.price import KINDS, Cost, total
from bitwright.planning.variants import ends_of_order

NODE_LIMIT = 5000
"""Branches after which HiGHS stops; the certificate then has a gap."""
STATUS = {0: "optimal", 1: "stopped at the limit of branches"}

Term = tuple[int, float]
"""Column, factor."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The choice of each layer, the cost of each with its converter, and the solver's certificate."""

    chosen: Mapping[str, Choice]
    costs: Mapping[str, Cost]
    certificate: Mapping[str, Any]

    @property
    def used(self) -> Cost:
        """What the whole network takes."""
        return total(self.costs.values())


class Program:
    """Columns and rows for `nodes`. Each row adds up to its right side, or at most to it."""

    def __init__(self, graph: Graph, nodes: Mapping[str, Node]) -> None:
        self.graph, self.nodes = graph, nodes
        self.costs: list[Cost] = []
        self.entries: list[tuple[int, int, float]] = []
        self.left: list[float] = []
        self.right: list[float] = []
        self.first: dict[str, int] = {}
        for name, node in nodes.items():
            self.first[name] = len(self.costs)
            self.costs += [choice.cost for choice in node.choices]
        self.binaries = len(self.costs)
        for name, node in nodes.items():
            self._connect(name, node)
        for entry in graph.inputs:
            self._lead(entry)
        for name in nodes:
            self._move(name)

    def minimise(self, worth: Sequence[float], budget: Cost | None = None) -> Outcome | None:
        """The choices of the smallest worth within the budget; None if there are none."""
        use = self._use()
        limits = []
        if budget is not None:
            most = np.array(budget, dtype=np.float64)
            there = (most > 0) | use.any(axis=0)  # what the part has not, and nothing takes, is no row
            limits.append((use.T[there], most[there]))
        return self._solve(use @ np.array(worth), limits, 0.0)

    def least_excess(self, budget: Cost) -> Outcome | None:
        """The choices whose largest share of the budget is smallest, within 1 %."""
        limit = np.maximum(np.array(budget, dtype=np.float64), 1.0)
        use = np.vstack([self._use() / limit, np.full(len(limit), -1.0)])
        objective = np.append(np.zeros(len(self.costs)), 1.0)
        return self._solve(objective, [(use.T, np.zeros(len(limit)))], 0.01)

    def _use(self) -> NDArray[np.float64]:
        return np.array(self.costs, dtype=np.float64).reshape(len(self.costs), len(KINDS))

    def _row(self, terms: Sequence[Term], right: float, *, at_most: bool = False) -> None:
        self.entries += [(len(self.right), column, factor) for column, factor in terms]
        self.left.append(-np.inf if at_most else right)
        self.right.append(right)

    def _connect(self, name: str, node: Node) -> None:
        """One choice of the node, which takes what its operands give."""
        if node.converters is not None or not node.layer.inputs:
            self._row([(self.first[name] + i, 1.0) for i in range(len(node.choices))], 1.0)
        if node.converters is not None:
            self._flow(name, node, node.converters)
            return
        for operand, source in enumerate(node.layer.inputs):
            lanes = {choice.gives for choice in self.nodes[source].choices}
            for count in sorted(lanes | {choice.takes[operand] for choice in node.choices}):
                self._row([*self._taking(name, operand, count, 1.0), *self._giving(source, count)], 0.0)

    def _giving(self, name: str, lanes: int) -> list[Term]:
        """Minus one for every choice of `name` that gives so many lanes."""
        start = self.first[name]
        return [(start + i, -1.0) for i, choice in enumerate(self.nodes[name].choices) if choice.gives == lanes]

    def _taking(self, name: str, operand: int, lanes: int, sign: float) -> list[Term]:
        start, choices = self.first[name], self.nodes[name].choices
        return [(start + i, sign) for i, choice in enumerate(choices) if choice.takes[operand] == lanes]

    def _flow(self, name: str, node: Node, converters: Mapping[tuple[int, int], Cost]) -> None:
        """One pair of widths on the edge to `node`: what its source gives, and what it takes."""
        source = node.layer.inputs[0]
        come = sorted({choice.gives for choice in self.nodes[source].choices})
        want = sorted({choice.takes[0] for choice in node.choices})
        start = len(self.costs)
        pairs = list(product(come, want))
        self.costs += [converters[pair] for pair in pairs]
        place = {pair: start + i for i, pair in enumerate(pairs)}
        for a in come:
            self._row([*((place[a, b], 1.0) for b in want), *self._giving(source, a)], 0.0)
        for b in want:
            self._row([*((place[a, b], 1.0) for a in come), *self._taking(name, 0, b, -1.0)], 0.0)

    def _lead(self, entry: Input) -> None:
        """An input is as wide as the first layer with lanes of its own behind it wants."""
        leader = first_planned(self.graph, entry)
        if leader is None:
            return
        widths: dict[int, list[Term]] = {choice.gives: [] for choice in self.nodes[entry.name].choices}
        for i, choice in enumerate(self.nodes[leader.name].choices):
            assert choice.plan is not None, f"{leader.name} has lanes of its own"
            width = entry_width(self.graph, entry, leader, (choice.plan.pe, choice.plan.simd))
            widths.setdefault(width, []).append((self.first[leader.name] + i, 1.0))
        for width, terms in sorted(widths.items()):
            self._row([*terms, *self._giving(entry.name, width)], 0.0)

    def _move(self, name: str) -> None:
        """No matrix at which another order of the channels of `name` ends needs them in their own."""
        moves = [(self.first[name] + i, 1.0) for i, choice in enumerate(self.nodes[name].choices) if choice.moves]
        for end in ends_of_order(self.graph, name) or () if moves else ():
            settled = [(self.first[end] + i, 1.0) for i, c in enumerate(self.nodes[end].choices) if c.settled]
            if settled:
                self._row([*moves, *settled], 1.0, at_most=True)

    def _solve(
        self,
        objective: NDArray[np.float64],
        limits: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
        gap: float,
    ) -> Outcome | None:
        from scipy.optimize import Bounds, LinearConstraint  # a quarter of a second, for who plans
        from scipy.sparse import csr_array

        count = len(objective)
        rows, columns, factors = zip(*self.entries, strict=True)
        places = np.array(rows, np.int32), np.array(columns, np.int32)  # scipy 1.13 takes no others
        matrix = csr_array((factors, places), shape=(len(self.right), count))
        constraints = [LinearConstraint(matrix, self.left, self.right)]
        constraints += [LinearConstraint(use, -np.inf, most) for use, most in limits]
        top = np.where(np.arange(count) < len(self.costs), 1.0, np.inf)
        result = solved(
            objective,
            integrality=(np.arange(count) < self.binaries).astype(np.int64),
            bounds=Bounds(np.zeros(count), top),
            constraints=constraints,
            options={"mip_rel_gap": gap, "node_limit": NODE_LIMIT},
        )
        if result.x is None:
            return None
        return self._read(
            result.x,
            {
                "status": STATUS.get(result.status, result.message),
                "objective": round(float(result.fun), 6),
                "dual_bound": round(float(result.mip_dual_bound), 6),
                "gap": round(float(result.mip_gap), 6),
                "branches": int(result.mip_node_count),
                "variables": count,
                "constraints": len(self.right) + sum(len(most) for _, most in limits),
            },
        )

    def _read(self, x: NDArray[np.float64], certificate: Mapping[str, Any]) -> Outcome:
        chosen: dict[str, Choice] = {}
        costs: dict[str, Cost] = {}
        for name, node in self.nodes.items():
            start = self.first[name]
            chosen[name] = node.choices[int(np.argmax(x[start : start + len(node.choices)]))]
            costs[name] = chosen[name].cost
            if node.converters is not None:
                widths = chosen[node.layer.inputs[0]].gives, chosen[name].takes[0]
                costs[name] = total([costs[name], node.converters[widths]])
        return Outcome(chosen, costs, certificate)

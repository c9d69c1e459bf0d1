# SPDX-License-Identifier: Apache-2.0
"""The cheapest plan for a target: the smallest sum of the shares of a part's resources, proved by HiGHS.

The sum, not the largest share: every LUT counts, not only those of the scarcest resource, and what is not needed here
is free for the rest of the part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from bitwright.hardware.lanes import Lanes, check_reachable, pace
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Join, Passing, Pointwise, Pool
from bitwright.planning.candidates import Candidates
from bitwright.planning.choices import Choice, Node, Survey
from bitwright.planning.price import KINDS, Cost, Scale, amounts
from bitwright.planning.program import Outcome, Program
from bitwright.planning.variants import skipped_cycles

THOUSAND = 1000
"""The objective is in thousandths of the part: HiGHS' absolute tolerances are then far below one LUT."""


class OverBudget(BitwrightError):
    """No plan of a target is within the budget of a part, or a design is not."""


@dataclass(frozen=True, slots=True)
class Solution:
    """A plan, the clocks per frame it takes, what it uses of each resource, and the certificate."""

    plan: Plan
    interval: int
    used: Mapping[str, int]
    certificate: Mapping[str, Any]


def _follows(graph: Graph) -> bool:
    """Whether some layer has no lanes of its own and can be as wide as the others need."""
    return any(isinstance(layer, Join | Passing | Pointwise) and not isinstance(layer, Pool) for layer in graph.layers)


def _pace(graph: Graph, plan: Plan) -> int:
    """The clocks per frame of the layers that a plan gives lanes."""
    lanes = {name: (layer.pe, layer.simd) for name, layer in plan.layers.items()}
    return pace(graph, lanes, skipped_cycles(graph, plan))


def solve(
    graph: Graph,
    target: int,
    offered: Candidates,
    scale: Scale,
    *,
    given: Mapping[str, Lanes] = MappingProxyType({}),
) -> Solution:
    """The plan of at most `target` clocks per frame with the smallest sum of shares of `scale`, within its limits.

    Layers in `given` have those lanes. What only moves data, and what multiplies to requantise, is as wide as the pace
    of the other layers needs, so the program is solved again at the pace that it reached until both agree.
    BitwrightError names what stops a target.
    """
    check_reachable(graph, target)
    worth = scale.worth(THOUSAND)
    limit, found, follows = target, None, _follows(graph)
    while True:
        try:
            nodes = Survey(graph, target, limit, offered, given, scale.cells, ultra=scale.budget.uram > 0).nodes()
            outcome = _cheapest(graph, nodes, worth, scale.limits)
            if outcome is None:
                raise _stopped(graph, nodes, target, scale)
        except BitwrightError:
            if found is None:
                raise
            return found
        found = _solution(graph, outcome, target, scale)
        reached = _pace(graph, found.plan)
        if reached in (0, limit) or not follows:
            return found
        limit = reached


def _cheapest(graph: Graph, nodes: Mapping[str, Node], worth: Sequence[float], budget: Cost | None) -> Outcome | None:
    """The optimum. Without the budget first: an optimum that fits the budget is the optimum with it."""
    thin = {name: _thinned(node, worth) for name, node in nodes.items()}
    outcome = Program(graph, thin).minimise(worth)
    if outcome is None or budget is None or all(a <= b for a, b in zip(outcome.used, budget, strict=True)):
        return outcome
    return Program(graph, nodes).minimise(worth, budget)


def _thinned(node: Node, worth: Sequence[float]) -> Node:
    """`node` with the cheapest choice for each set of lanes."""
    best: dict[tuple[object, ...], tuple[float, Choice]] = {}
    for choice in node.choices:
        key = choice.takes, choice.gives, choice.moves, choice.settled
        price = float(np.dot(choice.cost, worth))
        if key not in best or price < best[key][0]:
            best[key] = price, choice
    return replace(node, choices=tuple(choice for _, choice in best.values()))


def _solution(graph: Graph, outcome: Outcome, target: int, scale: Scale) -> Solution:
    """The plan of an outcome. A unit that skips is faster than its choice if its readers take another order anyway."""
    plan = Plan({name: choice.plan for name, choice in outcome.chosen.items() if choice.plan is not None}, target)
    cycles = {name: choice.cycles for name, choice in outcome.chosen.items()} | skipped_cycles(graph, plan)
    used = {kind: n for kind, n, held in zip(KINDS, outcome.used, amounts(scale.budget), strict=True) if held}
    return Solution(plan, max([1, *cycles.values()]), used, outcome.certificate)


def _stopped(graph: Graph, nodes: Mapping[str, Node], target: int, scale: Scale) -> BitwrightError:
    """Why there is no plan: the resource that the plan closest to the budget takes most of, and where."""
    budget = scale.limits
    nearest = None if budget is None else Program(graph, nodes).least_excess(budget)
    if nearest is None or budget is None:
        return BitwrightError(
            f"no widths of its streams meet {target} clocks per frame",
            where="the network",
            hint="ask for more clocks per frame",
        )
    worst = int(np.argmax([used / max(limit, 1) for used, limit in zip(nearest.used, budget, strict=True)]))
    layer = max(nearest.costs, key=lambda name: nearest.costs[name][worst])
    held, spare = amounts(scale.budget)[worst], scale.reserved[worst]
    beside = f" and {spare} of them for what serves no layer and deeper FIFOs" if spare else ""
    return OverBudget(
        f"{target} clocks per frame do not fit {scale.part}: the plan closest to it takes {nearest.used[worst]}"
        f" {KINDS[worst].upper()} of {held}, {nearest.costs[layer][worst]} of them in this layer{beside}",
        where=f"layer '{layer}'",
        hint="ask for more clocks per frame, or for a larger part",
    )

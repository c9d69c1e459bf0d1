# SPDX-License-Identifier: Apache-2.0
"""The solver: no cheaper plan exists, budgets hold, plans are exactly as fast as planned, and what stops a target."""

from __future__ import annotations

from itertools import product
from math import inf, prod
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from bitwright.compiling import compile_graph
from bitwright.exact.ranges import ranges
from bitwright.hardware.lanes import fastest
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning import choices
from bitwright.planning import solver as module
from bitwright.planning.candidates import Candidates, candidates
from bitwright.planning.choices import Choice, Node, Survey, entry_width, first_planned
from bitwright.planning.devices import Budget
from bitwright.planning.front import front
from bitwright.planning.price import KINDS, Scale, amounts, scale_of, total
from bitwright.planning.solver import Solution, solve
from bitwright.planning.variants import ends_of_order
from tests.ir.graphs import random_graph
from tests.plan.test_folding import dense

SCALE = scale_of(None)


def proved(graph: Graph) -> Candidates:
    return candidates(graph, Plan(), ranges(graph))


def solved(graph: Graph, target: int, scale: Scale = SCALE) -> Solution:
    return solve(graph, target, proved(graph), scale)


def best_of_all(graph: Graph, target: int, pace: int, limit: tuple[float, ...]) -> float:
    """The smallest cost of all combinations of choices within `limit` at a pace, one by one."""
    nodes = Survey(graph, target, pace, proved(graph)).nodes()
    best = inf
    for chosen in product(*(node.choices for node in nodes.values())):
        used = cost_of(graph, nodes, dict(zip(nodes, chosen, strict=True)))
        if used is not None and all(a <= b for a, b in zip(used, limit, strict=True)):
            best = min(best, sum(1000 * a / b for a, b in zip(used, amounts(SCALE.budget), strict=True) if b))
    return best


def cost_of(graph: Graph, nodes: dict[str, Node], chosen: dict[str, Choice]) -> tuple[int, ...] | None:
    costs = [choice.cost for choice in chosen.values()]
    for name, node in nodes.items():
        for source, lanes in zip(node.layer.inputs, chosen[name].takes, strict=True):
            if node.converters is not None:
                costs.append(node.converters[chosen[source].gives, lanes])
            elif chosen[source].gives != lanes:
                return None
        if chosen[name].moves and any(chosen[end].settled for end in ends_of_order(graph, name) or ()):
            return None
    for entry in graph.inputs:
        leader = first_planned(graph, entry)
        plan = chosen[leader.name].plan if leader else None
        if leader and plan and entry_width(graph, entry, leader, (plan.pe, plan.simd)) != chosen[entry.name].gives:
            return None
    return total(costs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_no_combination_is_cheaper(seed: int) -> None:
    graph = random_graph(seed, blocks=2, bits=3)
    target = 3 * fastest(graph)
    nodes = Survey(graph, target, target, proved(graph)).nodes()
    if prod(len(node.choices) for node in nodes.values()) > 20_000:
        pytest.skip("too many combinations to try them all")
    found = solved(graph, target)
    pace = module._pace(graph, found.plan) or target  # the certificate is for the pace that was reached
    best = best_of_all(graph, target, pace, (inf,) * len(KINDS))
    assert found.certificate["objective"] == pytest.approx(best, rel=1e-6)
    assert found.certificate["status"] == "optimal" and found.certificate["gap"] == 0


def test_a_budget_holds_and_the_rest_is_still_the_cheapest() -> None:
    """Without a limit multipliers are LUTs; with half of those they are DSP slices and block RAM."""
    graph = dense(8, 8, reach=100)
    free = solved(graph, 8)
    limit = Budget(**{"ff": 10**9, "bram": 10**6, "dsp": 10**6, "lut": free.used["lut"] * 4 // 5})
    tight = solved(graph, 8, Scale(limit, "xc7z010"))
    assert tight.used["lut"] <= limit.lut
    assert tight.interval <= 8


@pytest.mark.slow
@pytest.mark.parametrize("joins", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_interval_is_exactly_as_planned(seed: int, joins: bool) -> None:
    graph = random_graph(seed, joins=joins)
    for target in (fastest(graph), 2 * fastest(graph), 5000):
        found = solved(graph, target)
        design = compile_graph(graph, plan=Plan.from_json(found.plan.to_json(), where="plan.json"))
        assert design.kernels.interval == found.interval <= target
        assert compile_graph(graph, cycles=target).plan == design.plan, "the same plan, and through JSON"


def test_an_exact_hit_is_a_hit() -> None:
    for target in (64, 32, 16, 8):
        assert solved(dense(8, 8), target).interval == target


def test_what_stops_a_target() -> None:
    with pytest.raises(BitwrightError) as error:
        solved(dense(8, 8), 0)
    assert str(error.value) == (
        "layer 'fc': needs at least 1 clocks per frame, 0 were asked for\n  hint: ask for --cycles 1 or more"
    )


def test_which_layer_and_which_resource_stop_a_target() -> None:
    with pytest.raises(BitwrightError) as error:
        solved(dense(8, 8), 1, Scale(Budget(100, 10**6, 1, 100), "xc7z010"))
    text = str(error.value)
    used = int(text.split("takes ")[1].split(" LUT")[0])
    mine = int(text.split("of 100, ")[1].split(" of them")[0])
    assert used >= mine > 100
    assert text == (
        f"layer 'fc': 1 clocks per frame do not fit xc7z010: the plan closest to it takes {used} LUT of 100,"
        f" {mine} of them in this layer\n  hint: ask for more clocks per frame, or for a larger part"
    )


def test_the_report_holds_the_certificate() -> None:
    made = compile_graph(dense(8, 8), cycles=16, part="xc7z020clg400-1").report()["plan"]
    assert made["made_by"] == "HiGHS (scipy.optimize.milp)" and made["status"] == "optimal"
    assert made["objective"] == made["dual_bound"] and made["gap"] == 0
    assert made["cost"] == "within the budget of xc7z020clg400-1, costs in its shares"


def test_what_joins_too_many_widths_is_planned_by_the_simple_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "MOST_TUPLES", 1)
    graph = random_graph(5, joins=True)
    target = 2 * fastest(graph)
    design = compile_graph(graph, cycles=target)
    text = "layer 'quant2' joins too many streams for the solver"
    assert design.report()["plan"] == {"made_by": "the simple rule", "target_cycles": target, "reason": text}
    assert design.kernels.interval <= target
    with pytest.raises(BitwrightError) as error:
        front(graph, proved(graph), SCALE)
    assert str(error.value) == (
        "layer 'quant2': joins too many streams for the solver\n"
        "  hint: ask for one plan with --cycles: the simple rule makes it"
    )


def test_the_same_plan_every_time() -> None:
    one, two = (solved(random_graph(5, joins=True), 500) for _ in range(2))
    assert (one.plan, one.certificate) == (two.plan, two.certificate)


def test_the_program_is_thinned_before_it_is_solved() -> None:
    graph = dense(8, 8)
    node = Survey(graph, 8, 8, proved(graph)).nodes()["fc"]
    thin = module._thinned(node, [1.0] * len(KINDS))
    assert len({(choice.takes, choice.gives) for choice in node.choices}) == len(thin.choices) < len(node.choices)


def test_the_matrix_has_the_indices_that_every_scipy_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of 64 bits ended in a traceback of scipy 1.13, the lowest that we say we take."""
    milp, seen = scipy.optimize.milp, []

    def watched(*given: Any, constraints: list[Any], **named: Any) -> Any:
        seen.append(constraints[0].A)
        return milp(*given, constraints=constraints, **named)

    monkeypatch.setattr(scipy.optimize, "milp", watched)
    solved(dense(8, 4), 100)
    assert seen and all(matrix.indices.dtype == matrix.indptr.dtype == np.int32 for matrix in seen)

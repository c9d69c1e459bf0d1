# SPDX-License-Identifier: Apache-2.0
"""Who makes the plan: the exact solver, or the simple rule of `folding` where a join has too many widths for it."""

from __future__ import annotations

from typing import Any

from bitwright.hardware.plan import Plan
from bitwright.ir.graph import Graph
from bitwright.planning.candidates import Candidates
from bitwright.planning.choices import TOO_MANY, TooManyWidths
from bitwright.planning.devices import Budget, device
from bitwright.planning.rule import fold
from bitwright.planning.solver import solve

SCALE = "xc7z020"
"""The device whose resources weigh the cost where no part is named."""


def scale_of(part: str | None) -> tuple[Budget, str, str]:
    """The resources that costs are shares of, the part whose budget limits them ("" for none), and a line on that."""
    if part is None:
        return device(SCALE).budget, "", f"no part was named: no budget, costs in shares of {SCALE}"
    return device(part).budget, part, f"within the budget of {part}, costs in its shares"


def plan_for(
    graph: Graph,
    target: int,
    found: Candidates,
    part: str | None,
) -> tuple[Plan, dict[str, Any]]:
    """The cheapest plan of at most `target` clocks per frame, and who made it, with the certificate of the solver."""
    scale, limit, said = scale_of(part)
    try:
        solved = solve(graph, target, found, scale, part=limit)
    except TooManyWidths as error:
        return Plan(fold(graph, target), target), by_rule(target, f"layer '{error}' {TOO_MANY}")
    made = {"made_by": "HiGHS (scipy.optimize.milp)", "target_cycles": target, "cost": said}
    return solved.plan, made | {"used": dict(solved.used)} | dict(solved.certificate)


def by_rule(target: int, reason: str) -> dict[str, Any]:
    """The entry of a report for a plan of the simple rule."""
    return {"made_by": "the simple rule", "target_cycles": target, "reason": reason}

# SPDX-License-Identifier: Apache-2.0
"""Who makes the plan: the exact solver, or the simple rule of `folding` where a join has too many widths for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bitwright.hardware.plan import Plan
from bitwright.ir.graph import Graph
from bitwright.ir.stages import begins
from bitwright.planning.candidates import Candidates
from bitwright.planning.choices import TOO_MANY, TooManyWidths
from bitwright.planning.price import Scale
from bitwright.planning.rule import fold
from bitwright.planning.solver import solve


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """Who made a plan, for how many clocks, and why so, or with which certificate of the solver.

    Shares of a part are in thousandths in `objective` and `dual_bound`; `gap` is relative to the objective. `used` is
    what the program's plan takes of each resource.
    """

    made_by: str
    target_cycles: int | None = None
    reason: str | None = None
    cost: str | None = None
    used: Mapping[str, int] | None = None
    status: str | None = None
    objective: float | None = None
    dual_bound: float | None = None
    gap: float | None = None
    branches: int | None = None
    variables: int | None = None
    constraints: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what is not said of this plan is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


GIVEN = PlanRecord(made_by="--plan")
"""Of a plan that somebody gave."""


def plan_for(graph: Graph, target: int, found: Candidates, scale: Scale) -> tuple[Plan, PlanRecord]:
    """The cheapest plan of at most `target` clocks per frame, and who made it, with the certificate of the solver."""
    begins(f"planning for {target} clocks")
    try:
        solved = solve(graph, target, found, scale)
    except TooManyWidths as error:
        return Plan(fold(graph, target), target), by_rule(target, f"layer '{error}' {TOO_MANY}")
    made = PlanRecord(
        made_by="HiGHS (scipy.optimize.milp)",
        target_cycles=target,
        cost=scale.said,
        used=solved.used,
        **solved.certificate,
    )
    return solved.plan, made


def by_rule(target: int, reason: str) -> PlanRecord:
    """What a report says of a plan of the simple rule."""
    return PlanRecord(made_by="the simple rule", target_cycles=target, reason=reason)

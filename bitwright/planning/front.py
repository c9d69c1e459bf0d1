# SPDX-License-Identifier: Apache-2.0
"""The trade-off of a network: the cheapest plan at each of many intervals, each with the solver's certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitwright.hardware.lanes import fastest, slowest
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.candidates import Candidates
from bitwright.planning.choices import TOO_MANY, TooManyWidths
from bitwright.planning.price import Scale
from bitwright.planning.solver import Solution, solve

STEP = 2**0.5
"""Each target asks for so many times fewer clocks than the plan before took."""


@dataclass(frozen=True, slots=True)
class Front:
    """The plans from slow to fast, none of which is slower and no cheaper than another, and what stopped faster ones.

    `stopped` is None if the last plan is as fast as the network can be.
    """

    solutions: tuple[Solution, ...]
    stopped: BitwrightError | None


def front(graph: Graph, offered: Candidates, scale: Scale) -> Front:
    """The cheapest plans of `graph` from the slowest that is worth making to the fastest, within the part's budget.

    BitwrightError if no plan at all fits the part, or a join has too many widths for the solver.
    """
    found: list[Solution] = []
    least, target = fastest(graph), slowest(graph)
    while not found or found[-1].interval > least:
        try:
            found.append(solve(graph, target, offered, scale))
        except TooManyWidths as error:
            hint = "ask for one plan with --cycles: the simple rule makes it"
            raise BitwrightError(TOO_MANY, where=f"layer '{error}'", hint=hint) from error
        except BitwrightError as error:
            if not found:
                raise
            return Front(_kept(found), error)
        target = max(least, int(found[-1].interval / STEP))
    return Front(_kept(found), None)


def _kept(found: Sequence[Solution]) -> tuple[Solution, ...]:
    """Those that no faster one undercuts."""
    costs = [solution.certificate["objective"] for solution in found]
    return tuple(one for i, one in enumerate(found) if all(costs[i] < cost for cost in costs[i + 1 :]))

# SPDX-License-Identifier: Apache-2.0
"""A design within the budget of a part: the cheapest for a target, the fastest without one, or what stands in the way.

The solver sees layers; deeper FIFOs and the ends of the design are known once it is lowered. What they take is then
left free of the budget, and the solver asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bitwright.design import Design
from bitwright.hardware.lanes import Planned, choices, cycles_at, fastest, slowest
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Matrix
from bitwright.planning.candidates import Candidates
from bitwright.planning.planner import PlanRecord, plan_for
from bitwright.planning.price import KINDS, Scale, amounts
from bitwright.planning.solver import OverBudget

ROUNDS = 4
"""How often the budget is cut by what the solver did not see."""
BLOCK_BITS, LUT_BITS, SLICE_BITS = 18 * 1024, 64, 48
"""Bits of weights that a block RAM holds, that a look-up table does, and that may be the constants of a DSP slice."""
MBIT = 1e6
NO_HELP = "more clocks per frame do not help: take a larger part, or weights of fewer bits"

Build = Callable[[Plan, PlanRecord], Design]


@dataclass(frozen=True, slots=True)
class Fit:
    """What is to fit: a graph with its proved forms, on a scale, and how a plan becomes a design."""

    graph: Graph
    offered: Candidates
    scale: Scale
    build: Build

    def cheapest(self, target: int) -> Design:
        """The cheapest design of at most `target` clocks that fits; OverBudget names what does not."""
        self.check_capacity()
        try:
            return self._cheapest(target)
        except OverBudget as error:
            if target >= slowest(self.graph) or not self._fits(slowest(self.graph)):
                raise OverBudget(error.what, where=error.where, hint=NO_HELP) from error
            raise

    def fastest(self) -> Design:
        """The design with the smallest interval that fits; OverBudget names what does not, at any speed."""
        self.check_capacity()
        try:
            return self._fastest()
        except OverBudget as error:
            raise OverBudget(error.what, where=error.where, hint=NO_HELP) from error

    def beyond(self, target: int) -> Design:
        """The cheapest design of at most `target` clocks, whether it fits or not."""
        scale = replace(self.scale, part="", said=f"whatever {self.scale.part} holds, costs in its shares")
        return self.build(*plan_for(self.graph, target, self.offered, scale))

    def check_capacity(self) -> None:
        """OverBudget if the weights alone are more than the part's memories hold, at whatever speed.

        UltraRAM is none of these memories: it cannot be given an initial content, and nothing loads the weights later.
        """
        matrices = [layer for layer in self.graph.layers if isinstance(layer, Matrix)]
        bits = {m.name: (m.weights.array.size - m.weights.zeros) * m.weights.type.bits for m in matrices}
        held, total = self.scale.budget, sum(bits.values())
        blocks, tables = held.bram * BLOCK_BITS, held.lut * LUT_BITS
        if not self.scale.part or total <= blocks + tables + held.dsp * SLICE_BITS:
            return
        most = max(bits, key=lambda name: bits[name])
        raise OverBudget(
            f"{total / MBIT:.1f} Mbit of weights, {bits[most] / MBIT:.1f} of them in this layer; {self.scale.part}"
            f" holds {blocks / MBIT:.1f} Mbit in block RAM and {tables / MBIT:.1f} Mbit in look-up tables",
            where=f"layer '{most}'",
            hint=NO_HELP,
        )

    def _cheapest(self, target: int) -> Design:
        scale = self.scale
        for last in (False,) * (ROUNDS - 1) + (True,):
            design = self.build(*plan_for(self.graph, target, self.offered, scale))
            over = over_budget(design)
            if over is None:
                return design
            if last or design.planned.used is None:
                raise over
            scale = tightened(scale, design)
        raise AssertionError("the last round ends")

    def _fastest(self) -> Design:
        targets, fit = _targets(self.graph), self
        if not fit._fits(targets[-1]):
            return self._cheapest(targets[-1])
        while True:
            index = fit._first(targets)
            design = self.build(*plan_for(self.graph, targets[index], self.offered, fit.scale))
            over = over_budget(design)
            if over is None:
                return design
            if index == len(targets) - 1:
                raise over
            targets, fit = targets[index:], replace(fit, scale=tightened(fit.scale, design))

    def _first(self, targets: Sequence[int]) -> int:
        """The place of the smallest target that fits, where the last is known to, or taken for it."""
        low, high = 0, len(targets) - 1
        while low < high:
            middle = (low + high) // 2
            if self._fits(targets[middle]):
                high = middle
            else:
                low = middle + 1
        return high

    def _fits(self, target: int) -> bool:
        """Whether the solver finds a plan; of the simple rule's, whether the design fits."""
        try:
            plan, made = plan_for(self.graph, target, self.offered, self.scale)
        except BitwrightError:
            return False
        return made.used is not None or over_budget(self.build(plan, made)) is None


def over_budget(design: Design) -> OverBudget | None:
    """What a design takes more of than its part holds, and where most of it is; None if it fits or none can say."""
    found = design.price
    worst, total, held = found.over, found.total, found.scale.budget
    if not worst:
        return None
    uses = {name: getattr(used, worst) for name, used in found.layers.items()}
    layer = max(uses, key=lambda name: uses[name])
    beside = f", and of its {held.uram} URAM {total.uram} are taken" if worst == "bram" and held.uram else ""
    return OverBudget(
        f"the design takes {getattr(total, worst)} {worst.upper()}, {uses[layer]} of them in this layer;"
        f" {design.part} holds {getattr(held, worst)}{beside}",
        where=f"layer '{layer}'",
        hint="ask for more clocks per frame, or for a larger part",
    )


def tightened(scale: Scale, design: Design) -> Scale:
    """`scale` with what the solver did not see of `design` taken from its budget."""
    seen = design.planned.used or {}
    unseen = (getattr(design.price.total, kind) - seen.get(kind, 0) for kind in KINDS)
    pairs = zip(unseen, scale.reserved, amounts(scale.budget), strict=True)
    return replace(scale, reserved=tuple(min(max(extra, kept), max(limit - 1, 0)) for extra, kept, limit in pairs))


def _targets(graph: Graph) -> list[int]:
    """The clocks per frame that some layer takes at some lanes, from the network's fewest to its most."""
    least, most = fastest(graph), slowest(graph)
    layers = [layer for layer in graph.layers if isinstance(layer, Planned)]
    found = {
        cycles_at(graph, layer, lanes) for layer in layers for lanes in choices(layer, graph.source_of(layer).shape)
    }
    return sorted({least, most, *(clocks for clocks in found if least < clocks < most)})

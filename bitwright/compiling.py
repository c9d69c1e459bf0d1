# SPDX-License-Identifier: Apache-2.0
"""From a graph and a target to a design."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from bitwright.design import Design
from bitwright.exact.forms import Form
from bitwright.exact.ranges import ranges
from bitwright.fitting import Fit, over_budget
from bitwright.hardware.choice import Choices, Wired
from bitwright.hardware.clocks.fifos import Sized, Sizing
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.lanes import fastest
from bitwright.hardware.lowering.lower import lower
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.names import chosen, identifier
from bitwright.ir.stages import begins
from bitwright.planning.candidates import candidates
from bitwright.planning.decide import decide, settled
from bitwright.planning.devices import device, part_of, ultra_rams
from bitwright.planning.planner import GIVEN, PlanRecord, plan_for
from bitwright.planning.price import scale_of
from bitwright.planning.solver import OverBudget
from bitwright.planning.target import Target
from bitwright.planning.ultra import placed

DEFAULT_CYCLES = 10_000


def compile_graph(
    graph: Graph,
    *,
    cycles: int | None = None,
    fps: float | None = None,
    clock_ns: float = 10.0,
    part: str | None = None,
    plan: Plan | None = None,
    name: str | None = None,
    force: bool = False,
    fifos: Sizing | Sized = "exact",
) -> Design:
    """The design of `graph` for a target: at most `cycles` clocks per frame, or `fps` at the clock, or a given plan.

    `name` is what its top, files and drivers are called, unless given after the model's file.
    Without a target: the fastest plan that fits `part`; without a part either, the cheapest of at most 10,000 clocks,
    or the fastest legal one, which the report then says. What does not fit a part is an error, unless by `force`.
    `fifos` "fast" takes depths that are safe but may be deeper than they need be; who only asks for a price may give a
    function that knows about how deep they are.
    """
    wanted = Target(cycles=cycles, fps=fps, clock_ns=clock_ns, part=part, plan=plan)
    part = None if part is None else part_of(part)
    scale = scale_of(part)
    name = _named(graph) if name is None else chosen(name)
    _check_read(graph)
    target, note = _clocks(graph, wanted)
    note = "; ".join(said for said in (note, "" if part is None else device(part).caveat) if said)
    reached = ranges(graph)
    begins("proving requantisers")
    found = candidates(graph, plan or Plan(), reached)
    asked = wanted.clocks is not None

    def build(plan: Plan, made: PlanRecord) -> Design:
        choices = decide(graph, plan, found)
        kernels = placed(lower(graph, choices, _depths(plan), fifos), ultra_rams(part))
        plan = settled(graph, plan, choices, found)
        if asked:
            _check_interval(kernels, target)
        return Design(graph, plan, _forms(choices), reached, kernels, name, clock_ns, part, note, found.sums, made)

    if plan is not None:
        return _allowed(build(plan, GIVEN), force)
    if not asked and not scale.part:
        return build(*plan_for(graph, target, found, scale))
    return _within(Fit(graph, found, scale, build), target if asked else None, force, target)


def _within(fit: Fit, asked: int | None, force: bool, target: int) -> Design:
    """The cheapest design for what was asked, or the fastest; what does not fit only by `force`, then for `target`."""
    try:
        if asked is not None:
            return fit.cheapest(asked)
        design = fit.fastest()
        note = f"no target: the fastest plan that fits {fit.scale.part}, {design.kernels.interval} clocks per frame"
        return replace(design, note=note)
    except OverBudget as error:
        if force:
            return _allowed(fit.beyond(target), force)
        raise _unforced(error) from error


def _allowed(design: Design, force: bool) -> Design:
    """`design` if it fits its part; by `force` if not, which its note then says."""
    over = over_budget(design)
    if over is None:
        return design
    if not force:
        raise _unforced(over) from over
    note = f"does not fit {design.part}: {over.where}: {over.what}"
    return replace(design, note=f"{design.note}; {note}" if design.note else note)


def _unforced(error: OverBudget) -> OverBudget:
    """`error` with the option that overrides it."""
    return OverBudget(error.what, where=error.where, hint=f"{error.hint}; --force writes it all the same")


def _check_read(graph: Graph) -> None:
    """Refuse an input that nothing reads: its port would have nowhere to send a beat."""
    for entry in graph.inputs:
        if not graph.readers[entry.name] and entry.name not in graph.outputs:
            raise BitwrightError(
                "is read by no layer, so no hardware can take it",
                where=f"{graph.source.file or 'the graph'}: input '{entry.name}'",
                hint="remove it from the model; `run` and `verify` on the reference take it as it is",
            )


def _named(graph: Graph) -> str:
    """The name of a design that nobody named: that of the model's file."""
    return identifier(PurePath(graph.source.file or "model").stem, set())


def _depths(plan: Plan) -> dict[str, int]:
    """The depths of FIFOs that are given."""
    return {name: layer.fifo_depth for name, layer in plan.layers.items() if layer.fifo_depth}


def _forms(choices: Choices) -> dict[str, Form]:
    """The form of every requantiser."""
    return {name: c.form for name, c in choices.items() if isinstance(c, Wired) and c.form is not None}


def _clocks(graph: Graph, asked: Target) -> tuple[int, str]:
    """Clocks per frame to aim at, and what to say where nobody asked for any."""
    if asked.clocks is not None:
        return asked.clocks, ""
    if asked.plan is not None:
        return asked.plan.target_cycles, ""
    best = fastest(graph)
    if best <= DEFAULT_CYCLES:
        return DEFAULT_CYCLES, f"no target: the cheapest plan of at most {DEFAULT_CYCLES} clocks per frame"
    return best, f"no target: the fastest legal plan, {best} clocks per frame"


def _check_interval(kernels: KernelGraph, target: int) -> None:
    """Refuse a target that every layer meets, but not what moves data between them."""
    if kernels.interval > target:
        slowest = max(kernels.kernels, key=lambda kernel: kernel.cycles)
        raise BitwrightError(
            f"moving its data takes {kernels.interval} clocks per frame, {target} were asked for",
            where=f"layer '{slowest.layer}'",
            hint=f"ask for --cycles {kernels.interval} or more",
        )

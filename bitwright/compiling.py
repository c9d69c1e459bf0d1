# SPDX-License-Identifier: Apache-2.0
"""From a graph and a target to a design."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bitwright.design import DEFAULT_PART, Design
from bitwright.exact.forms import Form
from bitwright.exact.ranges import ranges
from bitwright.hardware.arithmetic import Style
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.lanes import fastest
from bitwright.hardware.lowering.lower import lower
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.planning.candidates import TWO_OPERAND, candidates
from bitwright.planning.devices import device
from bitwright.planning.planner import by_rule, plan_for
from bitwright.planning.rule import fold

DEFAULT_CYCLES = 10_000


def compile_graph(
    graph: Graph,
    *,
    cycles: int | None = None,
    fps: float | None = None,
    clock_ns: float = 10.0,
    part: str | None = None,
    plan: Plan | None = None,
) -> Design:
    """The design of `graph` for a target: at most `cycles` clocks per frame, or `fps` at the clock, or a given plan.

    Without a target: the cheapest plan of at most 10,000 clocks, or the fastest legal one, which the report then says.
    """
    if not 0 < clock_ns < float("inf"):
        raise BitwrightError(f"a clock of {clock_ns} ns", where="--clock-ns", hint="give a positive period, e.g. 10")
    device(DEFAULT_PART if part is None else part)  # refuses one that is not known
    target, note = _target(graph, cycles, fps, plan, clock_ns)
    reached = ranges(graph)
    found = candidates(graph, plan or Plan(), reached)
    made: dict[str, Any] = {"made_by": "--plan"}
    if plan is None and cycles is None and fps is None:
        plan, made = Plan(fold(graph, target), target), by_rule(target, "no target was given")
    elif plan is None:
        plan, made = plan_for(graph, target, found, part)
    _check_plan(graph, plan)
    forms = {name: _pick(name, offered, plan) for name, offered in found.forms.items() if name not in found.joined}
    named = {name: form.kind for name, form in forms.items()} | dict.fromkeys(found.joined, TWO_OPERAND)
    forms |= {name: form for name, (form,) in found.joined.items()}
    layers = {
        layer.name: replace(plan.layers.get(layer.name, LayerPlan()), form=named.get(layer.name, ""))
        for layer in graph.layers
        if layer.name in plan.layers or layer.name in named
    }
    plan = Plan(layers, plan.target_cycles)
    kernels = lower(graph, plan, forms, found.sums)
    plan = _with_styles(graph, plan, kernels)
    if cycles is not None or fps is not None:
        _check_interval(kernels, target)
    return Design(graph, plan, forms, reached, kernels, clock_ns, part or DEFAULT_PART, note, found.sums, made)


def _with_styles(graph: Graph, plan: Plan, kernels: KernelGraph) -> Plan:
    """`plan` with the arithmetic style that each layer with products took."""
    taken: dict[str, Style] = {}
    for kernel in kernels.kernels:
        if isinstance(kernel, MatrixVector | SparseMatrixVector | Depthwise):
            taken[kernel.layer] = "lut" if isinstance(kernel, Depthwise) else kernel.style
    layers = {
        layer.name: replace(plan.layers.get(layer.name, LayerPlan()), style=taken.get(layer.name, ""))
        for layer in graph.layers
        if layer.name in plan.layers or layer.name in taken
    }
    return Plan(layers, plan.target_cycles)


def _target(graph: Graph, cycles: int | None, fps: float | None, plan: Plan | None, clock_ns: float) -> tuple[int, str]:
    """Clocks per frame to aim at, and what to say where nobody asked for any."""
    given = [f"--{name}" for name, value in (("cycles", cycles), ("fps", fps), ("plan", plan)) if value is not None]
    if len(given) > 1:
        raise BitwrightError(" and ".join(given) + " are given", where="target", hint="give one of them")
    if cycles is not None or fps is not None:
        wanted = cycles if cycles is not None else int(1e9 / (clock_ns * fps)) if fps and fps > 0 else 0
        if wanted < 1:
            raise BitwrightError(
                f"a target of {cycles if fps is None else fps} cannot be met",
                where="--cycles" if fps is None else "--fps",
                hint="give a positive number; --fps is bounded by the clock",
            )
        return wanted, ""
    if plan is not None:
        return plan.target_cycles, ""
    best = fastest(graph)
    if best <= DEFAULT_CYCLES:
        return DEFAULT_CYCLES, f"no target: the cheapest plan of at most {DEFAULT_CYCLES} clocks per frame"
    return best, f"no target: the fastest legal plan, {best} clocks per frame"


def _check_plan(graph: Graph, plan: Plan) -> None:
    for name, layer_plan in plan.layers.items():
        if name not in graph.by_name:
            raise BitwrightError(
                f"the network has no layer '{name}'",
                where="plan",
                hint="its layers are " + ", ".join(f"'{layer.name}'" for layer in graph.layers),
            )
        if layer_plan.style and not isinstance(graph.by_name[name], Dense | Conv):
            raise BitwrightError(
                f"the style '{layer_plan.style}' is for layers with weights",
                where=f"plan: layer '{name}'",
                hint="leave it empty",
            )
        if layer_plan.zeros != "multiply" and not isinstance(graph.by_name[name], Dense | Conv):
            raise BitwrightError(
                f"'{layer_plan.zeros}' is for layers with weights",
                where=f"plan: layer '{name}'",
                hint="set its zeros to 'multiply'",
            )


def _pick(name: str, candidates: tuple[Form, ...], plan: Plan) -> Form:
    wanted = plan.layers.get(name, LayerPlan()).form
    for form in candidates:
        if wanted in ("", form.kind):
            return form
    raise BitwrightError(
        f"the form '{wanted}' is not proved equal to the layer",
        where=f"plan: layer '{name}'",
        hint="proved forms: " + ", ".join(form.kind for form in candidates),
    )


def _check_interval(kernels: KernelGraph, target: int) -> None:
    """Refuse a target that every layer meets, but not what moves data between them."""
    if kernels.interval > target:
        slowest = max(kernels.kernels, key=lambda kernel: kernel.cycles)
        raise BitwrightError(
            f"moving its data takes {kernels.interval} clocks per frame, {target} were asked for",
            where=f"layer '{slowest.layer}'",
            hint=f"ask for --cycles {kernels.interval} or more",
        )

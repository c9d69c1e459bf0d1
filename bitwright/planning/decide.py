# SPDX-License-Identifier: Apache-2.0
"""From what a plan asks to what is decided: the one way there. A plan may leave open what a choice may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import assert_never

from bitwright.exact.forms import Form
from bitwright.hardware.arithmetic import Style, style_of
from bitwright.hardware.choice import Choices, Entering, Folded, LayerChoice, Pooled, Wired
from bitwright.hardware.lanes import (
    Lanes,
    enough_lanes,
    entry_lanes,
    in_lanes,
    is_parallel,
    kernels_per_channel,
    line_of,
    pace,
    pace_around,
)
from bitwright.hardware.lowering.windows import padded_type
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Conv, Dense, Join, Move, Pointwise, Pool
from bitwright.ir.types import IntType
from bitwright.planning.candidates import TWO_OPERAND, Candidates
from bitwright.planning.variants import rows_move, skipped_cycles


def decide(graph: Graph, plan: Plan, found: Candidates) -> Choices:
    """What every input and layer of `graph` is made like under `plan`, with the forms and factors that were found.

    BitwrightError names a layer that the network does not have, or that cannot have what is asked for.
    """
    _check_plan(graph, plan)
    lanes = {name: (layer.pe, layer.simd) for name, layer in plan.layers.items()}
    slowest = pace(graph, lanes, skipped_cycles(graph, plan)) if plan.target_cycles else 0
    beats = slowest or plan.target_cycles
    made: dict[str, LayerChoice] = {}
    for entry in graph.inputs:
        least = entry_lanes(graph, entry, lanes)
        made[entry.name] = Entering(lanes=enough_lanes(prod(entry.shape), least, entry.channels, beats))
    for layer in graph.layers:
        made[layer.name] = _decided(graph, plan, found, layer, lanes, beats)
    return made


def settled(graph: Graph, plan: Plan, choices: Choices, found: Candidates) -> Plan:
    """`plan` with the form and the style that was taken, for every layer that it names or that has one."""
    layers = {}
    for layer in graph.layers:
        choice, form = choices[layer.name], ""
        if isinstance(choice, Wired) and choice.form is not None:
            form = TWO_OPERAND if layer.name in found.joined else choice.form.kind
        taken: Style | None = choice.style if isinstance(choice, Folded) else None
        if layer.name in plan.layers or form or taken:
            asked = plan.layers.get(layer.name, LayerPlan())
            layers[layer.name] = replace(asked, form=form, style=taken or "")
    return Plan(layers, plan.target_cycles)


def leaves_alone(layer: Conv, in_shape: tuple[int, ...], lanes: Lanes, clocks: int) -> bool:
    """Whether the last windows of a frame have time, in `clocks`, to leave without the next frame's beats."""
    along = line_of(layer, in_shape) if is_parallel(layer, in_shape[-1], lanes[1]) else None
    return along is not None and along.alone * (in_shape[-1] // in_lanes(layer, in_shape[-1], *lanes)) <= clocks


def _decided(
    graph: Graph, plan: Plan, found: Candidates, layer: AnyLayer, lanes: Mapping[str, Lanes], beats: int
) -> LayerChoice:
    if isinstance(layer, Dense | Conv):
        return _folded(graph, plan, layer, lanes, beats)
    if isinstance(layer, Pool):
        return Pooled(lanes=plan.layers.get(layer.name, LayerPlan()).simd)
    if isinstance(layer, Join | Pointwise | Move):
        return Wired(form=_form(layer.name, plan, found), factors=found.sums.get(layer.name), pace=beats)
    assert_never(layer)


def _folded(graph: Graph, plan: Plan, layer: Dense | Conv, lanes: Mapping[str, Lanes], beats: int) -> Folded:
    chosen, source = plan.layers.get(layer.name, LayerPlan()), graph.source_of(layer)
    alone = isinstance(layer, Conv) and leaves_alone(
        layer, source.shape, (chosen.pe, chosen.simd), beats or pace_around(graph, layer, lanes)
    )
    return Folded(
        pe=chosen.pe,
        simd=chosen.simd,
        memory=chosen.memory,
        style=_style(layer, chosen, source.type, source.channels),
        zeros=chosen.zeros,
        moves=rows_move(graph, plan, layer),
        alone=alone,
    )


def _style(layer: Dense | Conv, chosen: LayerPlan, x_type: IntType, in_channels: int) -> Style:
    """How the layer multiplies: as the plan asks, or the preferred way; its inputs hold the padding too."""
    per_channel = kernels_per_channel(layer, in_channels)
    if per_channel and chosen.pe >= per_channel:
        if chosen.style not in ("", "lut"):
            raise BitwrightError(
                f"the style '{chosen.style}' is not one of a depthwise unit",
                where=f"plan: layer '{layer.name}'",
                hint="legal here: lut",
            )
        return "lut"
    return style_of(layer.name, chosen.style, layer.weights.type, padded_type(layer, x_type))


def _form(name: str, plan: Plan, found: Candidates) -> Form | None:
    """The form that the plan asks for, or the cheapest; the one that was proved together with a sum's factors."""
    offered = found.forms.get(name, ())
    wanted = "" if name in found.joined else plan.layers.get(name, LayerPlan()).form
    for form in offered:
        if wanted in ("", form.kind):
            return form
    if not offered:
        return None
    raise BitwrightError(
        f"the form '{wanted}' is not proved equal to the layer",
        where=f"plan: layer '{name}'",
        hint="proved forms: " + ", ".join(form.kind for form in offered),
    )


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

# SPDX-License-Identifier: Apache-2.0
"""Every kind of layer on every compiled engine, in two plans: the integers of the reference, the clocks of the plan.

All networks of `tests.layers.cases` stand side by side in one design, so that each engine is built once for each plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.exact.ranges import ranges
from bitwright.hardware.clocks.fifos import with_depths
from bitwright.hardware.clocks.interval import latency
from bitwright.hardware.lanes import Planned, choices
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.graph import Graph
from bitwright.ir.host import run_host
from bitwright.ir.layers import LAYERS, Input, Requantise, Reshape, Rounding
from bitwright.ir.weights import Ints
from bitwright.planning.candidates import candidate_forms
from bitwright.sim import cpp, reference, rtl
from tests.ir.graphs import random_codes
from tests.layers.cases import CASES
from tests.layers.nets import side_by_side
from tests.needs import needs_cxx, needs_rtl

Style = Literal["serial", "wide"]
STYLES: tuple[Style, ...] = ("serial", "wide")
ALL = side_by_side(CASES)
SAMPLES = 8


def plan(graph: Graph, style: Style) -> Plan:
    """One lane and the cheapest forms, or uneven numbers of lanes, weights in block RAM and the dearest forms."""
    reached, layers = ranges(graph), {}
    for layer in graph.layers:
        shape = graph.by_name[layer.inputs[0]].shape
        lanes = choices(layer, shape) if isinstance(layer, Planned) else [(1, 1)]
        forms = candidate_forms(graph, layer, reached)
        pe, simd = lanes[0] if style == "serial" else lanes[len(lanes) * 3 // 4]
        kind = forms[-1].kind if forms and style == "wide" else ""
        layers[layer.name] = LayerPlan(pe=pe, simd=simd, form=kind, memory="lut" if style == "serial" else "block")
    return Plan(layers)


@cache
def design(style: Style) -> Design:
    """All networks in one, each with the FIFOs that it has alone: those suffice at its own interval."""
    whole, depths = compile_graph(ALL, plan=plan(ALL, style)), {}
    for case, graph in CASES.items():
        alone = compile_graph(graph, plan=plan(graph, style)).kernels
        here = [kernel for kernel in whole.kernels.kernels if kernel.layer.startswith(f"{case}/")]
        for kernel, same in zip(here, alone.kernels, strict=True):
            names = zip((*kernel.inputs, *kernel.outputs), (*same.inputs, *same.outputs), strict=True)
            depths |= {name: alone.stream(other).depth for name, other in names}
    return replace(whole, kernels=with_depths(whole.kernels, depths))


@cache
def codes() -> list[Ints]:
    return random_codes(ALL, 7, SAMPLES)


@cache
def expected() -> dict[str, Ints]:
    return dict(zip(ALL.outputs, reference.run(ALL, codes()), strict=True))


@cache
def rtl_model(style: Style) -> rtl.RtlModel:
    return rtl.build(design(style).files("verilog"))


@cache
def hls_outputs(style: Style) -> list[Ints]:
    shapes = [layer.shape for layer in ALL.inputs], [ALL.by_name[name].shape for name in ALL.outputs]
    model = cpp.build(design(style).files("hls"), inputs=shapes[0], outputs=shapes[1], flags=("-O0",))
    return model.run(codes())


@cache
def rtl_result(style: Style, seed: int) -> rtl.RtlResult:
    return rtl_model(style).run(codes(), seed=seed)


def rtl_outputs(style: Style) -> list[Ints]:
    return rtl_result(style, 0).outputs


def expect(case: str, outputs: list[Ints]) -> None:
    found = dict(zip(ALL.outputs, outputs, strict=True))
    names = [f"{case}/{name}" for name in CASES[case].outputs]
    for name in names:
        np.testing.assert_array_equal(found[name], expected()[name], err_msg=name)


@needs_cxx
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("style", STYLES)
def test_hls_gives_the_integers_of_the_reference(style: Style, case: str) -> None:
    expect(case, hls_outputs(style))


@needs_rtl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("style", STYLES)
def test_rtl_gives_the_integers_of_the_reference(style: Style, case: str) -> None:
    """At full speed, then with source and sink stalling at random."""
    for seed in (0, 1, 2):
        expect(case, rtl_result(style, seed).outputs)


@pytest.mark.parametrize(
    "engine", [pytest.param(hls_outputs, marks=needs_cxx), pytest.param(rtl_outputs, marks=needs_rtl)]
)
def test_the_lowest_index_wins_a_tie(engine: Callable[[Style], list[Ints]]) -> None:
    logits = dict(zip(ALL.outputs, engine("serial"), strict=True))["classes/dense0"]
    best, two = run_host(CASES["classes"].after, {"dense0": logits})
    order = [[i for _, i in sorted((-value, i) for i, value in enumerate(row))] for row in logits.tolist()]
    assert best.tolist() == [places[0] for places in order]
    assert two.tolist() == [places[:2] for places in order]
    assert ((logits == logits.max(axis=1, keepdims=True)).sum(axis=1) > 1).any()


@needs_rtl
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("style", STYLES)
def test_rtl_takes_the_clocks_of_the_plan(style: Style, case: str) -> None:
    """The interval of each network exactly, and the latency of its last output."""
    graph = CASES[case]
    kernels = compile_graph(graph, plan=plan(graph, style)).kernels
    clocks = dict(zip(ALL.outputs, rtl_result(style, 0).port_cycles, strict=True))
    intervals, latencies = zip(*(clocks[f"{case}/{name}"] for name in graph.outputs), strict=True)
    assert max(intervals) == kernels.interval
    assert max(latencies) == latency(kernels)


def test_every_kind_of_layer_and_rounding_is_here() -> None:
    layers = [layer for layer in ALL.layers if "random" not in layer.name]
    assert {type(layer) for layer in layers} == set(LAYERS.values()) - {Input}
    assert {layer.rounding for layer in layers if isinstance(layer, Requantise)} == set(Rounding)
    assert any(isinstance(layer, Reshape) for layer in layers)


@pytest.mark.slow
def test_every_form_is_here() -> None:
    kinds = {form.kind for style in STYLES for form in design(style).forms.values()}
    assert kinds == {"shift", "shift_even", "mas", "mas_window", "thresholds", "table"}
    assert design("serial").sums and not design("wide").sums


@pytest.mark.parametrize("style", STYLES)
def test_the_plans_have_the_lanes_they_name(style: Style) -> None:
    lanes = {chosen.pe * chosen.simd for chosen in design(style).plan.layers.values()}
    assert (lanes == {1}) == (style == "serial")

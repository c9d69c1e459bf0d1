# SPDX-License-Identifier: Apache-2.0
"""Pruned networks whose zeros are skipped: the integers of the reference in RTL and HLS, in the clocks of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitwright import api
from bitwright.compiling import compile_graph
from bitwright.design import Design, random_codes
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Layer
from bitwright.ir.weights import Ints, Weights
from bitwright.sim import cpp, reference, rtl
from tests.needs import needs_cxx, needs_rtl
from tests.plan.test_orders import chain

DIGITS = Path(__file__).parents[1] / "examples/digits/digits.onnx"
PRUNED = Path(__file__).parents[1].parent / "shared/models/brevitas/prune_unstruct70_qonnx"
FRAMES = 6
LANES: Mapping[str, Mapping[str, int]] = {
    "digits": {"conv1": 4, "conv2": 8, "dense1": 4, "dense2": 2},
    "pruned": {"conv1": 4, "conv2": 8, "dense1": 4, "dense2": 2},
    "brevitas": {"/c1/Conv": 4, "/c2/Conv": 8, "/f1/MatMul": 4, "/f2/Gemm": 2},
}
CLOCKS = {"digits": (2304, 1232), "pruned": (2304, 1152), "brevitas": (6912, 2304)}
"""Multiplied and skipped, each at the lanes above and SIMD 1."""


def without_small_weights(layer: Layer) -> Layer:
    """The layer with the weights nearest to zero, four fifths of them, set to zero."""
    if not isinstance(layer, Dense | Conv):
        return layer
    flat = layer.weights.array.reshape(-1).copy()
    flat[np.argsort(np.abs(flat), kind="stable")[: flat.size * 4 // 5]] = 0
    return replace(layer, weights=Weights(flat.reshape(layer.weights.array.shape)))


@cache
def network(name: str) -> Graph:
    if name == "brevitas":
        if not PRUNED.is_dir():
            pytest.skip(f"{PRUNED} is not there")
        return api.load(PRUNED / "model.onnx")
    net = api.load(DIGITS)
    return replace(net, layers=tuple(map(without_small_weights, net.layers))) if name == "pruned" else net


@cache
def design(name: str, zeros: Zeros = "skip-rows") -> Design:
    if name == "orders":
        graph, plan = chain()
        return compile_graph(graph, plan=plan)
    return compile_graph(
        network(name), plan=Plan({layer: LayerPlan(pe=pe, simd=1, zeros=zeros) for layer, pe in LANES[name].items()})
    )


def expect(made: Design, outputs: list[Ints], codes: list[Ints]) -> None:
    for got, want in zip(outputs, reference.run(made.graph, codes), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", LANES)
def test_a_pruned_network_takes_fewer_clocks(name: str) -> None:
    assert (design(name, "multiply").kernels.interval, design(name).kernels.interval) == CLOCKS[name]
    shares = {entry["name"]: entry["dense_share"] for entry in design(name).report()["layers"]}
    few = {"conv1", "dense2"} if name == "digits" else set()  # 4 % and 11 % zeros
    assert all(shares[layer] < 0.7 for layer in LANES[name] if layer not in few)


@needs_rtl
@pytest.mark.parametrize("name", [*LANES, "orders"])
def test_rtl_gives_the_integers_in_the_clocks_of_the_plan(name: str) -> None:
    made = design(name)
    codes, model = random_codes(made.graph, FRAMES), rtl.build(made.files("verilog"))
    result = model.run(codes)
    expect(made, result.outputs, codes)
    report = made.report()
    assert (result.cycles_per_frame, result.latency_cycles) == (report["interval_cycles"], report["latency_cycles"])
    expect(made, model.run(codes, seed=1).outputs, codes)


@needs_cxx
@pytest.mark.parametrize("name", ["digits", "pruned", "orders"])
def test_hls_gives_the_integers(name: str) -> None:
    made = design(name)
    graph, codes = made.graph, random_codes(made.graph, FRAMES)
    shapes = [layer.shape for layer in graph.inputs], [graph.by_name[output].shape for output in graph.outputs]
    expect(made, cpp.build(made.files("hls"), inputs=shapes[0], outputs=shapes[1], flags=("-O0",)).run(codes), codes)


@needs_cxx
def test_hls_keeps_the_golden_outputs_of_a_pruned_model() -> None:
    net = network("brevitas")
    with np.load(PRUNED / "golden.npz") as golden:
        inputs, outputs = golden["inputs"][:FRAMES], golden["outputs"][:FRAMES]
    result = api.verify(net, [inputs], outputs, engines=("reference", "hls"), design=design("brevitas"))
    assert api.passed(result)
    assert result["golden"]["elements"] == result["engines"]["hls"]["elements"] == outputs.size

# SPDX-License-Identifier: Apache-2.0
"""Every arithmetic style on every compiled engine: the corners of its types, and every product that a multiplier packs.

All layers stand side by side in one design, so that each engine is built once.
"""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitwright.api import load
from bitwright.backends.hls import packed
from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.hardware.arithmetic import Style, packing
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.graph import Graph
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from bitwright.ir.weights import Ints
from bitwright.sim import cpp, reference, rtl
from tests.layers.nets import Net
from tests.needs import needs_cxx, needs_rtl

S3, S4, S5, S8 = (integer(bits, signed=True) for bits in (3, 4, 5, 8))
U1, U3, U4, U5, U8 = (integer(bits, signed=False) for bits in (1, 3, 4, 5, 8))
S4N = integer(4, signed=True, narrow=True)
COLS, SIMD = 6, 3

CORNERS: list[tuple[Style, IntType, IntType]] = [
    *(("lut", w, x) for w, x in ((S4, U4), (S4, S4), (U4, U4), (S8, S8), (S4, BIPOLAR), (TERNARY, S4))),
    *(("dsp", w, x) for w, x in ((S4, U4), (S4N, S4), (S8, U8), (S8, S8), (U8, U8), (S8, BIPOLAR), (BIPOLAR, BIPOLAR))),
    ("xnor", BIPOLAR, BIPOLAR),
    *(("ternary", w, x) for w in (TERNARY, BIPOLAR, U1) for x in (S8, U8, U1, BIPOLAR)),
]
"""Style, weights, inputs: the sum of every row is at its extremes for some sample."""

PACKED = [(S3, U3), (S4, U4), (S5, U5)]
"""Weights and inputs of which every combination is multiplied."""

SAMPLES = 32
TFC = Path(__file__).parents[1].parent / "shared/models/qonnx_zoo/TFC_1W1A/model.onnx"


def extremes(kind: IntType, count: int) -> Ints:
    """`count` numbers each: the lowest, the highest, one of each in turn, and random ones until there are `SAMPLES`."""
    rng = np.random.default_rng(count)
    low, high = np.full(count, kind.lo), np.full(count, kind.hi)
    turn = np.where(np.arange(count) % 2, low, high)
    drawn = kind.lo + kind.step * rng.integers(0, kind.count, (SAMPLES - 4, count))
    return np.concatenate([[low, high, turn, low + high - turn], drawn])


def tuples(weights: IntType, lanes: int) -> Ints:
    """Every combination of `lanes` weights, one below the other, in one column."""
    return np.array(list(itertools.product(range(weights.lo, weights.hi + 1), repeat=lanes))).reshape(-1, 1)


@cache
def network() -> tuple[Graph, Plan, list[Ints]]:
    """The layers, their styles, and inputs: the extremes, or, where weights are combined, every value."""
    net, plans, inputs = Net(), {}, []
    for style, weights, x in CORNERS:
        layer = net.dense(net.input(f"x{len(inputs)}", (COLS,), x), extremes(weights, COLS)[:5])
        plans[layer.name] = LayerPlan(pe=5, simd=SIMD, style=style)
        inputs.append(extremes(x, COLS))
    for weights, x in PACKED:
        lanes = packing(weights, x, 4).lanes
        layer = net.dense(net.input(f"x{len(inputs)}", (1,), x), tuples(weights, lanes))
        plans[layer.name] = LayerPlan(pe=lanes, style="dsp", memory="block")
        inputs.append((x.lo + np.arange(SAMPLES) % x.count).reshape(-1, 1))
    net.output(*plans)
    return net.graph(), Plan(plans), inputs


@cache
def design() -> Design:
    graph, plan, _ = network()
    return compile_graph(graph, plan=plan)


def expect(outputs: list[Ints]) -> None:
    graph, _, inputs = network()
    for name, want, got in zip(graph.outputs, reference.run(graph, inputs), outputs, strict=True):
        np.testing.assert_array_equal(got, want, err_msg=f"{name}: {graph.by_name[name]}")


def test_the_inputs_reach_the_bounds_of_every_accumulator() -> None:
    """And each layer has the types and the style that it is here for."""
    graph, plan, inputs = network()
    outputs = dict(zip(graph.outputs, reference.run(graph, inputs), strict=True))
    kernels = [kernel for kernel in design().kernels.kernels if isinstance(kernel, MatrixVector)]
    assert [kernel.style for kernel in kernels] == [layer.style for layer in plan.layers.values()]
    for kernel, (_, weights, x) in zip(kernels, CORNERS, strict=False):
        assert (kernel.weight_type, kernel.x_type) == (weights, x)
        found = outputs[kernel.layer]
        assert (found.min(), found.max()) == (kernel.acc_type.lo, kernel.acc_type.hi)
    assert [kernel.packing.lanes for kernel in kernels[len(CORNERS) :]] == [4, 3, 2]


@needs_cxx
def test_hls_gives_the_integers_of_the_reference() -> None:
    graph, _, inputs = network()
    shapes = [layer.shape for layer in graph.inputs], [graph.by_name[name].shape for name in graph.outputs]
    expect(cpp.build(design().files("hls"), inputs=shapes[0], outputs=shapes[1], flags=("-O0",)).run(inputs))


@needs_rtl
def test_rtl_gives_the_integers_of_the_reference() -> None:
    """At full speed, then with source and sink stalling at random."""
    _, _, inputs = network()
    model = rtl.build(design().files("verilog"))
    for seed in (0, 1):
        expect(model.run(inputs, seed=seed).outputs)


def test_the_report_names_the_style() -> None:
    plan = design().plan
    styles = {layer["name"]: layer["style"] for layer in design().report()["layers"]}
    assert styles == {name: layer.style for name, layer in plan.layers.items()}
    assert set(styles.values()) == {"lut", "dsp", "xnor", "ternary"}
    assert json.loads(plan.to_json())["layers"]["dense0"]["style"] == "lut"


@pytest.mark.skipif(not TFC.is_file(), reason=f"{TFC} is not there")
@pytest.mark.parametrize("cycles", [784, 10_000])
def test_a_network_of_bits_stores_one_bit_for_each_weight(cycles: int) -> None:
    """Every layer of TFC_1W1A: inline or in a file, and in the C++."""
    made = compile_graph(load(TFC), cycles=cycles)
    kernels = [kernel for kernel in made.kernels.kernels if isinstance(kernel, MatrixVector)]
    assert [kernel.style for kernel in kernels] == ["xnor"] * 4
    assert sum(kernel.weights.array.size for kernel in kernels) == 64 * (784 + 64 + 64 + 10)
    hardware, source = made.files("verilog"), made.files("hls")
    for kernel in kernels:
        words, width = len(kernel.weights.array), kernel.pe * kernel.simd
        assert words * width == kernel.weights.array.size
        assert f".Words({words}), .Width({width})" in hardware[f"{made.name}_top.sv"]
        if text := hardware.get(f"weights/{kernel.name}.hex"):
            assert {len(line) for line in text.splitlines()} == {-(-width // 4)} and text.count("\n") == words
        text = source[f"weights/{kernel.name}.hpp"]
        digits = text.partition("= {")[2].partition("};")[0]
        if packed.is_large(kernel.weights.array.size):  # a number of SIMD bits for each row of a word
            assert kernel.simd <= 64 and f"bw::Rom<ap_uint<{kernel.simd}>> table" in text
            assert digits.count("0x") == words * kernel.pe
        else:
            assert digits.count("0") + digits.count("1") == kernel.weights.array.size
    assert source[f"{made.name}_params.hpp"].count("using Weight = bw::Bipolar;") == 4

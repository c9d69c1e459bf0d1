# SPDX-License-Identifier: Apache-2.0
"""Arithmetic styles: the rule, what is refused, what they cost; and that packed products never disturb each other."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from bitwright.backends.hls.project import generate as hls
from bitwright.backends.verilog.project import generate as verilog
from bitwright.compiling import compile_graph
from bitwright.hardware.area.resources import resources
from bitwright.hardware.arithmetic import Style, legal_styles, multipliers, odd_bits, packing, signed_bits, style_of
from bitwright.hardware.cells import EVERY_DSP_BITS
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from tests.layers.nets import Net
from tests.rtl.graphs import matrix_vector, project

U4, S4, U8, S8 = (integer(bits, signed=signed) for bits in (4, 8) for signed in (False, True))
S4N = integer(4, signed=True, narrow=True)
SMALL = [BIPOLAR, TERNARY, S4N, *(integer(b, signed=s) for b in (1, 2, 3, 4) for s in (False, True))]
WIDER = [
    (integer(b, signed=True, narrow=narrow), integer(b, signed=signed))
    for b in (5, 6, 7, 8)
    for narrow in (False, True)
    for signed in (False, True)
]


def values(kind: IntType) -> range:
    return range(kind.lo, kind.hi + 1, kind.step)


@pytest.mark.parametrize(("weights", "x"), [*itertools.product(SMALL, SMALL), *WIDER], ids=str)
def test_every_packed_product_comes_out_as_it_is(weights: IntType, x: IntType) -> None:
    """What `bw_packed_product` does, in integers: every combination of weights, with every input or, for wide
    combinations, those at and beside the ends of the range and zero.
    """
    shared = packing(weights, x, 4)
    places = [1 << lane * shared.stride for lane in range(shared.lanes)]
    combined = np.array(list(itertools.product(values(weights), repeat=shared.lanes)))
    packed = combined @ np.array(places)
    assert packed.min() >= -(1 << shared.width - 1) and packed.max() < 1 << shared.width - 1
    inputs = [v for v in values(x) if len(packed) <= 10_000 or min(v - x.lo, x.hi - v, abs(v)) < 2]
    mask = (1 << shared.stride) - 1
    for value in inputs:
        total = packed * value + shared.bias * sum(places)
        for lane in range(shared.lanes):
            found = (total >> lane * shared.stride & mask) - shared.bias
            assert (found == combined[:, lane] * value).all()


@pytest.mark.parametrize(
    ("weights", "x", "lanes"),
    [
        *((S4, U4, 3), (S4, S4, 3), (S4N, S4, 4), (integer(3, signed=True), U4, 4)),
        *((S8, U8, 2), (S8, S8, 2), (integer(9, signed=True), U8, 1)),
        (integer(12, signed=True), integer(20, signed=True), 1),
    ],
)
def test_lanes_of_a_multiplier(weights: IntType, x: IntType, lanes: int) -> None:
    """As many as fit, never more than there are rows; alone, a product may take several slices."""
    shared = packing(weights, x, 8)
    assert shared.lanes == lanes
    assert lanes == 1 or (shared.width <= EVERY_DSP_BITS[0] and signed_bits(x) <= EVERY_DSP_BITS[1])
    assert [packing(weights, x, pe).lanes for pe in (1, 2, 3)] == [min(pe, lanes) for pe in (1, 2, 3)]
    assert multipliers(shared, x) == 1


def test_wide_factors_take_several_slices() -> None:
    s20, s40 = integer(20, signed=True), integer(40, signed=True)
    assert multipliers(packing(s20, s20, 1), s20) == 2
    assert multipliers(packing(s40, s20, 1), s20) == 3


@pytest.mark.parametrize(
    ("weights", "x", "legal"),
    [
        (BIPOLAR, BIPOLAR, ("xnor", "ternary", "lut", "dsp")),
        (BIPOLAR, S8, ("ternary", "lut", "dsp")),
        (TERNARY, U8, ("ternary", "lut", "dsp")),
        (integer(1, signed=False), U8, ("ternary", "lut", "dsp")),
        (integer(2, signed=True), U8, ("lut", "dsp")),
        (S4, BIPOLAR, ("lut", "dsp")),
        (S4, U4, ("lut", "dsp")),
        (integer(5, signed=True), U4, ("dsp", "lut")),
        (S8, U8, ("dsp", "lut")),
    ],
)
def test_the_types_decide(weights: IntType, x: IntType, legal: tuple[Style, ...]) -> None:
    assert legal_styles(weights, x) == legal
    assert style_of("a", "", weights, x) == legal[0]
    assert [style_of("a", style, weights, x) for style in legal] == list(legal)


def network(depthwise: bool = False) -> Graph:
    net = Net()
    if depthwise:
        net.conv(net.input("x0", (4, 4, 2), U4), np.full((2, 3, 3, 1), 3), groups=2)
    else:
        net.act(net.dense(net.input("x0", (8,), U4), np.arange(-8, 8).reshape(2, 8)), S4, np.random.default_rng(0))
    return net.graph()


@pytest.mark.parametrize(
    ("graph", "layer", "style", "message"),
    [
        (
            network(),
            "dense0",
            "xnor",
            "the style 'xnor' does not multiply s4 weights by u4 inputs\n  hint: legal here: lut, dsp",
        ),
        (
            network(),
            "act1",
            "dsp",
            "the style 'dsp' is for layers with weights\n  hint: leave it empty",
        ),
        (
            network(depthwise=True),
            "conv0",
            "dsp",
            "the style 'dsp' is not one of a depthwise unit\n  hint: legal here: lut",
        ),
    ],
)
def test_what_a_layer_cannot_do(graph: Graph, layer: str, style: Style, message: str) -> None:
    with pytest.raises(BitwrightError) as error:
        compile_graph(graph, plan=Plan({layer: LayerPlan(style=style)}))
    assert str(error.value) == f"plan: layer '{layer}': {message}"


def test_a_style_that_was_taken_stands_in_the_plan_and_gives_the_same_design() -> None:
    for graph, style in ((network(), "lut"), (network(depthwise=True), "lut")):
        first = compile_graph(graph)
        assert first.plan.layers[graph.layers[0].name].style == style
        assert compile_graph(graph, plan=first.plan).kernels == first.kernels


def unit(style: Style, w: IntType, x: IntType) -> MatrixVector:
    graph = matrix_vector("mv", np.random.default_rng(0), rows=12, cols=4, pe=12, simd=4, w=w, x=x, style=style)
    kernel = graph.kernels[0]
    assert isinstance(kernel, MatrixVector)
    return kernel


def test_what_each_style_costs() -> None:
    """Slices are counted exactly; packed weights share them, and the other styles take none."""
    assert resources(unit("dsp", S8, U8)).dsp == 6 * 4
    assert resources(unit("dsp", S4, U4)).dsp == 4 * 4
    assert resources(replace(unit("dsp", S8, U8), pe=1, rows=1)).dsp == 4
    costs = {style: resources(unit(style, BIPOLAR, BIPOLAR)) for style in ("xnor", "ternary", "lut")}
    assert costs["xnor"].lut < costs["ternary"].lut <= costs["lut"].lut
    assert {cost.dsp for cost in costs.values()} == {0}
    assert resources(unit("ternary", TERNARY, U8)).lut < resources(unit("lut", TERNARY, U8)).lut
    assert resources(unit("lut", S8, U8)).lut > resources(unit("dsp", S8, U8)).lut + 24 * 100


@pytest.mark.parametrize("rows", [8, 128])
def test_a_bipolar_weight_is_one_bit(rows: int) -> None:
    """In the ROM, inline or as a file, and in the C++."""
    graph = matrix_vector("mv", np.random.default_rng(0), rows=rows, cols=64, pe=4, simd=8, w=BIPOLAR, x=BIPOLAR)
    made = project(graph, np.random.default_rng(1), 1)
    files, words = verilog(made), rows * 64 // 32
    assert f".Words({words}), .Width(32)" in files["design_top.sv"]
    if rows == 128:
        assert [len(line) for line in files["weights/mv.hex"].splitlines()] == [8] * words
    else:
        assert files["design_top.sv"].count("32'h") == words
    source = hls(made)
    assert "using Weight = bw::Bipolar;" in source["design_params.hpp"]
    assert "ap_uint<1> bit;" in source["kernels/bw_stream.hpp"]
    digits = source["weights/mv.hpp"].partition("= {")[2].partition("};")[0]
    assert {character for character in digits if character.isdigit()} == {"0", "1"}
    assert sum(digits.count(bit) for bit in "01") == rows * 64


@pytest.mark.parametrize(("factor", "bits"), [(0, 0), (1, 2), (-1, 1), (8, 2), (-8, 1), (12, 3), (-12, 3), (77, 8)])
def test_a_multiplier_does_not_see_zeros_at_the_low_end(factor: int, bits: int) -> None:
    assert odd_bits(factor) == bits

# SPDX-License-Identifier: Apache-2.0
"""No design is delivered that its own modules refuse: what they need is checked when a design is lowered."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright
from bitwright.compiling import compile_graph
from bitwright.exact.forms import MultiplyShift
from bitwright.hardware.arithmetic import legal_styles
from bitwright.hardware.kernels.base import FRAME, Kernel, KernelGraph
from bitwright.hardware.kernels.windows import ParallelWindow
from bitwright.hardware.needs import broken, check_needs
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from bitwright.ir.window import Window
from bitwright.sim import cpp, reference, rtl
from tests.ir.graphs import random_codes
from tests.layers.nets import Net, side_by_side
from tests.needs import needs_cxx, needs_rtl

LIBRARY = Path(bitwright.__file__).parent / "hls_templates"
S4, U1, U4, BITS = IntType(-8, 7), IntType(0, 1), IntType(0, 15), IntType(-1, 1, 2)


def network() -> Graph:
    """One layer for each kernel that has needs."""
    net, rng = Net(), np.random.default_rng(0)
    x = net.input("x", (6, 6, 4), S4)
    net.output(
        net.dense(net.input("bits", (8,), BITS), rng.choice([-1, 1], (4, 8))),
        net.dense(net.input("a", (8,), S4), np.eye(4, 8, dtype=int)),  # select
        net.dense(net.input("b", (8,), S4), np.eye(8, dtype=int)),  # skip-rows
        net.act(net.dense(net.input("c", (8,), S4), rng.integers(-99, 99, (4, 8))), U4, rng),
        net.arg_max(x),
        net.max_pool(x, (2, 2)),
        net.conv(x, rng.integers(-9, 9, (4, 3, 3, 1)), groups=4),
        net.conv(x, rng.integers(-9, 9, (4, 3, 3, 4)), pads=(1, 1, 1, 1)),  # parallel
    )
    return net.graph()


PLAN = Plan(
    {
        "dense0": LayerPlan(pe=2, simd=4, style="xnor"),
        "dense1": LayerPlan(pe=2, simd=4, zeros="select", style="ternary"),
        "dense2": LayerPlan(pe=2, simd=2, zeros="skip-rows", style="lut"),
        "dense3": LayerPlan(pe=2, simd=2, style="dsp"),
        "maxpool6": LayerPlan(pe=2, simd=2),
        "conv7": LayerPlan(pe=4, simd=1),
        "conv8": LayerPlan(pe=2, simd=9),
    }
)


@pytest.fixture(scope="module")
def kernels() -> KernelGraph:
    return compile_graph(network(), plan=PLAN).kernels


def named(kernels: KernelGraph, name: str) -> Kernel:
    return next(kernel for kernel in kernels.kernels if kernel.name == name)


LARGE = 1 << 31
SAME = Window((3, 3), pads=(1, 1, 1, 1))
SPREAD = Window((3, 3), dilations=(1, 4), pads=(1, 4, 1, 4))
WIDE = Window((3, 3), strides=(1, 2), pads=(1, 1, 1, 9))
ONE = Weights(np.array([1]))
TIED = MultiplyShift(kind="shift_even", m=ONE, c=ONE, s=0, window=ONE, odd=0, low=ONE, high=ONE, product=U4)
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("dense3", {"vectors": 0}, "there must be a vector and a matrix"),
    ("dense3", {"pe": 0}, "PE and SIMD must be positive"),
    ("dense3", {"pe": 3}, "PE must divide the number of rows"),
    ("dense3", {"simd": 3}, "SIMD must divide the number of columns"),
    ("dense3", {"vectors": LARGE // 8}, FRAME),
    ("dense3", {"weight_type": IntType(0, 0)}, "PackW does not reach the last lane"),
    ("dense0", {"x_type": U1}, "XNOR multiplies bipolar by bipolar"),
    ("dense1", {"weight_type": S4}, "a weight has one or two bits"),
    ("dense1", {"kept": 4}, "some of the neighbours are multiplied, not all"),
    ("dense1", {"group": 8}, "PE and sets must be positive"),
    ("dense1", {"group": 3}, "a beat must divide the columns"),
    ("dense2", {"vectors": 0}, "there must be a vector"),
    ("dense2", {"lanes": 4}, "ports, PE and SIMD must be positive"),
    ("dense2", {"rows": 64}, "each row fold has a word"),
    ("dense2", {"vectors": LARGE // 4}, FRAME),
    ("act4", {"lanes": 0}, "there must be a channel"),
    ("act4", {"beats": 3, "folds": 2}, "a frame must be whole pixels"),
    ("act4", {"form": TIED}, "without a fraction there are no ties"),
    ("argmax5", {"groups": 0}, "there must be a channel"),
    ("argmax5", {"last": 2}, "Last says which of equals wins: 0 or 1"),
    ("argmax5", {"groups": LARGE}, FRAME),
    ("argmax5", {"y_type": U1}, "Y must hold every place"),
    ("maxpool6", {"fold": 0}, "there must be a window"),
    ("maxpool6", {"groups": LARGE}, FRAME),
    ("conv7", {"fold": 0}, "there must be a pixel and a channel"),
    ("conv7", {"simd": 0}, "lanes must be positive"),
    ("conv7", {"vectors": LARGE}, FRAME),
    ("conv7_window", {"height": 0}, "the input is empty"),
    ("conv7_window", {"window": Window((9, 3))}, "no output"),
    ("conv7_window", {"window": Window((3, 3), (0, 1))}, "a stride must be positive"),
    ("conv7_window", {"window": Window((3, 3), dilations=(1, 0))}, "a dilation must be positive"),
    ("conv7_window", {"window": Window((3, 3), pads=(-1, 0, 0, 0))}, "a pad must not be negative"),
    ("conv7_window", {"depth": 9}, "Depth does not hold one receptive field"),
    ("conv7_window", {"window": Window((3, 3), pads=(0, 0, 9, 0))}, "the last window starts beyond the image"),
    ("conv7_window", {"inner": LARGE // 36, "depth": LARGE * 36}, FRAME),
    ("conv8_window", {"blocks": LARGE // 36}, FRAME),
    ("conv8_window", {"window": SPREAD}, "the image is narrower than the kernel"),
    ("conv8_window", {"window": replace(SAME, pads=(3, 0, 0, 0))}, "a pad must be less than the kernel"),
    ("conv8_window", {"window": WIDE}, "windows must come in the order of their newest pixels"),
    ("conv8_window", {"period": 35}, "Period must hold a frame"),
    ("maxpool6_width", {"out_lanes": 0}, "a word needs at least one lane"),
    ("maxpool6_width", {"in_lanes": 4, "elements": 9}, "a frame must be whole input words"),
    ("maxpool6_width", {"in_lanes": 1, "elements": 7}, "a frame must be whole output words"),
    ("maxpool6_width", {"in_lanes": 2, "out_lanes": 2}, "Ratio must be at least 2"),
]
PRINTED = {
    "there must be as many streams as operands": "a call names the streams of its kernel",
    "a frame needs at least one element": "of a tensor every axis has one",
    "YW bits must hold every place": "as of Y",
    "a call must take fewer than 2^31 beats": "calls of longer frames have fewer",
    "all windows of a frame must come before the end of the next one": "hardware.lines.line asks for it",
    "a bipolar element has one bit": "as IntType.bits says",
    "a ternary weight has one or two bits": "legal_styles: TERNARY covers its type",
    "an element of a table has at most 64 bits": "weights and the constants of forms are int64",
    "Style must be given": "a constant of the text",
    "Latency must be at least 1": "a constant of the module around it",
    "Depth must be at least 1": "as much as that latency",
    "Depth must be at least 2": "a FIFO has three words or more",
    "Depth must be at least 3": "a FIFO in block RAM has more than 64 words",
    "Width must be at least 1": "of a lane or more, of a bit or more each",
    "a multiplier gives at least one product": "the packing is made in one place, which is tested",
    "a bias must not be negative": "the packing is made in one place, which is tested",
}
"""What cannot be wrong, for the text that needs it is printed so."""


def test_a_design_keeps_its_needs(kernels: KernelGraph) -> None:
    assert {broken(kernel) for kernel in kernels.kernels} == {""}
    assert any(isinstance(kernel, ParallelWindow) for kernel in kernels.kernels)


@pytest.mark.parametrize(("name", "changes", "said"), CASES)
def test_what_is_needed_is_checked(kernels: KernelGraph, name: str, changes: dict[str, Any], said: str) -> None:
    wrong = replace(named(kernels, name), **changes)
    assert broken(wrong) == said
    with pytest.raises(BitwrightError) as error:
        check_needs(replace(kernels, kernels=(wrong,)))
    if said == FRAME:
        what, hint = FRAME, "ask for fewer clocks per frame: more lanes take fewer beats"
    else:
        what, hint = f"its {type(wrong).__name__} would be refused: {said}", "report this as a bug"
    assert str(error.value) == f"layer '{wrong.layer}': {what}\n  hint: {hint}"


def test_every_need_of_the_libraries_is_known() -> None:
    cxx = "".join(path.read_text(encoding="utf-8") for path in (LIBRARY / "hls").glob("*.hpp"))
    found = set(re.findall(r'static_assert\([^"]*"([^"]*)"\);', cxx))
    for path in (LIBRARY / "verilog").glob("*.sv"):
        found |= set(re.findall(rf'\$fatal\(1, "{path.stem}: ([^"]*)"\)', path.read_text(encoding="utf-8")))
    assert found == {said for _, _, said in CASES} | set(PRINTED)


def test_a_frame_of_too_many_beats_is_refused_by_name() -> None:
    """HLS loops count in 32 bits; with more lanes the same layer is within them."""
    net = Net()
    net.conv(net.input("x", (1 << 14, 1 << 12, 4), S4), np.ones((8, 1, 1, 4), dtype=int))
    with pytest.raises(BitwrightError) as error:
        compile_graph(net.graph(), plan=Plan({"conv0": LayerPlan(pe=1, simd=1)}))
    assert str(error.value) == (
        "layer 'conv0': a frame must take fewer than 2^31 beats\n"
        "  hint: ask for fewer clocks per frame: more lanes take fewer beats"
    )


# A layer whose weights are all zero


def test_zero_takes_no_multiplier() -> None:
    assert legal_styles(IntType(0, 0), S4) == ("ternary", "lut")


def zeros() -> tuple[Graph, Plan]:
    """Layers of nothing but zeros, each with another use of its lanes, and layers that read what those make."""
    cases, plans = {}, {}
    for kind in (S4, U4, BITS):
        for pe, simd, use in ((4, 1, "multiply"), (3, 2, "multiply"), (2, 4, "select"), (4, 2, "skip-rows")):
            name, net = f"dense_{kind}_{pe}_{simd}", Net()
            net.dense(net.input("x", (8,), kind), np.zeros((12, 8), dtype=int))
            cases[name], plans[f"{name}/dense0"] = net.graph(), LayerPlan(pe=pe, simd=simd, zeros=use)
    for groups, pads, simd in ((1, 1, 9), (1, 0, 4), (4, 0, 1), (2, 0, 2)):
        name, net = f"conv_{groups}_{simd}", Net()
        x = net.input("x", (4, 4, 4), S4)
        weights = np.zeros((4, 3, 3, 4 // groups), dtype=int)
        x = net.conv(x, weights, groups=groups, pads=(pads,) * 4, pad_value=3 * pads)
        net.conv(x, np.arange(16).reshape(4, 1, 1, 4) - 8)
        cases[name], plans[f"{name}/conv0"] = net.graph(), LayerPlan(pe=4 if groups == 4 else 2, simd=simd)
    return side_by_side(cases), Plan(plans)


@needs_cxx
@needs_rtl
def test_layers_of_zeros_run_on_every_engine() -> None:
    graph, plan = zeros()
    made, codes = compile_graph(graph, plan=plan), random_codes(graph, 3, 4)
    assert not sum(row["dsp"] for row in made.report()["layers"] if row["sparsity"] == 1)
    shapes = [layer.shape for layer in graph.inputs], [graph.by_name[name].shape for name in graph.outputs]
    model = cpp.build(made.files("hls"), inputs=shapes[0], outputs=shapes[1], flags=("-O0",))
    simulated = rtl.build(made.files("verilog")).run(codes, seed=1)
    for engine in (model.run(codes), simulated.outputs):
        for found, wanted in zip(engine, reference.run(graph, codes), strict=True):
            np.testing.assert_array_equal(found, wanted)


@needs_rtl
def test_the_solver_takes_no_multiplier_for_zeros() -> None:
    """It took some whose packing did not reach their last lane."""
    net, rng = Net(), np.random.default_rng(0)
    x = net.act(net.dense(net.input("x", (8,), S4), rng.integers(-4, 4, (1, 8))), U4, rng)
    net.dense(x, np.zeros((3, 1), dtype=int))
    graph = net.graph()
    made, codes = compile_graph(graph, cycles=2), random_codes(graph, 3, 4)
    assert made.report()["layers"][-1]["style"] == "ternary"
    found = rtl.build(made.files("verilog")).run(codes).outputs
    np.testing.assert_array_equal(found[0], reference.run(graph, codes)[0])

# SPDX-License-Identifier: Apache-2.0
"""Rows that a skipping unit has moved: taken so by the next layers, put back, or left in place; and what is refused."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.hardware.arithmetic import Style
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.moves import Reorder
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.ir.weights import Ints
from bitwright.sim import reference
from tests.ir.graphs import random_codes
from tests.layers.nets import Net
from tests.rtl import kernel_models

U4, S4 = integer(4, signed=False), integer(4, signed=True)


def uneven(rng: np.random.Generator, rows: int, *rest: int) -> Ints:
    """Weights whose rows have from none to all of their columns: they take fewer clocks in another order."""
    kept = rng.permuted(np.linspace(0, 1, rows)).reshape(-1, *[1] * len(rest))
    return rng.integers(1, 5, (rows, *rest)) * rng.choice([-1, 1], (rows, *rest)) * (rng.random((rows, *rest)) < kept)


def chain(seed: int = 0) -> tuple[Graph, Plan]:
    """A convolution whose rows move, then pools, a depthwise and a reshape, and a dense layer whose rows move too."""
    rng, net = np.random.default_rng(seed), Net()
    x = net.input("x0", (6, 6, 2), U4)
    conv = net.conv(x, uneven(rng, 8, 3, 3, 2), pads=(1, 1, 1, 1))
    x = net.max_pool(net.act(conv, S4, rng), (2, 2), (2, 2))
    depth = net.conv(x, rng.integers(-3, 4, (16, 2, 2, 1)), groups=8)
    x = net.sum_pool(net.act(depth, U4, rng), (2, 2), (2, 2))
    x = net.reshape(net.act(x, U4, rng), 16)
    first = net.dense(x, uneven(rng, 12, 16))
    second = net.dense(net.act(first, U4, rng), rng.integers(-3, 4, (4, 12)))
    plans = {conv.name: LayerPlan(pe=2, simd=1, zeros="skip-rows"), depth.name: LayerPlan(pe=4, simd=1)}
    plans |= {first.name: LayerPlan(pe=3, simd=1, zeros="skip-rows"), second.name: LayerPlan(pe=2, simd=4)}
    return net.graph(), Plan(plans)


def run(kernels: KernelGraph, codes: list[Ints]) -> list[Ints]:
    """The first frame through the models of the kernels."""
    beats = [c[0].reshape(-1, kernels.stream(n).lanes) for n, c in zip(kernels.inputs, codes, strict=True)]
    known = kernel_models.run(kernels, dict(zip(kernels.inputs, beats, strict=True)))
    return [known[name].reshape(-1) for name in kernels.outputs]


def expect_meaning(graph: Graph, kernels: KernelGraph) -> None:
    codes = random_codes(graph, 1, 1)
    for found, want in zip(run(kernels, codes), reference.run(graph, codes), strict=True):
        np.testing.assert_array_equal(found, want.reshape(-1))


@pytest.mark.parametrize("seed", range(20))
def test_an_order_passes_through_the_layers_to_the_next_matrix(seed: int) -> None:
    graph, plan = chain(seed)
    kernels = compile_graph(graph, plan=plan).kernels
    orders = {kernel.layer: kernels.stream(kernel.output).order for kernel in kernels.kernels}
    sizes = {name: order.array.size for name, order in orders.items() if order}
    assert sizes == {
        "conv0": 8, "act1": 8, "maxpool2": 8, "conv3": 16, "act4": 16, "sumpool5": 16, "act6": 16, "dense8": 12,
        "act9": 12,
    }  # fmt: skip
    assert all(sorted(order.array) == list(range(order.array.size)) for order in orders.values() if order)
    assert not any(isinstance(kernel, Reorder) for kernel in kernels.kernels)
    expect_meaning(graph, kernels)


def dense(
    weights: Ints, zeros: Zeros, pe: int, simd: int, kind: IntType = U4, style: Style | Literal[""] = ""
) -> tuple[Graph, Plan]:
    net = Net()
    layer = net.dense(net.input("x0", (weights.shape[1],), kind), weights)
    return net.graph(), Plan({layer.name: LayerPlan(pe=pe, simd=simd, zeros=zeros, style=style)})


@pytest.mark.parametrize("form", ["mas", "thresholds"])
def test_a_requantiser_has_its_constants_in_that_order(form: str) -> None:
    rng, net = np.random.default_rng(2), Net()
    first = net.dense(net.input("x0", (16,), U4), uneven(rng, 12, 16))
    act = net.act(first, S4, rng)
    net.dense(act, rng.integers(-3, 4, (4, 12)))
    plan = Plan({first.name: LayerPlan(pe=3, simd=1, zeros="skip-rows"), act.name: LayerPlan(form=form)})
    kernels = compile_graph(net.graph(), plan=plan).kernels
    (unit,) = (kernel for kernel in kernels.kernels if isinstance(kernel, Requantiser))
    assert unit.form.kind == form
    assert kernels.stream(unit.output).order is not None
    expect_meaning(net.graph(), kernels)


def test_readers_that_need_it_get_the_channels_in_their_own_order() -> None:
    """One reader takes the moved rows as they come; they also leave the network, and are summed."""
    rng, net = np.random.default_rng(4), Net()
    weights = np.zeros((8, 16), np.int64)
    weights[::2] = rng.integers(1, 4, (4, 16))
    first = net.dense(net.input("x0", (16,), U4), weights)
    act = net.act(first, U4, rng)
    taken = net.dense(act, rng.integers(-3, 4, (8, 8)))
    summed = net.sum(act, net.act(taken, U4, rng), factors=(1, 2))
    net.output(act, summed, act)
    graph = net.graph()
    plan = Plan({first.name: LayerPlan(pe=2, simd=1, zeros="skip-rows"), taken.name: LayerPlan(pe=8, simd=1)})
    kernels = compile_graph(graph, plan=plan).kernels
    assert sum(isinstance(kernel, Reorder) for kernel in kernels.kernels) == 3
    assert all(kernels.stream(name).order is None for name in kernels.outputs)
    expect_meaning(graph, kernels)


def test_an_order_that_leaves_the_network_is_put_back_if_that_pays() -> None:
    """Every other row is empty: 8 words of one row and its empty neighbour, and 4 of two rows, the frame of 8 rows."""
    weights = np.zeros((8, 16), np.int64)
    weights[::2] = np.random.default_rng(0).integers(1, 4, (4, 16))
    graph, plan = dense(weights, "skip-rows", 2, 1)
    kernels = compile_graph(graph, plan=plan).kernels
    (unit,) = (kernel for kernel in kernels.kernels if isinstance(kernel, SparseMatrixVector))
    assert (unit.words, kernels.interval) == (2 * 16 + 2, 2 * 16 + 2)
    assert [type(kernel) for kernel in kernels.kernels][-1] is Reorder
    assert kernels.stream(kernels.outputs[0]).order is None
    expect_meaning(graph, kernels)


def test_an_order_that_does_not_pay_is_not_taken() -> None:
    """Of 32 rows the longest is 16 words; putting 32 elements back would take longer than the unit."""
    rng = np.random.default_rng(1)
    weights = rng.integers(1, 4, (32, 8)) * (rng.random((32, 8)) < 0.3)
    graph, plan = dense(weights, "skip-rows", 16, 1)
    kernels = compile_graph(graph, plan=plan).kernels
    (unit,) = kernels.kernels
    assert isinstance(unit, SparseMatrixVector)
    assert kernels.stream(unit.output).order is None
    expect_meaning(graph, kernels)


def test_the_next_layer_keeps_its_blocks() -> None:
    """It skips blocks of two columns, which an order of single rows would break."""
    rng, net = np.random.default_rng(3), Net()
    weights = uneven(rng, 12, 16)
    first = net.dense(net.input("x0", (16,), U4), weights)
    second = net.dense(net.act(first, U4, rng), uneven(rng, 4, 12))
    third = net.dense(net.act(second, U4, rng), rng.integers(-3, 4, (4, 4)))
    skip = LayerPlan(pe=2, simd=2, zeros="skip-rows")
    kernels = compile_graph(
        net.graph(), plan=Plan({first.name: skip, second.name: skip, third.name: LayerPlan(pe=4, simd=1)})
    ).kernels
    orders = {kernel.layer: kernels.stream(kernel.output).order for kernel in kernels.kernels}
    assert orders[first.name] is None or any(isinstance(kernel, Reorder) for kernel in kernels.kernels)
    assert orders[second.name] is not None
    expect_meaning(net.graph(), kernels)


def refused(graph: Graph, plan: Plan) -> str:
    with pytest.raises(BitwrightError) as error:
        compile_graph(graph, plan=plan)
    return str(error.value)


def test_what_has_no_zeros_to_skip_is_refused() -> None:
    hint = "\n  hint: set its zeros to 'multiply'"
    signs = np.random.default_rng(0).choice([-1, 1], (4, 8))
    assert refused(*dense(signs, "skip-rows", 2, 2, BIPOLAR)) == (
        f"plan: layer 'dense0': none of its bipolar weights is zero{hint}"
    )
    assert refused(*dense(signs + 3, "skip-blocks", 2, 2)) == (
        f"plan: layer 'dense0': none of its u3[2..4] weights is zero{hint}"
    )
    net = Net()
    x = net.input("x0", (4, 4, 4), U4)
    grouped = net.conv(x, np.ones((8, 1, 1, 2), np.int64), groups=2)
    alone = net.conv(x, np.ones((4, 3, 3, 1), np.int64), groups=4)
    pool = net.max_pool(x, (2, 2), (2, 2))
    net.output(grouped, alone, pool)
    graph = net.graph()
    skip = LayerPlan(pe=1, simd=1, zeros="skip-rows")
    assert refused(graph, Plan({grouped.name: skip})) == (
        f"plan: layer '{grouped.name}': a convolution of 2 groups has no schedule that could skip zeros{hint}"
    )
    assert refused(graph, Plan({alone.name: skip})) == (
        f"plan: layer '{alone.name}': a depthwise unit has no schedule that could skip zeros{hint}"
    )
    assert (
        refused(graph, Plan({pool.name: skip}))
        == f"plan: layer '{pool.name}': 'skip-rows' is for layers with weights{hint}"
    )


def test_the_styles_of_a_unit_that_skips() -> None:
    weights = np.array([[1, 0, -1, 0], [0, 0, 0, 1]])
    styles: tuple[Style, ...] = ("lut", "dsp", "ternary")
    for style in styles:
        graph, plan = dense(weights, "skip-rows", 2, 1, style=style)
        design = compile_graph(graph, plan=plan)
        assert design.plan.layers["dense0"] == LayerPlan(pe=2, simd=1, zeros="skip-rows", style=style)
        assert {k.style for k in design.kernels.kernels if isinstance(k, SparseMatrixVector)} == {style}
        expect_meaning(graph, design.kernels)
    assert refused(*dense(weights, "skip-rows", 2, 1, BIPOLAR, "xnor")) == (
        "plan: layer 'dense0': the style 'xnor' does not multiply s2n weights by bipolar inputs\n"
        "  hint: legal here: ternary, lut, dsp"
    )

# SPDX-License-Identifier: Apache-2.0
"""Sums, differences, products and concatenations of activations: any scales, zero points, layouts and broadcasts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bitwright.ir.layers import Concat, Multiply, Sum
from bitwright.ir.per_channel import PerChannel
from tests.frontend.nets import Net, agree, grid, only, ops


def two(net: Net, a: tuple[float, float] = (0.5, 0.0), b: tuple[float, float] = (0.25, 3.0)) -> tuple[str, str]:
    """Two requantisations of the input, (scale, zero) each."""
    x = net.quant(net.x, 0.125, bits=12.0)
    return net.quant(x, a[0], a[1], 6.0), net.quant(net.add("Mul", x, net.const(-0.75)), b[0], b[1], 5.0)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("zeros", [(0.0, 0.0), (2.0, -5.0)])
@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.5, 0.25), (0.3, 0.7), (1.0, 0.1)])
def test_two_activations(op: str, zeros: tuple[float, float], scales: tuple[float, float]) -> None:
    net = Net(3, 4, 4)
    operands = two(net, (scales[0], zeros[0]), (scales[1], zeros[1]))
    net.quant(net.add(op, *operands), 0.75, 1.0, 6.0)
    graph = agree(net, grid(8, 3, 4, 4, step=0.125, span=20))
    assert ops(graph)[2:] == ["multiply" if op == "Mul" else "sum", "requantise"]


def test_factors_are_the_smallest_integers() -> None:
    net = Net(4)
    net.quant(net.add("Sub", *two(net, (0.75, 0.0), (0.5, 0.0))), 1.0, bits=8.0)
    layer = only(agree(net, grid(16, 4)), Sum)
    assert (layer.factors, layer.scale) == (((3,), (-2,)), PerChannel.made(Fraction(1, 4)))


def test_a_sum_with_itself_and_a_square() -> None:
    for op in ("Add", "Sub", "Mul"):
        net = Net(4)
        a, _ = two(net, (0.5, 1.0))
        net.quant(net.add(op, a, a), 0.5, bits=9.0)
        agree(net, grid(16, 4))


def test_a_residual_block_with_a_scale_per_channel() -> None:
    """Conv outputs whose scale and bias differ per channel are added before any quantiser."""
    net = Net(2, 5, 5)
    x = net.quant(net.x, 0.25, bits=6.0)
    outputs = []
    for seed in (1, 2):
        scale = np.reshape([0.5, 0.3, 0.1], (3, 1, 1, 1)) * seed
        kernel = net.quant(net.const(grid(3, 2, 2, 2, span=3, seed=seed)), scale, bits=4.0)
        outputs.append(net.add("Conv", x, kernel, net.const([0.1, -0.5, 2.0])))
    net.quant(net.add("Relu", net.add("Add", *outputs)), 0.7, bits=5.0, signed=0)
    assert ops(agree(net, grid(8, 2, 5, 5, span=8))) == ["conv", "conv", "sum", "requantise"]


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 4, 4), (1, 1, 1), (3, 4, 1)])
def test_one_operand_may_be_broadcast(shape: tuple[int, ...], op: str, swap: bool) -> None:
    net = Net(3, 4, 4)
    a, b = two(net)
    starts, ends = [0, 0, 0], list(shape)
    b = net.add("Slice", b, net.const(starts, np.int64), net.const(ends, np.int64), net.const([1, 2, 3], np.int64))
    net.quant(net.add(op, *((b, a) if swap else (a, b))), 0.75, bits=6.0)
    agree(net, grid(8, 3, 4, 4, step=0.125, span=20))


@pytest.mark.parametrize("op", ["Add", "Sub"])
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("quantised", [False, True])
def test_operands_in_different_orders(op: str, swap: bool, quantised: bool) -> None:
    net = Net(3, 4, 4)
    x = net.quant(net.x, 0.125, bits=12.0)
    a = net.quant(x, 0.5, bits=6.0) if quantised else x
    b = net.add("Transpose", a, perm=[0, 1, 3, 2])
    net.quant(net.add(op, *((b, a) if swap else (a, b))), 0.75, bits=6.0)
    agree(net, grid(8, 3, 4, 4, step=0.125, span=20))


def test_an_input_and_its_transposition_feed_two_matrices() -> None:
    net = Net(4, 4)
    x = net.quant(net.x, 0.25, bits=6.0)
    turned = net.add("MatMul", net.add("Transpose", x, perm=[0, 2, 1]), net.weights(grid(4, 2, span=3)))
    straight = net.add("MatMul", x, net.weights(grid(4, 2, span=3, seed=1)))
    net.quant(net.add("Add", turned, straight), 2.0, bits=6.0)
    agree(net, grid(8, 4, 4))


def test_two_inputs() -> None:
    net = Net(3)
    second = Net(3)
    second.inputs[0].name = "z"
    net.inputs.append(second.inputs[0])
    net.add("Mul", net.quant("x", 0.25, bits=5.0), net.quant("z", 0.5, 1.0, bits=4.0))
    net.quant(net.nodes[-1].output[0], 1.0, bits=6.0)
    agree(net, grid(16, 3), grid(16, 3, seed=1))


def test_a_clip_waits_on_an_operand() -> None:
    net = Net(4)
    a, b = two(net, (0.5, 0.0), (0.25, 0.0))
    net.quant(net.add("Add", net.add("Relu", a), net.add("Clip", b, net.const(-1.0), net.const(2.5))), 0.5, bits=6.0)
    agree(net, grid(16, 4))


def test_a_constant_channel_of_a_product() -> None:
    """A gamma of 0 makes a channel constant; its product is 0 where that constant is."""
    net = Net(2, 3, 3)
    a, b = two(net, (0.5, 0.0), (0.25, 0.0))
    constants = ([0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 1.0])
    normalised = net.add("BatchNormalization", a, *map(net.const, constants))
    net.quant(net.add("Mul", normalised, b), 0.5, bits=7.0)
    agree(net, grid(8, 2, 3, 3))


@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_concatenations_along_every_axis(axis: int) -> None:
    net = Net(3, 4, 4)
    a, b = two(net)
    net.quant(net.add("Concat", a, b, a, axis=axis), 0.75, bits=5.0)
    assert isinstance(only(agree(net, grid(8, 3, 4, 4, step=0.125, span=20)), Concat), Concat)


def test_parts_of_different_widths_and_scales_per_channel() -> None:
    net = Net(4, 3, 3)
    x = net.quant(net.x, 0.25, bits=6.0)
    kernel = net.quant(net.const(grid(2, 4, 1, 1, span=3)), np.reshape([0.5, 0.3], (2, 1, 1, 1)), bits=4.0)
    net.quant(net.add("Concat", net.add("Conv", x, kernel), x, axis=1), 0.7, bits=5.0)
    agree(net, grid(8, 4, 3, 3))


def test_a_concatenation_feeds_a_convolution() -> None:
    net = Net(3, 4, 4)
    x = net.quant(net.x, 0.125, bits=12.0)
    parts = [net.quant(x, 0.5, bits=5.0), net.quant(net.add("Mul", x, net.const(-1.0)), 0.5, bits=4.0)]
    y = net.add("Concat", *parts, axis=1)
    net.quant(net.add("Conv", y, net.weights(grid(2, 6, 2, 2, span=3)), pads=[1, 1, 0, 0]), 2.0, bits=6.0)
    agree(net, grid(8, 3, 4, 4, step=0.125, span=20))


def test_concatenated_features() -> None:
    net = Net(5)
    a, b = two(net, (0.5, 0.0), (0.5, 0.0))
    net.add("Gemm", net.add("Concat", a, b, axis=-1), net.weights(grid(3, 10, span=3)), transB=1)
    agree(net, grid(8, 5))


def test_products_need_one_zero_point_each() -> None:
    net = Net(2, 3, 3)
    a, b = two(net)
    net.quant(net.add("Mul", a, b), 1.0, bits=7.0)
    assert only(agree(net, grid(8, 2, 3, 3)), Multiply).zeros == (0, 3)


def test_a_part_with_a_scale_per_channel_is_joined() -> None:
    net = Net(4, 3, 3)
    x = net.quant(net.x, 0.25, bits=6.0)
    kernel = net.quant(net.const(grid(4, 4, 1, 1, span=3)), np.reshape([0.5, 0.3, 0.1, 1.0], (4, 1, 1, 1)), bits=4.0)
    y = net.add("Conv", x, kernel, net.const([0.1, 0.2, 0.3, 0.4]))
    part = net.add("Slice", y, *(net.const(v, np.int64) for v in ([1], [3], [1])))
    net.quant(net.add("Concat", part, x, axis=1), 0.7, bits=5.0)
    agree(net, grid(8, 4, 3, 3))


@pytest.mark.parametrize("op", ["Max", "Min"])
@pytest.mark.parametrize("order", ["ayt", "yta", "tay", "ay", "at"])
def test_the_largest_of_tensors_of_one_input_in_two_orders(order: str, op: str) -> None:
    """Laying out the input for one of them leaves the others where its elements are then."""
    net, second = Net(4, 4), Net(4, 4)
    second.inputs[0].name = "y"
    net.inputs.append(second.inputs[0])
    y = net.quant("y", 0.25, bits=8.0)
    a = net.quant(net.add("MatMul", net.quant(net.x, 0.25), net.weights(grid(4, 4, step=1, span=7), 0.125)), 0.25)
    made = {"a": a, "y": y, "t": net.add("Transpose", y, perm=[0, 2, 1])}
    net.quant(net.add(op, *(made[name] for name in order)), 0.5, bits=7.0)
    agree(net, grid(6, 4, 4, span=16), grid(6, 4, 4, span=16, seed=1))

# SPDX-License-Identifier: Apache-2.0
"""Conv, Gemm and MatMul: every attribute, layouts, zero points, biases."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.layers import Conv, Dense, Requantise
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import BIPOLAR, IntType
from tests.frontend.nets import QONNX, Net, agree, grid, only, ops

IMAGES: list[dict[str, Any]] = [
    {},
    {"strides": [2, 1]},
    {"strides": [3, 2], "pads": [1, 0, 2, 1]},
    {"dilations": [2, 1], "pads": [0, 2, 1, 0]},
    {"dilations": [2, 3], "strides": [2, 2], "pads": [2, 2, 2, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"auto_pad": "NOTSET", "pads": [1, 1, 1, 1]},
]


@pytest.mark.parametrize("zero", [0.0, 2.0])
@pytest.mark.parametrize("attributes", IMAGES, ids=str)
def test_convolutions_of_images(attributes: dict[str, Any], zero: float) -> None:
    net = Net(2, 7, 6)
    x = net.quant(net.x, 0.25, zero, 6.0)
    kernel = net.weights(grid(3, 2, 3, 2, step=0.5, span=3), 0.5, bits=4.0)
    y = net.add("Conv", x, kernel, net.const([0.5, -3.0, 0.125]), **attributes)
    net.quant(y, 4.0, bits=6.0)
    agree(net, grid(8, 2, 7, 6, span=10))


def test_auto_pad_valid_is_no_padding() -> None:  # which onnx.reference computes as if it padded
    layers = []
    for attributes in ({"auto_pad": "VALID"}, {"auto_pad": "VALID", "pads": [1, 1, 1, 1]}, {}):
        net = Net(2, 7, 6)
        net.add("Conv", net.quant(net.x, 0.25), net.weights(grid(3, 2, 3, 2, span=3)), **attributes)
        layers.append(only(load_onnx(net.proto()), Conv))
    assert layers[0] == layers[1] == layers[2]


@pytest.mark.parametrize("zero", [0.0, 5.0])
@pytest.mark.parametrize(("channels", "outputs", "groups"), [(4, 6, 2), (4, 4, 4), (4, 8, 4), (4, 4, 1)])
def test_groups_and_depthwise(channels: int, outputs: int, groups: int, zero: float) -> None:
    net = Net(channels, 5, 5)
    x = net.quant(net.x, 0.25, zero, 6.0)
    kernel = net.weights(grid(outputs, channels // groups, 3, 3, span=5), 0.5, bits=4.0)
    net.quant(net.add("Conv", x, kernel, group=groups, pads=[1, 1, 0, 1], strides=[1, 2]), 4.0, bits=6.0)
    assert only(agree(net, grid(8, channels, 5, 5, span=10)), Conv).groups == groups


@pytest.mark.parametrize(
    "attributes", [{}, {"pads": [2, 1]}, {"strides": [2], "dilations": [2], "group": 2}, {"auto_pad": "SAME_UPPER"}]
)
def test_convolutions_of_signals(attributes: dict[str, Any]) -> None:
    net = Net(4, 9)
    x = net.quant(net.x, 0.25, 1.0, 6.0)
    kernel = net.weights(grid(6, 4 // attributes.get("group", 1), 3, span=5), 0.5, bits=4.0)
    y = net.quant(net.add("Conv", x, kernel, **attributes), 4.0, bits=6.0)
    net.add("Flatten", y)
    layer = only(agree(net, grid(8, 4, 9, span=10)), Conv)
    assert layer.shape[0] == 1 and layer.window.kernel == (1, 3)


def test_padding_a_bipolar_image_needs_a_third_value() -> None:
    net = Net(2, 4, 4)
    x = net.add("BipolarQuant", net.x, net.const(1.0), domain=QONNX)
    net.add("Conv", x, net.weights(grid(2, 2, 3, 3, span=3)), pads=[1, 1, 1, 1])
    graph = agree(net, grid(8, 2, 4, 4))
    assert (graph.inputs[0].type, graph.layers[0].type) == (BIPOLAR, IntType(-1, 1))


def test_padding_with_a_zero_point_outside_the_codes() -> None:
    net = Net(1, 4, 4)
    x = net.quant(net.x, 0.25, -20.0, 5.0, signed=0)  # codes 0..31, padding is -20
    net.add("Conv", x, net.weights(grid(2, 1, 3, 3, span=3)), pads=[1, 0, 0, 1])
    graph = agree(net, grid(8, 1, 4, 4))
    assert [layer.type for layer in graph.layers[:1]] == [IntType(-20, 31)]
    assert only(graph, Conv).pad_value == -20


def test_a_zero_point_that_is_no_integer_needs_no_padding_value() -> None:
    net = Net(2, 4, 4)
    net.add("Conv", net.quant(net.x, 0.25, 0.5, 5.0), net.weights(grid(2, 2, 3, 3, span=3)))
    assert only(agree(net, grid(8, 2, 4, 4)), Conv).zero.values == (
        Fraction(1, 2) * int(grid(2, 2, 3, 3, span=3).round().astype(int)[0].sum()),
        Fraction(1, 2) * int(grid(2, 2, 3, 3, span=3).round().astype(int)[1].sum()),
    )


@pytest.mark.parametrize("bits", [2.0, 4.0, 8.0])
def test_weights_with_a_scale_per_output_channel(bits: float) -> None:
    net = Net(3, 4, 4)
    scale = np.array([0.5, 0.3, 2.0, 1.0], np.float32).reshape(4, 1, 1, 1)
    kernel = net.quant(net.const(grid(4, 3, 2, 2)), scale, bits=bits)
    y = net.add("Conv", net.quant(net.x, 0.25, bits=5.0), kernel, net.const([0.1, 0.2, -0.3, 4.0]))
    net.quant(y, 1.7, bits=6.0)
    assert len(only(agree(net, grid(8, 3, 4, 4)), Conv).scale.values) == 4


@pytest.mark.parametrize("bias", [0.75, [1.0, -2.0, 0.5], [[1.0, -2.0, 0.5]], [[3.0]], None])
@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_with_alpha_and_beta(transposed: int, bias: Any) -> None:
    net = Net(4)
    matrix = grid(3, 4, span=3) if transposed else grid(3, 4, span=3).T
    inputs = (net.quant(net.x, 0.25, 3.0, 6.0), net.weights(matrix, 0.5, bits=4.0))
    more = () if bias is None else (net.const(bias),)
    net.quant(net.add("Gemm", *inputs, *more, transB=transposed, alpha=0.75, beta=-1.5), 0.5, bits=7.0)
    agree(net, grid(32, 4, span=8))


def test_matmul_then_add_with_the_constant_on_either_side() -> None:
    for swap in (False, True):
        net = Net(4)
        y = net.add("MatMul", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(4, 3, span=3)))
        operands = [y, net.quant(net.const([0.3, -1.2, 5.0]), 0.5, bits=4.0)]
        net.quant(net.add("Add", *(operands[::-1] if swap else operands)), 2.0, bits=7.0)
        agree(net, grid(32, 4, span=8))


def test_matmul_of_many_rows() -> None:
    net = Net(5, 4)
    y = net.add("MatMul", net.quant(net.x, 0.25, 1.0, 6.0), net.weights(grid(4, 3, span=3)))
    graph = agree(net, grid(8, 5, 4, span=8), outputs=(net.quant(y, 2.0, bits=5.0),))
    assert graph.layers[0].shape == (5, 3)


def test_a_bias_that_is_itself_quantised() -> None:
    net = Net(4)
    bias = net.quant(net.const([0.3, -1.2, 5.0]), 0.25, bits=4.0)
    net.quant(net.add("Gemm", net.quant(net.x, 0.25), net.weights(grid(3, 4, span=3)), bias, transB=1), 2.0)
    layer = only(agree(net, grid(32, 4, span=8)), Requantise)
    assert layer.offset.values == (Fraction(1, 8), Fraction(-5, 8), Fraction(7, 8))


def test_float_weights_on_a_small_grid_are_integers_already() -> None:
    net = Net(4)
    net.add("MatMul", net.quant(net.x, 0.25), net.const(grid(4, 3, step=0.125, span=2)))
    layer = only(agree(net, grid(8, 4)), Dense)
    assert layer.scale == PerChannel.made(Fraction(1, 32))


def test_weights_that_are_all_zero() -> None:
    net = Net(4)
    net.quant(net.add("Gemm", net.quant(net.x, 0.25), net.const(np.zeros((3, 4))), net.const([1, 2, 3]), transB=1), 0.5)
    agree(net, grid(8, 4))


def test_double_precision_weights_keep_all_their_bits() -> None:
    net = Net(1)
    weight = 1 + 2.0**-30
    x = net.quant(net.x, 1.0, bits=8.0)
    net.add("MatMul", x, net.const([[weight]], np.float64))
    assert only(agree(net, grid(8, 1, step=1.0)), Dense).weights.array.tolist() == [[2**30 + 1]]


def test_two_matrices_with_no_quantiser_between_them() -> None:
    net = Net(3)
    y = net.add("MatMul", net.quant(net.x, 0.25, bits=4.0), net.weights(grid(3, 3, span=3)))
    net.add("MatMul", net.add("Relu", y), net.weights(grid(3, 2, span=3, seed=5)))
    graph = agree(net, grid(16, 3))
    assert ops(graph) == ["dense", "requantise", "dense"]  # the Relu falls on integers


def test_a_clip_between_matrices_that_lies_outside_what_they_reach() -> None:
    for low, high in ((500.0, 600.0), (-600.0, -500.0), (-3.0, 600.0)):
        net = Net(3)
        y = net.add("MatMul", net.quant(net.x, 0.25, bits=4.0), net.weights(grid(3, 3, span=3)))
        net.add("MatMul", net.add("Clip", y, net.const(low), net.const(high)), net.weights(np.eye(3)))
        agree(net, grid(16, 3))


@pytest.mark.parametrize("high", [200.0, 8.0, None])
def test_a_clip_behind_a_matrix_binds_on_the_accumulator(high: float | None) -> None:
    net = Net(3)
    y = net.add("MatMul", net.quant(net.x, 0.5, bits=4.0, signed=0), net.weights(grid(3, 2, span=9)))
    bounds = () if high is None else (net.const(high),)
    net.quant(net.add("Clip", y, net.const(0.0), *bounds), 0.5, bits=12.0)
    agree(net, grid(32, 3))


def test_a_flattened_image_keeps_its_channels_last_order() -> None:
    net = Net(2, 4, 3)
    kernel = net.weights(grid(3, 2, 2, 2, span=3))
    y = net.quant(net.add("Conv", net.quant(net.x, 0.25, bits=5.0), kernel), 8.0, bits=4.0)
    net.add("Gemm", net.add("Flatten", y), net.weights(grid(5, 18, span=5)), transB=1)
    assert ops(agree(net, grid(8, 2, 4, 3))) == ["conv", "requantise", "reshape", "dense"]

# SPDX-License-Identifier: Apache-2.0
"""Quant, BipolarQuant and MultiThreshold: on the host, on chip and on constants, ties included."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.layers import Dense, Requantise, Rounding
from bitwright.ir.per_channel import ONES, PerChannel
from bitwright.ir.types import BIPOLAR, IntType
from tests.frontend.nets import QONNX, Net, agree, grid, only, ops, outputs_of

MODES = ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "half_up", "Floor"]


def chip(net: Net) -> str:
    """The input as 10-bit multiples of a quarter, so that what follows is computed on chip."""
    return net.quant(net.x, 0.25, bits=10.0)


@pytest.mark.parametrize("zero", [0.0, 3.0, -2.0, 0.5, -1.25])
@pytest.mark.parametrize("mode", MODES)
def test_every_rounding_with_every_kind_of_zero_point(mode: str, zero: float) -> None:
    host, later = Net(6), Net(6)
    host.quant(host.x, 0.5, zero, 5.0, mode=mode)
    later.quant(chip(later), 0.5, zero, 5.0, mode=mode)
    x = grid(64, 6, step=0.125)
    host.add("MatMul", host.nodes[-1].output[0], host.weights(np.eye(6)))
    agree(host, x)
    graph = agree(later, grid(64, 6))
    assert only(graph, Requantise).zero == PerChannel.made(Fraction(zero))


def test_the_table_of_roundings_that_qonnx_publishes() -> None:
    x = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]], np.float32)
    wanted = {"ROUND": [-2, -2, 0, 0, 2, 2], "HALF_UP": [-3, -2, -1, 1, 2, 3], "HALF_DOWN": [-2, -1, 0, 0, 1, 2]}
    for mode, codes in wanted.items():
        net = Net(6)
        net.quant(chip(net), 1.0, mode=mode)
        (ours,) = outputs_of(load_onnx(net.proto()), x)
        assert ours.tolist() == [codes]


@pytest.mark.parametrize(
    ("bits", "signed", "narrow", "kind"),
    [
        (4, 1, 0, IntType(-8, 7)),
        (4, 1, 1, IntType(-7, 7)),
        (4, 0, 0, IntType(0, 15)),
        (4, 0, 1, IntType(0, 14)),
        (2, 1, 1, IntType(-1, 1)),
        (1, 0, 0, IntType(0, 1)),
        (1, 1, 0, BIPOLAR),
        (1, 1, 1, BIPOLAR),
    ],
)
@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_every_range_saturates_where_qonnx_says(
    bits: int, signed: int, narrow: int, kind: IntType, zero: float
) -> None:
    net = Net(5)
    net.quant(chip(net), 0.5, zero, float(bits), signed=signed, narrow=narrow)
    assert only(agree(net, grid(64, 5)), Requantise).type == kind


@pytest.mark.parametrize(
    ("scale", "zero", "bits"),
    [
        ([[0.5, 0.25, 3.0, 1.0]], 0.0, 5.0),
        (0.5, [[0.0, 1.0, -0.5, 2.0]], 5.0),
        (0.5, 0.0, [[2.0, 3.0, 4.0, 5.0]]),
        ([[0.5, 0.3, 0.7, 1.0]], [[0.0, 1.0, -0.5, 2.0]], [[2.0, 3.0, 4.0, 5.0]]),
    ],
)
def test_scale_zero_point_and_bit_width_per_channel(scale: ArrayLike, zero: ArrayLike, bits: ArrayLike) -> None:
    net = Net(4)
    net.quant(chip(net), scale, zero, bits)
    agree(net, grid(64, 4))


def test_one_signed_bit_in_every_channel_is_a_sign() -> None:
    net = Net(3)
    net.quant(chip(net), 0.5, 0.0, [[1.0, 1.0, 1.0]])
    assert only(agree(net, grid(32, 3)), Requantise).type is BIPOLAR


def test_scales_that_differ_along_an_axis_that_is_not_the_channels() -> None:
    net = Net(2, 3, 4)
    net.quant(chip(net), np.linspace(0.5, 2, 4).reshape(1, 1, 1, 4))
    graph = agree(net, grid(16, 2, 3, 4))
    assert ops(graph) == ["requantise"]  # the input is flattened by the host


def test_bit_width_may_be_an_integer_and_the_rounding_absent() -> None:
    net = Net(4)
    x = chip(net)
    net.add("Quant", x, net.const(0.5), net.const(0), net.const(3, np.int64), domain=QONNX, signed=1, narrow=0)
    agree(net, grid(16, 4))


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general", "finn"])
@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
def test_the_domain_does_not_matter(op: str, domain: str) -> None:
    made = []
    for name, home in ((op, domain), ("Quant", QONNX)):
        net = Net(4)
        x = net.quant(net.x, 0.25, bits=6.0, op=name, domain=home)
        weights = net.quant(net.const(grid(5, 4)), 0.5, bits=5.0, op=name, domain=home)
        net.add("Gemm", x, weights, transB=1)
        made.append(outputs_of(load_onnx(net.proto()), grid(8, 4))[0])
    np.testing.assert_array_equal(*made)


def test_weights_are_quantised_in_float32_as_exporters_do() -> None:
    net = Net(3)
    scale, weight = np.float32(0.1), np.float32(0.35)
    assert weight / scale == 3.5 and float(weight) / float(scale) < 3.5
    net.add("Gemm", chip(net), net.weights([[weight, -weight, 0.0]], scale), transB=1)
    assert only(agree(net, grid(8, 3), exact=False), Dense).weights.array.tolist() == [[4, -4, 0]]


def test_weights_quantised_then_transposed() -> None:
    net = Net(4)
    weights = net.quant(net.const(grid(3, 4, span=2)), [[0.5], [0.25], [0.125]], bits=4.0)
    net.add("MatMul", chip(net), net.add("Transpose", weights, perm=[1, 0]))
    agree(net, grid(16, 4))


@pytest.mark.parametrize("scale", [1.0, 0.5, [0.25]])
def test_bipolar_quant_maps_zero_to_plus_one(scale: ArrayLike) -> None:
    net = Net(5)
    net.add("BipolarQuant", chip(net), net.const(scale), domain=QONNX)
    graph = agree(net, np.concatenate([grid(16, 5, span=2), np.full((1, 5), -0.0, np.float32)]))
    assert only(graph, Requantise).type is BIPOLAR


def test_bipolar_input_weights_and_outputs() -> None:
    net = Net(6)
    x = net.add("BipolarQuant", net.x, net.const(1.0), domain=QONNX)
    weights = net.add("BipolarQuant", net.const(grid(4, 6, seed=1)), net.const(0.5), domain=QONNX)
    y = net.add("Gemm", x, weights, net.const([0.0, 1.0, -2.0, 3.0]), transB=1)
    net.add("BipolarQuant", y, net.const(1.0), domain=QONNX)
    graph = agree(net, grid(32, 6, seed=2))
    assert [layer.type.is_bipolar for layer in (*graph.inputs, *graph.layers)] == [True, False, True]


LEVELS = np.array([[-3.0, -0.5, 0.0, 0.0, 2.25], [-9.0, -8.0, 1.0, 4.0, 5.0], [0.25, 0.5, 0.75, 1.0, 9.0]], np.float32)
LAYOUTS: list[tuple[tuple[int, ...], str]] = [
    ((3,), "NC"),
    ((3,), ""),
    ((3, 4), "NCW"),
    ((4, 3), "NWC"),
    ((4, 3), ""),
    ((3, 4, 2), "NCHW"),
    ((3, 4, 2), ""),
    ((4, 2, 3), "NHWC"),
]


@pytest.mark.parametrize("place", ["host", "chip"])
@pytest.mark.parametrize(("shape", "layout"), LAYOUTS)
def test_multi_threshold_in_every_layout(shape: tuple[int, ...], layout: str, place: str) -> None:
    net = Net(*shape)
    x = net.x if place == "host" else chip(net)
    attributes: dict[str, Any] = {"data_layout": layout} if layout else {}
    levels = net.const(LEVELS)
    made = net.add("MultiThreshold", x, levels, domain=QONNX, out_scale=0.5, out_bias=-1.0, **attributes)
    if place == "host":
        net.quant(made, 1.0)
    agree(net, grid(16, *shape, span=10))


def test_one_row_of_thresholds_serves_every_channel() -> None:
    net = Net(4)
    net.add("MultiThreshold", chip(net), net.const([[3.0, -1.0, 0.5]]), domain=QONNX)  # need not ascend
    layer = only(agree(net, grid(32, 4, span=6)), Requantise)
    assert layer.rounding is Rounding.LEVELS and len(layer.levels) == 1


@pytest.mark.parametrize("place", ["host", "chip"])
def test_bipolar_thresholds_are_a_sign(place: str) -> None:
    net = Net(3)
    x = net.x if place == "host" else chip(net)
    levels = net.const([[0.5], [-0.25], [0.0]])
    made = net.add("MultiThreshold", x, levels, domain=QONNX, out_scale=2.0, out_bias=-1.0, out_dtype="BIPOLAR")
    net.add("MatMul", made, net.weights(np.eye(3)))
    graph = agree(net, grid(32, 3, span=2))
    assert (graph.inputs[0] if place == "host" else graph.layers[0]).type is BIPOLAR


def test_two_steps_of_thresholds_stay_a_count() -> None:
    net = Net(3)
    net.add("MultiThreshold", chip(net), net.const([[-1.0, 1.0]]), domain=QONNX, out_scale=1.0, out_bias=-1.0)
    layer = only(agree(net, grid(32, 3, span=3)), Requantise)
    assert (layer.type, layer.zero) == (IntType(0, 2), ONES)


def test_thresholds_behind_a_convolution_with_channels_of_their_own() -> None:
    net = Net(2, 4, 4)
    kernel = net.weights(grid(3, 2, 2, 2, span=3), 0.5, bits=4.0)
    y = net.add("Conv", chip(net), kernel, net.const([0.5, -1.0, 2.0]))
    net.add("MultiThreshold", y, net.const(LEVELS * 4), domain=QONNX)
    agree(net, grid(16, 2, 4, 4, span=4))


def test_thresholds_behind_a_scaling_of_negative_sign() -> None:
    net = Net(3)
    y = net.add("Mul", chip(net), net.const([[-1.0, 2.0, -0.5]]))
    net.add("MultiThreshold", y, net.const(LEVELS), domain=QONNX)
    agree(net, grid(32, 3, span=10))


def test_a_quantiser_of_another_scale_behind_a_quantiser_is_kept() -> None:
    net = Net(4)
    net.quant(net.quant(chip(net), 0.5, bits=6.0), 0.75, bits=4.0)
    assert ops(agree(net, grid(32, 4))) == ["requantise", "requantise"]


def test_the_same_quantiser_twice_is_one() -> None:
    net = Net(4)
    net.add("MatMul", net.quant(chip(net), 0.25, bits=10.0), net.weights(np.eye(4)))
    assert ops(agree(net, grid(32, 4))) == ["dense"]


def test_an_equal_scale_behind_a_matrix_still_saturates() -> None:
    net = Net(4)
    x = net.quant(net.x, 0.5, bits=4.0)
    net.quant(net.add("MatMul", x, net.weights(np.full((4, 2), 3.0))), 0.5, bits=5.0)
    assert ops(agree(net, grid(32, 4))) == ["dense", "requantise"]

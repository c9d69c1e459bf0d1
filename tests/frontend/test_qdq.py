# SPDX-License-Identifier: Apache-2.0
"""QuantizeLinear and DequantizeLinear, and the Clip of QCDQ between them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.host import run_host
from bitwright.ir.layers import Conv, Dense, Requantise, Rounding
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import IntType
from bitwright.sim import reference
from tests.frontend.nets import Net, agree, grid, only, ops, outputs_of


def chip(net: Net) -> str:
    """The input as 16-bit multiples of a quarter, so that what follows is computed on chip."""
    return net.qdq(net.x, 0.25, 0, np.int16)


@pytest.mark.parametrize("zero", [0, 3, 128, 255])
@pytest.mark.parametrize("scale", [0.5, 0.3, 1.0])
def test_unsigned_quantisers_with_zero_points(scale: float, zero: int) -> None:
    net = Net(6)
    net.qdq(chip(net), scale, zero)
    layer = only(agree(net, grid(64, 6, span=160)), Requantise)
    assert (layer.shift, layer.low, layer.high, layer.type) == (zero, (-zero,), (255 - zero,), IntType(0, 255))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16])
@pytest.mark.parametrize("zero", [0, 5])
def test_other_integer_types(dtype: Any, zero: int) -> None:
    net = Net(6)
    net.qdq(chip(net), 0.5, zero, dtype)
    info = np.iinfo(dtype)
    assert only(agree(net, grid(64, 6, span=160)), Requantise).type == IntType(info.min, info.max)


def test_a_tie_with_an_odd_zero_point_is_rounded_before_the_zero_point() -> None:
    linear, qonnx = Net(1), Net(1)
    linear.qdq(chip(linear), 1.0, 3)
    qonnx.quant(chip(qonnx), 1.0, 3.0, bits=8.0, signed=0)
    x = np.array([[0.5]], np.float32)
    assert outputs_of(load_onnx(linear.proto()), x)[0].item() == 0
    assert outputs_of(load_onnx(qonnx.proto()), x)[0].item() == 1


def test_a_missing_zero_point_means_uint8() -> None:
    net = Net(4)
    q = net.add("QuantizeLinear", chip(net), net.const(0.5))
    net.add("DequantizeLinear", q, net.const(0.5))
    assert only(agree(net, grid(16, 4)), Requantise).type == IntType(0, 255)


def test_a_missing_zero_point_of_a_named_type() -> None:
    net = Net(4, opset=21)
    q = net.add("QuantizeLinear", chip(net), net.const(0.5), output_dtype=TensorProto.INT8)
    net.add("DequantizeLinear", q, net.const(0.5))
    graph = load_onnx(net.proto())
    assert only(graph, Requantise).type == IntType(-128, 127)


def test_quantisers_of_another_domain() -> None:
    net = Net(4)
    home = {"domain": "com.microsoft"}
    q = net.quantize(chip(net), 0.5, 7, np.int16, **home)
    net.dequantize(q, 0.5, 7, np.int16, **home)
    plain = Net(4)
    plain.qdq(chip(plain), 0.5, 7, np.int16)
    x = grid(16, 4)
    np.testing.assert_array_equal(*(outputs_of(load_onnx(n.proto()), x)[0] for n in (net, plain)))


def test_a_quantiser_with_a_scale_per_channel() -> None:
    net = Net(3, 2, 2)
    scales = [0.5, 0.3, 1.0]
    q = net.quantize(chip(net), scales, [4, 4, 4], axis=1)
    net.dequantize(q, scales, [4, 4, 4], axis=1)
    assert len(only(agree(net, grid(16, 3, 2, 2)), Requantise).multiplier.values) == 3


def test_a_negative_axis() -> None:
    net = Net(2, 3)
    q = net.quantize(chip(net), [0.5, 0.3, 1.0], [0, 0, 0], axis=-1)
    net.dequantize(q, [0.5, 0.3, 1.0], [1, 2, 3], axis=-1)
    agree(net, grid(16, 2, 3))


def test_equal_quantisers_on_both_sides_of_a_layout_operator_pass_through() -> None:
    net = Net(2, 3)
    x = net.qdq(net.x, 0.25, 10)
    net.qdq(net.add("Flatten", x), 0.25, 10)
    net.add("MatMul", net.nodes[-1].output[0], net.weights(np.eye(6)))
    assert ops(agree(net, grid(16, 2, 3))) == ["dense"]


def test_the_same_codes_under_another_scale_take_its_value() -> None:
    net = Net(4)
    q = net.quantize(net.x, 0.25, 10)
    y = net.quant(net.dequantize(q, 0.5, 10), 0.5, 10.0, 8.0, signed=0)
    net.add("MatMul", y, net.weights(np.eye(4)))
    assert ops(agree(net, grid(16, 4))) == ["dense"]


@pytest.mark.parametrize(("low", "high"), [(-7, 7), (-8, 7), (-128, 100), (5, 20)])
def test_the_clip_of_qcdq_narrows_the_quantiser(low: int, high: int) -> None:
    net = Net(6)
    q = net.quantize(chip(net), 0.5, 2, np.int8)
    c = net.add("Clip", q, net.const(low, np.int8), net.const(high, np.int8))
    net.dequantize(c, 0.5, 2, np.int8)
    graph = agree(net, grid(64, 6, span=100))
    assert only(graph, Requantise).type == IntType(low, high)


def test_a_clip_with_an_absent_lower_bound() -> None:
    net = Net(6)
    c = net.add("Clip", net.quantize(chip(net), 0.5), "", net.const(127, np.uint8))
    net.dequantize(c, 0.5)
    assert only(agree(net, grid(64, 6, span=100)), Requantise).type == IntType(0, 127)


def test_a_clip_whose_bounds_cross_gives_the_upper_one() -> None:
    net = Net(3)
    q = net.quantize(chip(net), 0.5, 0, np.int8)
    net.dequantize(net.add("Clip", q, net.const(9, np.int8), net.const(4, np.int8)), 0.5, 0, np.int8)
    assert only(agree(net, grid(16, 3)), Requantise).type == IntType(4, 4)


def test_codes_that_have_a_second_reader_keep_their_range() -> None:
    net = Net(6)
    q = net.quantize(chip(net), 0.5, 0, np.int8)
    c = net.add("Clip", q, net.const(-7, np.int8), net.const(7, np.int8))
    wide, narrow = net.dequantize(q, 0.5, 0, np.int8), net.dequantize(c, 0.5, 0, np.int8)
    agree(net, grid(64, 6), outputs=(wide, narrow))


def test_the_clip_on_float_weights_of_qcdq() -> None:
    net = Net(4)
    codes = net.quantize(net.const(grid(3, 4)), 0.5, 0, np.int8)
    clipped = net.add("Clip", codes, net.const(-7, np.int8), net.const(7, np.int8))
    net.add("Gemm", net.qdq(net.x, 0.25, 0, np.int8), net.dequantize(clipped, 0.5, 0, np.int8), transB=1)
    assert np.abs(only(agree(net, grid(16, 4)), Dense).weights.array).max() == 7


def weights_of(net: Net, shape: tuple[int, ...], dtype: Any, scale: Any, zero: Any, axis: int, seed: int = 3) -> str:
    """Random integer weights behind a DequantizeLinear."""
    info = np.iinfo(dtype)
    codes = np.random.default_rng(seed).integers(info.min, info.max + 1, shape)
    constants = (net.const(codes, dtype), net.const(scale), net.const(zero, dtype))
    return net.add("DequantizeLinear", *constants, axis=axis)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_weights_per_output_channel_with_zero_points_and_padding(dtype: Any) -> None:
    net = Net(2, 5, 5)
    zeros = [3, 0, 7] if dtype is np.uint8 else [0, -1, 4]
    kernel = weights_of(net, (3, 2, 3, 3), dtype, [0.5, 0.25, 2.0], zeros, 0)
    bias = net.add("DequantizeLinear", net.const([40, -7, 9], np.int32), net.const([0.125, 0.0625, 0.5]), axis=0)
    y = net.add("Conv", net.qdq(net.x, 0.25, 19), kernel, bias, pads=[1, 0, 2, 1])
    net.qdq(y, 64.0, 5)
    layer = only(agree(net, grid(8, 2, 5, 5)), Conv)
    assert (layer.pad_value, layer.weights.array.shape) == (19, (3, 3, 3, 2))


def test_matmul_weights_per_column_and_a_bias_that_is_an_activation() -> None:
    net = Net(3, 4)
    matrix = weights_of(net, (4, 5), np.int8, [0.5, 0.25, 2.0, 1.0, 0.5], [0] * 5, 1)
    bias = net.dequantize(net.const([139, 0, 255, 7, 80], np.uint8), 0.5, 139)
    net.qdq(net.add("Add", bias, net.add("MatMul", net.qdq(net.x, 0.25, 100), matrix)), 8.0, 90)
    agree(net, grid(8, 3, 4))


@pytest.mark.parametrize("shape", [(), (1,)])
def test_an_int32_bias_with_a_scalar_scale(shape: tuple[int, ...]) -> None:
    net = Net(4)
    matrix = weights_of(net, (3, 4), np.int8, 0.5, 0, 0)
    bias = net.add("DequantizeLinear", net.const([400, -70, 9], np.int32), net.const(np.full(shape, 0.125)))
    net.qdq(net.add("Gemm", net.qdq(net.x, 0.25, 7), matrix, bias, transB=1), 16.0, 128)
    agree(net, grid(16, 4))


def test_a_weight_scale_that_the_graph_computes() -> None:
    net = Net(4)
    weights = net.const(grid(3, 4, span=3))
    largest = net.add("ReduceMax", net.add("Abs", net.add("Flatten", weights)), axes=[0, 1], keepdims=0)
    scale = net.add("Div", largest, net.const(127.0))
    q = net.add("QuantizeLinear", weights, scale, net.const(0, np.int8))
    net.add("Gemm", net.qdq(net.x, 0.25, 7), net.add("DequantizeLinear", q, scale, net.const(0, np.int8)), transB=1)
    agree(net, grid(16, 4), exact=False)


def test_integer_inputs_and_outputs_without_quantisers_at_the_border() -> None:
    net = Net(4, kind=TensorProto.INT8)
    matrix = weights_of(net, (3, 4), np.int8, 0.5, 0, 0)
    y = net.add("Gemm", net.dequantize(net.x, 0.25, -3, np.int8), matrix, transB=1)
    net.quantize(y, 16.0, -128, np.int8)
    x = np.random.default_rng(0).integers(-128, 128, (16, 4)).astype(np.int8)
    graph = agree(net, x)
    assert graph.inputs[0].type == IntType(-128, 127)


def fake_quantised(x: NDArray[np.float32], scale: float, *, divide: bool) -> NDArray[Any]:
    scaled = x / np.float32(scale) if divide else x * (np.float32(1) / np.float32(scale))
    return np.clip(np.rint(scaled), 0, 255)


def test_torch_multiplies_by_the_float32_reciprocal() -> None:
    net = Net(1)
    scale = 0.03
    net.qdq(net.x, scale)
    net.add("MatMul", net.nodes[-1].output[0], net.weights([[1.0]]))
    x = ((np.arange(200, dtype=np.float32) + np.float32(0.5)) * np.float32(scale))[:, None]
    for rounding, divide in (("onnx", True), ("torch", False)):
        graph = load_onnx(net.proto(), rounding=rounding)
        (codes,) = run_host(graph.before, {"x": x})
        np.testing.assert_array_equal(codes, fake_quantised(x, scale, divide=divide))
    assert (fake_quantised(x, scale, divide=True) != fake_quantised(x, scale, divide=False)).any()


def test_torch_on_chip_moves_only_the_ties_that_float32_moves() -> None:
    """No multiple of 1/4 is a tie of 0.03, those of 0.5 go to even, of 30.5 not: then the layer counts levels."""
    for scale, rounding in ((0.03, Rounding.HALF_EVEN), (0.5, Rounding.HALF_EVEN), (30.5, Rounding.LEVELS)):
        net = Net(3)
        net.qdq(chip(net), scale)
        graph = load_onnx(net.proto(), rounding="torch")
        layer = only(graph, Requantise)
        assert (layer.rounding, layer.scale) == (rounding, PerChannel.made(Fraction(float(np.float32(scale)))))
        x = grid(400, 3, span=4000 if scale > 1 else 6)
        (codes,) = reference.run(graph, run_host(graph.before, {"x": x}))
        np.testing.assert_array_equal(codes, fake_quantised(x, scale, divide=False))
        np.testing.assert_array_equal(outputs_of(graph, x)[0], np.float32(codes * float(np.float32(scale))))


@pytest.mark.parametrize(("kind", "low", "high"), [(TensorProto.INT4, -8, 7), (TensorProto.UINT4, 0, 15)])
def test_four_bit_types_limit_the_codes(kind: int, low: int, high: int) -> None:
    """QuantizeLinear to int4 and uint4 (opset 21), with a zero point of that type."""
    scale = helper.make_tensor("s", TensorProto.FLOAT, [], [0.25])
    step = helper.make_tensor("t", TensorProto.FLOAT, [], [0.5])
    zero = helper.make_tensor("z", kind, [], [3])
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["a"], name="first"),
        helper.make_node("DequantizeLinear", ["a", "s"], ["b"], name="b"),
        helper.make_node("QuantizeLinear", ["b", "t", "z"], ["c"], name="second"),
        helper.make_node("DequantizeLinear", ["c", "t", "z"], ["y"], name="d"),
    ]
    io = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "four", io[:1], io[1:], [scale, step, zero])
    net = load_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]))
    (layer,) = net.layers
    x = np.arange(64, dtype=np.float32).reshape(1, 64) * np.float32(0.25)
    want = np.clip(np.rint(x / 0.5) + 3, low, high)
    np.testing.assert_array_equal(reference.run(net, [np.arange(64).reshape(1, 64)])[0], want)
    assert (layer.type.lo >= low, layer.type.hi <= high) == (True, True)

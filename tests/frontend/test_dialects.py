# SPDX-License-Identifier: Apache-2.0
"""QOperator, integer-deployment and channels-last graphs: each against what it abbreviates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.types import IntType
from tests.frontend.nets import Net, agree, grid, ops, outputs_of

MS = "com.microsoft"
X, Y = (0.25, 7), (1.5, 100)  # (scale, zero point) of a uint8 input and output


def pair(net: Net, coding: tuple[float, int]) -> tuple[str, str]:
    return net.const(coding[0]), net.const(coding[1], np.uint8)


def codes(shape: tuple[int, ...], seed: int = 3) -> Any:
    return np.random.default_rng(seed).integers(-128, 128, shape)


def same(short: Net, long: Net, *arrays: Any) -> None:
    """Two models with equal outputs, and the longer one equal to the oracle."""
    agree(long, *arrays)
    ours, wanted = (outputs_of(load_onnx(net.proto()), *arrays)[0] for net in (short, long))
    np.testing.assert_array_equal(ours, wanted)


Build = Callable[[Net, str, bool], str]


def conv(net: Net, x: str, short: bool) -> str:
    scale, zeros = net.const([0.5, 0.25, 1.0]), net.const([1, 0, -2], np.int8)
    kernel, bias = net.const(codes((3, 2, 3, 3)), np.int8), net.const([400, -70, 9], np.int32)
    if short:
        return net.add("QLinearConv", x, *pair(net, X), kernel, scale, zeros, *pair(net, Y), bias, pads=[1, 1, 0, 1])
    weights = net.add("DequantizeLinear", kernel, scale, zeros, axis=0)
    real = net.add("DequantizeLinear", bias, net.const(np.float32([0.5, 0.25, 1.0]) * np.float32(X[0])), axis=0)
    y = net.add("Conv", net.add("DequantizeLinear", x, *pair(net, X)), weights, real, pads=[1, 1, 0, 1])
    return net.add("QuantizeLinear", y, *pair(net, Y))


def matmul(net: Net, x: str, short: bool) -> str:
    matrix, scale, zero = net.const(codes((4, 3)), np.int8), net.const([0.5, 0.25, 1.0]), net.const([0, 0, 0], np.int8)
    if short:
        return net.add("QLinearMatMul", x, *pair(net, X), matrix, scale, zero, *pair(net, Y))
    weights = net.add("DequantizeLinear", matrix, scale, zero, axis=1)
    y = net.add("MatMul", net.add("DequantizeLinear", x, *pair(net, X)), weights)
    return net.add("QuantizeLinear", y, *pair(net, Y))


def gemm(net: Net, x: str, short: bool) -> str:
    x = net.add("Flatten", x)
    matrix, scale, zero = net.const(codes((3, 32)), np.int8), net.const(0.5), net.const(0, np.int8)
    bias = net.const([400, -70, 9], np.int32)
    if short:
        return net.add(
            "QGemm", x, *pair(net, X), matrix, scale, zero, bias, *pair(net, Y), domain=MS, transB=1, alpha=0.5
        )
    weights = net.add("DequantizeLinear", matrix, scale, zero)
    real = net.add("DequantizeLinear", bias, net.const(np.float32(0.5) * np.float32(X[0])))
    inputs = (net.add("DequantizeLinear", x, *pair(net, X)), weights, real)
    return net.add("QuantizeLinear", net.add("Gemm", *inputs, transB=1, alpha=0.5), *pair(net, Y))


def binary(op: str) -> Build:
    def build(net: Net, x: str, short: bool) -> str:
        other = (0.5, 30)
        second = net.add("QuantizeLinear", net.add("DequantizeLinear", x, *pair(net, (0.5, 7))), *pair(net, other))
        if short:
            return net.add(f"QLinear{op}", x, *pair(net, X), second, *pair(net, other), *pair(net, Y), domain=MS)
        real = (net.add("DequantizeLinear", x, *pair(net, X)), net.add("DequantizeLinear", second, *pair(net, other)))
        return net.add("QuantizeLinear", net.add(op, *real), *pair(net, Y))

    return build


def unary(op: str, **attributes: Any) -> Build:
    def build(net: Net, x: str, short: bool) -> str:
        if short:
            return net.add(f"QLinear{op}", x, *pair(net, X), *pair(net, (0.125, 90)), domain=MS, **attributes)
        y = net.add(op, net.add("DequantizeLinear", x, *pair(net, X)), **attributes)
        return net.add("QuantizeLinear", y, *pair(net, (0.125, 90)))

    return build


def concat(net: Net, x: str, short: bool) -> str:
    if short:
        parts = (x, *pair(net, X), x, *pair(net, (0.5, 9)))
        return net.add("QLinearConcat", *pair(net, Y), *parts, domain=MS, axis=1)
    real = [net.add("DequantizeLinear", x, *pair(net, coding)) for coding in (X, (0.5, 9))]
    return net.add("QuantizeLinear", net.add("Concat", *real, axis=1), *pair(net, Y))


def softmax(net: Net, x: str, short: bool) -> str:
    """The last layer's codes, of one axis, behind a product that makes them."""
    codes_in = matmul(net, x, short)
    if short:
        return net.add("QLinearSoftmax", codes_in, *pair(net, Y), *pair(net, Y), domain=MS, axis=-1, opset=17)
    real = net.add("Softmax", net.add("DequantizeLinear", codes_in, *pair(net, Y)), axis=-1)
    return net.add("QuantizeLinear", real, *pair(net, Y))


OPERATORS: dict[str, Build] = {
    "QLinearConv": conv,
    "QLinearMatMul": matmul,
    "QGemm": gemm,
    "QLinearAdd": binary("Add"),
    "QLinearMul": binary("Mul"),
    "QLinearConcat": concat,
    "QLinearLeakyRelu": unary("LeakyRelu", alpha=0.1),
    "QLinearSigmoid": unary("Sigmoid"),
    "QLinearAveragePool": unary("AveragePool", kernel_shape=[2, 3], pads=[0, 1, 1, 0]),
    "QLinearSoftmax": softmax,
    "QLinearGlobalAveragePool": unary("GlobalAveragePool"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_on_codes_is_the_float_one_between_quantisers(name: str) -> None:
    nets = []
    for short in (True, False):
        net = Net(2, 4, 4, kind=TensorProto.UINT8)
        y = OPERATORS[name](net, net.x, short)
        net.add("DequantizeLinear", y, *pair(net, Y))
        nets.append(net)
    same(*nets, np.random.default_rng(0).integers(0, 256, (8, 2, 4, 4)).astype(np.uint8))


def test_qgemm_without_an_output_scale_is_real() -> None:
    net = Net(4)
    x = net.quantize(net.x, *X)
    matrix = net.const(codes((4, 3)), np.int8)
    net.add("QGemm", x, *pair(net, X), matrix, net.const(0.5), net.const(0, np.int8), domain=MS)
    values = grid(8, 4)
    real = (np.clip(np.rint(values / 0.25) + 7, 0, 255) - 7) * 0.25
    np.testing.assert_array_equal(outputs_of(load_onnx(net.proto()), values)[0], real @ (codes((4, 3)) * 0.5))


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("div", [1, 256])
def test_requant_shift(div: int, signed: int) -> None:
    net = Net(3, 4, 4, kind=TensorProto.INT8)
    mul, add = net.const([[[3]], [[-7]], [[50]]]), net.const([[[10]], [[-300]], [[0]]])
    net.add("RequantShift", net.x, mul, add, domain="PULP", n_levels_out=32, signed=signed, div=div)
    x = np.random.default_rng(0).integers(-128, 128, (8, 3, 4, 4)).astype(np.int8)
    total = x.astype(np.int64) * np.reshape([3, -7, 50], (3, 1, 1)) + np.reshape([10, -300, 0], (3, 1, 1)) + div // 2
    low = -16 if signed else 0
    wanted = np.clip(total // div, low, low + 31)
    np.testing.assert_array_equal(outputs_of(load_onnx(net.proto()), x)[0], wanted)


def test_floor_and_casts_truncate() -> None:
    net = Net(6)
    x = net.quant(net.x, 0.25, bits=8.0)
    net.add("Floor", net.add("Mul", x, net.const(-0.3)))
    net.add("Cast", net.add("Mul", x, net.const(0.7)), to=TensorProto.INT32)
    outputs = tuple(node.output[0] for node in net.nodes if node.op_type in ("Floor", "Cast"))
    graph = agree(net, grid(64, 6), outputs=outputs)
    assert {layer.type for layer in graph.layers} == {IntType(-10, 9), IntType(-22, 22)}


@pytest.mark.parametrize("divisor", [2, 3, 16])
def test_integers_divide_toward_zero(divisor: int) -> None:
    net = Net(6)
    codes = net.add("Cast", net.quant(net.x, 1.0, bits=8.0), to=TensorProto.INT32)
    net.add("Cast", net.add("Div", codes, net.const(divisor, np.int32)), to=TensorProto.FLOAT)
    x = grid(64, 6, step=1.0, span=100)
    np.testing.assert_array_equal(outputs_of(load_onnx(net.proto()), x)[0], np.trunc(x / divisor))


@pytest.mark.parametrize("alpha", [0.125, 0.01, 2.0, -0.5])
def test_leaky_relu(alpha: float) -> None:
    net = Net(16)
    net.quant(net.add("LeakyRelu", net.quant(net.x, 0.25, 1.0, bits=8.0), alpha=alpha), 0.3, bits=6.0)
    agree(net, grid(64, 16))
    wide = Net(4)
    y = wide.add("MatMul", wide.quant(wide.x, 0.25, bits=8.0), wide.weights(grid(4, 3)))
    wide.quant(wide.add("LeakyRelu", y, alpha=alpha), 3.0, bits=8.0)
    agree(wide, grid(64, 4))


CHANNELS_LAST = "qonnx.custom_op.channels_last"


def last(net: Net, x: str) -> str:
    return net.add("Transpose", x, perm=[0, 2, 3, 1])


def first(net: Net, x: str) -> str:
    return net.add("Transpose", x, perm=[0, 3, 1, 2])


@pytest.mark.parametrize("groups", [1, 2])
def test_channels_last_wrappers(groups: int) -> None:
    nets = []
    kernel = grid(4, 4 // groups, 3, 3, span=3)
    for short in (True, False):
        net = Net(6, 6, 4)
        x = net.quant(net.x, 0.25, bits=6.0)
        constants = [net.const(v) for v in ([1.0, -2.0, 0.5, 1.0], [0.1] * 4, [0.0] * 4, [1.0, 2.0, 3.0, 4.0])]
        window: dict[str, Any] = {"pads": [1, 0, 1, 0], "strides": [1, 1], "group": groups, "kernel_shape": [3, 3]}
        pool: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
        if short:
            weights = net.weights(kernel.transpose(0, 2, 3, 1), 0.5, 4.0)
            y = net.add("Conv", x, weights, domain=CHANNELS_LAST, **window)
            y = net.add("BatchNormalization", y, *constants, domain=CHANNELS_LAST)
            y = net.add("MaxPool", net.quant(y, 0.5, bits=6.0), domain=CHANNELS_LAST, **pool)
        else:
            y = net.add("Conv", first(net, x), net.weights(kernel, 0.5, 4.0), **window)
            y = net.quant(net.add("BatchNormalization", y, *constants), 0.5, bits=6.0)
            y = last(net, net.add("MaxPool", y, **pool))
        net.add("MatMul", y, net.weights(np.eye(4)))
        nets.append(net)
    same(*nets, grid(4, 6, 6, 4))
    assert "gather" not in ops(load_onnx(nets[0].proto()))

# SPDX-License-Identifier: Apache-2.0
"""QOperator: QLinear* and QGemm, each the float operator between its dequantisers and its quantiser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.qdq import dequantize_linear, quantize_linear
from bitwright.frontend.operands import constant_operand, optional_constant, whole_attribute
from bitwright.frontend.operators import joins
from bitwright.frontend.operators.averages import average_pool, global_average_pool
from bitwright.frontend.operators.elementwise import arithmetic, function, leaky_relu
from bitwright.frontend.operators.matrix import conv, gemm, matmul
from bitwright.frontend.operators.shapes import shape_of
from bitwright.frontend.operators.terminal import softmax
from bitwright.frontend.values import Const, Value
from bitwright.ir.functions import Sigmoid
from bitwright.reading.model import Node

Operator = Callable[..., Any]


def qlinear_conv(builder: Builder, node: Node, *values: Value | None) -> Value:
    """QLinearConv(x, xs, xz, w, ws, wz, ys, yz, B): B is int32 at the scale xs * ws."""
    x, w = _real(builder, node, values, 0), _real(builder, node, values, 3, axis=0)
    made = conv(builder, node.acting("Conv"), x, w, _bias(node, values, 8, 1, 4))
    return _codes(builder, node, values, made, 6)


def qlinear_matmul(builder: Builder, node: Node, *values: Value | None) -> Value:
    """QLinearMatMul(a, as, az, b, bs, bz, ys, yz)."""
    a, b = _real(builder, node, values, 0), _real(builder, node, values, 3, axis=1)
    return _codes(builder, node, values, matmul(builder, node.acting("MatMul"), a, b), 6)


def qgemm(builder: Builder, node: Node, *values: Value | None) -> Value:
    """QGemm(a, as, az, b, bs, bz, C, ys, yz): C is int32 at the scale as * bs; without ys the output is real."""
    axis = 0 if node.attributes.get("transB", 0) else 1
    a, b = _real(builder, node, values, 0), _real(builder, node, values, 3, axis=axis)
    made = gemm(builder, node.acting("Gemm"), a, b, _bias(node, values, 6, 1, 4))
    return _codes(builder, node, values, made, 7) if len(values) > 7 and values[7] is not None else made


def qlinear_binary(op: str) -> Operator:
    """QLinearAdd and QLinearMul(a, as, az, b, bs, bz, ys, yz)."""

    def handler(builder: Builder, node: Node, *values: Value | None) -> Value:
        operands = [_real(builder, node, values, i) for i in (0, 3)]
        return _codes(builder, node, values, arithmetic(builder, node.acting(op), *operands), 6)

    return handler


def qlinear_concat(builder: Builder, node: Node, *values: Value | None) -> Value:
    """QLinearConcat(ys, yz, (x, xs, xz)...)."""
    if len(values) < 5 or len(values) % 3 != 2:
        raise node.error(f"has {len(values)} inputs", "give a scale, a zero point, and three inputs for each operand")
    parts = [_real(builder, node, values, i) for i in range(2, len(values), 3)]
    return _codes(builder, node, values, joins.OPERATORS["Concat"](builder, node.acting("Concat"), *parts), 0)


def qlinear_unary(op: str) -> Operator:
    """QLinearLeakyRelu, QLinearSigmoid and the average pools(x, xs, xz, ys, yz)."""
    inner: dict[str, Operator] = {
        "LeakyRelu": leaky_relu,
        "Sigmoid": function(Sigmoid()),
        "AveragePool": average_pool,
        "GlobalAveragePool": global_average_pool,
    }

    def handler(builder: Builder, node: Node, *values: Value | None) -> Value:
        if node.attributes.get("channels_last", 0):
            raise node.error("has its channels last", "export it with channels first")
        made = inner[op](builder, node.acting(op), _real(builder, node, values, 0))
        return _codes(builder, node, values, made, 3)

    return handler


def qlinear_softmax(builder: Builder, node: Node, *values: Value | None) -> Value:
    """QLinearSoftmax(x, xs, xz, ys, yz), on the host; its axis is that of the opset it names."""
    old = whole_attribute(node, "opset", otherwise=13) < 13
    real = _real(builder, node, values, 0)
    rank = len(shape_of(real))
    axis = whole_attribute(node, "axis", otherwise=1 if old else -1)
    if old and axis not in (-1, rank - 1):
        raise node.error(f"normalises over axes {axis} to {rank - 1} of {rank}", "normalise over the last axis")
    inner = replace(node.acting("Softmax"), attributes={"axis": axis})
    return _codes(builder, node, values, softmax(builder, inner, real), 3)


def _real(builder: Builder, node: Node, values: tuple[Value | None, ...], index: int, axis: int = 1) -> Value:
    """Operand `index`, dequantised by the scale and zero point behind it; `axis` of a scale per channel."""
    inner = replace(node, attributes={"axis": axis})
    return dequantize_linear(builder, inner, *values[index : index + 3])


def _codes(builder: Builder, node: Node, values: tuple[Value | None, ...], made: Value, index: int) -> Value:
    """`made`, quantised by the scale and zero point at `index`."""
    return quantize_linear(builder, replace(node, attributes={}), made, *values[index : index + 2])


def _bias(node: Node, values: tuple[Value | None, ...], index: int, *scales: int) -> Const | None:
    """The int32 bias, exact at the product of two scales: it is an integer of the accumulator."""
    bias = optional_constant(node, values, index)
    if bias is None:
        return None
    first, second = (
        constant_operand(node, values, i, "only constants can set it").array.astype(np.float64) for i in scales
    )
    if bias.array.dtype.kind not in "iu":
        raise node.error(f"has a bias of type {bias.array.dtype}", "use int32")
    codes, step = bias.array.astype(np.int64), second.reshape(-1)
    if first.size != 1 or (step.size > 1 and codes.shape[-1:] != step.shape):
        shapes = f"{codes.shape} for scales of shapes {first.shape} and {second.shape}"
        raise node.error(f"has a bias of shape {shapes}", "give one number, and one scale, per channel")
    step = np.broadcast_to(step * first.reshape(()), codes.shape)  # two float32 factors: exact in float64
    with np.errstate(over="ignore"):
        return Const((codes * step).astype(np.float32), codes, step, np.zeros((), np.int64))

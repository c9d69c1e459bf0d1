# SPDX-License-Identifier: Apache-2.0
"""QDQ and QCDQ: QuantizeLinear, the Clip behind it, DequantizeLinear; ONNX and com.microsoft alike."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.quantise import quantise
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.layouts import FIT, per_channel
from bitwright.frontend.operands import data_operand, float32_operand, optional_constant, waiting_operand
from bitwright.frontend.operators.shapes import shape_of
from bitwright.frontend.values import Const, Host, Tensor, Value, fractions
from bitwright.ir import host_ops
from bitwright.ir.layers import Rounding
from bitwright.ir.per_channel import ONES
from bitwright.ir.types import IntType, integer
from bitwright.reading.model import Array, Node

REAL = ("dequantises real values", "export the model again")


def quantize_linear(builder: Builder, node: Node, *values: Value | None) -> Value:
    """QuantizeLinear: clip(rint(x / scale) + zero) to the type's range, and to that of a Clip that alone reads it."""
    scale = float32_operand(node, values, 1)
    zero, kind = _zero(node, values)
    value = waiting_operand(node, values)
    _refuse_blocks(node)
    low, high = _clipped(builder, node, kind.lo, kind.hi)
    if np.unique(zero).size > 1:
        return _around_zeros(builder, node, value, scale, zero, low, high)
    after = int(zero.reshape(-1)[0])
    quantiser = Quantiser(
        _along_axis(node, scale, shape_of(value)),
        np.zeros((), np.float32),
        after,
        np.array(low - after),
        np.array(high - after),
        Rounding.HALF_EVEN,
        builder.reciprocal,
    )
    return quantise(builder, node, quantiser, value, as_codes=True)


def _around_zeros(builder: Builder, node: Node, value: Value, scale: Array, zero: Array, low: int, high: int) -> Value:
    """Codes of unlike zero points: the layer counts each channel from its own, which the tensor's offset adds back."""
    shape = shape_of(value)
    zeros = _along_axis(node, zero, shape)
    quantiser = Quantiser(
        _along_axis(node, scale, shape),
        np.zeros((), np.float32),
        0,
        low - zeros,
        high - zeros,
        Rounding.HALF_EVEN,
        builder.reciprocal,
    )
    made = quantise(builder, node, quantiser, value, as_codes=True)
    match made:
        case Const():
            return replace(made, array=made.array + zeros)
        case Tensor():
            made, (shift,) = per_channel(builder, made, node, fractions(zeros))
            return made.affine(ONES, shift)
        case Host():
            added = builder.host_step(
                made.side, host_ops.Add(host_ops.Constant(zeros.astype(np.float64))), (made.name,)
            )
            return replace(made, name=added)


def dequantize_linear(builder: Builder, node: Node, *values: Value | None) -> Value:
    """DequantizeLinear: (q - zero) * scale."""
    scale = float32_operand(node, values, 1)
    value = data_operand(node, values)
    _refuse_blocks(node)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise node.error("has a scale that is not a positive number", "export the model again with a valid scale")
    zero = optional_constant(node, values, 2)
    match value:
        case Const():
            return _constant(node, value, scale, zero)
        case Tensor():
            return _on_chip(builder, node, value, scale, zero)
        case Host():
            return _on_host(builder, node, value, scale, zero)


def _constant(node: Node, value: Const, scale: Array, zero: Const | None) -> Const:
    if re.fullmatch(r"u?int\d+", value.array.dtype.name) is None:
        raise node.error(*REAL)
    shape = value.array.shape
    steps, zeros = _along_axis(node, scale, shape), _zeros(node, zero, shape)
    codes = value.array.astype(np.int64)
    real = (codes - zeros) * steps.astype(np.float64)
    if np.abs(real).max(initial=0) > np.finfo(np.float32).max:
        raise node.error("makes numbers beyond float32", "export the model again with a valid scale")
    return Const(real.astype(np.float32), codes, steps, np.asarray(zeros))


def _on_chip(builder: Builder, node: Node, value: Tensor, scale: Array, zero: Const | None) -> Tensor:
    zeros = _zeros(node, zero, value.shape)
    steps = fractions(_along_axis(node, scale, value.shape))
    if value.curved:
        raise node.error(*REAL)
    value, (step, shift) = per_channel(builder, value, node, steps, fractions(zeros))
    moved = value.affine(step, step * -shift)
    return replace(moved, nodes=(*value.nodes, (node.name, node.op)))


def _on_host(builder: Builder, node: Node, value: Host, scale: Array, zero: Const | None) -> Host:
    if value.side != "output":
        raise node.error(*REAL)
    factors = _along_axis(node, scale, value.shape).astype(np.float64)
    does = host_ops.Affine.unlimited(factors, np.asarray(-factors * _zeros(node, zero, value.shape)))
    reason, source = "dequantises what the host quantised", (node.name, node.op)
    made = builder.host_step("output", does, (value.name,), node=source, reason=reason)
    return replace(value, name=made)


def _zero(node: Node, values: tuple[Value | None, ...]) -> tuple[Array, IntType]:
    """The zero point and its type, 2 bits to 32; without one the attribute says the type, or it is uint8."""
    zero = optional_constant(node, values, 2)
    kind = node.attributes.get("output_dtype", 0) or TensorProto.UINT8
    known = kind in TensorProto.DataType.values()
    name = zero.array.dtype.name if zero is not None else TensorProto.DataType.Name(kind).lower() if known else "?"
    match = re.fullmatch(r"(u?)int(\d+)", name)
    if match is None:
        raise node.error(f"has a zero point of type {name}", "use an integer type")
    array = np.zeros(()) if zero is None else zero.array
    return array.astype(np.int64), integer(int(match[2]), signed=not match[1])


def _zeros(node: Node, zero: Const | None, shape: tuple[int, ...]) -> Array:
    return np.zeros((), np.int64) if zero is None else _along_axis(node, zero.array.astype(np.int64), shape)


def _refuse_blocks(node: Node) -> None:
    if node.attributes.get("block_size", 0):
        raise node.error("is quantised in blocks", "use one scale per tensor or per channel")


def _along_axis(node: Node, values: Array, shape: tuple[int, ...]) -> Array:
    """A vector along the node's axis of a tensor of `shape`; a single number loses its axes."""
    if values.size == 1:
        return values.reshape(())
    axis, rank = int(node.attributes.get("axis", 1)), len(shape)
    if values.ndim != 1 or not -rank <= axis < rank:
        raise node.error(
            f"has parameters of shape {values.shape} along axis {axis} of {rank}", "export the model again"
        )
    if shape[axis] != values.size:
        raise node.error(f"has {values.size} parameters along axis {axis} of a tensor of shape {shape}", FIT)
    along = [1] * rank
    along[axis] = values.size
    return values.reshape(along)


def _clipped(builder: Builder, node: Node, low: int, high: int) -> tuple[int, int]:
    """The type's range, within the constant bounds of a Clip that alone reads the codes (QCDQ)."""
    readers = builder.readers(node.outputs[0])
    if len(readers) != 1 or readers[0].op != "Clip":
        return low, high
    bounds = [builder.values.get(name) for name in readers[0].inputs[1:]] + [None, None]
    limits = [
        int(bound.array.reshape(-1)[0]) if isinstance(bound, Const) and np.isfinite(bound.array).all() else None
        for bound in bounds
    ]
    if limits[0] is not None:
        low = max(low, limits[0])
    if limits[1] is not None:
        high = min(high, limits[1])
    return (low, high) if low <= high else (high, high)

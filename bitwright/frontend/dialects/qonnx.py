# SPDX-License-Identifier: Apache-2.0
"""QONNX: Quant (IntQuant), BipolarQuant and MultiThreshold, by operator name whatever their domain."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.quantise import quantise
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.layouts import check_fit, per_channel
from bitwright.frontend.operands import (
    constant_operand,
    data_operand,
    float32_operand,
    waiting_operand,
    whole_attribute,
)
from bitwright.frontend.operators.pools import add_pools
from bitwright.frontend.values import ONE, Const, Host, Tensor, Value, fractions
from bitwright.ir import host_ops
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.trace import Arithmetic
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.reading.model import Array, Node

ROUNDINGS = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.FLOOR,
    "UP": Rounding.FROM_ZERO,
    "DOWN": Rounding.TO_ZERO,
    "ROUND_TO_ZERO": Rounding.TO_ZERO,  # as Brevitas calls it
    "HALF_UP": Rounding.HALF_AWAY,
    "HALF_DOWN": Rounding.HALF_ZERO,
}


def quant(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Quant(x, scale, zeropt, bitwidth): y = x / scale + zeropt, clamped, then rounded."""
    scale, zero = (float32_operand(node, values, i) for i in (1, 2))
    widths = constant_operand(node, values, 3, "only constants can set it")
    signed, narrow = (bool(_flag(node, name)) for name in ("signed", "narrow"))
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDINGS:
        raise node.error(f"rounds by '{mode}'", "known modes: " + ", ".join(ROUNDINGS))
    if not np.array_equal(widths.array, np.rint(widths.array)) or widths.array.min() < 0 or widths.array.max() < 1:
        raise node.error("has bit widths that are no whole numbers, or are all 0", "export the model again")
    quantiser = Quantiser(
        scale,
        zero,
        0,
        *_limits(node, widths.array, signed, narrow),
        ROUNDINGS[mode],
        builder.reciprocal,
    )
    if signed and (widths.array == 1).all():
        quantiser = replace(quantiser, low=np.array(-1), high=np.array(1), rounding=Rounding.SIGN)
    return quantise(builder, node, quantiser, waiting_operand(node, values))


def bipolar_quant(builder: Builder, node: Node, *values: Value | None) -> Value:
    """BipolarQuant(x, scale): +1 where x >= 0, else -1, times scale."""
    scale = float32_operand(node, values, 1)
    quantiser = Quantiser(scale, np.zeros((), np.float32), 0, np.array(-1), np.array(1), Rounding.SIGN)
    return quantise(builder, node, quantiser, waiting_operand(node, values))


def multi_threshold(builder: Builder, node: Node, *values: Value | None) -> Value:
    """MultiThreshold(x, thresholds): out_scale * #{thresholds <= x} + out_bias, per channel."""
    levels = constant_operand(node, values, 1, "only constants can set it").array
    scale = Fraction(float(np.float32(node.attributes.get("out_scale", 1.0))))
    bias = Fraction(float(np.float32(node.attributes.get("out_bias", 0.0))))
    if levels.ndim != 2 or scale == 0:
        raise node.error("has thresholds that are not a matrix, or a scale of 0", "export the model again")
    levels = np.sort(levels, axis=1)
    value = data_operand(node, values)
    if isinstance(value, Const):
        raise node.error("has a constant input", "fold the constant before the export")
    steps = levels.shape[1]
    bipolar = steps == 1 and (scale, bias) == (ONE + ONE, -ONE)
    kind = BIPOLAR if bipolar else IntType(0, steps)
    coding: tuple[PerChannel, PerChannel] = (
        (ONES, ZEROS) if bipolar else (PerChannel.made(scale), PerChannel.made(-bias / scale))
    )
    if isinstance(value, Host):
        return _count_on_host(builder, node, value, levels, kind, coding)
    return _count_on_chip(builder, node, value, levels, kind, coding)


def _count_on_host(
    builder: Builder, node: Node, value: Host, levels: Array, kind: IntType, coding: tuple[PerChannel, PerChannel]
) -> Tensor:
    if value.side == "output":
        raise builder.island(node, "quantises", value)
    rank = len(value.shape)
    axis = _channel_axis(node, rank)
    shape = [1] * (rank + 1)
    shape[axis], shape[rank] = levels.shape
    thresholds = host_ops.Constant(levels.reshape(shape).astype(np.float32))
    does = host_ops.CountLevels(levels=thresholds, first=kind.lo, step=kind.step)
    name = builder.host_step(
        "input",
        does,
        (value.name,),
        node=(node.name, node.op),
        reason="quantises the real-valued input",
        output=f"{node.name}.quantised",
    )
    return builder.input(node.name, Host(name, value.shape, "input"), kind, *coding, node.name)


def _count_on_chip(
    builder: Builder, node: Node, tensor: Tensor, levels: Array, kind: IntType, coding: tuple[PerChannel, PerChannel]
) -> Tensor:
    if tensor.curved or tensor.bounded:
        raise node.error("counts thresholds of a clipped or non-linear value", "put a quantiser before it")
    shape = [1] * len(tensor.where.shape)
    shape[_channel_axis(node, len(shape))] = len(levels)
    check_fit(node, tensor, tuple(shape))
    channel = np.broadcast_to(np.arange(len(levels)).reshape(shape), tensor.where.shape)
    tensor, (rows,) = per_channel(builder, tensor, node, fractions(np.asarray(channel)))
    exact = tuple(tuple(row) for row in fractions(levels))
    picked = tuple(exact[int(row)] for row in rows.values)
    old = builder.layers[tensor.layer]
    sign = kind is BIPOLAR
    layer = Requantise(
        name=node.name,
        inputs=(tensor.layer,),
        shape=old.shape,
        type=kind,
        scale=coding[0],
        zero=coding[1],
        multiplier=tensor.scale,
        offset=tensor.offset - PerChannel(tuple(row[0] for row in picked)) if sign else tensor.offset,
        rounding=Rounding.SIGN if sign else Rounding.LEVELS,
        low=(kind.lo,),
        high=(kind.hi,),
        levels=() if sign else picked,
        source=(*(name for name, _ in tensor.nodes), node.name),
    )
    name = builder.add(layer)
    builder.arithmetic[name] = Arithmetic(tensor.added, tensor.roundings)
    made = builder.codes(name, tensor.where)
    return add_pools(builder, node, made, tensor.pools)


def _channel_axis(node: Node, rank: int) -> int:
    layout = node.attributes.get("data_layout") or {2: "NC", 3: "NWC", 4: "NCHW"}.get(rank, "NC")
    if len(layout) != rank or "C" not in layout:
        raise node.error(f"has the layout '{layout}' on a tensor of rank {rank}", "export the model again")
    return int(layout.index("C"))


def _flag(node: Node, name: str) -> int:
    if name not in node.attributes:
        raise node.error(
            f"lacks the attribute '{name}'", "export the model with an explicit value; tools disagree on the default"
        )
    value = whole_attribute(node, name)
    if value not in (0, 1):
        raise node.error(f"has an attribute '{name}' of {value}", "give 0 or 1")
    return value


def _limits(node: Node, widths: Array, signed: bool, narrow: bool) -> tuple[Array, Array]:
    """Lowest and highest code for every bit width; without a bit there is the code 0."""
    if (widths > 32).any():
        raise node.error(f"has {int(widths.max())} bits", "at most 32 bits are supported")
    if signed and 1 in widths and (widths != 1).any():
        raise node.error("has one signed bit in some channels only", "use one bit in every channel, or none")
    kinds = [
        integer(int(w), signed=signed, narrow=narrow and w > signed) if w else IntType(0, 0) for w in widths.reshape(-1)
    ]
    low, high = (np.array([getattr(k, end) for k in kinds]).reshape(widths.shape) for end in ("lo", "hi"))
    return low, high

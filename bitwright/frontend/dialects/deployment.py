# SPDX-License-Identifier: Apache-2.0
"""Integer-deployment graphs (NEMO, QuantLab, DORY, Deeploy): RequantShift, Floor, Round, casts, quotients and means."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.exact.rounding import round_exact
from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.quantise import quantise
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.inputs import host_interval
from bitwright.frontend.layouts import per_channel
from bitwright.frontend.operands import constant_operand, data_operand, whole_attribute
from bitwright.frontend.operators import reductions
from bitwright.frontend.operators.elementwise import affine, arithmetic
from bitwright.frontend.values import Const, Host, Tensor, Value
from bitwright.ir.functions import Clip
from bitwright.ir.layers import Rounding
from bitwright.reading.model import Node

FLOAT_TYPES = (1, 10, 11, 16)
ROUNDINGS = {"Floor": Rounding.FLOOR, "Ceil": Rounding.CEIL, "Round": Rounding.HALF_EVEN}
INTEGER_TYPES = (2, 3, 4, 5, 6, 7, 12, 13)


def _steps(node: Node) -> tuple[int, int, int]:
    """The divisor, a power of two, the number of levels, and whether they are signed."""
    div, levels = whole_attribute(node, "div"), whole_attribute(node, "n_levels_out", "n_levels")
    signed = whole_attribute(node, "signed")
    if div < 1 or div & (div - 1) or levels < 2:
        raise node.error(f"divides by {div} into {levels} levels", "div is a power of two, n_levels at least 2")
    return div, levels, signed


def requant_shift(builder: Builder, node: Node, *values: Value | None) -> Value:
    """RequantShift: clip((x * mul + add + div / 2) >> log2(div)) to n_levels, signed or not."""
    mul, add = (constant_operand(node, values, i, "only constants are supported").exact() for i in (1, 2))
    div, levels, signed = _steps(node)
    value = data_operand(node, values)
    if not isinstance(value, Tensor):
        raise node.error("requantises real values", "give the input an integer type, for example --input NAME=u8")
    rank = value.where.ndim
    mul, add = (array.reshape(-1, *[1] * (rank - 2)) if array.size > 1 else array for array in (mul, add))
    tensor, (factor, offset) = per_channel(builder, value, node, mul, add)
    scaled = affine(node, tensor, factor, offset + div // 2)
    low = -(levels // 2) if signed else 0
    quantiser = _quantiser(div, low, low + levels - 1, Rounding.FLOOR)
    return quantise(builder, node, quantiser, scaled, as_codes=True)


def floor(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Floor, Ceil, or Round (ties to even), of an exact value: integers, limited by what the input can reach."""
    value = data_operand(node, values)
    if isinstance(value, Host) and value.side == "input" and (ends := host_interval(builder, value)) is not None:
        low, high = (int(round_exact(ROUNDINGS[node.op], Fraction(float(end)))) for end in ends)
        return quantise(builder, node, _quantiser(1, low, high, ROUNDINGS[node.op]), value, as_codes=True)
    if not isinstance(value, Tensor):
        raise node.error("rounds real values", "quantise the input first")
    return whole_numbers(builder, node, value, 1, ROUNDINGS[node.op])


def sign(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Sign: a value rounded away from zero and limited to -1 .. 1."""
    value = data_operand(node, values)
    if not isinstance(value, Tensor):
        raise node.error("is a function of real values", "quantise its input, and its output")
    made = quantise(builder, node, _quantiser(1, -1, 1, Rounding.FROM_ZERO), value, as_codes=True)
    assert isinstance(made, Tensor)
    return replace(made, integer=value.integer)


def cast(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Cast: to an integer type it truncates toward zero, to a float type it changes nothing."""
    value = data_operand(node, values)
    wanted = int(node.attributes.get("to", 1))
    if isinstance(value, Host | Const) or wanted in FLOAT_TYPES:
        if wanted not in FLOAT_TYPES:
            raise node.error("casts real values to an integer type", "quantise the input first")
        return replace(value, integer=False) if isinstance(value, Tensor) else value
    if wanted not in INTEGER_TYPES:
        raise node.error(f"casts to type {wanted}", "only float and integer types are supported")
    made = value if is_integral(value) else whole_numbers(builder, node, value, 1, Rounding.TO_ZERO)
    return replace(made, integer=True)


def divide(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Div: of integers by an integer constant it truncates toward zero, elsewhere it is exact."""
    tensor, divisor = values
    if not isinstance(tensor, Tensor) or not tensor.integer or not isinstance(divisor, Const):
        return arithmetic(builder, node, *values)
    if divisor.array.size != 1 or int(divisor.array.reshape(-1)[0]) < 1:
        raise node.error("divides integers by a vector or a number below 1", "divide by one positive constant")
    made = whole_numbers(builder, node, tensor, int(divisor.array.reshape(-1)[0]), Rounding.TO_ZERO)
    return replace(made, integer=True)


def reduce_mean(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceMean: of integers it truncates toward zero, elsewhere it is exact."""
    tensor = data_operand(node, values)
    if not isinstance(tensor, Tensor) or not tensor.integer:
        return reductions.reduce_mean(builder, node, *values)
    total = reductions.reduce_sum(builder, node, *values)
    count = tensor.where.size // total.where.size
    return replace(whole_numbers(builder, node, total, count, Rounding.TO_ZERO), integer=True) if count > 1 else total


def is_integral(tensor: Tensor) -> bool:
    """True if every value of the tensor is an integer already."""
    numbers = (*tensor.scale.values, *tensor.offset.values, *(b for b in (*tensor.low, *tensor.high) if b is not None))
    return not tensor.curved and all(number.denominator == 1 for number in numbers)


def whole_numbers(builder: Builder, node: Node, tensor: Tensor, divisor: int, rounding: Rounding) -> Tensor:
    """R(tensor / divisor) within the clip in front of it, or else what the integers underneath can reach."""
    if tensor.curved:
        return _rounded_function(builder, node, tensor, divisor, rounding)
    reached = builder.reached(tensor.layer)
    size = len(reached.lo)
    ends = [
        round_exact(rounding, (s * int(q) + o) / divisor)
        for bound in (reached.lo, reached.hi)
        for q, s, o in zip(bound, tensor.scale.each(size), tensor.offset.each(size), strict=True)
    ]
    ends += [round_exact(rounding, bound / divisor) for bound in (*tensor.low, *tensor.high) if bound is not None]
    quantiser = _quantiser(divisor, min(ends), max(ends), rounding)
    made = quantise(builder, node, quantiser, tensor, as_codes=True)
    assert isinstance(made, Tensor)
    return made


def _rounded_function(builder: Builder, node: Node, tensor: Tensor, divisor: int, rounding: Rounding) -> Tensor:
    """R(tensor / divisor) of a function whose last step limits it: R is monotone, so the limits are those of codes."""
    last = tensor.function[-1] if tensor.function else None
    if not isinstance(last, Clip) or last.low is None or last.high is None:
        raise node.error("rounds a function that nothing limits", "clip it before, or quantise it")
    low, high = (round_exact(rounding, bound / divisor) for bound in (last.low, last.high))
    unclipped = replace(tensor, function=tensor.function[:-1])
    made = quantise(builder, node, _quantiser(divisor, low, high, rounding), unclipped, as_codes=True)
    assert isinstance(made, Tensor)
    return made


def _quantiser(divisor: int, low: int, high: int, rounding: Rounding) -> Quantiser:
    step, before = np.asarray(np.float32(divisor)), np.asarray(np.float32(0))
    return Quantiser(step, before, 0, np.array(low), np.array(high), rounding)

# SPDX-License-Identifier: Apache-2.0
"""QONNX Trunc: an integer sum, shifted right with rounding; version 1 keeps the input's scale, version 2 names one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import log2

import numpy as np

from bitwright.exact.rounding import round_exact
from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.deployment import whole_numbers
from bitwright.frontend.dialects.qonnx import ROUNDINGS
from bitwright.frontend.dialects.quantise import quantise
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.operands import constant_operand, data_operand, whole_attribute
from bitwright.frontend.values import Tensor, Value
from bitwright.ir.layers import Rounding
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import integer
from bitwright.reading.model import Node


def trunc(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Trunc(x, scale, zero, in_bits, [out_scale,] out_bits): R(rint(x / scale + zero) / 2**shift)."""
    numbers = _numbers(node, values)
    value = data_operand(node, values)
    if not isinstance(value, Tensor) or numbers[0] <= 0:
        raise node.error("truncates a real value, or has a scale that is not positive", "quantise its input first")
    mode = str(node.attributes.get("rounding_mode", "FLOOR")).upper()
    if mode not in ROUNDINGS:
        raise node.error(f"rounds by '{mode}'", "known modes: " + ", ".join(ROUNDINGS))
    scale, zero = Fraction(numbers[0]), Fraction(numbers[1])
    sums = whole_numbers(
        builder, node, value.affine(PerChannel.made(1 / scale), PerChannel.made(zero)), 1, Rounding.HALF_EVEN
    )
    if len(numbers) == 4:
        factor, made_scale = _shifted(node, numbers[2] - numbers[3]), scale
        low, high = (round_exact(ROUNDINGS[mode], Fraction(v) / factor) for v in _reach(builder, sums))
        back = zero
    else:
        factor, made_scale = _shifted(node, log2(numbers[3] / numbers[0])), Fraction(numbers[3])
        kind = integer(
            int(numbers[4]),
            signed=bool(whole_attribute(node, "signed", otherwise=1)),
            narrow=bool(whole_attribute(node, "narrow", otherwise=0)),
        )
        low, high, back = kind.lo, kind.hi, zero / factor
    step = np.asarray(np.float32(float(factor)))
    quantiser = Quantiser(step, np.asarray(np.float32(0)), 0, np.array(low), np.array(high), ROUNDINGS[mode])
    made = quantise(builder, node, quantiser, sums, as_codes=True)
    assert isinstance(made, Tensor)
    return replace(made.affine(PerChannel.made(made_scale), PerChannel.made(-made_scale * back)), integer=False)


def _shifted(node: Node, bits: float) -> Fraction:
    """2**bits, the step of the codes that leave in those that enter; its quantiser holds it as a float32."""
    whole = round(bits)
    if abs(whole) > 126:
        raise node.error(f"shifts by {whole} bits", "its two scales are too far apart: at most 126 bits")
    return Fraction(2) ** whole


def _numbers(node: Node, values: tuple[Value | None, ...]) -> list[float]:
    """Scale, zero point, bits that enter, (version 2) the scale that leaves, bits that leave."""
    arrays = [constant_operand(node, values, i, "only constants can set it").array for i in range(1, len(values))]
    if any(array.size != 1 for array in arrays):
        raise node.error("has a parameter per channel", "use one number for the whole tensor")
    numbers = [float(array.reshape(())) for array in arrays]
    if any(not 1 <= width <= 63 or width % 1 for width in (numbers[2], numbers[-1])) or numbers[-2] <= 0:
        raise node.error("has bit widths or an output scale that are not positive", "give 1 to 63 bits, and a scale")
    return numbers


def _reach(builder: Builder, tensor: Tensor) -> tuple[int, int]:
    reached = builder.reached(tensor.layer)
    return int(reached.lo.min()), int(reached.hi.max())

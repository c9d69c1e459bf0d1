# SPDX-License-Identifier: Apache-2.0
"""PyTorch's fake quantisation at exact ties: it multiplies by a rounded reciprocal in float32 where ONNX divides."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.exact.ranges import Ranges
from bitwright.exact.steps import steps
from bitwright.frontend.dialects.quantiser import Coding
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.per_channel import width

HALF = Fraction(1, 2)
HAIR = Fraction(1, 1 << 64)
"""How far above a tie that rounds down the level lies that counts what is above it."""


def round_torch(value: Fraction, scale: Fraction, before: Fraction) -> int:
    """The nearest integer of value = x / scale + before; a tie as x * float32(1 / scale) + before has it in float32.

    An x beyond float32 is none that occurs.
    """
    if value.denominator != 2:
        return round(value)
    with np.errstate(over="ignore"):
        x = np.float32(float((value - before) * scale))
        code = x * (np.float32(1) / np.float32(float(scale))) + np.float32(float(before))
    return int(np.rint(code)) if np.isfinite(code) else round(value)


def as_torch(plain: Requantise, coding: Coding, reached: Ranges) -> Requantise:
    """`plain`, whose ties go to even, or levels in its place where a tie that is `reached` goes elsewhere."""
    first, last = int(min(coding.low.values)), int(max(coding.high.values))
    size = width(coding.scale, coding.before)
    pairs = list(zip(coding.scale.each(size), coding.before.each(size), strict=True))
    rows = {pair: _levels(*pair, first, last) for pair in pairs}
    counted = replace(
        plain,
        rounding=Rounding.LEVELS,
        low=tuple(code - first for code in plain.low),
        high=tuple(code - first for code in plain.high),
        shift=plain.shift + first,
        levels=tuple(rows[pair] for pair in pairs),
    )
    return plain if _agree(plain, counted, reached) else counted


def _levels(scale: Fraction, before: Fraction, first: int, last: int) -> tuple[Fraction, ...]:
    """For each code above `first` the least x / scale + before that rounds to it."""
    ties = ((code, code - HALF) for code in range(first + 1, last + 1))
    return tuple(tie if round_torch(tie, scale, before) >= code else tie + HAIR for code, tie in ties)


def _agree(a: Requantise, b: Requantise, reached: Ranges) -> bool:
    """True if both give the same code for every integer that is reached."""
    one, two = (steps(layer, reached.lo, reached.hi) for layer in (a, b))
    return np.array_equal(one.first, two.first) and np.array_equal(one.t, two.t)

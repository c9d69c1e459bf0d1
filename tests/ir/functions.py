# SPDX-License-Identifier: Apache-2.0
"""What a table means, in the plainest way."""

from __future__ import annotations

from fractions import Fraction

import mpmath

from bitwright.ir.functions import Function, numbers
from bitwright.ir.layers import Rounding


def tabulated(function: Function, rounding: Rounding, value: Fraction) -> int:
    """R(f(value)) with 60 digits, enough for any value that is not an exact tie; ties are rational and stay exact."""
    with mpmath.workdps(60):
        for step in function:
            value = _apply(step.op, list(numbers(step)), value)
    half = Fraction(1, 2)
    match rounding:
        case Rounding.FLOOR:
            return int(value // 1)
        case Rounding.HALF_EVEN:
            return round(value)
        case _:
            return int((abs(value) + half) // 1) * (1 if value >= 0 else -1)


def _apply(name: str, arguments: list[Fraction | None], value: Fraction) -> Fraction:
    first, second = (*arguments, None, None)[:2]
    match name:
        case "affine":
            assert first is not None and second is not None
            return first * value + second
        case "clip":
            value = value if first is None else max(value, first)
            return value if second is None else min(value, second)
        case "leaky_relu":
            assert first is not None
            return value if value >= 0 else first * value
        case _:
            real = mpmath.mpf(value.numerator) / value.denominator
            if name == "tanh":
                return _fraction(mpmath.tanh(real))
            return _fraction(1 / (1 + mpmath.exp(-real)))


def _fraction(real: mpmath.mpf) -> Fraction:
    sign, mantissa, exponent, _ = real._mpf_
    return (-1) ** sign * int(mantissa) * Fraction(2) ** int(exponent)

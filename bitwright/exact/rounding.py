# SPDX-License-Identifier: Apache-2.0
"""R of one exact rational, in integers."""

from __future__ import annotations

from fractions import Fraction

from bitwright.ir.layers import Rounding

BY_SIGN = {
    Rounding.HALF_AWAY: (Rounding.HALF_UP, Rounding.HALF_DOWN),
    Rounding.HALF_ZERO: (Rounding.HALF_DOWN, Rounding.HALF_UP),
    Rounding.TO_ZERO: (Rounding.FLOOR, Rounding.CEIL),
    Rounding.FROM_ZERO: (Rounding.CEIL, Rounding.FLOOR),
}
"""Roundings that are one rule from zero up and its mirror image below zero."""


def round_exact(rounding: Rounding, value: Fraction) -> int:
    """R(value) for every rounding but `LEVELS`, which needs its levels."""
    return round_ratio(rounding, value.numerator, value.denominator)


def round_ratio(rounding: Rounding, n: int, d: int) -> int:
    """R(n/d) for d > 0, for every rounding but `LEVELS`, which needs its levels."""
    match rounding:
        case Rounding.SIGN:
            return 1 if n >= 0 else -1
        case Rounding.HALF_EVEN:
            up, tie = divmod(2 * n + d, 2 * d)
            return up - (up & 1) if tie == 0 else up
        case Rounding.FLOOR:
            return n // d
        case Rounding.HALF_UP:
            return (2 * n + d) // (2 * d)
        case _:
            return _mirrored(rounding, n, d)


def _mirrored(rounding: Rounding, n: int, d: int) -> int:
    """The roundings that follow from R(v) = -R'(-v)."""
    match rounding:
        case Rounding.CEIL:
            return -(-n // d)
        case Rounding.HALF_DOWN:
            return -((d - 2 * n) // (2 * d))
        case _:
            assert rounding in BY_SIGN, f"{rounding} has no rule for one value"
            rising, falling = BY_SIGN[rounding]
            return round_ratio(rising if n >= 0 else falling, n, d)

# SPDX-License-Identifier: Apache-2.0
"""R of one exact rational, in integers."""

from __future__ import annotations

from fractions import Fraction

from bitwright.ir.layers import Rounding


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
        case Rounding.HALF_AWAY:
            return round_ratio(Rounding.HALF_UP if n >= 0 else Rounding.HALF_DOWN, n, d)
        case Rounding.HALF_ZERO:
            return round_ratio(Rounding.HALF_DOWN if n >= 0 else Rounding.HALF_UP, n, d)
        case Rounding.TO_ZERO:
            return round_ratio(Rounding.FLOOR if n >= 0 else Rounding.CEIL, n, d)
        case Rounding.FROM_ZERO:
            return round_ratio(Rounding.CEIL if n >= 0 else Rounding.FLOOR, n, d)
        case _:
            raise AssertionError(f"{rounding} has no rule for one value")

# SPDX-License-Identifier: Apache-2.0
"""R of one exact rational: the slow definition that limits and constants are made with."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from bitwright.ir.layers import Rounding

HALF = Fraction(1, 2)


def round_exact(rounding: Rounding, value: Fraction) -> int:
    """R(value) for every rounding but `LEVELS`, which needs its levels."""
    away = 1 if value >= 0 else -1
    match rounding:
        case Rounding.HALF_EVEN:
            return round(value)
        case Rounding.HALF_AWAY:
            return away * floor(abs(value) + HALF)
        case Rounding.HALF_ZERO:
            return away * ceil(abs(value) - HALF)
        case Rounding.HALF_UP:
            return floor(value + HALF)
        case Rounding.HALF_DOWN:
            return ceil(value - HALF)
        case Rounding.FLOOR:
            return floor(value)
        case Rounding.CEIL:
            return ceil(value)
        case Rounding.TO_ZERO:
            return away * floor(abs(value))
        case Rounding.FROM_ZERO:
            return away * ceil(abs(value))
        case Rounding.SIGN:
            return away
        case _:
            raise AssertionError(f"{rounding} is not a function of one number")

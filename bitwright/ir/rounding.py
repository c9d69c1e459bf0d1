# SPDX-License-Identifier: Apache-2.0
"""How numbers become integers."""

from __future__ import annotations

from enum import StrEnum


class Rounding(StrEnum):
    """R in y = clip(R(v), low, high); the names follow QONNX where it has one (`docs/exactness.md`)."""

    HALF_EVEN = "half_even"
    HALF_AWAY = "half_away"  # QONNX HALF_UP
    HALF_ZERO = "half_zero"  # QONNX HALF_DOWN
    HALF_UP = "half_up"  # ties to +infinity
    HALF_DOWN = "half_down"  # ties to -infinity
    FLOOR = "floor"
    CEIL = "ceil"
    TO_ZERO = "to_zero"  # QONNX DOWN
    FROM_ZERO = "from_zero"  # QONNX UP
    SIGN = "sign"  # codes -1 and +1: R(v) = +1 if v >= 0 else -1
    LEVELS = "levels"  # R(v) = how many of the channel's sorted levels are <= v

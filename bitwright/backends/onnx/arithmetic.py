# SPDX-License-Identifier: Apache-2.0
"""The float arithmetic of a requantiser as a value: what its nodes compute, in exact constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.layers import Rounding

Array = NDArray[Any]
ONE = Fraction(1)
ROUND = {Rounding.FLOOR: np.floor, Rounding.HALF_EVEN: np.rint, Rounding.TO_ZERO: np.trunc}
"""The roundings that ONNX has an operator for."""


class Row(NamedTuple):
    """One channel: v(a) = (factor * a + add) / step."""

    factor: Fraction
    add: Fraction
    step: Fraction


@dataclass(frozen=True, eq=False)
class Line:
    """clip(rint(v) + zero) in float32, v of a leaky ReLU of slope `leak`: what QuantizeLinear does."""

    rows: Sequence[Row]
    zero: int = 0
    leak: Fraction = ONE

    def codes(self, x: Array) -> Array:
        """The codes of numbers (n, channels), before the clip."""
        with np.errstate(all="ignore"):  # constants beyond float32 give codes that are not the meaning's, and no file
            factor, add, step = columns(self.rows, np.float32)
            u = x.astype(np.float32) * factor + add
            return np.asarray(np.rint(np.where(u < 0, u * np.float32(float(self.leak)), u) / step) + self.zero)


@dataclass(frozen=True, eq=False)
class Slope:
    """clip(R(v)) in float64; R is floor, to the nearest (ties to even), or toward zero."""

    rows: Sequence[Row]
    rounding: Rounding = Rounding.FLOOR

    def codes(self, x: Array) -> Array:
        """The codes of numbers (n, channels), before the clip."""
        with np.errstate(all="ignore"):
            factor, add, step = columns(self.rows, np.float64)
            v = (x.astype(np.float64) * factor + add) / step
            return np.asarray(ROUND[self.rounding](v))


def columns(rows: Sequence[Row], kind: type[Any]) -> tuple[Array, Array, Array]:
    """(factor, add, step), one number of each per channel."""
    factor, add, step = (
        np.array([float(value) for value in column]).astype(kind) for column in zip(*rows, strict=True)
    )
    return factor, add, step

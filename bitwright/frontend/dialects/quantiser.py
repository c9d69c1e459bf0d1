# SPDX-License-Identifier: Apache-2.0
"""A quantiser of any dialect, as a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.ir.host_ops import ROUND
from bitwright.ir.layers import Rounding
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import BIPOLAR, IntType
from bitwright.reading.model import Array


@dataclass(frozen=True, eq=False)
class Quantiser:
    """codes = clip(R(x / scale + before), low, high) + after.

    `scale` and `before` are float32 as in the file and broadcast against the tensor; low and high are integers, per
    channel arrays where the width is. With `reciprocal` x is multiplied by float32(1 / scale), as PyTorch does it.
    """

    scale: Array
    before: Array
    after: int
    low: Array
    high: Array
    rounding: Rounding
    reciprocal: bool = False

    @property
    def type(self) -> IntType:
        """The narrowest type of the codes."""
        if self.rounding is Rounding.SIGN:
            return BIPOLAR
        return IntType(int(self.low.min()) + self.after, int(self.high.max()) + self.after)

    @property
    def follows_torch(self) -> bool:
        """True if exact ties go where PyTorch's float32 arithmetic takes them."""
        return self.reciprocal and self.rounding is Rounding.HALF_EVEN

    def codes(self, array: Array) -> Array:
        """The codes of real values, computed in float32 as the source does."""
        with np.errstate(over="ignore"):  # what is beyond float32 is beyond every limit
            x = array.astype(np.float32)
            value = (x * (np.float32(1) / self.scale) if self.reciprocal else x / self.scale) + self.before
        rounded = ROUND[self.rounding](value)
        return np.asarray(rounded.clip(self.low, self.high) + self.after, dtype=np.float64).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Coding:
    """A quantiser per channel of a layer: codes clip(R(x / scale + before), low, high), real scale * (code - zero)."""

    scale: PerChannel
    zero: PerChannel
    before: PerChannel
    low: PerChannel
    high: PerChannel

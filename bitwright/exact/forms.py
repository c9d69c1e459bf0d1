# SPDX-License-Identifier: Apache-2.0
"""How hardware computes a requantiser: the forms of `docs/exactness.md`, as data that every backend prints.

Every array has one row per channel of the layer (never broadcast), so that a backend only has to fold it over its
lanes. A form maps the integer `a` on the input edge to the final code, zero point and bipolar coding included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights

INT64_BITS = 62
"""Products of more bits are computed in Python integers, so that no sum of theirs leaves int64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplyShift:
    """u = m*a + (c << grain);  y = u >> s;  if (u mod 2**s) < window and y - odd is odd: y -= 1;  clip(y, low, high).

    `>>` is floor. m, c, window, low, high: (channels,) int64; `s` is shared; window 0: no tie fix-up in that channel.
    `odd` is 1 when the zero point that was folded into `c` is odd (half-even parity is that of the code before it).
    `m` is negative for a falling channel and 0 for a constant one. `grain` is 0 wherever c fits in int64 without it;
    where `product` does, so does every intermediate value.
    """

    kind: str  # "shift" (every m is a power of two or 0), "shift_even", "mas", "mas_window"
    m: Weights
    c: Weights
    s: int
    window: Weights
    odd: int
    low: Weights
    high: Weights
    product: IntType  # range of u over all channels and reachable a
    grain: int = 0

    @property
    def offsets(self) -> NDArray[Any]:
        """The constants c << grain: int64, or Python integers where they are longer."""
        return self.c.array.astype(object) << self.grain if self.grain else self.c.array

    def apply(self, a: Ints) -> Ints:
        """The codes of the integers `a` (..., channels), in int64."""
        wide = self.product.bits > INT64_BITS
        u = (a.astype(object) if wide else a) * self.m.array + self.offsets
        y = u >> self.s
        if self.window.array.any():
            tie = (u & ((1 << self.s) - 1)) < self.window.array
            y = y - (tie & (((y - self.odd) & 1) == 1))
        return np.asarray(np.clip(y, self.low.array, self.high.array), dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """code = first + step * #{k : b >= t[k]}  with  b = ~a (that is -a - 1) in falling channels, else a.

    t: (channels, steps) int64, ascending in each row; a step that is never reached repeats a value above every b.
    falling: (channels,) 0 or 1; first: (channels,); step is 2 for a bipolar output, else 1.
    """

    kind: str  # "thresholds"
    t: Weights
    falling: Weights
    first: Weights
    step: int

    def apply(self, a: Ints) -> Ints:
        """The codes of the integers `a` (..., channels), in int64."""
        b = np.where(self.falling.array != 0, ~a, a)
        flat = b.reshape(-1, b.shape[-1])
        counts = np.stack(
            [np.searchsorted(row, flat[:, ch], side="right") for ch, row in enumerate(self.t.array)], axis=1
        )
        return self.first.array + self.step * counts.reshape(b.shape).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """code = entries[a - lo]; one table for all channels."""

    kind: str  # "table"
    lo: int
    entries: Weights

    def apply(self, a: Ints) -> Ints:
        """The codes of the integers `a`, in int64."""
        return self.entries.array[a - self.lo]


Form = MultiplyShift | Thresholds | Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """A sum with other factors than its own: only the codes of the requantiser behind it are kept, for every pair.

    One factor per operand; `type` holds every sum. It goes with the `MultiplyShift` of that requantiser and is proved
    with it.
    """

    factors: tuple[tuple[int, ...], ...]
    type: IntType

# SPDX-License-Identifier: Apache-2.0
"""Intervals of integers, one per channel, and their arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

LIMIT = 1 << 62
"""Integers stay below this magnitude, so that they and one more addition fit in int64."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Ranges:
    """The closed interval lo[c]..hi[c] of every channel c of the last axis, in int64."""

    lo: Ints
    hi: Ints

    @property
    def type(self) -> IntType:
        """The narrowest type that holds every channel."""
        return IntType(int(self.lo.min()), int(self.hi.max()))


def bounded(lo: Array, hi: Array, where: str) -> Ranges:
    """lo..hi in int64, from Python integers or int64; BitwrightError if they need more than 63 bits."""
    reach = max(-int(lo.min()), int(hi.max()))
    if reach >= LIMIT:
        raise BitwrightError(
            f"its integers reach {reach:.2e} and need more than 63 bits",
            where=where,
            hint="quantise weights or inputs to fewer bits, or summands to scales that are nearer to each other",
        )
    return Ranges(lo.astype(np.int64), hi.astype(np.int64))


def sum_range(factors: Sequence[Sequence[int]], inputs: Sequence[Ranges], where: str) -> Ranges:
    """The interval of sum over k of factors[k] * x[k], attained when the operands are independent."""
    low = high = np.zeros(len(inputs[0].lo), dtype=object)
    for factor, x in zip(factors, inputs, strict=True):
        ends = [np.array(factor, dtype=object) * bound.astype(object) for bound in (x.lo, x.hi)]
        low, high = low + np.minimum(*ends), high + np.maximum(*ends)
    return bounded(low, high, where)


def product_range(zeros: Sequence[int], inputs: Sequence[Ranges], where: str) -> Ranges:
    """The interval of (x[0] - zeros[0]) * (x[1] - zeros[1]), from its four corners."""
    a, b = ([bound.astype(object) - zero for bound in (x.lo, x.hi)] for x, zero in zip(inputs, zeros, strict=True))
    corners = np.stack([p * q for p in a for q in b])
    return bounded(corners.min(axis=0), corners.max(axis=0), where)


def table_range(entries: Ints, x: Ranges, source: IntType) -> Ranges:
    """The extremes of the entries that each channel's codes reach."""
    reached = [entries[lo - source.lo : hi - source.lo + 1 : source.step] for lo, hi in zip(x.lo, x.hi, strict=True)]
    return Ranges(np.array([row.min() for row in reached]), np.array([row.max() for row in reached]))


def moved_range(indices: Ints, fill: int, x: Ranges, channels: int) -> Ranges:
    """The hull of what lands in each of the new channels: elements `indices` of the old tensor, or `fill` where -1."""
    index = indices.reshape(-1, channels)
    source = index % len(x.lo)
    bounds = [np.where(index < 0, fill, values[source]) for values in (x.lo, x.hi)]
    return Ranges(bounds[0].min(axis=0), bounds[1].max(axis=0))

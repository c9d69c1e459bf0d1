# SPDX-License-Identifier: Apache-2.0
"""Intervals of the layers that join, gather or sum: sums and products of intervals, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from bitwright.ir.layers import Gather, Multiply, Sum, SumPool
from bitwright.ir.weights import Ints


class Interval(Protocol):
    """lo[c]..hi[c] of every channel."""

    @property
    def lo(self) -> Ints: ...

    @property
    def hi(self) -> Ints: ...


def sum_range(layer: Sum, inputs: Sequence[Interval]) -> tuple[Ints, Ints]:
    """The interval of a weighted sum of independent operands; object arithmetic, so that nothing wraps."""
    low = high = np.zeros(layer.channels, dtype=object)
    for factors, x in zip(layer.factors, inputs, strict=True):
        ends = [np.array(factors, dtype=object) * bound.astype(object) for bound in (x.lo, x.hi)]
        low, high = low + np.minimum(*ends), high + np.maximum(*ends)
    return low, high


def product_range(layer: Multiply, inputs: Sequence[Interval]) -> tuple[Ints, Ints]:
    """The interval of (a - za) * (b - zb) from its four corners."""
    a, b = (
        [bound.astype(object) - zero for bound in (x.lo, x.hi)] for x, zero in zip(inputs, layer.zeros, strict=True)
    )
    corners = np.stack([p * q for p in a for q in b])
    return corners.min(axis=0), corners.max(axis=0)


def pool_range(layer: SumPool, x: Interval) -> tuple[Ints, Ints]:
    """The interval of a sum over a window whose padded positions hold `pad_value`: the hull over how many are padded."""
    count = layer.kernel[0] * layer.kernel[1]
    lo, hi = x.lo.astype(object), x.hi.astype(object)
    if any(layer.pads):
        lo, hi = np.minimum(lo, layer.pad_value), np.maximum(hi, layer.pad_value)
    return lo * count, hi * count


def gather_range(layer: Gather, x: Interval, shape: Sequence[int]) -> tuple[Ints, Ints]:
    """The hull of what lands in each channel, `fill` included."""
    index = layer.indices.array.reshape(-1, layer.channels)
    channel = index % shape[-1]
    bounds = []
    for values, pick in ((x.lo, np.min), (x.hi, np.max)):
        bounds.append(pick(np.where(index < 0, layer.fill, values[channel]), axis=0))
    return bounds[0], bounds[1]

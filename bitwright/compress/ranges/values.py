# SPDX-License-Identifier: Apache-2.0
"""What a range is chosen from: the values of a tensor, or what a bounded sample of them tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.scales import Floats
from bitwright.ir.types import IntType

SAMPLE = 1 << 15
"""Values drawn of a tensor."""
TAIL = 512
"""Of how many values drawn one at each end marks the tail, all of which is kept."""


@dataclass(frozen=True)
class Values:
    """What is known of the values to quantise: a sample (rows, n), and the extremes (rows, 1) of all of them.

    Each row gets a scale of its own: one row per tensor, or one per channel. A value of the sample stands for `weight`
    (1, n) values, or all of them for as many, (1, 1).
    """

    sample: Floats
    low: Floats
    high: Floats
    weight: Floats

    @staticmethod
    def of(rows: Floats) -> Values:
        """All of `rows` (rows, n)."""
        low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
        return Values(rows, low, high, np.ones((1, 1), np.float32))

    @staticmethod
    def joined(parts: Sequence[Values]) -> Values:
        """The values of several parts of a tensor, as `drawn` gives them."""
        return Values(
            np.concatenate([part.sample for part in parts], axis=1),
            np.min([part.low for part in parts], axis=0),
            np.max([part.high for part in parts], axis=0),
            np.concatenate([part.weight for part in parts], axis=1),
        )

    def shifted(self, by: float) -> Values:
        """The values of the only row, a number more."""
        moved = np.float32(by)
        made = replace(self, sample=self.sample + moved, low=self.low + moved, high=self.high + moved)
        made.__dict__["sums"] = self.sums.shifted(float(moved))  # in the order that is known
        return made

    def mirrored(self) -> Values:
        """The values of the only row with the other sign."""
        made = replace(self, sample=-self.sample, low=-self.high, high=-self.low)
        made.__dict__["sums"] = self.sums.mirrored()
        return made

    @property
    def mean_magnitude(self) -> NDArray[np.float64]:
        """Of each row."""
        weight = np.broadcast_to(self.weight, self.sample.shape).astype(np.float64)
        return np.asarray(np.average(np.abs(self.sample), axis=1, weights=weight)[:, None])

    def magnitude(self, inside: float) -> Floats:
        """What the magnitudes of this share of each row's values that are not zero do not exceed."""
        sizes = np.abs(self.sample)
        order = sizes.argsort(axis=1)
        sizes = np.take_along_axis(sizes, order, axis=1)
        weight = np.take_along_axis(np.broadcast_to(self.weight, sizes.shape), order, axis=1).astype(np.float64)
        counted = np.cumsum(weight * (sizes > 0), axis=1)
        return np.take_along_axis(sizes, (counted < inside * counted[:, -1:]).sum(axis=1, keepdims=True), axis=1)

    @cached_property
    def sums(self) -> Sums:
        """Those of the only row."""
        order = np.argsort(self.sample[0])
        row = self.sample[0][order]
        weight = np.broadcast_to(self.weight[0].astype(np.float64), row.shape)[order]
        powers = (row.astype(np.float64) ** power for power in range(3))
        return Sums(row, *(np.concatenate([[0.0], np.cumsum(weight * power)]) for power in powers))


class Sums(NamedTuple):
    """A row in rising order, and for every k how many values its first k are, their sum, and that of their squares."""

    row: Floats
    size: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    def shifted(self, by: float) -> Sums:
        """Those of the row, a number more."""
        first = self.first + by * self.size
        return Sums(self.row + np.float32(by), self.size, first, self.second + by * (self.first + first))

    def mirrored(self) -> Sums:
        """Those of the row with the other sign."""
        size, first, second = (sums[-1] - sums[::-1] for sums in self[1:])
        return Sums(-self.row[::-1], size, -first, second)

    def clipped(self, scales: Floats, codes: IntType) -> NDArray[np.float64]:
        """The squared error of what lies outside the codes, for every candidate: the whole is no less."""
        step = scales.astype(np.float64)
        low, high = codes.lo * step, codes.hi * step
        below, above = np.searchsorted(self.row, low), np.searchsorted(self.row, high)
        under = self.second[below] - 2 * low * self.first[below] + self.size[below] * low**2
        count, first, second = (sums[-1] - sums[above] for sums in self[1:])
        return np.asarray(under + second - 2 * high * first + count * high**2)

    def errors(self, scales: Floats, codes: IntType) -> NDArray[np.float64]:
        """The squared error of every candidate, by how many values lie above each step between two codes."""
        step, steps = scales.astype(np.float64), np.arange(codes.lo, codes.hi)
        above = np.searchsorted(self.row, ((steps + 0.5) * step[:, None]).astype(np.float32))
        products = codes.lo * self.first[-1] + (self.first[-1] - self.first[above]).sum(axis=1)
        squares = codes.lo**2 * self.size[-1] + (self.size[-1] - self.size[above]) @ (2 * steps + 1)
        return np.asarray(self.second[-1] - 2 * step * products + step**2 * squares)


def drawn(tensor: Floats, count: int, random: np.random.Generator) -> Values:
    """One row of the values of `tensor`: about `count` drawn, one out of each equal stretch, and all in the tails.

    A fixed distance between those kept would see one column of an image, or one channel; and without the tails, that
    nothing is clipped would be said of many a scale that clips.
    """
    row = tensor.reshape(1, -1)
    whole = Values.of(row)
    if row.size <= count:
        return replace(whole, weight=np.ones(row.shape, np.float32))
    places = (np.arange(count) + random.random(count)) * (row.size / count)
    sample = row[:, np.minimum(places.astype(np.int64), row.size - 1)]
    end = min(count // TAIL, count * count // (4 * row.size))  # of large tensors, as much in the tails as drawn
    under, over = np.partition(sample[0], [end, count - 1 - end])[[end, -1 - end]]
    tails = row[(row < under) | (row > over)][None]
    body = sample[(sample >= under) & (sample <= over)][None]
    weights = np.repeat([1, (row.size - tails.size) / body.size], [tails.size, body.size])
    return replace(whole, sample=np.concatenate([tails, body], axis=1), weight=weights[None].astype(np.float32))

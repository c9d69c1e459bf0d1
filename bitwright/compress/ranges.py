# SPDX-License-Identifier: Apache-2.0
"""How the range of a quantiser is chosen from values: one function per method, by name in `RANGES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType

BLOCK = 1 << 15
"""Values times candidates of which the errors are computed at a time."""
LEVELS = 1 << 10
"""Most codes for which a single row's errors are computed from sums between the steps, and not value by value."""
TOGETHER = 8
"""Candidates whose sums are looked up at a time."""


@dataclass(frozen=True)
class Values:
    """What is known of the values to quantise: a sample (rows, n), and the extremes (rows, 1) of all of them.

    Each row gets a scale of its own: one row per tensor, or one per channel.
    """

    sample: Floats
    low: Floats
    high: Floats

    @staticmethod
    def of(rows: Floats) -> Values:
        """All of `rows` (rows, n)."""
        return Values(rows, rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True))

    @cached_property
    def sums(self) -> Sums:
        """Those of the only row."""
        row = np.sort(self.sample[0])
        first, second = (np.concatenate([[0.0], np.cumsum(row.astype(np.float64) ** power)]) for power in (1, 2))
        return Sums(row, first, second)


class Sums(NamedTuple):
    """A row in rising order, and for every k the sums of its first k values and of their squares."""

    row: Floats
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    def clipped(self, scales: Floats, codes: IntType) -> NDArray[np.float64]:
        """The squared error of what lies outside the codes, for every candidate: the whole is no less."""
        step = scales.astype(np.float64)
        low, high = codes.lo * step, codes.hi * step
        below, above = np.searchsorted(self.row, low), np.searchsorted(self.row, high)
        under = self.second[below] - 2 * low * self.first[below] + below * low**2
        left = len(self.row) - above
        over = self.second[-1] - self.second[above] - 2 * high * (self.first[-1] - self.first[above]) + left * high**2
        return np.asarray(under + over)

    def errors(self, scales: Floats, codes: IntType) -> NDArray[np.float64]:
        """The squared error of every candidate, by how many values lie above each step between two codes."""
        step, steps = scales.astype(np.float64), np.arange(codes.lo, codes.hi)
        above = np.searchsorted(self.row, ((steps + 0.5) * step[:, None]).astype(np.float32))
        size = len(self.row)
        products = codes.lo * self.first[-1] + (self.first[-1] - self.first[above]).sum(axis=1)
        squares = codes.lo**2 * size + (size - above) @ (2 * steps + 1)
        return np.asarray(self.second[-1] - 2 * step * products + step**2 * squares)


RangeMethod = Callable[[Values, IntType, ScaleRule], Floats]
"""(values, codes, allowed scales) -> one scale per row, (rows, 1)."""


def quantisation_errors(values: Values, scales: Floats, codes: IntType) -> NDArray[np.floating]:
    """The squared error of QONNX `Quant` on each row of the sample, for every candidate, all by one factor.

    (candidates, rows, 1) scales give (candidates, rows) errors, infinite where clipping alone costs more than another
    candidate does.
    """
    with np.errstate(all="ignore"):  # numbers beyond float32 have errors beyond it, which are no one's least
        summed = len(values.sample) == 1 and codes.count <= LEVELS
        found = _by_sums(values.sums, scales, codes) if summed else _by_values(values.sample, scales, codes)
    return np.where(np.isnan(found), np.inf, found)


def _by_sums(sums: Sums, scales: Floats, codes: IntType) -> NDArray[np.floating]:
    scales = scales.reshape(-1)
    found, least = np.full(len(scales), np.inf), sums.clipped(scales, codes)
    for first in range(0, len(scales), TOGETHER):
        places = slice(first, first + TOGETHER)
        if not (least[places] > found.min()).all():
            found[places] = sums.errors(scales[places], codes)
    return found[:, None]


def _by_values(rows: Floats, scales: Floats, codes: IntType) -> NDArray[np.floating]:
    size = max(BLOCK // rows.size, 1)
    block = np.empty((min(size, len(scales)), *rows.shape), np.float32)
    found = np.empty((len(scales), len(rows)), np.float32)
    for first in range(0, len(scales), size):
        some = scales[first : first + size]
        error = np.divide(rows, some, out=block[: len(some)])
        np.rint(error, out=error)  # in place throughout: the block stays in the cache, which is where the time goes
        np.clip(error, np.float32(codes.lo), np.float32(codes.hi), out=error)
        np.multiply(error, some, out=error)
        np.subtract(error, rows, out=error)
        np.multiply(error, error, out=error)
        np.sum(error, axis=-1, out=found[first : first + size])  # pairwise, so that float32 is enough
    return found


def max_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The smallest scales at which nothing is clipped."""
    above = values.high / np.float32(codes.hi)
    below = values.low / np.float32(codes.lo) if codes.lo < 0 else np.zeros_like(values.low)
    return rule.cover(np.maximum(np.maximum(above, below), 0))


def mse_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The scales of least mean squared error among those tried, `max_range` being one of them.

    Never worse than any scale in `rule.below(max_range)`; the best of these is refined in its neighbourhood.
    """
    best = max_range(values, codes, rule)
    for candidates in (rule.below, rule.around):
        tried = np.concatenate([best[None], candidates(best)])
        errors = quantisation_errors(values, tried, codes)
        best = np.take_along_axis(tried[:, :, 0], errors.argmin(axis=0)[None], axis=0).T
    return best


RANGES: dict[str, RangeMethod] = {"max": max_range, "mse": mse_range}
"""The methods by their name on the command line."""

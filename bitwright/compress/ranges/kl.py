# SPDX-License-Identifier: Apache-2.0
"""The range that keeps most of what the distribution of the values tells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.ranges.search import max_range, no_worse
from bitwright.compress.ranges.values import Values
from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType

Doubles = NDArray[np.float64]
BINS = 2048
"""Of the histogram of the magnitudes."""
FILLED = 8
"""Values a bin at least, on average: the distribution of fewer is a row of gaps."""


def kl_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The scales at which the histogram of the magnitudes, clipped and merged to the codes, tells most of itself.

    TensorRT's calibration (Migacz: "8-bit inference with TensorRT", GTC 2017; R004): of each row the threshold of least
    Kullback-Leibler divergence. Of values that are not zero; rows too short for a histogram have their largest range,
    and so have those of which that has less error: a few values that make up most of a tensor are told in full alone.
    """
    ends = np.maximum(values.high, -values.low)
    weights = np.broadcast_to(values.weight, values.sample.shape)
    bins = min(BINS, values.sample.shape[1] // FILLED)
    if bins <= codes.hi + 1:
        return max_range(values, codes, rule)
    kept = [
        _threshold(np.histogram(np.abs(row), bins, (0, end), weights=weight * (row != 0))[0], codes.hi + 1) / bins
        for row, weight, end in zip(values.sample, weights, ends[:, 0].clip(1e-30), strict=True)
    ]
    return no_worse(values, codes, rule, ends * np.array(kept)[:, None] / codes.hi)


def _threshold(histogram: Doubles, levels: int) -> int:
    """How many of the first bins to keep; of several thresholds that tell as much the largest.

    No more values than levels, as of data in steps, are told in full by any clipping, and say nothing for it.
    """
    thresholds = np.arange(len(histogram), levels - 1, -1)
    told = divergences(histogram, thresholds, levels)
    told[1:][np.cumsum(histogram > 0)[thresholds[1:] - 1] <= levels] = np.inf
    return int(thresholds[told.argmin()])


def divergences(histogram: Doubles, thresholds: NDArray[np.int64], levels: int) -> Doubles:
    """That of the first bins, the rest added to the last of them, from the same merged to levels, for each threshold.

    A level's mass is spread evenly over those of its bins that hold values; infinite where a level has none, but the
    rest. All from running sums, so that every threshold costs but a look-up a level.
    """
    mass, filled = (np.concatenate([[0.0], np.cumsum(each)]) for each in (histogram, histogram > 0))
    whole, last = mass[-1], thresholds - 1
    rest = whole - mass[thresholds]
    ends = thresholds[:, None] * np.arange(levels + 1) // levels
    merged, bins = np.diff(mass[ends]), np.diff(filled[ends])
    bins[:, -1] += (histogram[last] == 0) & (rest > 0)
    held = merged.copy()
    held[:, -1] += rest
    logs = np.concatenate([[0.0], np.cumsum(_times_log(histogram, histogram))])
    own = logs[last] + _times_log(histogram[last] + rest, histogram[last] + rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(held > 0, held * np.log(merged / np.maximum(bins, 1)), 0).sum(axis=1)
        found = (own - spread) / whole + np.log(mass[thresholds] / whole)
    return np.where(np.isnan(found), np.inf, found)  # of thresholds below which nothing lies


def _times_log(factor: Doubles, of: Doubles) -> Doubles:
    """A product with a logarithm, zero where the factor is."""
    return np.asarray(factor * np.log(np.where(factor > 0, of, 1)))


RANGES = {"kl": kl_range}

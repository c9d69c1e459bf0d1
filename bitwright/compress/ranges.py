# SPDX-License-Identifier: Apache-2.0
"""How the range of a quantiser is chosen from values: one function per method, by name in `RANGES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType

BLOCK = 1 << 15
"""Values times candidates of which the errors are computed at a time."""


@dataclass(frozen=True, slots=True)
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


RangeMethod = Callable[[Values, IntType, ScaleRule], Floats]
"""(values, codes, allowed scales) -> one scale per row, (rows, 1)."""


def quantisation_errors(values: Floats, scales: Floats, codes: IntType) -> Floats:
    """The mean squared error of QONNX `Quant` (float32, half even) on each row of `values`, for every candidate.

    (rows, n) values and (candidates, rows, 1) scales give (candidates, rows) errors.
    """
    size = max(BLOCK // values.size, 1)
    block = np.empty((min(size, len(scales)), *values.shape), np.float32)
    found = np.empty((len(scales), len(values)), np.float32)
    with np.errstate(all="ignore"):  # numbers beyond float32 have errors beyond it, which are no one's least
        for first in range(0, len(scales), size):
            some = scales[first : first + size]
            error = np.divide(values, some, out=block[: len(some)])
            np.rint(error, out=error)  # in place throughout: the block stays in the cache, where the time goes
            np.clip(error, np.float32(codes.lo), np.float32(codes.hi), out=error)
            np.multiply(error, some, out=error)
            np.subtract(error, values, out=error)
            np.multiply(error, error, out=error)
            np.sum(error, axis=-1, out=found[first : first + size])  # pairwise, so that float32 is enough
    return np.where(np.isnan(found), np.float32(np.inf), found / np.float32(values.shape[1]))


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
        errors = quantisation_errors(values.sample, tried, codes)
        best = np.take_along_axis(tried[:, :, 0], errors.argmin(axis=0)[None], axis=0).T
    return best


RANGES: dict[str, RangeMethod] = {"max": max_range, "mse": mse_range}
"""The methods by their name on the command line."""

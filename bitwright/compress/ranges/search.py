# SPDX-License-Identifier: Apache-2.0
"""Ranges from the values themselves: the largest, and the one of least squared error."""

from __future__ import annotations

import numpy as np

from bitwright.compress.ranges.errors import quantisation_errors
from bitwright.compress.ranges.values import Values
from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType


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

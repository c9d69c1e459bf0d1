# SPDX-License-Identifier: Apache-2.0
"""Ranges from the values themselves: the largest, one that few exceed, and the one of least squared error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.ranges.errors import quantisation_errors
from bitwright.compress.ranges.values import Values
from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType

INSIDE = 0.9999
"""The share of the values that are not zero which `percentile_range` does not clip."""


def max_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The smallest scales at which nothing is clipped; by the rule `po2` Ristretto's dynamic fixed point.

    Gysel: "Ristretto: hardware-oriented approximation of convolutional neural networks", arXiv 1605.06402; R006, R008.
    """
    above = values.high / np.float32(codes.hi)
    below = values.low / np.float32(codes.lo) if codes.lo < 0 else np.zeros_like(values.low)
    return rule.cover(np.maximum(np.maximum(above, below), 0))


def no_worse(values: Values, codes: IntType, rule: ScaleRule, wanted: NDArray[np.floating]) -> Floats:
    """The allowed scales nearest to those wanted; `max_range` where its error is less, or nothing is wanted."""
    largest = max_range(values, codes, rule)
    near = np.minimum(rule.near(np.maximum(wanted, 0).astype(np.float32)), largest)
    errors = quantisation_errors(values, np.stack([largest, near]), codes)
    chosen: Floats = np.where((wanted > 0) & (errors[1] <= errors[0])[:, None], near, largest)
    return chosen


def mse_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The scales of least mean squared error among those tried, `max_range` being one of them.

    Sung, Shin, Hwang: "Resiliency of deep neural networks under quantization", arXiv 1511.06488; R001.
    Never worse than any scale in `rule.below(max_range)`; the best of these is refined in its neighbourhood. Of signs
    the best scale is the mean magnitude (Rastegari, Ordonez, Redmon, Farhadi: "XNOR-Net: ImageNet classification using
    binary convolutional neural networks", ECCV 2016, arXiv 1603.05279; R030).
    """
    best = max_range(values, codes, rule)
    if codes.is_bipolar:
        best = no_worse(values, codes, rule, values.mean_magnitude)
    for candidates in (rule.below, rule.around):
        tried = np.concatenate([best[None], candidates(best)])
        errors = quantisation_errors(values, tried, codes)
        best = np.take_along_axis(tried[:, :, 0], errors.argmin(axis=0)[None], axis=0).T
    return best


def percentile_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The scales at which one value in ten thousand is clipped; of shorter rows none.

    McKinstry et al.: "Discovering low-precision networks close to full-precision networks for efficient embedded
    inference", arXiv 1809.04191.
    """
    wanted = rule.near((values.magnitude(INSIDE) / codes.hi).astype(np.float32))
    return np.minimum(wanted, max_range(values, codes, rule))


RANGES = {"max": max_range, "mse": mse_range, "percentile": percentile_range}

# SPDX-License-Identifier: Apache-2.0
"""Ranges in closed form, from two moments of the values that are not zero: zero is a code at every scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.ranges.search import max_range, no_worse
from bitwright.compress.ranges.values import Values
from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType

Doubles = NDArray[np.float64]
LIKELIER = 2 * math.sqrt(math.e / (2 * math.pi))
"""The standard deviation over the mean distance from the centre above which Laplace is the likelier of the two."""
SAWB = {
    1: (2.6, 1.71),
    3: (6.948, 6.291),
    7: (12.035, 12.03),
    15: (16.97, 17.63),
    31: (22.26, 23.71),
    63: (28.24, 30.81),
    127: (32.82, 36.04),
    255: (37.63, 41.75),
}
"""The coefficients of `sawb_range` by the highest code: for 1, 7 and 63 those of IBM's fms-model-optimizer (its 103,
403 and 703), the others by the same fit to the best ranges of the same six distributions."""


def aciq_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The scales at which clipping and rounding a Laplace or Gauss distribution cost least, the likelier of the two.

    ACIQ (Banner, Nahshan, Soudry: "Post training 4-bit quantization of convolutional networks for
    rapid-deployment", NeurIPS 2019, arXiv 1810.05723; R002). After a Relu the values are one half of a distribution
    around zero, and each code is worth two. Where `max_range` has less error on the values it is taken.
    """
    share = _share(values)
    centre = (share * values.sample).sum(axis=1, keepdims=True) if codes.signed else np.zeros_like(values.low)
    away = values.sample - centre
    spread = np.sqrt((share * away**2).sum(axis=1, keepdims=True))
    mean = (share * np.abs(away)).sum(axis=1, keepdims=True)
    levels = codes.count if codes.signed else 2 * codes.count
    laplace, gauss = mean * laplace_optimum(levels), spread * gauss_optimum(levels)
    clipping = np.abs(centre) + np.where(spread > LIKELIER * mean, laplace, gauss)
    return no_worse(values, codes, rule, clipping / (codes.hi + 0.5))  # the end of the last code's cell


def sawb_range(values: Values, codes: IntType, rule: ScaleRule) -> Floats:
    """The scales from the root mean square and the mean magnitude, by a line fitted to the best of six distributions.

    SAWB (Choi, Venkataramani, Srinivasan, Gopalakrishnan, Wang, Chuang: "Accurate and efficient 2-bit quantized neural
    networks", SysML 2019; R003). Unsigned codes are those of the mirrored values. Where `max_range` has less error on
    the values, and beyond nine bits, it is taken.
    """
    if codes.hi not in SAWB:
        return max_range(values, codes, rule)
    first, second = SAWB[codes.hi]
    share = _share(values)
    root = np.sqrt((share * values.sample.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    mean = (share * np.abs(values.sample)).sum(axis=1, keepdims=True)
    return no_worse(values, codes, rule, (first * root - second * mean) / codes.hi)


@lru_cache
def laplace_optimum(levels: int) -> float:
    """The best clipping of a Laplace distribution of mean distance 1 to so many levels: W(3 levels^2), Lambert's W."""
    return _root(lambda a: a * math.exp(min(a, 100)) - 3 * levels**2)


@lru_cache
def gauss_optimum(levels: int) -> float:
    """The best clipping of a standard normal distribution to so many levels: where the error's derivative is zero."""
    step = 1 / (3 * levels**2)
    return _root(lambda a: a * (math.erfc(a / math.sqrt(2)) + step) - math.sqrt(2 / math.pi) * math.exp(-(a**2) / 2))


def _root(rising: Callable[[float], float]) -> float:
    """Where a function that rises through zero between 0 and 64 does so."""
    low, high = 0.0, 64.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def _share(values: Values) -> Doubles:
    """What each value of the sample weighs in the mean of the row's values that are not zero."""
    weight = values.weight * (values.sample != 0).astype(np.float64)
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-30))


RANGES = {"aciq": aciq_range, "sawb": sawb_range}

# SPDX-License-Identifier: Apache-2.0
"""What a requantiser means, in exact integers: v(a) = (p*a + q)/d per channel, then R, clip and shift."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from bitwright.exact.rounding import round_ratio
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.per_channel import spread, width
from bitwright.ir.weights import Ints


class Affine(NamedTuple):
    """v(a) = (p*a + q)/d of one channel, in Python integers with d > 0."""

    p: int
    q: int
    d: int


class Levels(NamedTuple):
    """Ascending rationals nums[k]/den of one channel, in Python integers with den > 0."""

    nums: tuple[int, ...]
    den: int


def affines(layer: Requantise) -> list[Affine]:
    """One `Affine` per channel of `layer`."""
    pairs = zip(layer.multiplier.each(layer.channels), layer.offset.each(layer.channels), strict=True)
    return [_affine(m, b) for m, b in pairs]


def leaking(layer: Requantise, lines: Sequence[Affine]) -> list[Affine]:
    """`lines` times the slope of each channel: what v is where it is negative."""
    pairs = zip(lines, layer.slope.each(layer.channels), strict=True)
    return [Affine(p * s.numerator, q * s.numerator, d * s.denominator) for (p, q, d), s in pairs]


def levels(layer: Requantise) -> list[Levels]:
    """One `Levels` per channel of `layer`, whose rounding is `Rounding.LEVELS`, for v before its slope."""
    if not layer.slope:
        return list(spread(tuple(map(_levels, layer.levels)), layer.channels))
    size = width(layer.levels, layer.slope)
    rows = zip(spread(layer.levels, size), layer.slope.each(size), strict=True)
    found = tuple(_levels([level / slope if level < 0 else level for level in row]) for row, slope in rows)
    return list(spread(found, layer.channels))


def limits(layer: Requantise) -> tuple[Ints, Ints]:
    """(lowest, highest) final code of each channel, shift included; a count of levels has limits of its own."""
    low = np.array(spread(layer.low, layer.channels), dtype=np.int64)
    high = np.array(spread(layer.high, layer.channels), dtype=np.int64)
    if layer.rounding is Rounding.LEVELS:
        low, high = np.maximum(low, 0), np.minimum(high, len(layer.levels[0]))
    return low + layer.shift, high + layer.shift


def evaluate(layer: Requantise, a: Ints, lines: Sequence[Affine] | None = None) -> Ints:
    """The final codes y(a[c]) of channel c, shift included; `a` and the result are (channels,), `lines` its affines."""
    rows = zip(a.tolist(), lines or affines(layer), strict=True)
    values = [(p * x + q, d) for x, (p, q, d) in rows]
    if layer.rounding is Rounding.LEVELS:
        counted = zip(values, levels(layer), strict=True)
        rounded = [bisect_right(row.nums, n * row.den // d) for (n, d), row in counted]
    else:
        rounded = [round_ratio(layer.rounding, n, d) for n, d in _leaked(layer, values)]
    low, high = spread(layer.low, layer.channels), spread(layer.high, layer.channels)
    codes = [min(max(r, lo), hi) + layer.shift for r, lo, hi in zip(rounded, low, high, strict=True)]
    return np.array(codes, dtype=np.int64)


def _leaked(layer: Requantise, values: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The fractions n/d of each channel, times its slope where they are negative."""
    if not layer.slope:
        return values
    pairs = zip(values, layer.slope.each(layer.channels), strict=True)
    return [(n * s.numerator, d * s.denominator) if n < 0 else (n, d) for (n, d), s in pairs]


def _affine(multiplier: Fraction, offset: Fraction) -> Affine:
    d = lcm(multiplier.denominator, offset.denominator)
    return Affine(multiplier.numerator * (d // multiplier.denominator), offset.numerator * (d // offset.denominator), d)


def _levels(row: Sequence[Fraction]) -> Levels:
    den = lcm(*(level.denominator for level in row))
    return Levels(tuple(level.numerator * (den // level.denominator) for level in row), den)

# SPDX-License-Identifier: Apache-2.0
"""The squared error of a quantiser on values, for many scales at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.ranges.values import Sums, Values
from bitwright.compress.scales import Floats
from bitwright.ir.types import IntType

BLOCK = 1 << 15
"""Values times candidates of which the errors are computed at a time."""
LEVELS = 1 << 10
"""Most codes for which a single row's errors are computed from sums between the steps, and not value by value."""
TOGETHER = 8
"""Candidates whose sums are looked up at a time."""


def quantisation_errors(values: Values, scales: Floats, codes: IntType) -> NDArray[np.floating]:
    """The squared error of QONNX `Quant` on each row of the sample, for every candidate, all by one factor.

    (candidates, rows, 1) scales give (candidates, rows) errors, infinite where clipping alone costs more than another
    candidate does.
    """
    if codes.is_bipolar:
        return _of_signs(values, scales)
    with np.errstate(all="ignore"):  # numbers beyond float32 have errors beyond it, which are no one's least
        summed = len(values.sample) == 1 and codes.count <= LEVELS
        found = _by_sums(values.sums, scales, codes) if summed else _by_values(values, scales, codes)
    return np.where(np.isnan(found), np.inf, found)


def _of_signs(values: Values, scales: Floats) -> NDArray[np.floating]:
    """By the distance of each magnitude from the scale, from two moments."""
    sizes = np.abs(values.sample).astype(np.float64)
    weight = np.broadcast_to(values.weight, sizes.shape).astype(np.float64)
    first, second = (weight * sizes).sum(axis=1), (weight * sizes**2).sum(axis=1)
    each = scales[:, :, 0].astype(np.float64)
    return np.asarray(second - 2 * each * first + each**2 * weight.sum(axis=1))


def _by_sums(sums: Sums, scales: Floats, codes: IntType) -> NDArray[np.floating]:
    scales = scales.reshape(-1)
    found, least = np.full(len(scales), np.inf), sums.clipped(scales, codes)
    for first in range(0, len(scales), TOGETHER):
        places = slice(first, first + TOGETHER)
        if not (least[places] > found.min()).all():
            found[places] = sums.errors(scales[places], codes)
    return found[:, None]


def _by_values(values: Values, scales: Floats, codes: IntType) -> NDArray[np.floating]:
    rows = values.sample
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
        if values.weight.size > 1:
            np.multiply(error, values.weight, out=error)
        np.sum(error, axis=-1, out=found[first : first + size])  # pairwise, so that float32 is enough
    return found

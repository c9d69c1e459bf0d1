# SPDX-License-Identifier: Apache-2.0
"""Which scales a quantiser may have: any float32 (`free`), or powers of two (`po2`), which cost hardware a shift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ScaleRule:
    """`cover(s)`: the smallest allowed scales that are at least `s`, or their float32 rounding; 1 where `s` is 0.

    `near(s)`: the allowed scales whose ratio to `s` is nearest to 1; 1 where `s` is 0. `below(s)`: allowed scales to
    try, each at most the covering `s`, the first being `s` itself. `around(s)`: a finer choice next to `s`. All map
    (rows, 1) scales; the last two add a leading axis of candidates. `between(low, high)`: a few allowed scales from the
    lower to the higher one, both among them, arrays of any one shape.
    """

    cover: Callable[[Floats], Floats]
    near: Callable[[Floats], Floats]
    below: Callable[[Floats], Floats]
    around: Callable[[Floats], Floats]
    between: Callable[[Floats, Floats], Sequence[Floats]]


def _cover_free(scales: Floats) -> Floats:
    covering: Floats = np.where(scales > 0, scales, np.float32(1))
    return covering


def _cover_po2(scales: Floats) -> Floats:
    mantissa, exponent = np.frexp(_cover_free(scales))
    covering: Floats = np.ldexp(np.float32(1), exponent - (mantissa == 0.5))
    return covering


def _near_po2(scales: Floats) -> Floats:
    mantissa, exponent = np.frexp(_cover_free(scales))
    nearest: Floats = np.ldexp(np.float32(1), exponent - (mantissa < np.sqrt(0.5)))
    return nearest


def _times(factors: NDArray[np.floating]) -> Callable[[Floats], Floats]:
    return lambda scales: (factors[:, None, None] * scales).astype(np.float32)


def _between_free(low: Floats, high: Floats) -> Sequence[Floats]:
    return low, *((low * (high.astype(np.float64) / low) ** share).astype(np.float32) for share in (1 / 3, 2 / 3)), high


def _between_po2(low: Floats, high: Floats) -> Sequence[Floats]:
    return low, np.minimum(2 * low, high), np.minimum(4 * low, high), high


SCALES: dict[str, ScaleRule] = {
    "free": ScaleRule(
        _cover_free,
        _cover_free,
        _times(np.geomspace(1, 1 / 32, 64)),
        _times(np.geomspace(0.95, 1.05, 15)),
        _between_free,
    ),
    "po2": ScaleRule(_cover_po2, _near_po2, _times(2.0 ** -np.arange(6)), _times(np.ones(1)), _between_po2),
}
"""The scale rules by their name on the command line."""

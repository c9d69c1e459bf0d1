# SPDX-License-Identifier: Apache-2.0
"""What zeros leave of a vector at given lanes, counted without building a schedule or an index, and remembered.

`beat`: the channels in a beat of a parallel window, 0 without one: what the order of the columns depends on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bitwright.hardware.kernels.select import GROUPS, selection
from bitwright.hardware.lanes import in_lanes, is_parallel
from bitwright.hardware.schedule import Zeros, matrix_of, nonzero_blocks, vector_words
from bitwright.ir.layers import Conv, Matrix
from bitwright.ir.weights import NofM, Weights


def beat_of(layer: Matrix, in_channels: int, simd: int) -> int:
    """The channels in a beat of a parallel window, 0 without one."""
    parallel = isinstance(layer, Conv) and is_parallel(layer, in_channels, simd)
    return in_lanes(layer, in_channels, 1, simd) if parallel else 0


@lru_cache(maxsize=4096)
def density(weights: Weights, beat: int, simd: int) -> float:
    """The share of the 1 x SIMD blocks that have a weight which is not zero."""
    return float(_blocks(weights, beat, simd).mean())


@lru_cache(maxsize=16384)
def words(weights: Weights, beat: int, pe: int, simd: int, zeros: Zeros, *, movable: bool) -> int:
    """The words of the schedule of a vector, its rows in their own order or in a better one."""
    return vector_words(_blocks(weights, beat, simd), pe, zeros, movable=movable)


@lru_cache(maxsize=4096)
def pattern(weights: Weights, beat: int, simd: int) -> NofM | None:
    """The n of m neighbours with which a unit of `simd` would select, None if there is nothing to select."""
    widest = max((group for group in GROUPS if simd % group == 0), default=0)
    if not widest or _full(weights, beat, widest):
        return None
    return selection(matrix_of(weights.array, beat), simd)


@lru_cache(maxsize=1)
def _blocks(weights: Weights, beat: int, simd: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return nonzero_blocks(matrix_of(weights.array, beat), simd)


@lru_cache(maxsize=4096)
def _full(weights: Weights, beat: int, group: int) -> bool:
    """Whether some `group` neighbours have no zero: nor then have some of any smaller number that divides it."""
    return bool((matrix_of(weights.array, beat) != 0).reshape(-1, group).all(axis=1).any())

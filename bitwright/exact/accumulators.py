# SPDX-License-Identifier: Apache-2.0
"""How far sums of products reach: exact intervals of dense and convolution layers, padding included."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.intervals import LIMIT, Ranges, bounded
from bitwright.ir.weights import Ints
from bitwright.ir.window import Pair, Window


def accumulator_range(
    weights: Ints,
    x: Ranges,
    *,
    groups: int = 1,
    window: Window | None = None,
    pad_value: int = 0,
    size: Pair = (1, 1),
    where: str = "accumulator",
) -> Ranges:
    """The interval of every output channel of a dense (outputs, inputs) or convolution layer over inputs in `x`.

    Weights of a convolution are (outputs, kernel h, kernel w, inputs / groups), the other arguments those of `Conv`;
    `size` is its input's (height, width). The result is the union over the border classes, the sets of kernel positions
    that lie on the image. Both ends are attained when the inputs are independent. BitwrightError beyond 63 bits.
    """
    kernel = weights if weights.ndim == 4 else weights[:, None, None, :]
    outputs, height, width, depth = kernel.shape
    low, high = int(min(x.lo.min(), pad_value)), int(max(x.hi.max(), pad_value))
    worst = max(abs(low), abs(high)) * int(np.abs(kernel).max()) * height * width * depth
    number = np.int64 if 4 * worst < LIMIT else object
    rows = kernel.reshape(groups, -1, depth).astype(number, copy=False)
    inside = matrix_range(rows, x.lo.reshape(groups, depth), x.hi.reshape(groups, depth))
    shape = (outputs, height * width)
    outside = rows.sum(axis=-1).reshape(shape) * pad_value
    covered = border_classes(window or Window((1, 1)), size)
    fixed = outside.sum(axis=1, keepdims=True)
    lo = (fixed + (inside.lo.reshape(shape) - outside) @ covered).min(axis=1)
    hi = (fixed + (inside.hi.reshape(shape) - outside) @ covered).max(axis=1)
    return bounded(lo, hi, where)


def matrix_range(matrix: NDArray[Any], lo: Ints, hi: Ints) -> Ranges:
    """The exact interval of matrix @ x for independent x in lo..hi: (..., rows) from (..., rows, cols) and (..., cols).

    sum of min and max of (w*lo, w*hi)  =  (w @ (lo + hi) -+ |w| @ (hi - lo)) / 2;  the dtype is the matrix's.
    """
    centre = (matrix @ (lo + hi)[..., None])[..., 0]
    spread = (np.abs(matrix) @ (hi - lo)[..., None])[..., 0]
    return Ranges((centre - spread) // 2, (centre + spread) // 2)


@lru_cache(maxsize=256)
def border_classes(window: Window, size: Pair) -> Ints:
    """(kernel positions, classes): 1 where the position lies on the image, one column per distinct window."""
    counts = window.out(size)
    axes = [_covered(window.taps(axis, counts[axis]), size[axis]) for axis in (0, 1)]
    found = np.array([np.outer(row, column).ravel() for row in axes[0] for column in axes[1]], dtype=np.int64).T
    found.flags.writeable = False
    return found


def _covered(taps: Ints, size: int) -> list[tuple[bool, ...]]:
    """Along one axis: the distinct tuples that say which taps lie inside 0..size-1."""
    return sorted(set(map(tuple, ((taps >= 0) & (taps < size)).tolist())))

# SPDX-License-Identifier: Apache-2.0
"""float32 matrix products, summed as the kernels of the frameworks sum on a CPU.

Every order of summation is right within the audit's bounds. This one, that of onnxruntime's kernels on x86, lands on
the same side of a step as most golden outputs did, which spares a search.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BLOCK = COLUMNS = 128
"""Terms that are summed before they are added to the result, and columns at a time; fewer columns lengthen the sum."""
THREADED = 1 << 17
"""Multiplications from which two threads share the columns."""


def product(a: Array, b: Array, start: Array | None = None) -> Array:
    """`start` + a @ b for a (..., M, K) and b (..., K, N), float32 throughout."""
    if a.shape[-2] == 1:
        total = _row(a, b)
        return total if start is None else start + total
    size = _block(a.shape[-2], b.shape[-2], b.shape[-1])
    result = start
    for first in range(0, b.shape[-2], size):
        part = _fused(a[..., first : first + size], b[..., first : first + size, :])
        result = part if result is None else result + part
    assert result is not None
    return result


def _block(rows: int, terms: int, columns: int) -> int:
    """How many terms of a sum are added up before they reach the result."""
    block, width = BLOCK, COLUMNS
    if rows * terms * columns >= THREADED:
        columns = -(-columns // 2)
    while columns < terms and width > 16 and width // 2 >= columns:
        block, width = 2 * block, width // 2
    return block


def _fused(a: Array, b: Array) -> Array:
    """A @ b, one term after the other, multiplied and added with one rounding (float64 holds a product exactly)."""
    left, right = a.astype(np.float64), b.astype(np.float64)
    total = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), dtype=np.float32)
    for k in range(b.shape[-2]):
        total = (total + left[..., k, None] * right[..., k, None, :]).astype(np.float32)
    return total


def _row(a: Array, b: Array) -> Array:
    """A @ b for a single row: every product is rounded, four are added up, then they join the sum."""
    total = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), 1, b.shape[-1]), dtype=np.float32)

    def term(k: int) -> Array:
        return np.asarray(a[..., k, None] * b[..., k, None, :])

    count = b.shape[-2]
    for k in range(0, count - 3, 4):
        total = total + (((term(k) + term(k + 1)) + term(k + 2)) + term(k + 3))
    for k in range(count - count % 4, count):
        total = total + term(k)
    return total

# SPDX-License-Identifier: Apache-2.0
"""The golden outputs of another tool beside ours: which elements are equal, up to the noise of a dequantisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
RTOL, ATOL = 2e-5, 2e-6
"""Noise of a float32 dequantisation: relative, and relative to the largest output; far below a quantiser's step."""
NO_CODES = ("top_k", "arg_max")
"""Host steps whose integers are places, not codes."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Every output of every sample in one row, and how far ours may be from it.

    `coded` marks integer codes, `outputs` are the places of each output in the row.
    """

    values: Array
    tolerance: Array
    coded: NDArray[np.bool_]
    outputs: tuple[slice, ...]

    def unequal(self, ours: Array, samples: slice) -> NDArray[np.bool_]:
        """Where rows of ours differ from those of `samples`."""
        theirs, tolerance = self.values[samples], self.tolerance[samples]
        return np.asarray((ours != theirs) & ~(np.abs(ours - theirs) <= tolerance))

    def max_steps(self, ours: Array) -> int | None:
        """The largest difference in codes; None if the model gives none."""
        if not self.coded.any():
            return None
        return int(np.max(np.abs(ours - self.values)[:, self.coded], initial=0))


def _check_shape(mine: Array, wanted: Array, samples: int) -> None:
    """Rows that a sample holds may lie on axis 0, as the model has them, or behind it."""
    if mine.size != wanted.size or wanted.shape[:1] not in (mine.shape[:1], (samples,)):
        raise BitwrightError(
            f"have shape {wanted.shape}, the model gives {mine.shape}",
            where="outputs",
            hint="stack the samples on axis 0",
        )


def golden(ours: Sequence[Array], theirs: Sequence[Array], samples: int, coded: bool = True) -> Golden:
    """Their arrays of so many samples, checked in number and size; `coded`: integer outputs hold codes."""
    if len(ours) != len(theirs):
        raise BitwrightError(
            f"holds {len(theirs)} outputs, the model has {len(ours)}",
            where="outputs",
            hint="save outputs, outputs_1, ... in the model's order",
        )
    values, tolerances, codes = [], [], []
    for mine, wanted in zip(ours, theirs, strict=True):
        _check_shape(mine, wanted, samples)
        exact = mine.dtype.kind in "iub" or wanted.dtype.kind in "iub"
        values.append(row(wanted, samples))
        sizes = np.where(np.isfinite(values[-1]), np.abs(values[-1]), 0)
        largest = float(np.max(sizes, initial=0)) or 1.0
        tolerances.append(np.zeros(sizes.shape) if exact else RTOL * sizes + ATOL * largest)
        codes.append(np.full(values[-1].shape[1], exact and coded))
    ends = np.cumsum([len(mask) for mask in codes]).tolist()
    places = tuple(slice(end - len(mask), end) for end, mask in zip(ends, codes, strict=True))
    return Golden(np.concatenate(values, axis=1), np.concatenate(tolerances, axis=1), np.concatenate(codes), places)


def row(array: Array, count: int) -> Array:
    """One row of float64 per sample."""
    return array.reshape(count, -1).astype(np.float64)


def rows(arrays: Sequence[Array], count: int) -> Array:
    """All outputs side by side, one row per sample."""
    return np.concatenate([row(array, count) for array in arrays], axis=1)

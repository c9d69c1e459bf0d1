# SPDX-License-Identifier: Apache-2.0
"""Which codes make a layer's outputs least wrong: one value for rounding, and for pruning with compensation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.round.squares import Squares, near
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
Codes = NDArray[np.int32]
DAMPING = 0.05
"""Of the mean of the diagonal, added to the diagonal, and as much as there are terms for each column: what was seen
rarely, or never, stays as it is."""
SINGLE = 2000
"""Terms beyond which matrices of terms are float32."""
MEMORY = 4 << 30
"""Bytes that the matrices of terms of one layer may take."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A layer's weight, what the quantised network gives it, and what it should make of that.

    `weight` is (groups, outputs, terms), `inputs` (groups, terms, n), `outputs` (groups, outputs, n). A code times
    `scale` is a weight, a code at least `low` and at most `high`; they and `mask` broadcast against the weight.
    Codes are 0 where the mask is False, and with `signs` none other is: they are -1 and 1. Behind the layer
    `offset` (groups, outputs, 1) is added, and what is below zero is dropped if it is `rectified`. `where` names
    the layer.
    """

    weight: Array
    inputs: Array
    outputs: Array
    scale: Array
    low: Array
    high: Array
    mask: Array
    offset: Array
    rectified: bool = False
    signs: bool = False
    where: str = "layer"

    def codes(self, weights: Array) -> Codes:
        """The nearest codes of any weights."""
        found = near(weights / self.scale, self.low, self.high, self.signs)
        return np.asarray(found * self.mask, dtype=np.int32)

    def behind(self, outputs: Array) -> Array:
        """What the layer's reader gets of products."""
        shifted = outputs + self.offset
        return np.maximum(shifted, 0) if self.rectified else shifted

    @property
    def terms(self) -> int:
        """How many terms each output adds up."""
        return int(self.weight.shape[2])

    @cached_property
    def squares(self) -> Squares:
        """What least squares needs of it; float32 beyond `SINGLE` terms, else float64."""
        single = self.terms > SINGLE
        needed = len(self.weight) * self.terms**2 * 4 * (2 if single else 4)
        if needed > MEMORY:
            raise BitwrightError(
                f"adds up {self.terms} terms: matrices of them take {needed / 2**30:.1f} GiB",
                where=self.where,
                hint="give this layer rounding 'nearest', which needs none",
            )
        kind = np.float32 if single else np.float64
        turned = self.inputs.swapaxes(1, 2)
        hessian: Array = np.asarray(self.inputs @ turned, dtype=kind)
        aim = np.asarray(self.outputs @ turned, dtype=kind)
        mean = np.einsum("gkk->g", hessian) / self.terms
        share = DAMPING + self.terms / self.inputs.shape[2]
        damping = np.where(mean > 0, share * mean, 1)[:, None, None].astype(kind)
        weight, scale, low, high = (
            np.broadcast_to(array, self.weight.shape).astype(kind)
            for array in (self.weight, self.scale, self.low, self.high)
        )
        mask = np.broadcast_to(self.mask, self.weight.shape)
        return Squares(weight, hessian, aim, damping, scale, low, high, mask, self.signs)

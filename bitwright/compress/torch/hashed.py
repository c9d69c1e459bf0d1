# SPDX-License-Identifier: Apache-2.0
"""Weights that share few numbers by a hash of their place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwright.compress.torch.levels import or_one
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import grad_scale, positive, round_ste
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType

Array = NDArray[Any]
SHARE = 8
"""Weights to a number that they share."""
PRIME, ODD, SIGN = 2654435761, 40503, 2246822519
"""Multipliers of the hash: those of Knuth and of xxHash."""


class Hashed(Quantiser):
    """Uniform codes of numbers that eight weights each share, which ones and with which sign a hash of the place says.

    HashedNets (Chen, Wilson, Tyree, Weinberger, Chen: "Compressing neural networks with the hashing trick", ICML 2015,
    arXiv 1504.04788; R042). A number is the mean of its weights with their signs, so that its slope is the sum of
    theirs; no index is stored. The scale is learnt.
    """

    bucket: Tensor
    sign: Tensor

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        if type.is_bipolar:
            raise BitwrightError("has no signs", where="quantiser 'hashed'", hint="give it 2 bits or more")
        super().__init__(type)
        self.count = max(1, x.numel() // SHARE)
        bucket, sign = places(x.shape[0], x.shape[1], self.count)
        self.register_buffer("bucket", torch.from_numpy(bucket))
        self.register_buffer("sign", torch.from_numpy(sign))
        largest = self.numbers(x.detach()).abs().max()
        self.scale = nn.Parameter(or_one(largest.reshape(1, 1)) / type.hi)
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes of the numbers that are shared."""
        (kind,) = self.types
        scale = grad_scale(positive(self.scale, po2=self.po2), (x.numel() * kind.hi) ** -0.5)
        value = (self.numbers(x)[self.bucket] * self.sign).reshape(x.shape) / scale
        return (Basis(round_ste(value.clamp(kind.lo, kind.hi)), scale),)

    def numbers(self, x: Tensor) -> Tensor:
        """What is shared: the mean of each bucket's weights with their signs; 0 of none."""
        sums = torch.zeros(self.count, dtype=x.dtype).index_add(0, self.bucket, x.flatten() * self.sign)
        held = torch.bincount(self.bucket, minlength=self.count).clamp_min(1)
        return sums / held


def places(rows: int, terms: int, count: int) -> tuple[Array, Array]:
    """The bucket and the sign of each weight, row by row: 32-bit arithmetic that any language has."""
    at = np.arange(rows, dtype=np.uint64)[:, None] * np.uint64(ODD) + np.arange(terms, dtype=np.uint64)
    made = [mixed(at, factor) for factor in (PRIME, SIGN)]
    return (made[0] % np.uint64(count)).astype(np.int64).ravel(), (
        1 - 2 * (made[1] >> np.uint64(31)).astype(np.float32)
    ).ravel()


def mixed(at: Array, factor: int) -> Array:
    """Numbers of 32 bits that look drawn."""
    held = (at * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    held ^= held >> np.uint64(15)
    held = (held * np.uint64(ODD | 1)) & np.uint64(0xFFFFFFFF)
    return np.asarray(held ^ (held >> np.uint64(13)))


QUANTISERS = {"hashed": Hashed}

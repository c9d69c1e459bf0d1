# SPDX-License-Identifier: Apache-2.0
"""The depthwise unit: every channel times its own kernels."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.kernels.base import Kernel, Memory
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Depthwise(Kernel):
    """Depthwise unit: every channel times its own `multiplier` kernels, `lanes` channels and `simd` positions a beat.

    Input beats: (vectors, blocks, fold), each `simd` kernel positions of the same `lanes` channels, one position after
    the other; after the `fold` beats of a block one beat of `pe` accumulators leaves, those of a channel together.
    """

    vectors: int
    blocks: int
    fold: int
    lanes: int
    multiplier: int
    simd: int
    weights: Weights  # (blocks * fold, pe, simd): the words in the order of use
    weight_type: IntType
    x_type: IntType
    acc_type: IntType
    memory: Memory

    @property
    def pe(self) -> int:
        """Accumulators."""
        return self.lanes * self.multiplier


def depthwise_words(kernels: Ints, lanes: int, multiplier: int, simd: int) -> Weights:
    """`kernels` (channels * multiplier, positions) as words (blocks * fold, pe, simd) in the order of use."""
    total, positions = kernels.shape
    pe = lanes * multiplier
    tiles = kernels.reshape(total // pe, pe, positions // simd, simd).transpose(0, 2, 1, 3)
    return Weights(tiles.reshape(-1, pe, simd))

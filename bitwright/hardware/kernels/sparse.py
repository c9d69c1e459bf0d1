# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit that skips zeros, as a kernel: `docs/sparsity.md`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.hardware.arithmetic import Packing, Style, packing
from bitwright.hardware.kernels.base import Kernel, Memory
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseMatrixVector(Kernel):
    """Matrix-vector unit that follows a schedule: `vectors` times W x, W of (rows, cols), `pe` x `simd` multipliers.

    Per vector: `col_fold` input beats of `simd` elements fill one of two buffers while the vector before, in the other
    one, is used; after each row fold one beat of `pe` accumulators leaves. Each of `ports` ports reads a beat for its
    `lanes` neighbouring accumulators.
    """

    vectors: int
    rows: int
    cols: int
    pe: int
    simd: int
    lanes: int
    weights: Weights  # (words, pe, simd): the words of one vector in the order of use
    beats: Weights  # (words, ports): the beat that each port reads
    ends: Weights  # (row_fold,): the last word of each row fold
    weight_type: IntType
    x_type: IntType
    acc_type: IntType
    memory: Memory
    style: Style

    @property
    def products(self) -> int:
        """Multipliers of a PE."""
        return self.simd

    @property
    def packing(self) -> Packing:
        """How the style "dsp" shares multipliers among the accumulators of a port."""
        return packing(self.weight_type, self.x_type, self.lanes)

    @property
    def row_fold(self) -> int:
        """Row folds per vector."""
        return self.rows // self.pe

    @property
    def col_fold(self) -> int:
        """Beats of a vector."""
        return self.cols // self.simd

    @property
    def ports(self) -> int:
        """Beats read per clock."""
        return self.pe // self.lanes

    @property
    def words(self) -> int:
        """Words of the schedule."""
        return len(self.beats.array)

    @property
    def share(self) -> float:
        """Its clocks as a share of those of a unit of as many multipliers that skips nothing."""
        return max(self.words, self.col_fold) / (self.row_fold * self.col_fold)

    def most_ends(self, clocks: int) -> int:
        """The most row folds that end within so many clocks in a row, vector after vector."""
        ends, period = self.ends.array, max(self.words, self.col_fold)
        later = (ends + np.arange(clocks // period + 2)[:, None] * period).reshape(-1)
        return int((np.searchsorted(later, ends + clocks) - np.arange(len(ends))).max())


def dense_share(kernel: Kernel) -> float | None:
    """What a unit does of the work of a dense one: of its clocks, or of its multipliers if it selects; None of others.

    The dense one multiplies as many weights of the same beats at a time.
    """
    match kernel:
        case SparseMatrixVector():
            return kernel.share
        case SelectMatrixVector():
            return kernel.products / kernel.simd
        case MatrixVector() | Depthwise():
            return 1.0
        case _:
            return None

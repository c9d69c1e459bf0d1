# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit: PE x SIMD multipliers, and the words of its weights in the order of use."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.arithmetic import Packing, Style, packing
from bitwright.hardware.kernels.base import Kernel, Memory
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixVector(Kernel):
    """Matrix-vector unit of pe x simd multipliers: `vectors` times, for each of `groups` matrices (rows, cols), W x.

    Per vector and group: `col_fold` input beats of `simd` elements are read during the first row fold and replayed
    from a frame buffer for the other `row_fold - 1`; after each row fold one beat of `pe` accumulators leaves.
    """

    vectors: int
    groups: int
    rows: int
    cols: int
    pe: int
    simd: int
    weights: Weights  # (groups * row_fold * col_fold, pe, simd): the words in the order of use
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
        """How the style "dsp" shares multipliers among its PE."""
        return packing(self.weight_type, self.x_type, self.pe)

    @property
    def row_fold(self) -> int:
        """Row folds per vector and group."""
        return self.rows // self.pe

    @property
    def col_fold(self) -> int:
        """Column folds per row fold."""
        return self.cols // self.simd


def weight_words(matrix: Ints, groups: int, pe: int, simd: int) -> Weights:
    """The rows of `matrix` (groups * rows, cols) as words (groups * row_fold * col_fold, pe, simd) in order of use."""
    total, cols = matrix.shape
    rows = total // groups
    tiles = matrix.reshape(groups, rows // pe, pe, cols // simd, simd).transpose(0, 1, 3, 2, 4)
    return Weights(tiles.reshape(-1, pe, simd))

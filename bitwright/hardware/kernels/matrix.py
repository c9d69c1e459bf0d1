# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit: PE x SIMD multipliers, and the words of its weights in the order of use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.hardware.arithmetic import Packing, packing
from bitwright.hardware.events import Course, Events, Taken
from bitwright.hardware.indices import lean
from bitwright.hardware.kernels.base import FRAME, Needs, fits
from bitwright.hardware.kernels.interface import Interface, RomPort, Unit, counted
from bitwright.hardware.kernels.weighted import Styled
from bitwright.hardware.loops import Loop, Loops
from bitwright.hardware.modules.streams import Parts
from bitwright.hardware.modules.units import mvu_flow
from bitwright.ir.weights import Ints, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixVector(Styled):
    """Matrix-vector unit of pe x simd multipliers: `vectors` times, for each of `groups` matrices (rows, cols), W x.

    Per vector and group: `col_fold` input beats of `simd` elements are read during the first row fold and replayed
    from a frame buffer for the other `row_fold - 1`; after each row fold one beat of `pe` accumulators leaves. There
    are groups * row_fold * col_fold words of weights.
    """

    vectors: int
    groups: int
    rows: int
    cols: int
    pe: int
    simd: int

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
    def replays(self) -> bool:
        """A vector, for every row fold but the first."""
        return self.row_fold > 1

    @property
    def col_fold(self) -> int:
        """Column folds per row fold."""
        return self.cols // self.simd

    @property
    def dense_share(self) -> float:
        """It is the one to compare with."""
        return 1.0

    @property
    def cycles(self) -> int:
        """A word of the weights per clock."""
        return self.vectors * self.groups * self.row_fold * self.col_fold

    @property
    def latency(self) -> int:
        """That of its arithmetic."""
        return self.arithmetic_latency()

    @property
    def credits(self) -> int:
        """Row folds that begin before the first of them has left."""
        return self.latency // self.col_fold + 2

    def course(self) -> Course:
        """Only the first row fold of a vector takes input; each row fold ends in one output beat."""
        clocks = self.row_fold * self.col_fold
        within = np.union1d(np.arange(self.col_fold), np.arange(self.col_fold - 1, clocks, self.col_fold))
        vectors = np.arange(self.vectors * self.groups)[:, None]
        takes = lean((vectors * len(within) + np.arange(self.col_fold)).reshape(-1))
        ends = lean((vectors * len(within) + np.arange(self.col_fold - 1, len(within))).reshape(-1))
        steps = lean((vectors * clocks + within).reshape(-1))
        return Course(
            sequences={self.name: Events(steps, len(vectors) * clocks)},
            taken={self.input: Taken(self.name, takes, takes)},
            made=self.making(self.name, ends),
        )

    def loops(self) -> Loops:
        """The first row fold reads a vector."""
        folds = np.arange(self.cycles)
        reads = folds.reshape(-1, self.row_fold, self.col_fold)[:, 0].reshape(-1)
        return (Loop((reads,), folds[self.col_fold - 1 :: self.col_fold], folds.size),)

    def flow(self) -> Parts:
        """What is around its arithmetic."""
        return mvu_flow(
            groups=self.groups,
            row_fold=self.row_fold,
            col_fold=self.col_fold,
            beat_w=self.simd * self.x_type.bits,
            result_w=self.pe * self.acc_type.bits,
            latency=self.latency - 1,
        )

    def modules(self, *, contents: bool) -> Parts:
        """The flow, the arithmetic, the weights."""
        return (*self.flow(), *self.mac(self.pe), *self.weight_modules(contents=contents))

    def unit_needs(self) -> Needs:
        """What the flow needs."""
        yield min(self.vectors, self.groups) > 0, "there must be a vector and a matrix"
        yield min(self.pe, self.simd) > 0, "PE and SIMD must be positive"
        yield self.rows % self.pe == 0, "PE must divide the number of rows"
        yield self.cols % self.simd == 0, "SIMD must divide the number of columns"

    def needs(self) -> Needs:
        """Those of the flow and of the arithmetic, and a frame that can be counted."""
        yield from self.unit_needs()
        yield fits(self.cycles), FRAME
        yield from self.arithmetic_needs()

    def interface(self) -> Interface:
        """A multiplier for each style, a function for each memory."""
        shared = self.packing if self.style == "dsp" else None
        notes: tuple[str, ...] = (
            f"y[{self.rows}] = W[{self.rows}][{self.cols}] x[{self.cols}], {counted(self.groups, 'group')}, "
            f"{counted(self.vectors, 'vector')} per frame",
            f"weights {self.weight_type}, a word of PE x SIMD per clock, row fold major; accumulators {self.acc_type}",
        )
        if shared:
            notes += (f"{counted(shared.lanes, 'row')} to a multiplier, products {shared.stride} bits apart",)
        return Interface(
            unit=Unit(
                called="matrix-vector",
                function="mvu",
                header="bw_mvu.hpp",
                shape="MvuShape",
                module="bw_mvu",
                mac=f"bw::{self.style.capitalize()}Mac<Shape>",
            ),
            title=f"{self.groups} x ({self.rows} x {self.cols}) matrix",
            notes=notes,
            sizes=(
                {"Vectors": self.vectors, "Groups": self.groups},
                {"Rows": self.rows, "Cols": self.cols, "Pe": self.pe, "Simd": self.simd},
            ),
            more={"RowFold": self.row_fold, "ColFold": self.col_fold},
            elements={"X": self.x_type, "Weight": self.weight_type},
            numbers={"Acc": self.acc_type},
            style=self.style,
            packing=shared,
            lanes=(self.pe, self.simd),
            table=self.weight_table("by group, row fold, column fold"),
            roms=(RomPort(prefix="w", words=self.weight_rom),),
        )


def weight_words(matrix: Ints, groups: int, pe: int, simd: int) -> Weights:
    """The rows of `matrix` (groups * rows, cols) as words (groups * row_fold * col_fold, pe, simd) in order of use."""
    total, cols = matrix.shape
    rows = total // groups
    tiles = matrix.reshape(groups, rows // pe, pe, cols // simd, simd).transpose(0, 1, 3, 2, 4)
    return Weights(tiles.reshape(-1, pe, simd))

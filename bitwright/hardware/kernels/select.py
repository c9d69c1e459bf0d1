# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit for n-of-m weights: of m neighbouring elements it multiplies only the n that a row reads."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bitwright.hardware.arithmetic import Packing, packing
from bitwright.hardware.kernels.base import Needs
from bitwright.hardware.kernels.interface import Constants, Interface, RomPort, Unit
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.modules.roms import rom_holding
from bitwright.hardware.modules.streams import Parts, times
from bitwright.hardware.modules.units import select_flow
from bitwright.hardware.roms import Rom, fields
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, NofM, Shape, Weights

GROUPS = (2, 4, 8, 16)
"""The numbers of neighbours from which a multiplier may select."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectMatrixVector(MatrixVector):
    """Matrix-vector unit of pe x `products` multipliers, each of which selects its element of the beat by an index.

    Of each `group` neighbours in a beat of `simd` elements a PE multiplies `kept`. The weights are (words, pe,
    products), and so are the `choices`: the places of their elements among the neighbours.
    """

    kept: int
    group: int
    choices: Weights

    @property
    def products(self) -> int:
        """Multipliers of a PE."""
        return self.simd // self.group * self.kept

    @property
    def dense_share(self) -> float:
        """Of the multipliers."""
        return self.products / self.simd

    @property
    def latency(self) -> int:
        """Elements are selected in one clock before they are multiplied."""
        return self.arithmetic_latency() + 1

    @property
    def packing(self) -> Packing:
        """Each product has a multiplier of its own: neighbouring PE select different elements."""
        return packing(self.weight_type, self.x_type, 1)

    def choice_rom(self) -> Rom:
        """The choices in the order of use: that of product [p][i] at ((p*products)+i) * bits."""
        words, width = self.choices.array, (self.group - 1).bit_length()
        return Rom(fields(words, width).reshape(len(words), -1), self.rom_style)

    def unit_needs(self) -> Needs:
        """The sets of neighbours too."""
        yield from MatrixVector.unit_needs(self)
        yield self.simd // self.group > 0, "PE and sets must be positive"
        yield 0 < self.kept < self.group, "some of the neighbours are multiplied, not all"
        yield self.simd % self.group == 0, "a beat must divide the columns"

    def modules(self, *, contents: bool) -> Parts:
        """The multiplexers, the flow, a multiply-accumulator for each PE, the choices, the weights."""
        count, words = self.pe * self.products, self.groups * self.row_fold * self.col_fold
        own = select_flow(products=count, of=self.group, x_w=self.x_type.bits, words=words)
        macs = times(self.pe, self.mac(1))
        width = count * (self.group - 1).bit_length()
        choices = rom_holding(words, width, self.choice_rom, contents, block=self.memory == "block")
        return (*own, *self.flow(), *macs, *choices, *self.weight_modules(contents=contents))

    def interface(self) -> Interface:
        """The words of weights and choices are one table in C++, and two ROMs."""
        return Interface(
            unit=Unit(
                called="select matrix-vector",
                function="select",
                header="bw_select.hpp",
                shape="SelectShape",
                module="bw_select",
                mac=f"bw::{self.style.capitalize()}Mac<Shape::Row>",
            ),
            title=f"{self.groups} x ({self.rows} x {self.cols}) matrix, of which {self.kept} of {self.group} are not "
            "zero",
            notes=(
                f"y[{self.rows}] = W[{self.rows}][{self.cols}] x[{self.cols}] of which {self.kept} of {self.group} "
                f"are not zero, groups: {self.groups}, vectors per frame: {self.vectors}",
                f"weights {self.weight_type}, a word of PE x {self.products} per clock, row fold major; accumulators "
                f"{self.acc_type}",
            ),
            sizes=(
                {"Vectors": self.vectors, "Groups": self.groups},
                {"Rows": self.rows, "Columns": self.cols, "Pe": self.pe},
                {"Sets": self.simd // self.group, "Of": self.group, "Kept": self.kept},
            ),
            more={"RowFold": self.row_fold, "ColFold": self.col_fold},
            elements={"X": self.x_type, "Weight": self.weight_type},
            numbers={"Acc": self.acc_type, "Choice": IntType(0, self.group - 1)},
            style=self.style,
            packing=self.packing if self.style == "dsp" else None,
            lanes=(self.pe, self.simd),
            table=Constants(
                title="Weights",
                details=f", {self.weight_type}: words of [Pe][Products] in the order of use, by group, row fold, "
                "column fold, and the places of their elements among the neighbours.",
                type="Shape::Word",
                name="Weights",
                count="Shape::Words",
                columns=(self.weights.array[:, :, None], self.choices.array),
                memory=self.memory,
                bits=(self.weight_type.bits, IntType(0, self.group - 1).bits),
                packed="bw::PackedSelectWord<Shape>",
            ),
            roms=(
                RomPort(prefix="k", words=self.choice_rom, called="choices"),
                RomPort(prefix="w", words=self.weight_rom),
            ),
        )


def selection(weights: Ints, simd: int) -> NofM | None:
    """The n of m that needs the fewest multipliers at `simd`, the smallest m of those; None if none leaves any out.

    The columns of `weights`, on the last axis, are in the order of the beats.
    """
    found = [NofM(_most(weights, group), group) for group in GROUPS if simd % group == 0]
    best = min(found, key=lambda pattern: (Fraction(pattern.n, pattern.m), pattern.m), default=None)
    return best if best is not None and best.n < best.m else None


def selecting(kernel: MatrixVector) -> SelectMatrixVector:
    """`kernel` with n multipliers for m elements; BitwrightError names the layer if its weights or SIMD forbid it."""
    words = kernel.weights.array
    pattern = selection(words, kernel.simd)
    if pattern is None:
        raise _refused(kernel)
    groups = words.reshape(*words.shape[:2], -1, pattern.m)
    chosen = np.argsort(groups == 0, axis=-1, kind="stable")[..., : pattern.n]  # what is not zero, in its order
    kept = np.take_along_axis(groups, chosen, axis=-1)
    weights, choices = (Weights(each.reshape(*words.shape[:2], -1)) for each in (kept, chosen))
    return _selecting(kernel, pattern, weights, choices)


def selecting_shapes(kernel: MatrixVector, pattern: NofM) -> SelectMatrixVector:
    """`kernel` with n multipliers for m elements, of which only the shape of the weights is known."""
    shape = Shape.of(len(kernel.weights.array), kernel.pe, kernel.simd // pattern.m * pattern.n)
    return _selecting(kernel, pattern, shape, shape)


def _selecting(kernel: MatrixVector, pattern: NofM, weights: Weights, choices: Weights) -> SelectMatrixVector:
    return SelectMatrixVector(
        name=kernel.name,
        layer=kernel.layer,
        input=kernel.input,
        output=kernel.output,
        vectors=kernel.vectors,
        groups=kernel.groups,
        rows=kernel.rows,
        cols=kernel.cols,
        pe=kernel.pe,
        simd=kernel.simd,
        weights=weights,
        weight_type=kernel.weight_type,
        x_type=kernel.x_type,
        acc_type=kernel.acc_type,
        memory=kernel.memory,
        style=kernel.style,
        kept=pattern.n,
        group=pattern.m,
        choices=choices,
    )


def _refused(kernel: MatrixVector) -> BitwrightError:
    """The error that no n of m neighbours in a beat are enough: because of the SIMD, or of the weights."""
    beats = kernel.weights.array.reshape(-1, kernel.col_fold, kernel.pe, kernel.simd)
    pattern = selection(beats.swapaxes(1, 2).reshape(-1, kernel.cols), kernel.cols)
    where, leave = f"plan: layer '{kernel.layer}'", "set its zeros to 'multiply'"
    if pattern is None:
        what = "no 2, 4, 8 or 16 neighbouring weights have a zero in every row: there is nothing to select"
        return BitwrightError(what, where=where, hint=leave)
    return BitwrightError(
        f"its weights are {pattern.n} of {pattern.m}, and SIMD {kernel.simd} is no multiple of {pattern.m}",
        where=where,
        hint=f"choose SIMD so, or {leave}",
    )


def _most(weights: Ints, group: int) -> int:
    """How many of `group` neighbours are not zero at most, and at least one."""
    return max(1, int((weights.reshape(-1, group) != 0).sum(axis=1).max()))

# SPDX-License-Identifier: Apache-2.0
"""The sum of streams, each times a constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from bitwright.hardware.arithmetic import FactorKind, distances, factor_kind, odd_bits, signs
from bitwright.hardware.kernels.interface import Constants, Interface, RomPort, Unit
from bitwright.hardware.kernels.joins import Join
from bitwright.hardware.modules.roms import rom_holding
from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, log2, times
from bitwright.hardware.modules.units import adder_tree, product_slices, tree_latency
from bitwright.hardware.roms import LUT_ROM, Rom, fields, signed_bits
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights

MOST = 31
"""Operands that may shift: as many as a number of the C++ has bits for, without its sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adder(Join):
    """y = sum over operands k of factors[k][channel] * x[k], one beat of each per clock.

    `factors` is (operands, channels); lane i of beat b has channel (b % folds) * lanes + i.
    """

    factors: Weights

    @property
    def folds(self) -> int:
        """Beats per pixel."""
        return int(self.factors.array.shape[1]) // self.lanes

    @property
    def latency(self) -> int:
        """A product, and a tree for the operands."""
        return 3 + tree_latency(len(self.inputs))

    @property
    def operand_bits(self) -> int:
        """Bits of an operand, all as wide as the widest one."""
        return max(signed_bits(kind.lo, kind.hi) for kind in self.x_types)

    @property
    def factor_bits(self) -> int:
        """Bits of a factor as it is told."""
        told = self.told()
        return signed_bits(int(told.min()), int(told.max()))

    @property
    def kinds(self) -> tuple[FactorKind, ...]:
        """Of each operand what the factors of its channels are told as."""
        found = [factor_kind(row) for row in self.factors.array]
        return (*found[:MOST], *("same" if kind == "same" else "each" for kind in found[MOST:]))

    @property
    def distance(self) -> IntType:
        """How far the operands shift whose channels have powers of two of their own."""
        return IntType(0, max((int(distances(row).max()) for row in self._shifted()), default=0))

    @property
    def varies(self) -> bool:
        """Whether the channels of an operand have factors of their own."""
        return set(self.kinds) != {"same"}

    @property
    def words(self) -> int:
        """Words of factors that take turns: one for each fold, or the only one there is."""
        return self.folds if self.varies else 1

    @property
    def product_bits(self) -> int:
        """Bits of a product, as wide as the widest one."""
        ends = [
            factor * value
            for row, kind in zip(self.factors.array, self.x_types, strict=True)
            for factor in (int(row.min()), int(row.max()))
            for value in (kind.lo, kind.hi)
        ]
        return signed_bits(min(ends), max(ends))

    def told(self) -> Ints:
        """The factors as the libraries read them: numbers, or distances below what `signs` says where it says any."""
        rows, bits = [], self.distance.bits
        for row, kind in zip(self.factors.array, self.kinds, strict=True):
            if kind in ("powers", "shifts"):
                row = distances(row) + (signs(row) << bits if kind == "powers" else 0)
            rows.append(row)
        return np.stack(rows)

    def factor_rom(self) -> Rom:
        """The factors: those of operand k in lane i at (i*operands+k) * bits, one word per fold."""
        words = fields(np.ascontiguousarray(self.told().T), self.factor_bits)
        return Rom(words.reshape(self.folds, -1), LUT_ROM)

    def modules(self, *, contents: bool) -> Parts:
        """The factors are known whenever the sum is, so that they are always looked at."""
        rows = zip(self.factors.array, self.kinds, strict=True)
        factors = tuple(int(row[0]) if kind == "same" else kind for row, kind in rows)
        unit = adder(
            factors=factors,
            lanes=self.lanes,
            folds=self.words,
            x_w=self.operand_bits,
            f_w=self.factor_bits,
            d_w=self.distance.bits,
            p_w=self.product_bits,
            y_w=self.y_type.bits,
        )
        if not self.varies:
            return unit
        width = self.lanes * len(factors) * self.factor_bits
        return (*unit, *rom_holding(self.folds, width, self.factor_rom, contents=True))

    def _shifted(self) -> list[Ints]:
        """The factors of the operands that a shifter multiplies."""
        rows = zip(self.factors.array, self.kinds, strict=True)
        return [row for row, kind in rows if kind in ("powers", "shifts")]

    def _which(self, *kinds: FactorKind) -> int:
        """A bit for each operand, set where its factors are of one of these kinds."""
        return sum((kind in kinds) << place for place, kind in enumerate(self.kinds))

    def interface(self) -> Interface:
        """The factors are a table; in hardware parameters, and a ROM where channels have their own."""
        told = self._plain()
        if not self._shifted():
            return told
        each = self._which("each", "powers", "shifts") % (1 << MOST)
        powers, shifts = self._which("powers"), self._which("shifts")
        return replace(
            told,
            unit=replace(told.unit, shape="ShiftShape"),
            style="shifts",
            sizes=(*told.sizes, {"EachFactor": each, "Powers": powers, "Shifts": shifts}),
            numbers={**told.numbers, "Distance": self.distance},
        )

    def _plain(self) -> Interface:
        """What a sum shows that does not shift."""
        operands, told, words = len(self.inputs), self.told(), self.words
        same = (told[:, 0] * (np.array(self.kinds) == "same")).tolist()
        return Interface(
            unit=Unit(called="sum", function="add", header="bw_join.hpp", shape="JoinShape", module="bw_adder"),
            title=f"weighted sum of {operands}",
            notes=("sum of operands",),
            sizes=({"Operands": operands, "Beats": self.beats, "Folds": words, "Lanes": self.lanes},),
            more={
                "XW": self.operand_bits,
                "FW": self.factor_bits,
                "Factors": tuple(same),
                "EachFactor": self._which("each", "powers", "shifts"),
                "ProdW": self.product_bits,
            },
            elements={"Y": self.y_type},
            numbers={"Factor": IntType(int(told.min()), int(told.max()))},
            table=Constants(
                title="Factors",
                details=": one per channel of each operand, as words of [Operands][Lanes].",
                type="Shape::Factor",
                name="Factors",
                count="Shape::Folds",
                extents="[Shape::Operands][Shape::Lanes]",
                columns=(told.reshape(operands, self.folds, self.lanes).swapaxes(0, 1)[:words],),
            ),
            roms=(RomPort(prefix="k", words=self.factor_rom if self.varies else None),),
        )


def _wired(factors: Sequence[int], bits: int) -> dict[str, float]:
    """Registers of operands whose factors are powers of two, and the negation of some."""
    powers = [factor for factor in factors if abs(factor).bit_count() == 1]
    return {"wires": bits * len(powers), "negated": bits * sum(power < 0 for power in powers)}


@cache
def adder(
    *,
    factors: tuple[int | FactorKind, ...],
    lanes: int,
    folds: int,
    x_w: int,
    f_w: int,
    d_w: int,
    p_w: int,
    y_w: int,
) -> Parts:
    """A sum of streams, each times a constant: the same in all channels, or what those of the channels are like.

    A power of two is wires, its negative a subtraction; one for each channel a shifter of `d_w` steps; other products
    are in a slice or in logic by their widths.
    """
    operands = len(factors)
    latency = tree_latency(operands) + 2
    shared = [factor for factor in factors if isinstance(factor, int)]
    fixed = [factor for factor in shared if abs(factor).bit_count() > 1]
    each, powers = factors.count("each"), factors.count("powers")
    shifted = powers + factors.count("shifts")
    slices = each * product_slices(x_w, f_w, p_w)
    slices += sum(product_slices(x_w, odd_bits(factor), p_w) for factor in fixed)
    per_lane = {"inputs": operands * x_w} | _wired(shared, min(x_w, p_w))
    if slices:
        per_lane["products"] = (each + len(fixed)) * p_w
    else:
        per_lane |= {"each": each * p_w, "partial": each * x_w * f_w, "factors": each * f_w}
        per_lane |= {"fixed": len(fixed) * p_w, "rows": x_w * sum(abs(factor).bit_count() - 1 for factor in fixed)}
    terms = {name: lanes * size for name, size in per_lane.items()} | {"address": log2(folds)}
    own = Part("adder_dsp" if slices else "adder", terms, dsp=lanes * slices)
    if shifted:
        terms |= {
            "shifted": lanes * shifted * p_w,
            "shifter": lanes * shifted * p_w * d_w,
            "signs": lanes * powers * p_w,
        }
        own = replace(own, kind="adder_shift", terms=terms)
    flow = credit_pipe(width=lanes * y_w, latency=latency, depth=latency + 2)
    return (own, *times(lanes, adder_tree(n=operands, w=p_w)), *flow)

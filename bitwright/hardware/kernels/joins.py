# SPDX-License-Identifier: Apache-2.0
"""Kernels where streams part and meet: fork, sum, product, concatenation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bitwright.hardware.arithmetic import odd_bits
from bitwright.hardware.events import Course
from bitwright.hardware.indices import lean
from bitwright.hardware.kernels.base import Kernel
from bitwright.hardware.kernels.interface import Constants, Interface, RomPort, Unit
from bitwright.hardware.loops import Loop, Loops, together
from bitwright.hardware.modules.roms import rom_holding
from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, elastic_reg, log2, mux, times
from bitwright.hardware.modules.units import adder_tree, product_slices, tree_latency
from bitwright.hardware.roms import LUT_ROM, Rom, fields, signed_bits
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork(Kernel):
    """Every beat to `output` and to each of `copies`; the next one is taken when all have taken this one."""

    copies: tuple[str, ...]
    lanes: int
    beats: int
    type: IntType

    @property
    def outputs(self) -> tuple[str, ...]:
        """`output` and the copies."""
        return (self.output, *self.copies)

    @property
    def cycles(self) -> int:
        """A beat per clock."""
        return self.beats

    @property
    def latency(self) -> int:
        """A register for each reader."""
        return 1

    def course(self) -> Course:
        """Each beat makes one on every output."""
        return self.counting(self.beats)

    def loops(self) -> Loops:
        """The same."""
        return together(1, self.beats)

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        return fork(width=self.lanes * self.type.bits, copies=len(self.outputs))

    def interface(self) -> Interface:
        """The module takes a beat as it is."""
        copies = len(self.outputs)
        return Interface(
            unit=Unit(called="fork", function="fork", header="bw_fork.hpp", shape="ForkShape", module="bw_fork"),
            title=f"to {copies} readers",
            sizes=({"Beats": self.beats, "Lanes": self.lanes},),
            more={"Width": self.lanes * self.type.bits, "Copies": copies},
            elements={"T": self.type},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Kernel):
    """What kernels with several operands share: `input` and `others` bring beats of equal lanes in the same order."""

    others: tuple[str, ...]
    lanes: int
    beats: int  # per frame, of the output
    x_types: tuple[IntType, ...]
    y_type: IntType

    @property
    def inputs(self) -> tuple[str, ...]:
        """`input` and the other operands."""
        return (self.input, *self.others)

    @property
    def cycles(self) -> int:
        """A beat per clock."""
        return self.beats

    @property
    @abstractmethod
    def operand_bits(self) -> int:
        """Bits of an operand's elements as the module takes them: all alike, in two's complement."""

    def course(self) -> Course:
        """A beat of every operand makes one."""
        return self.counting(self.beats)

    def loops(self) -> Loops:
        """The same."""
        return together(len(self.inputs), self.beats)


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
        """Bits of a factor."""
        return signed_bits(self.factors.type.lo, self.factors.type.hi)

    @property
    def differ(self) -> tuple[bool, ...]:
        """Of each operand whether its channels have factors of their own."""
        return tuple(bool((row != row[0]).any()) for row in self.factors.array)

    @property
    def words(self) -> int:
        """Words of factors that take turns: one for each fold, or the only one there is."""
        return self.folds if any(self.differ) else 1

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

    def factor_rom(self) -> Rom:
        """The factors: those of operand k in lane i at (i*operands+k) * bits, one word per fold."""
        words = fields(np.ascontiguousarray(self.factors.array.T), self.factor_bits)
        return Rom(words.reshape(self.folds, -1), LUT_ROM)

    def modules(self, *, contents: bool) -> Parts:
        """The factors are known whenever the sum is, so that they are always looked at."""
        factors = self._same()
        unit = adder(
            factors=factors,
            lanes=self.lanes,
            folds=self.words,
            x_w=self.operand_bits,
            f_w=self.factor_bits,
            p_w=self.product_bits,
            y_w=self.y_type.bits,
        )
        if None not in factors:
            return unit
        width = self.lanes * len(factors) * self.factor_bits
        return (*unit, *rom_holding(self.folds, width, self.factor_rom, contents=True))

    def _same(self) -> tuple[int | None, ...]:
        """The factor of each operand, None where its channels have their own."""
        rows = zip(self.factors.array, self.differ, strict=True)
        return tuple(None if differs else int(row[0]) for row, differs in rows)

    def interface(self) -> Interface:
        """The factors are a table; in hardware parameters, and a ROM where channels have their own."""
        operands, factors, words = len(self.inputs), self.factors.array, self.words
        bits = [differs << place for place, differs in enumerate(self.differ)]
        return Interface(
            unit=Unit(called="sum", function="add", header="bw_join.hpp", shape="JoinShape", module="bw_adder"),
            title=f"weighted sum of {operands}",
            notes=("sum of operands",),
            sizes=({"Operands": operands, "Beats": self.beats, "Folds": words, "Lanes": self.lanes},),
            more={
                "XW": self.operand_bits,
                "FW": self.factor_bits,
                "Factors": tuple(factor or 0 for factor in self._same()),
                "EachFactor": sum(bits),
                "ProdW": self.product_bits,
            },
            elements={"Y": self.y_type},
            numbers={"Factor": IntType(int(factors.min()), int(factors.max()))},
            table=Constants(
                title="Factors",
                details=": one per channel of each operand, as words of [Operands][Lanes].",
                type="Shape::Factor",
                name="Factors",
                count="Shape::Folds",
                extents="[Shape::Operands][Shape::Lanes]",
                columns=(factors.reshape(operands, self.folds, self.lanes).swapaxes(0, 1)[:words],),
            ),
            roms=(RomPort(prefix="k", words=self.factor_rom if any(self.differ) else None),),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier(Join):
    """y = (x[0] - zeros[0]) * (x[1] - zeros[1]) lane by lane, one beat of each per clock."""

    zeros: tuple[int, int]

    @property
    def latency(self) -> int:
        """Differences, a product, a register."""
        return 3

    @property
    def operand_bits(self) -> int:
        """Bits of an operand, of its zero point, and of their difference."""
        zeros = zip(self.x_types, self.zeros, strict=True)
        reach = [value for kind, zero in zeros for value in (kind.lo, kind.hi, zero, kind.lo - zero, kind.hi - zero)]
        return signed_bits(min(reach), max(reach))

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        return multiplier(lanes=self.lanes, x_w=self.operand_bits, y_w=self.y_type.bits)

    def interface(self) -> Interface:
        """Two operands with their zero points."""
        first, second = self.zeros
        return Interface(
            unit=Unit(
                called="product", function="multiply", header="bw_join.hpp", shape="JoinShape", module="bw_multiplier"
            ),
            title="product",
            notes=("product of operands",),
            sizes=({"Operands": 2, "Beats": self.beats, "Lanes": self.lanes}, {"ZeroA": first, "ZeroB": second}),
            more={"XW": self.operand_bits, "Zero0": first, "Zero1": second},
            elements={"Y": self.y_type},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleave(Join):
    """Pixel by pixel `parts[k]` beats of operand k in turn, each element extended to `y_type`."""

    pixels: int
    parts: tuple[int, ...]

    @property
    def latency(self) -> int:
        """A register."""
        return 1

    @property
    def operand_bits(self) -> int:
        """Those of the result."""
        return self.y_type.bits

    def turns(self) -> tuple[Ints, ...]:
        """For each operand its places among the beats of a frame."""
        operand = np.tile(np.repeat(np.arange(len(self.parts)), self.parts), self.pixels)
        return tuple(np.flatnonzero(operand == k) for k in range(len(self.parts)))

    def course(self) -> Course:
        """Each beat makes one."""
        return self.counting(self.pixels * sum(self.parts), list(map(lean, self.turns())))

    def loops(self) -> Loops:
        """The same."""
        beats = np.arange(self.pixels * sum(self.parts))
        return (Loop(self.turns(), beats, beats.size),)

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        width = self.lanes * self.y_type.bits
        return interleave(operands=len(self.inputs), width=width, longest=max(self.parts))

    def interface(self) -> Interface:
        """The beats of each operand are a table, and a parameter."""
        operands, parts = len(self.inputs), np.array(self.parts)
        return Interface(
            unit=Unit(
                called="interleave",
                function="interleave",
                header="bw_join.hpp",
                shape="JoinShape",
                module="bw_interleave",
            ),
            title=f"channels of {operands} in turn",
            notes=(f"beats of the operands in turn: {', '.join(map(str, self.parts))}",),
            sizes=({"Operands": operands, "Beats": self.beats, "Lanes": self.lanes},),
            more={"Width": self.lanes * self.y_type.bits, "Parts": self.parts},
            elements={"Y": self.y_type},
            numbers={"Part": IntType(min(self.parts), max(self.parts))},
            table=Constants(
                title="Words per pixel of each operand",
                details=".",
                type="Shape::Part",
                name="Parts",
                count="Shape::Operands",
                columns=(parts,),
            ),
        )


@cache
def fork(*, width: int, copies: int) -> Parts:
    """Every word to each of `copies`."""
    return (Part("fork", {"copies": copies}), *times(copies, elastic_reg(width=width)))


def _wired(factors: Sequence[int], bits: int) -> dict[str, float]:
    """Registers of operands whose factors are powers of two, and the negation of some."""
    powers = [factor for factor in factors if abs(factor).bit_count() == 1]
    return {"wires": bits * len(powers), "negated": bits * sum(power < 0 for power in powers)}


@cache
def adder(*, factors: tuple[int | None, ...], lanes: int, folds: int, x_w: int, f_w: int, p_w: int, y_w: int) -> Parts:
    """A sum of streams, each times a constant: the same in all channels, or None for one of its channel.

    A power of two is wires, its negative a subtraction; other products are in a slice or in logic by their widths.
    """
    operands = len(factors)
    latency = tree_latency(operands) + 2
    shared = [factor for factor in factors if factor is not None]
    fixed = [factor for factor in shared if abs(factor).bit_count() > 1]
    each = operands - len(shared)
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
    flow = credit_pipe(width=lanes * y_w, latency=latency, depth=latency + 2)
    return (own, *times(lanes, adder_tree(n=operands, w=p_w)), *flow)


@cache
def multiplier(*, lanes: int, x_w: int, y_w: int) -> Parts:
    """A product of two streams."""
    slices = product_slices(x_w, x_w, y_w)
    terms = {"inputs": 2 * lanes * x_w}
    if not slices:
        terms |= {"rows": lanes * x_w * (x_w - 2), "products": lanes * min(2 * x_w, y_w)}
    own = Part("multiplier" if not slices else "multiplier_dsp", terms, dsp=lanes * slices)
    return (own, *credit_pipe(width=lanes * y_w, latency=2, depth=4))


@cache
def interleave(*, operands: int, width: int, longest: int) -> Parts:
    """Words of several streams in turn, at most `longest` of one."""
    terms = {"select": mux(operands) * width, "operands": operands - 1, "count": float(longest > 1)}
    return (Part("interleave", terms), *elastic_reg(width=width))

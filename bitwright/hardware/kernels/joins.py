# SPDX-License-Identifier: Apache-2.0
"""Kernels where streams part and meet: fork, sum, product, concatenation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cache

import numpy as np

from bitwright.hardware.events import Course
from bitwright.hardware.indices import lean
from bitwright.hardware.kernels.base import Kernel
from bitwright.hardware.kernels.interface import Constants, Interface, Unit
from bitwright.hardware.loops import Loop, Loops, together
from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, elastic_reg, mux, times
from bitwright.hardware.modules.units import product_slices
from bitwright.hardware.roms import signed_bits
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints


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

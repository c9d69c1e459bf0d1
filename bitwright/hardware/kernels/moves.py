# SPDX-License-Identifier: Apache-2.0
"""Kernels that only move data: another order, another width."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import lcm

import numpy as np

from bitwright.hardware.events import Course, Events, Made, Taken, Wait
from bitwright.hardware.indices import shifted
from bitwright.hardware.kernels.base import Kernel, Needs
from bitwright.hardware.kernels.interface import Constants, Interface, RomPort, Unit
from bitwright.hardware.loops import Loop, Loops, buffered
from bitwright.hardware.modules.roms import rom_holding
from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, log2, ram, width_down, width_up
from bitwright.hardware.roms import LUT_ROM, Rom, fields
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(Kernel):
    """A frame in another order: output beat i is input beat order[i], or `fill` in every lane where order[i] is -1.

    Two frame buffers, in UltraRAM if `ultra`, so that the next frame enters while this one leaves. order: (output
    beats,).
    """

    order: Weights
    fill: int
    in_beats: int
    lanes: int
    type: IntType

    @property
    def store(self) -> tuple[int, int]:
        """One memory that holds both buffers."""
        return 2 * (1 << max(1, log2(self.in_beats))), self.lanes * self.type.bits

    @property
    def out_beats(self) -> int:
        """Beats written per frame."""
        return int(self.order.array.size)

    @property
    def distance(self) -> int:
        """Clocks from a beat in to the same beat out, were the first beat out in the clock after the last one in."""
        order = self.order.array.reshape(-1)
        later = self.in_beats - order + np.arange(order.size)
        return int(later[order >= 0].min(initial=self.in_beats + order.size))

    @property
    def cycles(self) -> int:
        """A beat per clock, in or out."""
        return max(self.in_beats, self.out_beats)

    @property
    def latency(self) -> int:
        """From the clock after the frame's last beat in."""
        return 3

    def course(self) -> Course:
        """A frame is written whole before its first beat leaves; two frames fit."""
        writes, reads, first = f"{self.name} in", self.name, range(1)
        every, out = range(self.in_beats), range(self.out_beats)
        spent = Wait(first, reads, shifted(first, -self.out_beats - 1), 1)
        whole = Wait(first, writes, every[-1:], 1)
        return Course(
            sequences={writes: Events(every, len(every), [spent]), reads: Events(out, len(out), [whole])},
            taken={self.input: Taken(writes, every, every)},
            made=self.making(reads, out),
        )

    def loops(self) -> Loops:
        """A buffer is filled while the other one is drained."""
        return buffered(self.in_beats, self.out_beats)

    def order_rom(self) -> Rom:
        """The place of each output beat among the input's; a bit above the place marks what is filled."""
        address = max(1, (self.in_beats - 1).bit_length())
        words = np.where(self.order.array < 0, 1 << address, self.order.array)
        return Rom(fields(words, address + 1), LUT_ROM)

    def modules(self, *, contents: bool) -> Parts:
        """The order is known whenever the kernel is, so that it is always looked at."""
        words, bits = self.store
        unit = reorder(width=bits, words=words, in_beats=self.in_beats, out_beats=self.out_beats, ultra=self.ultra)
        width = max(1, (self.in_beats - 1).bit_length()) + 1
        return (*unit, *rom_holding(self.out_beats, width, self.order_rom, contents=True))

    def interface(self) -> Interface:
        """The order is a table, and a ROM."""
        order = self.order.array
        return Interface(
            unit=Unit(
                called="reorder", function="reorder", header="bw_reorder.hpp", shape="ReorderShape", module="bw_reorder"
            ).placed(ultra=self.ultra),
            title="another order",
            notes=(
                f"{self.in_beats} beats in, {self.out_beats} beats out in the order of its list",
                *(("two frame buffers in UltraRAM",) if self.ultra else ()),
            ),
            sizes=(
                {"InBeats": self.in_beats, "OutBeats": order.size, "Fill": self.fill, "Lanes": self.lanes},
                {"Distance": self.distance},
            ),
            elements={"T": self.type},
            numbers={"Index": IntType(int(order.min()), int(order.max()))},
            table=Constants(
                title="Which word in is each word out",
                details="; -1 is Fill.",
                type="bw::Rom<Shape::Index>",
                name="Order",
                count="Shape::OutBeats",
                columns=(order,),
            ),
            roms=(RomPort(prefix="k", words=self.order_rom),),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthConverter(Kernel):
    """Same elements in the same order, `in_lanes` per beat in, `out_lanes` per beat out; any ratio."""

    in_lanes: int
    out_lanes: int
    elements: int  # per frame; a multiple of both lane counts
    type: IntType

    @property
    def ratios(self) -> tuple[int, int]:
        """(words gathered into one, parts that one is then cut into): through the least common multiple of lanes."""
        middle = lcm(self.in_lanes, self.out_lanes)
        return middle // self.in_lanes, middle // self.out_lanes

    @property
    def cycles(self) -> int:
        """A beat per clock, in or out."""
        return self.elements // min(self.in_lanes, self.out_lanes)

    @property
    def latency(self) -> int:
        """A register where words are gathered, and where they are cut."""
        return sum(1 for ratio in self.ratios if ratio > 1)

    def course(self) -> Course:
        """Words gathered into a whole, then a whole that waits on its input while its parts leave."""
        up, down = self.ratios
        both = up > 1 and down > 1
        gathers, cuts, whole = f"{self.name} up", self.name, f"{self.name} whole"
        sequences, taken, made = dict[str, Events](), dict[str, Taken](), dict[str, Made]()
        if up > 1:
            every = range(self.elements // self.in_lanes)
            sequences[gathers] = Events(every, len(every))
            taken[self.input] = Taken(gathers, every, every)
            made[whole if both else self.output] = Made(gathers, every[up - 1 :: up], 1, 2)
        if down > 1:
            every = range(self.elements // self.out_lanes)
            sequences[cuts] = Events(every, len(every))
            taken[whole if both else self.input] = Taken(cuts, every[::down], every[down - 1 :: down])
            made[self.output] = Made(cuts, every, 1, 2)
        return Course(sequences=sequences, taken=taken, made=made, wires=(whole,) if both else ())

    def loops(self) -> Loops:
        """An iteration reads if less than a word out is left, and writes if there is a whole one."""
        takes, gives = np.arange(self.elements // self.in_lanes), np.arange(self.elements // self.out_lanes)
        reads = np.maximum(takes, takes * self.in_lanes // self.out_lanes)
        writes = np.maximum(gives, -((gives + 1) * self.out_lanes // -self.in_lanes) - 1)
        return (Loop((reads,), writes, self.cycles),)

    def needs(self) -> Needs:
        """Whole words on both sides, and two widths."""
        yield min(self.in_lanes, self.out_lanes) > 0, "a word needs at least one lane"
        yield self.elements % self.in_lanes == 0, "a frame must be whole input words"
        yield self.elements % self.out_lanes == 0, "a frame must be whole output words"
        yield max(self.ratios) > 1, "Ratio must be at least 2"

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        up, down = self.ratios
        bits = self.type.bits
        gather = width_up(width=self.in_lanes * bits, ratio=up) if up > 1 else ()
        return (*gather, *(width_down(width=self.out_lanes * bits, ratio=down) if down > 1 else ()))

    def interface(self) -> Interface:
        """A function; one module or two, which the Verilog backend puts together."""
        return Interface(
            unit=Unit(
                called="width",
                function="convert_width",
                header="bw_width.hpp",
                shape="WidthShape",
                module="bw_width_up" if self.ratios[1] == 1 else "bw_width_down",
            ),
            title=f"{self.in_lanes} elements per word to {self.out_lanes}",
            notes=(f"{self.in_lanes} lanes to {self.out_lanes}",),
            sizes=({"InLanes": self.in_lanes, "OutLanes": self.out_lanes, "Elements": self.elements},),
            elements={"T": self.type},
        )


@cache
def reorder(*, width: int, words: int, in_beats: int, out_beats: int, ultra: bool) -> Parts:
    """Two frame buffers that are read in another order."""
    own = Part("reorder", {"width": width, "in": log2(in_beats), "out": log2(out_beats)})
    return (own, *ram(width=width, depth=words, ultra=ultra), *credit_pipe(width=width, latency=2, depth=4))

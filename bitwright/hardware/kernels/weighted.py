# SPDX-License-Identifier: Apache-2.0
"""What units that multiply by constant weights share: the ROM of the weights, the arithmetic in its styles."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import prod
from typing import assert_never

from bitwright.hardware.arithmetic import Packing, Style, decoded_bits
from bitwright.hardware.kernels.base import Kernel, Memory, Needs
from bitwright.hardware.kernels.interface import Constants
from bitwright.hardware.modules import units
from bitwright.hardware.modules.memories import random_columns, varying
from bitwright.hardware.modules.roms import rom_holding
from bitwright.hardware.modules.streams import Parts, rom
from bitwright.hardware.roms import LUT_ROM, Rom, coded, fields
from bitwright.ir.types import IntType
from bitwright.ir.weights import Shape, Weights

CONTENT_BITS = 1 << 15
"""Weights of more bits are in block RAM, whatever they are: then it is enough to know which bits vary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Kernel):
    """A unit with a ROM of weights (words, pe, simd), the words in the order of use; it makes accumulators."""

    weights: Weights
    weight_type: IntType
    x_type: IntType
    acc_type: IntType
    memory: Memory

    @property
    @abstractmethod
    def dense_share(self) -> float:
        """What it does of the work of a unit that multiplies as many weights of the same beats at a time, zeros too.

        Of its clocks, or of its multipliers if it selects.
        """

    @property
    def rom_style(self) -> str:
        """The memory that its ROMs should be put in."""
        return "block" if self.memory == "block" else LUT_ROM

    def weight_rom(self) -> Rom:
        """The weights in the order of use: element [p][s] at ((p*SIMD)+s) * bits."""
        words = coded(self.weights.array, self.weight_type).reshape(self.weights.array.shape[0], -1)
        return Rom(fields(words, self.weight_type.bits).reshape(len(words), -1), self.rom_style)

    def weight_table(self, order: str) -> Constants:
        """The weights as C++ reads them."""
        return Constants(
            title="Weights",
            details=f", {self.weight_type}: words of [Pe][Simd] in the order of use, {order}.",
            type="bw::Rom<Shape::Weight>",
            name="Weights",
            count="Shape::Words",
            extents="[Shape::Pe][Shape::Simd]",
            columns=(coded(self.weights.array, self.weight_type),),
            memory=self.memory,
            bits=(self.weight_type.bits,),
        )

    def weight_modules(self, *, contents: bool) -> Parts:
        """The ROM of the weights."""
        array, bits, block = self.weights.array, self.weight_type.bits, self.memory == "block"
        words, width = len(array), prod(array.shape[1:]) * bits
        known = contents and not isinstance(self.weights, Shape)
        if not known or (not block and words * width <= CONTENT_BITS):
            return rom_holding(words, width, self.weight_rom, known, block=block)
        count = varying(coded(array, self.weight_type), bits)
        held = replace(random_columns(words, count), varying=count)
        return rom(words=words, width=width, block=block, columns=held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Styled(Weighted):
    """A unit that multiplies in one of the styles that its types allow."""

    style: Style

    @property
    @abstractmethod
    def products(self) -> int:
        """Multipliers of a PE."""

    @property
    @abstractmethod
    def packing(self) -> Packing:
        """How the style "dsp" shares multipliers."""

    def arithmetic_latency(self) -> int:
        """A multiplier takes one clock, in a DSP slice three; bits that agree are counted in threes before their tree.

        One clock is that of the flow around it.
        """
        match self.style:
            case "lut" | "ternary":
                return 4 + units.tree_latency(self.products)
            case "dsp":
                return 6 + units.tree_latency(self.products)
            case "xnor":
                return 4 + units.tree_latency(-(-self.products // 3))
            case _:
                assert_never(self.style)

    def arithmetic_needs(self) -> Needs:
        """What the style needs."""
        match self.style:
            case "dsp":
                shared = self.packing
                yield shared.width > (shared.lanes - 1) * shared.stride, "PackW does not reach the last lane"
            case "xnor":
                yield self.weight_type.is_bipolar and self.x_type.is_bipolar, "XNOR multiplies bipolar by bipolar"
            case "ternary":
                yield self.weight_type.bits <= 2, "a weight has one or two bits"
            case "lut":
                pass
            case _:
                assert_never(self.style)

    def mac(self, pe: int, *, each: bool = False) -> Parts:
        """The arithmetic of `pe` accumulators that share their inputs; `each`: their folds differ in length."""
        products, acc_w = self.products, self.acc_type.bits
        x_bits, w_bits = decoded_bits(self.x_type), decoded_bits(self.weight_type)
        match self.style:
            case "lut":
                return units.mac_lut(pe=pe, simd=products, x_bits=x_bits, w_bits=w_bits, acc_w=acc_w)
            case "ternary":
                return units.mac_ternary(pe=pe, simd=products, term_w=self.x_type.bits + 1, acc_w=acc_w)
            case "xnor":
                return units.mac_xnor(pe=pe, simd=products, acc_w=acc_w)
            case "dsp":
                shared = self.packing
                packed = shared.lanes, shared.stride, shared.width
                return units.mac_dsp(
                    pe=pe, simd=products, x_bits=x_bits, w_bits=w_bits, acc_w=acc_w, packed=packed, each=each
                )
            case _:
                assert_never(self.style)

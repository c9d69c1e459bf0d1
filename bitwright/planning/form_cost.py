# SPDX-License-Identifier: Apache-2.0
"""The order in which forms are looked at, by counts measured with a named tool: a guide, not a price of a design.

A design is priced by `planning.price`, on the kernels that its forms become.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from math import ceil, log2
from typing import assert_never

import numpy as np

from bitwright.exact.forms import Form, Lookup, MultiplyShift, Thresholds
from bitwright.hardware.cells import DSP_BITS
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

TOOL = "Yosys 0.23, xc7, no DSP, combinational, saturation included"
"""What the LUT counts below were measured with; rows marked (estimate) were not."""

PRODUCT_LUTS = 3.1
"""LUTs per bit of the accumulator and per bit of a multiplier that varies."""
CONSTANT_SHARE = 0.33
"""A constant multiplier's share of those LUTs."""
TIE_BITS_PER_LUT = 5
"""Low bits of u that one LUT of the half-even fix-up looks at."""
COMPARE_LUTS = 2 / 3
"""LUTs per bit of a comparator."""
STEP_LUTS = 3.3
"""LUTs per step of thresholds that are constants of one channel."""
LUT_INPUTS = 6
"""Address bits of a table that fits one LUT per output bit."""
LUT_WORDS, LUT_MEMORY_BITS, BRAM_BITS = 64, 4096, 18432
"""Words of one LUT used as memory; the largest memory made of them; bits of a block RAM (estimates)."""
_WIDE, _NARROW = DSP_BITS["xcup"]
DSP_PORTS = ((_WIDE, _NARROW - 1), (_NARROW, _WIDE - 1))
"""(accumulator bits, multiplier magnitude bits) that one DSP takes; a second one doubles the multiplier (estimate)."""
DSP_WIDTH = 27
"""Accumulator bits beyond which the product is made of LUTs."""

KAPPA, RHO = 100.0, 200.0
"""LUTs that one DSP and one block RAM are worth (estimates; a device's own ratios are better)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """LUTs of logic, DSPs, bits of constants in memory, and what that memory takes: LUTs and block RAMs of 18 kbit."""

    lut: int
    dsp: int = 0
    memory_bits: int = 0
    memory_lut: int = 0
    bram: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, lanes: int) -> Cost:
        return Cost(*(count * lanes for count in astuple(self)))


def objective(cost: Cost, kappa: float = KAPPA, rho: float = RHO) -> float:
    """All LUTs, with a DSP counted as `kappa` of them and a block RAM as `rho`."""
    return cost.lut + cost.memory_lut + kappa * cost.dsp + rho * cost.bram


def cheapest_first(forms: Iterable[Form]) -> tuple[Form, ...]:
    """`forms` by what they cost; equal ones as they come."""
    return tuple(sorted(forms, key=lambda form: objective(cost(form))))


def cost(form: Form, lanes: int = 1) -> Cost:
    """The cost of `lanes` copies that share the channels of `form` among them; a table serves one lane each."""
    match form:
        case MultiplyShift():
            channels = ceil(form.m.array.size / lanes)
            lane = (_shift if form.kind.startswith("shift") else _product)(form, channels)
        case Thresholds():
            lane = _search(form, ceil(form.first.array.size / lanes))
        case Lookup():
            lane = _table(form)
        case _:
            assert_never(form)
    return lane * lanes


def _shift(form: MultiplyShift, channels: int) -> Cost:
    """An adder, a saturation, a tie fix-up, and (estimate) a multiplexer if channels shift by different distances."""
    distances = len(np.unique(np.abs(form.m.array)))
    width = form.product.bits - _magnitude(form.m.array) + 1
    lut = width + _codes(form).bits + width * ceil(log2(distances))
    return Cost(lut + _tie(form)) + _constants(form, channels)


def _product(form: MultiplyShift, channels: int) -> Cost:
    bits = _magnitude(form.m.array)
    width, out = max(1, form.product.bits - bits), _codes(form).bits
    if width <= DSP_WIDTH:
        single = any(width <= wide and bits <= narrow for wide, narrow in DSP_PORTS)
        return Cost(2 * out + _tie(form), 1 if single else 2) + _constants(form, channels)
    share = CONSTANT_SHARE if len(np.unique(form.m.array)) == 1 else 1.0
    return Cost(ceil(PRODUCT_LUTS * width * bits * share) + out + _tie(form)) + _constants(form, channels)


def _search(form: Thresholds, channels: int) -> Cost:
    """A binary search, one comparator and one memory a stage; parallel comparators for a single channel."""
    width, steps = _hull(form.t.array).bits, form.t.array.shape[1]
    if channels == 1:
        return Cost(ceil(STEP_LUTS * steps))
    stages = steps.bit_length()
    total = Cost(ceil(stages * width * COMPARE_LUTS))
    for stage in range(stages):
        total += _memory(channels << stage, width)
    return total


def _table(form: Lookup) -> Cost:
    address, out = max(1, (form.entries.array.size - 1).bit_length()), form.entries.type.bits
    return Cost(out << max(0, address - LUT_INPUTS), memory_bits=out << address)


def _tie(form: MultiplyShift) -> int:
    return ceil((form.s + 1) / TIE_BITS_PER_LUT) if form.window.array.any() else 0


def _constants(form: MultiplyShift, channels: int) -> Cost:
    """The memory of every constant that differs between channels."""
    fields = (form.m, form.c, form.window, form.low, form.high)
    varying = sum(field.type.bits for field in fields if field.type.lo != field.type.hi)
    return _memory(channels, varying)


def _memory(words: int, width: int) -> Cost:
    bits = words * width
    if words == 1 or bits == 0:
        return Cost(0, memory_bits=bits)
    if bits > LUT_MEMORY_BITS:
        return Cost(0, memory_bits=bits, bram=ceil(bits / BRAM_BITS))
    return Cost(0, memory_bits=bits, memory_lut=width * ceil(words / LUT_WORDS))


def _codes(form: MultiplyShift) -> IntType:
    return form.low.type | form.high.type


def _hull(values: Ints) -> IntType:
    return IntType(int(values.min()), int(values.max()))


def _magnitude(m: Ints) -> int:
    return max(1, int(np.abs(m).max()).bit_length())

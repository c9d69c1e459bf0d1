# SPDX-License-Identifier: Apache-2.0
"""Read-only memories of a design: constants as bit fields, fields as the words that hardware reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.forms import Lookup, MultiplyShift, Thresholds
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Adder
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import Reorder
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.timing import threshold_bits
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

Bits = NDArray[np.uint8]
"""Zeros and ones, (words, width), the least significant first."""

LUT_ROM = "auto"
"""The rom_style of a memory in look-up tables: Yosys maps no ROM whose style is distributed."""


@dataclass(frozen=True)
class Rom:
    """A read-only memory: its words in the order of their addresses, and the memory it should be put in."""

    bits: Bits
    style: str
    ports: int = 1

    @property
    def words(self) -> int:
        """How many words it has."""
        return int(self.bits.shape[0])

    @property
    def width(self) -> int:
        """Bits of a word."""
        return int(self.bits.shape[1])


def signed_bits(low: int, high: int) -> int:
    """The width in two's complement that holds low..high."""
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


def coded(values: Ints, kind: IntType) -> Ints:
    """`values` of type `kind` as a stream codes them: bipolar as 0 and 1, others unchanged."""
    return (values + 1) // 2 if kind.is_bipolar else values


def fields(values: Ints, width: int) -> Bits:
    """The low `width` bits of each of `values`, on a new last axis."""
    places = np.arange(width).astype(values.dtype)  # Python integers stay such: they may be longer than int64
    return ((values[..., None] >> places) & 1).astype(np.uint8)


def weight_rom(kernel: MatrixVector | SparseMatrixVector | Depthwise) -> Rom:
    """The weights in the order of use: element [p][s] at ((p*SIMD)+s) * bits."""
    words = coded(kernel.weights.array, kernel.weight_type).reshape(kernel.weights.array.shape[0], -1)
    style = "block" if kernel.memory == "block" else LUT_ROM
    return Rom(fields(words, kernel.weight_type.bits).reshape(len(words), -1), style)


def choice_rom(kernel: SelectMatrixVector) -> Rom:
    """The choices in the order of use: that of product [p][i] at ((p*products)+i) * bits."""
    words, width = kernel.choices.array, (kernel.group - 1).bit_length()
    style = "block" if kernel.memory == "block" else LUT_ROM
    return Rom(fields(words, width).reshape(len(words), -1), style)


def schedule_rom(kernel: SparseMatrixVector) -> Rom:
    """For each word the beat of every port, lowest first, and above them whether the next word ends a row fold."""
    width = max(1, (kernel.col_fold - 1).bit_length())
    beats = fields(kernel.beats.array, width).reshape(kernel.words, -1)
    before_end = np.zeros((kernel.words, 1), np.uint8)
    before_end[kernel.ends.array - 1] = 1  # word -1 is the last, before word 0 of the next vector
    style = "block" if kernel.memory == "block" else LUT_ROM
    return Rom(np.concatenate([beats, before_end], axis=1), style)


def constant_rom(kernel: Requantiser) -> Rom:
    """The constants of a requantiser: one word per fold, or the whole table for a lookup."""
    match kernel.form:
        case MultiplyShift():
            return _per_channel(kernel, mas_fields(kernel.form))
        case Thresholds():
            return _per_channel(kernel, threshold_fields(kernel.form, kernel.x_type, kernel.y_type))
        case Lookup():
            return _table(kernel, kernel.form)


def _per_channel(kernel: Requantiser, parts: Sequence[tuple[Ints, int]]) -> Rom:
    """Fields of (channels,) or (channels, n), lowest first, with their widths, as words of one fold each."""
    channels = kernel.folds * kernel.lanes
    columns = [fields(values, width).reshape(channels, -1) for values, width in parts]
    return Rom(np.concatenate(columns, axis=1).reshape(kernel.folds, -1), LUT_ROM)


def mas_fields(form: MultiplyShift) -> list[tuple[Ints, int]]:
    """m, c, window, low, high of `bw_mas_lane` with their widths."""
    arrays = form.m.array, form.offsets, form.window.array, form.low.array, form.high.array
    return list(zip(arrays, mas_widths(form), strict=True))


def mas_widths(form: MultiplyShift) -> tuple[int, ...]:
    """Bits of m, c, window, low and high."""
    m, c, window = form.m.type, form.c.type, form.window.type
    bound = signed_bits(form.low.type.lo, form.high.type.hi)
    offset = signed_bits(c.lo << form.grain, c.hi << form.grain)
    return signed_bits(m.lo, m.hi), offset, max(1, window.hi.bit_length()), bound, bound


def threshold_fields(form: Thresholds, x_type: IntType, y_type: IntType) -> list[tuple[Ints, int]]:
    """The thresholds, first and falling of `bw_thresholds_lane` with their widths; first as the output codes it.

    Hardware halves its way through 2**n - 1 thresholds: those that a form lacks are above every input.
    """
    given = form.t.array
    missing = (1 << threshold_bits(form)) - 1 - given.shape[1]
    never = max(x_type.hi, ~x_type.lo) + 1
    t = np.concatenate([given, np.full((len(given), missing), never)], axis=1)
    return [(t, _width(t)), (coded(form.first.array, y_type), y_type.bits), (form.falling.array, 1)]


def _table(kernel: Requantiser, form: Lookup) -> Rom:
    """One word for each pattern of bits of the input; patterns that are no code of the table read as 0."""
    raw = np.arange(1 << kernel.x_type.bits, dtype=np.int64)
    if kernel.x_type.is_bipolar:
        value = 2 * raw - 1
    else:
        value = np.where(raw > kernel.x_type.hi, raw - len(raw), raw) if kernel.x_type.signed else raw
    index = value - form.lo
    known = (index >= 0) & (index < form.entries.array.size)
    entries = coded(form.entries.array.reshape(-1), kernel.y_type)
    words = np.where(known, entries[np.where(known, index, 0)], 0)
    return Rom(fields(words, kernel.y_type.bits), "auto", ports=kernel.lanes)


def _width(values: Ints) -> int:
    return signed_bits(int(values.min()), int(values.max()))


def factor_rom(kernel: Adder) -> Rom:
    """The factors of a sum: those of operand k in lane i at (i*operands+k) * bits, one word per fold."""
    factors = kernel.factors.array
    words = fields(np.ascontiguousarray(factors.T), _width(factors))
    return Rom(words.reshape(kernel.folds, -1), LUT_ROM)


def order_rom(kernel: Reorder) -> Rom:
    """The place of each output beat among the input's; a bit above the place marks what is filled."""
    address = max(1, (kernel.in_beats - 1).bit_length())
    words = np.where(kernel.order.array < 0, 1 << address, kernel.order.array)
    return Rom(fields(words, address + 1), LUT_ROM)

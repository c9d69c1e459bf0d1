# SPDX-License-Identifier: Apache-2.0
"""What memory Yosys picks for a RAM or a ROM, and how many block RAMs: the costs of its `memory_libmap`, by rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.hardware.cells import Family
from bitwright.ir.weights import Ints

BLOCK_SHAPES = (
    (129, 1, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),
    (257, 2, ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))),
    (513, 4, ((16384, 4), (32768, 2), (65536, 1), (8192, 9))),
)
"""Half, whole and cascaded block RAMs: the cost of one, its 18-kbit blocks, and its shapes as words and bits."""


@dataclass(frozen=True, slots=True)
class LutRam:
    """Distributed memory with a port to write and one to read: cost and look-up tables of a group, its shapes."""

    cost: int
    luts: int
    shapes: tuple[tuple[int, int], ...]


LUT_RAMS: Mapping[Family, LutRam] = {
    "xcup": LutRam(16, 8, ((32, 14), (64, 7))),
    "xc7": LutRam(8, 4, ((32, 6), (64, 3))),
}
ULTRA_WORDS, ULTRA_BITS = 4096, 72
"""The one shape of an UltraRAM."""
BYTE = 9
"""Bits that are written together or not in a block RAM."""
MUX_COST = 0.5
"""What a bit of a multiplexer between banks costs."""
ROM_COST = 1 / 64
"""What a bit of a ROM costs in logic."""
LUT_INPUTS, LUT_WORDS = 6, 64
"""Inputs of a look-up table, and words of a ROM that it holds a bit of."""

FEW_WORDS = 20
"""In more words than these, no two random columns are the same."""

SINGLE_BITS = {3: 4 / 6, 4: 4 / 14}
"""Of the columns that so many words can have, the share that is a bit of the address."""

MemoryKind = Literal["block", "distributed", "logic"]


@dataclass(frozen=True, slots=True, order=True)
class BlockRams:
    """Block RAMs for one memory: their cost, 18-kbit blocks, and banks with a multiplexer behind them.

    Of UltraRAMs, whose cost is not weighed, `blocks` counts those.
    """

    cost: float
    blocks: int
    banks: int


@cache
def block_rams(words: int, width: int, *, rom: bool = False) -> BlockRams:
    """The cheapest block RAMs for a memory; banks lie side by side in one, those of a RAM in bytes of their own."""
    found = []
    for cost, blocks, shapes in BLOCK_SHAPES:
        for depth, bits in shapes:
            banks = -(-words // depth)
            if rom:
                count = -(-banks * width // bits)
            elif bits > BYTE:
                count = -(-banks * -(-width // BYTE) // (bits // BYTE))
            else:
                count = banks * -(-width // bits)
            found.append(BlockRams(count * cost + (banks - 1) * width * MUX_COST, count * blocks, banks))
    return min(found)


def ultra_rams(words: int, width: int) -> BlockRams:
    """The UltraRAMs for a memory, beside each other for its width and behind a multiplexer for its words."""
    banks, beside = -(-words // ULTRA_WORDS), -(-width // ULTRA_BITS)
    return BlockRams(0.0, banks * beside, banks)


@cache
def lut_ram(words: int, width: int, family: Family) -> tuple[float, int, int]:
    """(cost, banks, look-up tables of the banks) of distributed memory; several banks need multiplexers."""
    group, found = LUT_RAMS[family], []
    for depth, bits in group.shapes:
        banks = -(-words // depth)
        cost = banks * group.cost * width / bits + (banks - 1) * (width + 1) * MUX_COST
        found.append((cost, banks, group.luts * banks * -(-width // bits)))
    return min(found)


def ram_memory(words: int, width: int, family: Family) -> MemoryKind:
    """Where Yosys puts a RAM that may lie anywhere."""
    return "block" if block_rams(words, width).cost < lut_ram(words, width, family)[0] else "distributed"


def rom_memory(words: int, width: int) -> MemoryKind:
    """Where Yosys puts a ROM that may lie anywhere; `width` counts the bits that are not the same in all words."""
    return "block" if block_rams(words, width, rom=True).cost < words * width * ROM_COST else "logic"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a ROM, one for each bit of a word, as functions of the address.

    `varying` counts those that are not constant and `distinct` those that differ from each other. Of these, `reading`
    has how many depend on 2, 3, ... 6 bits of the address; the others are a bit of it, or depend on more: `wide` counts
    them, and `pieces` their different runs of 64 words.
    """

    varying: float
    distinct: float
    reading: tuple[float, ...]
    wide: float = 0
    pieces: float = 0


def columns(bits: NDArray[np.uint8]) -> Columns:
    """The columns of a ROM's content, (words, width) of zeros and ones."""
    varying = bits[:, (bits != bits[0]).any(axis=0)]
    packed = np.packbits(varying, axis=0).T
    _, first = np.unique(packed, axis=0, return_index=True) if packed.size else (packed, np.zeros(0, np.int64))
    distinct = varying[:, first]
    read = _address_bits(distinct)
    wide = distinct[:, read > LUT_INPUTS]
    pieces: set[bytes] = set()
    for start in range(0, len(wide), LUT_WORDS):
        run = wide[start : start + LUT_WORDS]
        pieces |= {row.tobytes() for row in np.packbits(run[:, (run != run[0]).any(axis=0)], axis=0).T}
    reading = tuple(int((read == count).sum()) for count in range(2, LUT_INPUTS + 1))
    return Columns(varying.shape[1], distinct.shape[1], reading, wide.shape[1], len(pieces))


def _address_bits(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many bits of the address each column depends on."""
    count, place = np.zeros(bits.shape[1], np.int64), np.arange(len(bits))
    for bit in range((len(bits) - 1).bit_length()):
        lower = place[(place >> bit & 1 == 0) & (place + (1 << bit) < len(bits))]
        count += (bits[lower] != bits[lower + (1 << bit)]).any(axis=0)
    return count


def varying(words: Ints, width: int) -> int:
    """How many bits of the elements of `words`, `width` each, are not the same in all words."""
    changed = np.bitwise_or.reduce(words ^ words[0], axis=0).reshape(-1)
    return int(((changed[:, None] >> np.arange(width)) & 1).sum())


@cache
def random_columns(words: int, width: int) -> Columns:
    """What to expect of the columns of random words: of a ROM of few words, few columns differ."""
    address = (words - 1).bit_length() if words > 1 else 0
    if address > LUT_INPUTS:
        return Columns(width, width, (0,) * (LUT_INPUTS - 1), width, width * -(-words // LUT_WORDS))
    varying = distinct = float(width)
    if words <= FEW_WORDS:
        kinds = (1 << words) - 2
        varying = width * kinds / (kinds + 2)
        distinct = kinds * (1 - (1 - 1 / kinds) ** varying) if kinds else 0.0
    reading = [0.0] * (LUT_INPUTS - 1)
    if address >= 2:
        reading[address - 2] = distinct * (1 - SINGLE_BITS.get(words, 0.0))
    return Columns(varying, distinct, tuple(reading))

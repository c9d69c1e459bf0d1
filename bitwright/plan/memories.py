# SPDX-License-Identifier: Apache-2.0
"""What memory Yosys picks for a RAM or a ROM, and how many block RAMs: the costs of its `memory_libmap`, by rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BLOCK_SHAPES = (
    (129, 1, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),
    (257, 2, ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))),
    (513, 4, ((16384, 4), (32768, 2), (65536, 1), (8192, 9))),
)
"""Half, whole and cascaded block RAMs: the cost of one, its 18-kbit blocks, and its shapes as words and bits."""
LUT_RAM_COST, LUT_RAMS = 16, ((32, 14), (64, 7))
"""Distributed memory with a port to write and one to read: the cost of eight look-up tables, words and bits."""
MUX_COST = 0.5
"""What a bit of a multiplexer between banks costs."""
ROM_COST = 1 / 64
"""What a bit of a ROM costs in logic."""
LUT_WORDS = 64
"""Words of a ROM that one look-up table holds a bit of."""

FEW_WORDS = 20
"""In more words than these, no two random columns are the same."""

MemoryKind = Literal["block", "distributed", "logic"]


@dataclass(frozen=True, slots=True, order=True)
class BlockRams:
    """Block RAMs for one memory: their cost, 18-kbit blocks, and banks with a multiplexer behind them."""

    cost: float
    blocks: int
    banks: int


@cache
def block_rams(words: int, width: int, *, rom: bool = False) -> BlockRams:
    """The cheapest block RAMs for a memory; the banks of a ROM may lie side by side in one."""
    found = []
    for cost, blocks, shapes in BLOCK_SHAPES:
        for depth, bits in shapes:
            banks = -(-words // depth)
            count = -(-banks * width // bits) if rom else banks * -(-width // bits)
            found.append(BlockRams(count * cost + (banks - 1) * width * MUX_COST, count * blocks, banks))
    return min(found)


@cache
def lut_ram(words: int, width: int) -> tuple[float, int, int]:
    """(cost, banks, groups of eight look-up tables) of distributed memory; banks beyond the first need multiplexers."""
    found = []
    for depth, bits in LUT_RAMS:
        banks = -(-words // depth)
        cost = banks * LUT_RAM_COST * width / bits + (banks - 1) * (width + 1) * MUX_COST
        found.append((cost, banks, banks * -(-width // bits)))
    return min(found)


def ram_memory(words: int, width: int) -> MemoryKind:
    """Where Yosys puts a RAM that may lie anywhere."""
    return "block" if block_rams(words, width).cost < lut_ram(words, width)[0] else "distributed"


def rom_memory(words: int, width: int) -> MemoryKind:
    """Where Yosys puts a ROM that may lie anywhere; `width` counts the bits that are not the same in all words."""
    return "block" if block_rams(words, width, rom=True).cost < words * width * ROM_COST else "logic"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a ROM, one for each bit of a word: those that vary, how many of them differ from each other.

    `pieces` counts the different runs of 64 words, of all columns together, that are not the same throughout.
    """

    varying: float
    distinct: float
    pieces: float


def columns(bits: NDArray[np.uint8]) -> Columns:
    """The columns of a ROM's content, (words, width) of zeros and ones."""
    varying = bits[:, (bits != bits[0]).any(axis=0)]
    pieces: set[bytes] = set()
    for start in range(0, len(bits), LUT_WORDS):
        piece = varying[start : start + LUT_WORDS]
        pieces |= _rows(piece[:, (piece != piece[0]).any(axis=0)])
    return Columns(varying.shape[1], len(_rows(varying)), len(pieces))


def _rows(bits: NDArray[np.uint8]) -> set[bytes]:
    """The different columns of `bits`."""
    return {row.tobytes() for row in np.packbits(bits, axis=0).T}


@cache
def random_columns(words: int, width: int) -> Columns:
    """What to expect of the columns of random words: of a ROM of few words, few columns differ."""
    if words > FEW_WORDS:
        return Columns(width, width, width * -(-words // LUT_WORDS))
    kinds = (1 << words) - 2
    if kinds == 0:
        return Columns(0, 0, 0)
    varying = width * kinds / (kinds + 2)
    distinct = kinds * (1 - (1 - 1 / kinds) ** varying)
    return Columns(varying, distinct, distinct)

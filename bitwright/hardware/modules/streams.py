# SPDX-License-Identifier: Apache-2.0
"""The module library as sizes: what the look-up tables and flip-flops of streams and memories add up to.

One function for each module of `hls_templates/verilog`, by its parameters: it gives the parts that the module is made
of, its own first, then those of the modules in it. `resources.py` weighs the terms with what was fitted to synthesis;
block RAMs and DSP slices are counted by rule. `units.py` has the arithmetic, `windows.py` the windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from bitwright.hardware.cells import Family
from bitwright.hardware.modules.memories import (
    LUT_RAMS,
    LUT_WORDS,
    BlockRams,
    Columns,
    block_rams,
    lut_ram,
    ram_memory,
    rom_memory,
    ultra_rams,
)

Terms = Mapping[str, float]

FEW = 8
"""Up to so many words, the logic around a memory has a number of its own for each."""


@dataclass(frozen=True, slots=True)
class Part:
    """`count` modules of one kind: the terms of each, without the modules in it, its DSP slices, block and UltraRAMs.

    A part that families make differently is there once for each `family`.
    """

    kind: str
    terms: Terms
    count: int = 1
    dsp: int = 0
    bram: int = 0
    uram: int = 0
    family: Family | None = None


Parts = tuple[Part, ...]


def log2(count: int) -> int:
    """Bits of a counter of `count` steps."""
    return (count - 1).bit_length() if count > 1 else 0


def wrap(count: int) -> int:
    """Bits of a counter of `count` steps that must be compared to begin again: none for a power of two."""
    return log2(count) if count & (count - 1) else 0


def times(count: int, parts: Parts) -> Parts:
    """`parts`, `count` times over."""
    return tuple(replace(part, count=count * part.count) for part in parts)


# Streams


@cache
def elastic_reg(*, width: int) -> Parts:
    """Two words in registers."""
    return (Part("elastic_reg", {"width": width}),)


@cache
def fifo(*, width: int, depth: int) -> Parts:
    """A FIFO in distributed memory."""
    return (Part("fifo", {**_distributed(depth, width), **_ring(depth)}),)


@cache
def fifo_shift(*, width: int, depth: int) -> Parts:
    """A FIFO in shift registers."""
    return (Part("fifo_shift", {"width": width, "tap": log2(depth), "level": log2(depth + 1)}),)


@cache
def fifo_block(*, width: int, depth: int, ultra: bool = False) -> Parts:
    """A FIFO in block RAM, or in UltraRAM."""
    own = Part("fifo_block", _ring(depth))
    return (own, *(ram(width=width, depth=depth, ultra=True) if ultra else (_ram_block(depth, width),)))


@cache
def credit_pipe(*, width: int, latency: int, depth: int) -> Parts:
    """The flow control around a datapath, with the FIFO for its results."""
    own = Part("credit_pipe", {"latency": latency, "level": log2(depth + 1), "more": max(0, log2(depth + 1) - 2)})
    return (own, *fifo(width=width, depth=depth))


@cache
def axis_sink(*, lanes: int, elem_w: int, beats: int) -> Parts:
    """The AXI4-Stream end of an input."""
    return (Part("axis_sink", {"counter": log2(beats)}), *elastic_reg(width=lanes * elem_w))


@cache
def axis_source(*, lanes: int, elem_w: int, beats: int) -> Parts:
    """The AXI4-Stream end of an output."""
    return (Part("axis_source", {"counter": log2(beats)}), *elastic_reg(width=8 * lanes * -(-elem_w // 8) + 1))


@cache
def width_up(*, width: int, ratio: int) -> Parts:
    """`ratio` words gathered into one."""
    own = Part("width_up", {"gathered": (ratio - 1) * width, "counter": log2(ratio)})
    return (own, *elastic_reg(width=ratio * width))


@cache
def width_down(*, width: int, ratio: int) -> Parts:
    """Words cut into `ratio` parts."""
    own = Part("width_down", {"select": mux(ratio) * width, "counter": log2(ratio)})
    return (own, *elastic_reg(width=width))


# Memories


@cache
def ram(*, width: int, depth: int, ultra: bool = False) -> Parts:
    """A RAM with one port each way, wherever Yosys puts it, or in UltraRAM."""
    if ultra:
        found = ultra_rams(depth, width)
        return (Part("ram_block", _banks(found, width), uram=found.blocks),)
    if depth == 1:
        return (Part("ram_word", {"width": width}),)
    blocks = [family for family in LUT_RAMS if ram_memory(depth, width, family) == "block"]
    block, distributed = _ram_block(depth, width), Part("ram", {"width": width, **_distributed(depth, width)})
    if len(blocks) in (0, len(LUT_RAMS)):
        return (block if blocks else distributed,)
    return tuple(replace(block if family in blocks else distributed, family=family) for family in LUT_RAMS)


@cache
def rom(*, words: int, width: int, ports: int = 1, block: bool = False, columns: Columns) -> Parts:
    """A ROM with registers behind it; each port in logic is a ROM of its own, two share a block RAM."""
    if not columns.varying:
        return ()
    kept = round(columns.varying)
    if block or rom_memory(words, kept) == "block":
        found = block_rams(words, kept, rom=True)
        return (Part("rom_block", _banks(found, kept), bram=-(-ports // 2) * found.blocks),)
    logic = {f"reading_{bits}": count for bits, count in enumerate(columns.reading, start=2)}
    runs = -(-words // LUT_WORDS)
    groups, rest = divmod(runs, 4)
    tables = 4 * groups + rest + (rest == 3)  # a multiplexer for four is made for three too
    wide = {"runs": columns.pieces * tables / runs, "selected": columns.wide * (groups + (rest > 0) - 1)}
    return (Part("rom", logic | wide | {"register": columns.distinct}, ports),)


def _ram_block(depth: int, width: int) -> Part:
    found = block_rams(depth, width)
    return Part("ram_block", _banks(found, width), bram=found.blocks)


def _banks(found: BlockRams, width: int) -> Terms:
    return {"select": mux(found.banks) * width, "bank": log2(found.banks)}


def _ring(depth: int) -> Terms:
    """The pointers and the level of a FIFO; those of a few words are what they are."""
    counters = {"pointer": log2(depth), "level": log2(depth + 1)}
    if depth <= FEW:
        return counters | {f"depth_{depth}": 1}
    return counters | {"ring": 1, "logic": log2(depth), "wrap": wrap(depth)}


def _distributed(depth: int, width: int) -> Terms:
    """Distributed memory with one port each way, and the multiplexers behind its banks."""
    found: dict[str, float] = {}
    for family in LUT_RAMS:
        _, banks, tables = lut_ram(depth, width, family)
        select = mux(banks) * width
        found |= {f"{family}_memory": tables, f"{family}_select": select, f"{family}_banks": banks if banks > 1 else 0}
    return found


def mux(inputs: int) -> int:
    """Look-up tables of a multiplexer of one bit: four inputs each, and what brings them together."""
    return -(-inputs // 4) + (inputs > 4) if inputs > 1 else 0

# SPDX-License-Identifier: Apache-2.0
"""What is found of one layer, kept for the next design: of two that differ in one layer, all others ask the same.

A layer is the same if all that its hardware is made of is equal; what it is called, and the real numbers that its
integers mean, are not of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from bitwright.hardware.cells import Family
from bitwright.hardware.choice import LayerChoice
from bitwright.hardware.kernels.base import Kernel, Stream
from bitwright.hardware.lanes import Planned
from bitwright.hardware.lowering.emit import Contents
from bitwright.hardware.lowering.lower import lower_layer
from bitwright.ir.per_channel import PerChannel
from bitwright.planning.price import Cost, guess
from bitwright.planning.ultra import in_ultra

UNITS = 1 << 16
"""Units whose clocks and cost are kept: a network of 30 layers asks for some 2,000."""
ONE, ZERO = PerChannel((Fraction(1),)), PerChannel((Fraction(0),))


def bare(layer: Planned, x: Stream) -> tuple[Planned, Stream]:
    """A layer and what it reads without what their hardware does not depend on."""
    return replace(layer, name="unit", inputs=("x",), scale=ONE, zero=ZERO, source=()), replace(x, name="x", real="")


@lru_cache(UNITS)
def unit(layer: Planned, x: Stream, choice: LayerChoice, cells: Family) -> tuple[int, Cost]:
    """The clocks and the cost of the kernel that computes a bare layer, without what stands before it."""
    kernel = lower_layer(layer, layer.name, (x,), choice, Contents.SHAPES).kernels[-1]
    return kernel.cycles, guess([kernel], [], cells)


@lru_cache(UNITS)
def before(layer: Planned, x: Stream, choice: LayerChoice, cells: Family, ultra: bool) -> tuple[Cost, ...]:
    """The costs of what stands before that kernel, and of all FIFOs, as `ways` has them."""
    made = lower_layer(layer, layer.name, (x,), choice, Contents.SHAPES)
    streams = {stream.name: stream for stream in (x, *made.streams)}
    read = [streams[name] for each in made.kernels for name in each.inputs]
    return ways(made.kernels[:-1], read, cells, ultra=ultra)


def ways(kernels: Sequence[Kernel], read: Sequence[Stream], cells: Family, *, ultra: bool) -> tuple[Cost, ...]:
    """What kernels and FIFOs take; with `ultra` also with buffers in UltraRAM, where some are worth it."""
    costs = [guess(kernels, read, cells)]
    if ultra and (others := in_ultra(kernels)) != tuple(kernels):
        costs.append(guess(others, read, cells))
    return tuple(costs)

# SPDX-License-Identifier: Apache-2.0
"""What is found of one layer, kept for the next design: of two that differ in one layer, all others ask the same.

A layer is the same if all that its hardware is made of is equal; what it is called, and the real numbers that its
integers mean, are not of it. Weights are known by their digests, so that nothing holds those of a design that is gone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from bitwright.hardware.cells import Family
from bitwright.hardware.choice import LayerChoice
from bitwright.hardware.kernels.base import Kernel, Stream
from bitwright.hardware.lanes import Planned
from bitwright.hardware.lowering.emit import Contents
from bitwright.hardware.lowering.lower import lower_layer
from bitwright.ir.kept import Kept
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.weights import Weights
from bitwright.planning.price import Cost, guess
from bitwright.planning.ultra import in_ultra

UNITS = 1 << 15
"""Units whose clocks and cost are kept: a network of 30 layers asks for some 2,000."""
ONE, ZERO = PerChannel((Fraction(1),)), PerChannel((Fraction(0),))


KERNELS: Kept[tuple[int, Cost]] = Kept(UNITS)
FRONTS: Kept[tuple[Cost, ...]] = Kept(UNITS)


@dataclass(frozen=True, slots=True)
class Bare:
    """A layer and what it reads, an element a beat, without what their hardware does not depend on.

    `said` is all that it does depend on.
    """

    layer: Planned
    x: Stream
    said: Hashable

    @classmethod
    def of(cls, layer: Planned, x: Stream) -> Bare:
        """`layer`, which reads `x`."""
        plain = replace(layer, name="unit", inputs=("x",), scale=ONE, zero=ZERO, source=())
        x = replace(x, name="x", real="", lanes=1, beats=x.lanes * x.beats)
        values = [getattr(plain, entry.name) for entry in fields(plain)]
        return cls(plain, x, (plain.op, x, *(each.digest if isinstance(each, Weights) else each for each in values)))

    def unit(self, x: Stream, choice: LayerChoice, cells: Family) -> tuple[int, Cost]:
        """The clocks and the cost of the kernel that computes the layer from `x`, without what stands before it."""

        def find() -> tuple[int, Cost]:
            kernel = lower_layer(self.layer, self.layer.name, (x,), choice, Contents.SHAPES).kernels[-1]
            return kernel.cycles, guess([kernel], [], cells)

        return KERNELS.get((self.said, x.lanes, choice, cells), find)

    def before(self, x: Stream, choice: LayerChoice, cells: Family, ultra: bool) -> tuple[Cost, ...]:
        """The costs of what stands before that kernel, and of all FIFOs, as `ways` has them."""

        def find() -> tuple[Cost, ...]:
            made = lower_layer(self.layer, self.layer.name, (x,), choice, Contents.SHAPES)
            streams = {stream.name: stream for stream in (x, *made.streams)}
            read = [streams[name] for each in made.kernels for name in each.inputs]
            return ways(made.kernels[:-1], read, cells, ultra=ultra)

        return FRONTS.get((self.said, x.lanes, choice, cells, ultra), find)


def ways(kernels: Sequence[Kernel], read: Sequence[Stream], cells: Family, *, ultra: bool) -> tuple[Cost, ...]:
    """What kernels and FIFOs take; with `ultra` also with buffers in UltraRAM, where some are worth it."""
    costs = [guess(kernels, read, cells)]
    if ultra and (others := in_ultra(kernels)) != tuple(kernels):
        costs.append(guess(others, read, cells))
    return tuple(costs)

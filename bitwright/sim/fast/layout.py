# SPDX-License-Identifier: Apache-2.0
"""How each tensor of a network lies in the fast engine's memory: in which type, from which base, with which border."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from math import prod

import numpy as np

from bitwright.exact.ranges import Ranges
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer, Matrix, Windowed
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints
from bitwright.ir.window import Pads

BYTE = IntType(-128, 127)
NO_BORDER: Pads = (0, 0, 0, 0)


class Kind(IntEnum):
    """The type of an element in memory."""

    U8 = 0
    I16 = 1
    I32 = 2
    I64 = 3


class Form(IntEnum):
    """How a matrix is multiplied: by words of four bytes or two 16-bit codes, in 64 bits, or channel by channel."""

    BYTES = 0
    PAIRS = 1
    WIDE = 2
    DEPTHWISE = 3


@dataclass(frozen=True, slots=True)
class Placed:
    """A tensor as (rows, columns, channels) of elements `kind`; code = element + base; `border` holds `fill`."""

    rows: int
    columns: int
    channels: int
    kind: Kind
    base: int
    border: Pads = NO_BORDER
    fill: int = 0

    @property
    def row(self) -> int:
        """Elements of a row with its border."""
        return (self.columns + self.border[1] + self.border[3]) * self.channels

    @property
    def bytes(self) -> int:
        """Bytes of a sample."""
        return (self.rows + self.border[0] + self.border[2]) * self.row << self.kind

    def at(self, y: Ints, x: Ints) -> Ints:
        """The first element of pixels, those of the border included."""
        return np.asarray((y + self.border[0]) * self.row + (x + self.border[1]) * self.channels)


@dataclass(frozen=True)
class Layout:
    """What is known of every tensor of a graph before any step is made."""

    graph: Graph
    reached: Mapping[str, Ranges]

    def place(self, layer: Layer, border: Pads = NO_BORDER, fill: int = 0) -> Placed:
        """How the integers of `layer` lie."""
        *pixels, channels = layer.shape
        rows, columns = pixels if len(pixels) == 2 else (1, prod(pixels))
        kind, base = self._held(layer)
        return Placed(rows, columns, channels, kind, base, border, fill)

    def _held(self, layer: Layer) -> tuple[Kind, int]:
        """The narrowest type of its codes and of what its readers pad it with, and what is taken off them."""
        pads, reached = list(self.borders(layer)), self.reached[layer.name]
        codes = IntType(min([int(reached.lo.min()), *pads]), max([int(reached.hi.max()), *pads]))
        in_pairs = layer.name in self._in_pairs
        return next((kind, base) for kind, base in _types(codes) if kind > Kind.U8 or not in_pairs)

    @cached_property
    def _in_pairs(self) -> frozenset[str]:
        """Tensors that a matrix of more than signed bytes multiplies: words of pairs are the narrowest that take it."""
        layers = [layer for layer in self.graph.layers if isinstance(layer, Matrix) and not is_depthwise(layer)]
        return frozenset(layer.inputs[0] for layer in layers if not BYTE.covers(held(layer)))

    def form(self, layer: Matrix, reads: Placed) -> Form:
        """The cheapest form that is exact: its sums fit, and weights and codes have the width of its words."""
        weights = held(layer)
        if not self.is_narrow(layer):
            return Form.WIDE
        if is_depthwise(layer):
            return Form.DEPTHWISE if weights.bits < 32 and reads.kind < Kind.I64 else Form.WIDE
        if reads.kind is Kind.U8 and BYTE.covers(weights):
            return Form.BYTES
        if reads.kind is Kind.I16 and IntType(-1 << 15, (1 << 15) - 1).covers(weights):
            return Form.PAIRS
        return Form.WIDE

    def is_narrow(self, layer: Layer) -> bool:
        """True if its integers fit in 32 bits; sums may wrap on their way."""
        reached = self.reached[layer.name].type
        return reached.lo >= -1 << 31 and reached.hi < 1 << 31

    def borders(self, layer: Layer) -> dict[int, Pads]:
        """What convolutions read around a tensor: the border for each integer that they pad with."""
        found: dict[int, Pads] = {}
        for reader in self.graph.readers[layer.name]:
            if isinstance(reader, Matrix) and isinstance(reader, Windowed) and reader.window.is_padded:
                before = found.get(reader.pad_value, NO_BORDER)
                top, left, bottom, right = map(max, before, reader.window.pads)
                found[reader.pad_value] = (top, left, bottom, right)
        return found


def held(layer: Matrix) -> IntType:
    """The range of its weights."""
    return IntType(int(layer.weights.array.min()), int(layer.weights.array.max()))


def is_depthwise(layer: Matrix) -> bool:
    """True if there are several channels, and each is made of one."""
    return isinstance(layer, Windowed) and 1 < layer.groups == layer.channels and layer.weights.array.shape[-1] == 1


def _types(codes: IntType) -> Iterator[tuple[Kind, int]]:
    """Types that hold `codes` less a base, the narrowest first; a base of its own where no usual one does."""
    for kind, span, usual in ((Kind.U8, 1 << 8, (0, -128)), (Kind.I16, 1 << 16, (0,))):
        first = 0 if kind is Kind.U8 else -(span >> 1)
        bases = (*usual, codes.lo - first)
        yield from ((kind, base) for base in bases if base + first <= codes.lo and codes.hi - base < first + span)
    yield (Kind.I32 if codes.lo >= -1 << 31 and codes.hi < 1 << 31 else Kind.I64), 0

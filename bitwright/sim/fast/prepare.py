# SPDX-License-Identifier: Apache-2.0
"""A network as a program of the fast engine: layouts first, then a step for each layer, requantisers in their tails."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from typing import assert_never

import numpy as np

from bitwright.exact.ranges import ranges
from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    AnyLayer,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Gather,
    Layer,
    Matrix,
    MaxPool,
    Multiply,
    Requantise,
    Reshape,
    Sum,
    SumPool,
    Sums,
    Table,
)
from bitwright.ir.weights import Ints
from bitwright.ir.window import Window
from bitwright.sim.fast.layout import Layout, Placed
from bitwright.sim.fast.program import Program
from bitwright.sim.fast.tails import Looked, Raw, Tail, paired, tail_over

HELD = 1 << 20
"""Bytes of all tensors of a chunk of samples: they stay in a core's second cache."""
MOST = 192
"""Samples of a chunk beyond which nothing is gained."""
SPAN = 512
"""Elements that are joined at once, where a row has as many."""


def prepare(graph: Graph, library: ctypes.CDLL) -> Program:
    """The program of `graph`."""
    return _Maker(graph, library).made()


class _Maker:
    """What is known while the steps of one graph are made, in the order of its layers."""

    def __init__(self, graph: Graph, library: ctypes.CDLL) -> None:
        self.graph, self.reached = graph, ranges(graph)
        self.layout = Layout(graph, self.reached)
        self.kept = [*graph.inputs, *(layer for layer in graph.layers if self._fused(layer) is None)]
        self.places: dict[tuple[str, int], Placed] = {}
        self.numbers: dict[tuple[str, int], int] = {}
        for layer in self.kept:
            borders = self.layout.borders(layer) or {0: (0, 0, 0, 0)}
            for fill, border in borders.items():
                self.places[layer.name, fill] = self.layout.place(layer, border, fill)
        held = sum(place.bytes for place in self.places.values())
        self.program = Program(library, max(1, min(MOST, HELD // held)))

    def made(self) -> Program:
        """The program with all its steps."""
        for key, place in self.places.items():
            self.numbers[key] = self.program.tensor(place)
        for entry in self.graph.inputs:
            self.program.entering(self.numbers[self._first(entry)])
            self._copies(entry)
        for layer in self.graph.layers:
            if self._fused(layer) is None:
                self._step(layer)
                self._copies(layer)
        for name in self.graph.outputs:
            self.program.leaving(self.numbers[self._first(self.graph.by_name[name])])
        return self.program

    def _fused(self, layer: Layer) -> Requantise | Table | None:
        """The requantiser or table into whose tail the sums of `layer` go without being kept."""
        if not isinstance(layer, Sums) or layer.name in self.graph.outputs:
            return None
        readers = self.graph.readers[layer.name]
        return readers[0] if len(readers) == 1 and isinstance(readers[0], Requantise | Table) else None

    def _first(self, layer: Layer) -> tuple[str, int]:
        """The place that a layer's step writes."""
        return next(key for key in self.places if key[0] == layer.name)

    def _copies(self, layer: Layer) -> None:
        """The same integers with other borders, where convolutions pad with several."""
        first = self._first(layer)
        for key in self.places:
            if key[0] == layer.name and key != first:
                self.program.move(self.numbers[first], self.numbers[key], np.arange(prod(layer.shape)))

    def _read(self, name: str, fill: int | None = None) -> tuple[Placed, int]:
        key = self._first(self.graph.by_name[name]) if fill is None else (name, fill)
        return self.places[key], self.numbers[key]

    def _step(self, layer: AnyLayer) -> None:
        place, made = self._read(layer.name)
        self.program.begin(layer.name)
        match layer:
            case Requantise() | Table():
                self._quantised(layer, made)
            case Dense() | Conv() | SumPool() | Sum() | Multiply():
                self._sums(layer, layer, made)
            case MaxPool():
                read, number = self._read(layer.inputs[0])
                wide = not self.layout.is_narrow(layer)
                self.program.pool(number, made, _taps(read, place, layer.window), None, wide=wide)
            case ArgMax():
                self.program.places_of_largest(self._read(layer.inputs[0])[1], made, last=bool(layer.last))
            case Concat() | Reshape() | Gather():
                self._moved(layer, made)
            case _:
                assert_never(layer)

    def _moved(self, layer: Concat | Reshape | Gather, made: int) -> None:
        """Elements in their order, or in that of a gather; those of a further operand in its channels."""
        channel, fill = 0, layer.fill if isinstance(layer, Gather) else 0
        for name in layer.inputs:
            shape = self.graph.by_name[name].shape
            index = layer.move.index(shape) if isinstance(layer, Gather) else np.arange(prod(shape))
            self.program.move(self._read(name)[1], made, index, channel=channel, fill=fill)
            channel += shape[-1]

    def _quantised(self, layer: Requantise | Table, made: int) -> None:
        """A requantiser: in the tail of what it reads, or of a copy of it."""
        source = self.graph.source_of(layer)
        if isinstance(source, Sums) and self._fused(source) is layer:
            self.program.begin(source.name)
            self._sums(source, layer, made)
            return
        read, number = self._read(source.name)
        ones = np.ones((1, layer.channels), dtype=np.int64)
        self._join(layer, [number], made, ones, np.full(layer.channels, read.base), self.layout.is_narrow(source))

    def _sums(self, layer: Sums, end: AnyLayer, made: int) -> None:
        """The sums of `layer`, stored as what `end` makes of them: itself, or the requantiser behind it."""
        reads = [self._read(name) for name in layer.inputs]
        place, (first, number) = self._read(end.name)[0], reads[0]
        match layer:
            case Dense():
                at, pixels = first.at(*_grid(place)), np.zeros(1, dtype=np.int64)
                weights = layer.weights.array.reshape(layer.channels, 1, -1)
                self._product(layer, end, (first, number), made, weights, at, pixels)
            case Conv():
                self._convolution(layer, end, made)
            case SumPool():
                taps, outside = _taps(first, place, layer.window), layer.window.size
                pad = np.array([(outside - len(row)) * layer.pad_value + len(row) * first.base for row in taps])
                self._tail(end).put(self.program)
                self.program.pool(number, made, taps, pad, wide=not self.layout.is_narrow(layer))
            case Sum():
                self._summed(layer, end, made)
            case Multiply():
                (a, x), (b, y) = reads
                zeros = [np.full(layer.channels, p.base - zero) for p, zero in zip((a, b), layer.zeros, strict=True)]
                self._join(end, [x, y], made, zeros[1], zeros[0], self.layout.is_narrow(layer), product=True)
            case _:
                assert_never(layer)

    def _summed(self, layer: Sum, end: AnyLayer, made: int) -> None:
        """A sum with its own factors, or with shorter ones that the requantiser behind it cannot tell from them."""
        reads, ranges = zip(*((self._read(name), self.reached[name]) for name in layer.inputs), strict=True)
        bases, numbers = np.array([place.base for place, _ in reads]), [number for _, number in reads]
        short = paired(layer, end, ranges, self.program) if isinstance(end, Requantise) else None
        if short:
            self._join(end, numbers, made, short.factors, bases @ short.factors, True, line=short.line)
            return
        factors = np.stack([np.broadcast_to(np.array(row), layer.channels) for row in layer.factors])
        narrow = self.layout.is_narrow(layer) and int(np.abs(factors).max()) < 1 << 31
        self._join(end, numbers, made, factors, bases @ factors, narrow)

    def _convolution(self, layer: Conv, end: AnyLayer, made: int) -> None:
        """Rows of the kernel are runs, where its taps are neighbours and read all channels; else its taps are."""
        read, number = self._read(layer.inputs[0], layer.pad_value if layer.window.is_padded else None)
        window, rows = layer.window, layer.channels
        (height, width), (down, across) = window.kernel, window.dilations
        y, x = _grid(self._read(end.name)[0])
        at = read.at(y * window.strides[0] - window.pads[0], x * window.strides[1] - window.pads[1])
        whole = layer.groups == 1 and (across == 1 or width == 1)
        taps = np.arange(height)[:, None] * down * read.row + np.arange(width) * across * read.channels
        runs = taps[:, 0] if whole else taps.reshape(-1)
        weights = layer.weights.array.reshape(rows, len(runs), -1)
        self._product(layer, end, (read, number), made, weights, at, runs)

    def _product(
        self,
        layer: Matrix,
        end: AnyLayer,
        read: tuple[Placed, int],
        made: int,
        weights: Ints,
        at: Ints,
        runs: Ints,
    ) -> None:
        place, number = read
        form = self.layout.form(layer, place)
        groups = layer.groups if isinstance(layer, Conv) else 1
        bias = weights.sum(axis=(1, 2)) * place.base
        self._tail(end).put(self.program)
        self.program.product(form, number, made, weights, at, runs, groups, bias)

    def _join(
        self,
        end: AnyLayer,
        reads: Sequence[int],
        made: int,
        factors: Ints,
        bias: Ints,
        narrow: bool,
        product: bool = False,
        line: Tail | None = None,
    ) -> None:
        """A join over as many neighbours of a row at once as pays."""
        place = self._read(end.name)[0]
        span = max(
            n
            for n in range(1, place.columns + 1)
            if place.columns % n == 0 and n * place.channels <= max(SPAN, place.channels)
        )
        (line or self._tail(end)).tiled(span).put(self.program)
        tiles = np.tile(factors, span) if product else np.tile(factors, (1, span))
        self.program.join(reads, made, tiles, np.tile(bias, span), product=product, wide=not narrow, span=span)

    def _tail(self, end: AnyLayer) -> Tail:
        """What makes the integers of `end` of the sums before it."""
        if isinstance(end, Table):
            low = self.graph.source_of(end).type.lo
            return Looked(np.full(end.channels, -low), end.entries.array)
        if not isinstance(end, Requantise):
            return Raw()
        return tail_over(end, self.reached[end.inputs[0]], self.program)


def _grid(place: Placed) -> tuple[Ints, Ints]:
    """Row and column of every pixel."""
    y, x = np.divmod(np.arange(place.rows * place.columns), place.columns)
    return y, x


def _taps(read: Placed, made: Placed, window: Window) -> list[Ints]:
    """For every output pixel the first element of each tap that lies inside the image."""
    sizes = (read.rows, read.columns), (made.rows, made.columns)
    rows, columns = (
        [taps[(taps >= 0) & (taps < size)] for taps in window.taps(axis, count)]
        for axis, (size, count) in enumerate(zip(*sizes, strict=True))
    )
    return [read.at(y[:, None], x).reshape(-1) for y in rows for x in columns]
